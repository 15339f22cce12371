//! What goes back to the client: what every response says, and its body, with which the exchange ends.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::VARY;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::exchange::Exchange;
use super::rewriting::Rewriting;
use crate::admission::StandingList;
use crate::admission::quota::QuotaCharges;
use crate::brand::html::Transform;
use crate::http::conn::{ConnState, Expiring};
use crate::http::names::{QUOTA_WARNING, RATELIMIT, RATELIMIT_POLICY, X_REQUEST_ID};
use crate::http::passing::Passing;
use crate::net::Pipe;
use crate::upstream::{ResponseFailure, UpstreamBody};

/// A response's body. Dropping it, read or not, closes the exchange's books.
#[derive(Debug)]
pub struct ResponseBody(Held);

#[derive(Debug)]
enum Held {
    Own(Sending),
    /// Over HTTP/2, also held by the connection: see [`Expiring`].
    Watched(Rc<Watched>),
}

#[derive(Debug)]
struct Sending {
    content: Content,
    exchange: Option<Box<Exchange>>,
}

#[derive(Debug)]
enum Content {
    Empty,
    /// The endpoint broke off. The client is given what came before, its head at least, and then cut.
    Failing(ResponseFailure),
    Whole(Bytes),
    Upstream(UpstreamBody),
    Rewritten(Box<Rewriting>),
}

/// A response that may be let go of from outside.
#[derive(Debug)]
struct Watched {
    sending: RefCell<Sending>,
    expires: Instant,
}

impl ResponseBody {
    /// A body that is there already.
    pub(super) fn whole(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        let content = if bytes.is_empty() { Content::Empty } else { Content::Whole(bytes) };
        Self(Held::Own(Sending { content, exchange: Some(exchange) }))
    }

    /// An endpoint's body.
    pub(super) fn upstream(body: UpstreamBody, exchange: Box<Exchange>) -> Self {
        Self(Held::Own(Sending { content: Content::Upstream(body), exchange: Some(exchange) }))
    }

    /// An endpoint's body that does not stay as it is.
    pub(super) fn rewritten(body: UpstreamBody, transform: Box<Transform>, exchange: Box<Exchange>) -> Self {
        let content = Content::Rewritten(Box::new(Rewriting::new(body, transform)));
        Self(Held::Own(Sending { content, exchange: Some(exchange) }))
    }

    /// No body, and nobody's exchange: the tunnel that follows has it.
    pub(super) fn none() -> Self {
        Self(Held::Own(Sending { content: Content::Empty, exchange: None }))
    }

    /// Lets the connection look after it: it is cut when it expires, also while the client takes nothing. How fast that takes it is
    /// the connection's affair.
    pub(super) fn watched(self, conn: &ConnState, expires: Option<Instant>) -> Self {
        let (Held::Own(sending), Some(expires)) = (&self.0, expires) else { return self };
        if sending.is_end_stream() {
            return self;
        }
        let Held::Own(sending) = self.0 else { return self };
        let watched = Rc::new(Watched { sending: RefCell::new(sending), expires });
        let stream = Rc::downgrade(&watched);
        conn.watch(stream);
        Self(Held::Watched(watched))
    }
}

impl Watched {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        self.sending.borrow_mut().poll(cx)
    }
}

impl Expiring for Watched {
    fn cut_if_expired(&self, now: Instant) {
        if self.expires <= now
            && let Ok(mut sending) = self.sending.try_borrow_mut()
        {
            sending.cut(ResponseFailure::Expired);
        }
    }
}

impl Sending {
    fn count(&mut self, frame: &Frame<Bytes>) {
        if let (Some(exchange), Some(data)) = (&mut self.exchange, frame.data_ref()) {
            exchange.response_bytes += data.len() as u64;
        }
    }

    /// Lets go of the endpoint's connection, and closes the books.
    fn cut(&mut self, why: ResponseFailure) {
        if self.is_end_stream() || matches!(self.content, Content::Failing(_)) {
            return;
        }
        self.content = Content::Failing(why);
        if let Some(mut exchange) = self.exchange.take() {
            exchange.client_left();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Failing(failure) => {
                let failure = *failure;
                self.content = Content::Empty;
                Poll::Ready(Some(Err(failure)))
            }
            Content::Whole(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                self.content = Content::Empty;
                self.count(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Content::Upstream(body) => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                let is_received = body.is_received();
                self.passed(polled, is_received, cx)
            }
            Content::Rewritten(body) => {
                let polled = body.poll(cx);
                let is_received = body.is_received();
                self.passed(polled, is_received, cx)
            }
        }
    }

    fn poll_pass(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<usize, ResponseFailure>> {
        let Content::Upstream(body) = &mut self.content else { return Poll::Pending };
        let polled = ready!(Pin::new(&mut *body).poll_pass(pipe, cx));
        let is_received = body.is_received();
        match polled {
            Ok(octets) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.response_bytes += octets as u64;
                    if is_received {
                        exchange.leave_pool();
                    }
                }
                Poll::Ready(Ok(octets))
            }
            Err(failure) => {
                self.broke(failure, cx);
                Poll::Pending
            }
        }
    }

    /// The endpoint did not finish. What has been said is flushed while the body is pending, and dropped on an error: that comes next.
    fn broke(&mut self, failure: ResponseFailure, cx: &mut Context<'_>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.upstream_broke(failure);
        }
        self.content = Content::Failing(failure);
        cx.waker().wake_by_ref();
    }

    /// Takes note of what becomes of an endpoint's body.
    fn passed(
        &mut self,
        polled: Poll<Option<Result<Frame<Bytes>, ResponseFailure>>>,
        is_received: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        if is_received
            && !matches!(polled, Poll::Ready(Some(Err(_))))
            && let Some(exchange) = &mut self.exchange
        {
            exchange.leave_pool();
        }
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.count(frame),
            Poll::Ready(Some(Err(failure))) => {
                self.broke(*failure, cx);
                return Poll::Pending;
            }
            Poll::Ready(None) => self.content = Content::Empty,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Failing(_) => false,
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Upstream(body) => body.is_end_stream(),
            Content::Rewritten(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Failing(_) | Content::Rewritten(_) => SizeHint::default(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream(body) => body.size_hint(),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_end_stream()
            && let Some(exchange) = &mut self.exchange
        {
            exchange.client_left();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseFailure>>> {
        match &mut self.0 {
            Held::Own(sending) => sending.poll(cx),
            Held::Watched(watched) => watched.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Held::Own(sending) => sending.is_end_stream(),
            Held::Watched(watched) => watched.sending.borrow().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Held::Own(sending) => sending.size_hint(),
            Held::Watched(watched) => watched.sending.borrow().size_hint(),
        }
    }
}

impl Passing for ResponseBody {
    fn passes(&self) -> u64 {
        match &self.0 {
            Held::Own(Sending { content: Content::Upstream(body), .. }) => body.passes(),
            _ => 0,
        }
    }

    fn poll_pass(
        mut self: Pin<&mut Self>,
        pipe: &mut Pipe,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ResponseFailure>> {
        match &mut self.0 {
            Held::Own(sending) => sending.poll_pass(pipe, cx),
            Held::Watched(_) => Poll::Pending,
        }
    }
}

/// What every response says: which request it answers, and what is left of the tenant's limits.
pub(super) fn name_request(fields: &mut HeaderMap, books: &Exchange) {
    if let Some(id) = books.request_id_field() {
        fields.insert(X_REQUEST_ID.clone(), id);
    }
    let Some(tenant) = &books.tenant else { return };
    // RFC 9110 §12.5.5: at the same URL others find another tenant.
    if let Some(vary) = &books.vary {
        fields.append(VARY, vary.clone());
    }
    let policy = match &books.rates {
        Some(charges) => charges.policy_field(),
        None => tenant.rates.policy_field(),
    };
    let warning = books.quotas.as_ref().and_then(QuotaCharges::warning);
    if let Some(warning) = warning.and_then(|warning| HeaderValue::try_from(warning).ok()) {
        fields.insert(QUOTA_WARNING.clone(), warning);
    }
    // Of whoever has no limits nothing is left.
    let Some(policy) = policy else { return };
    let left = books.room().value(|text| {
        let left = &mut StandingList::new(text);
        match &books.rates {
            Some(charges) => charges.tell(left),
            None => tenant.rates.tell(left),
        }
        match &books.quotas {
            Some(charges) => charges.tell(left),
            None => tenant.quotas.tell(left),
        }
    });
    if let Some(left) = left {
        fields.insert(RATELIMIT_POLICY.clone(), policy.clone());
        fields.insert(RATELIMIT.clone(), left);
    }
}
