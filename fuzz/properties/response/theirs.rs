//! hyper's client, over memory.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{Builder, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{LocalOptions, LocalRuntime};

use super::{End, Exchange, Reading};

thread_local! {
    // A thread that ends drops it after what it needs for that.
    static RUNTIME: ManuallyDrop<LocalRuntime> = {
        let runtime = tokio::runtime::Builder::new_current_thread().build_local(LocalOptions::default());
        ManuallyDrop::new(runtime.expect("a runtime"))
    };
}

/// What it makes of an answer.
pub(super) fn read(asked: &Exchange<'_>) -> Reading {
    RUNTIME.with(|runtime| runtime.block_on(exchange(asked)))
}

async fn exchange(asked: &Exchange<'_>) -> Reading {
    let (near, mut far) = duplex(asked.answer.len() + 4096);
    // As many as ours takes.
    let handshake =
        Builder::new().max_headers(256).max_header_size(256 * 1024).handshake(TokioIo::new(near)).await;
    let (mut sender, mut connection) = handshake.expect("a connection");
    let seen = RefCell::new(Reading::new(End::Waits));
    {
        let mut reading = pin!(response(&mut sender, asked, &seen));
        let (mut is_read, mut is_sent) = (false, false);
        let mut request = Vec::new();
        let far_as = |seen: &Reading| (seen.head.is_some(), seen.body.len(), seen.end);
        let (mut was, mut idle) = (far_as(&seen.borrow()), 0);
        // What is ready in memory is ready at once: some turns without any progress are the end of it.
        while idle < 8 {
            poll_fn(|cx| {
                is_read = is_read || reading.as_mut().poll(cx).is_ready();
                is_sent = is_sent || connection.poll_without_shutdown(cx).is_ready();
                Poll::Ready(())
            })
            .await;
            if !request.ends_with(b"\r\n\r\n") {
                poll_fn(|cx| Poll::Ready(pin!(far.read_buf(&mut request)).poll(cx).is_ready())).await;
                if request.ends_with(b"\r\n\r\n") {
                    far.write_all(asked.answer).await.expect("room for the answer");
                    if !asked.open {
                        far.shutdown().await.expect("an end");
                    }
                }
            }
            tokio::task::yield_now().await;
            let is = far_as(&seen.borrow());
            idle = if is == was { idle + 1 } else { 0 };
            was = is;
        }
    }
    let mut reading = seen.borrow().clone();
    reading.reusable = reading.end == End::Complete && sender.is_ready();
    if reading.end == End::Switched {
        let Parts { io, read_buf, .. } = connection.into_parts();
        reading.body.extend_from_slice(&read_buf);
        // No more comes than is there.
        drop(far);
        io.into_inner().read_to_end(&mut reading.body).await.expect("memory");
    }
    reading
}

async fn response(sender: &mut SendRequest<Empty<Bytes>>, asked: &Exchange<'_>, seen: &RefCell<Reading>) {
    let mut request = Request::builder().method(&asked.method).uri("/").header("host", "endpoint.test");
    if asked.upgrade {
        request = request.header("connection", "upgrade").header("upgrade", "other");
    }
    let Ok(response) = sender.send_request(request.body(Empty::new()).expect("a request")).await else {
        seen.borrow_mut().end = End::Refused;
        return;
    };
    let (head, mut body) = response.into_parts();
    let is_switched = asked.upgrade && head.status == StatusCode::SWITCHING_PROTOCOLS;
    seen.borrow_mut().head = Some((head.status, head.version, head.headers));
    if is_switched {
        seen.borrow_mut().end = End::Switched;
        return;
    }
    while let Some(frame) = body.frame().await {
        let mut seen = seen.borrow_mut();
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => seen.body.extend_from_slice(&data),
            Ok(Err(last)) => seen.with_trailers(last.into_trailers().expect("trailers")),
            Err(_) => {
                seen.end = End::Cut;
                return;
            }
        }
    }
    seen.borrow_mut().end = End::Complete;
}
