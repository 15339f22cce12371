//! An endpoint's page on its way to the client, in the look of the tenant.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, response};
use http_body::{Body, Frame};

use super::exchange::Exchange;
use crate::brand::Brand;
use crate::brand::html::{Broken, Pulled, Transform, prepare};
use crate::upstream::{ResponseFailure, UpstreamBody};

/// What rewrites a response's body, if the tenant's brand does; the response's head says so from then on.
pub(super) fn transform(
    brand: &Brand,
    books: &Exchange,
    head: &mut response::Parts,
) -> Option<Box<Transform>> {
    let injection = brand.injection()?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(byte);
    let host = books.host().filter(|host| host.as_bytes().iter().all(is_plain))?.to_str().ok()?;
    let asked = (books.method(), host);
    let (coding, nonce) = prepare(injection, asked, books.knew_look, head.status, &mut head.headers)?;
    Some(Box::new(Transform::new(injection, coding, nonce.as_deref())))
}

/// The body.
#[derive(Debug)]
pub(super) struct Rewriting {
    body: UpstreamBody,
    transform: Box<Transform>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// It is not there yet.
    Open,
    /// All that is left are these.
    Trailers(HeaderMap),
    Over,
}

impl Rewriting {
    pub(super) fn new(body: UpstreamBody, transform: Box<Transform>) -> Self {
        Self { body, transform, end: End::Open }
    }

    /// The endpoint has said its last byte.
    pub(super) fn is_received(&self) -> bool {
        self.body.is_received()
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.end, End::Over)
    }

    /// The next frame. What the endpoint has sent is passed on before it is waited for.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        let broken = |Broken| ResponseFailure::Broken;
        loop {
            match std::mem::replace(&mut self.end, End::Over) {
                End::Open => self.end = End::Open,
                End::Trailers(fields) => return Poll::Ready(Some(Ok(Frame::trailers(fields)))),
                End::Over => return Poll::Ready(None),
            }
            match self.transform.pull() {
                Ok(Pulled::Hungry) => {}
                Ok(Pulled::Busy) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Pulled::Out(out)) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                Err(why) => return Poll::Ready(Some(Err(broken(why)))),
            }
            let came = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame.into_data().map_err(|frame| frame.into_trailers().ok()),
                Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(Err(failure))),
                Poll::Ready(None) => Err(None),
                Poll::Pending => match self.transform.flush() {
                    Ok(None) => return Poll::Pending,
                    Ok(Some(out)) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                    Err(why) => return Poll::Ready(Some(Err(broken(why)))),
                },
            };
            match came {
                Ok(data) => self.transform.push(data),
                Err(trailers) => {
                    self.end = trailers.map_or(End::Over, End::Trailers);
                    match self.transform.finish() {
                        Ok(last) if last.is_empty() => {}
                        Ok(last) => return Poll::Ready(Some(Ok(Frame::data(last)))),
                        Err(why) => return Poll::Ready(Some(Err(broken(why)))),
                    }
                }
            }
        }
    }
}
