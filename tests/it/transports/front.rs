//! A client's connection, for requests with bodies as the gateway has them.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tollgate::http::body::{Bounds, RequestBody};
use tollgate::http::conn::ConnState;
use tollgate::http::hop_by_hop::Reserved;
use tollgate::http::incoming::Incoming;
use tollgate::upstream::{Answer, Outbox, SendFailure, Terms};

use super::Scene;

/// The body that answers a POST with these fields and this body, as HTTP/1.1 frames it.
pub(super) async fn post(scene: &Rc<Scene>, fields: &str, body: &[u8]) -> Result<String, SendFailure> {
    let (mut client, server) = tokio::io::duplex(4 * 1024);
    let answered = Rc::new(RefCell::new(None));
    let (scene, answers) = (Rc::clone(scene), Rc::clone(&answered));
    let service = service_fn(move |request| {
        let (scene, answers) = (Rc::clone(&scene), Rc::clone(&answers));
        async move {
            let answer = pass(&scene, request).await;
            *answers.borrow_mut() = Some(answer);
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        }
    });
    let text =
        [format!("POST /hello HTTP/1.1\r\nhost: origin.test\r\n{fields}\r\n\r\n").as_bytes(), body].concat();
    let writing = spawn_local(async move {
        // The other side may leave before the end.
        let _ = client.write_all(&text).await;
        std::future::pending::<()>().await;
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let serving = spawn_local(serving);
    while answered.borrow().is_none() {
        tokio::task::yield_now().await;
    }
    writing.abort();
    serving.abort();
    answered.take().unwrap()
}

async fn pass(scene: &Scene, request: http::Request<hyper::body::Incoming>) -> Result<String, SendFailure> {
    let here = (Ipv4Addr::LOCALHOST, 1).into();
    let conn = Rc::new(ConnState::new(here, here));
    let bounds = Bounds {
        bytes_max: u64::MAX,
        idle: Duration::from_secs(5),
        rate: None,
        reserved: Arc::new(Reserved::default()),
    };
    let (head, body) = request.into_parts();
    let (body, flow) = RequestBody::streamed(Incoming::Http1(body), conn, bounds);
    let mut outgoing = Some(Outbox::new(&head, &[], body, scene.client.text()));
    let flow = Some(&*flow);
    let terms = Terms {
        expires: None,
        flow,
        owner: None,
        since: Instant::now(),
        fresh: false,
        upgrade: None,
        retry: None,
        interim: None,
        fuse: None,
    };
    if let Some(outgoing) = &mut outgoing {
        scene.client.keep(outgoing, 64 * 1024);
    }
    let mut sent = scene.client.send(&scene.pool, &scene.endpoint, &mut outgoing, terms).await;
    // As the gateway does: what no endpoint has processed is sent again while it is at hand.
    while matches!(sent, Err(SendFailure::Refused { .. })) && outgoing.as_mut().is_some_and(Outbox::rewind) {
        sent = scene.client.send(&scene.pool, &scene.endpoint, &mut outgoing, terms).await;
    }
    match sent? {
        Answer::Response(response) => {
            let body = response.into_body().collect().await.expect("a whole body");
            Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
        }
        Answer::Switched(..) => panic!("nobody asked for it"),
    }
}
