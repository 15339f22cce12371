//! A client's connection, for requests with bodies as the gateway has them.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tollgate::http::body::{Bounds, RequestBody};
use tollgate::http::conn::{ConnState, LifeLimits};
use tollgate::http::hop_by_hop::Reserved;
use tollgate::http::http2::Http2Limits;
use tollgate::http::incoming::Incoming;
use tollgate::http::server::{ConnDeadlines, Connections, Handler, ServerSettings, serve};
use tollgate::http::wire::HeadLimits;
use tollgate::telemetry::Metrics;
use tollgate::upstream::{Answer, Outbox, SendFailure, Terms};

use super::Scene;

/// Asks the endpoint what it is asked.
struct Front {
    scene: Rc<Scene>,
    answered: RefCell<Option<Result<String, SendFailure>>>,
}

impl Handler for Front {
    type Body = Full<Bytes>;

    async fn handle(
        self: Rc<Self>,
        conn: Rc<ConnState>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let _in_flight = conn.begin();
        let answer = pass(&self.scene, conn, request).await;
        self.answered.replace(Some(answer));
        Ok(Response::default())
    }
}

/// The body that answers a POST with these fields and this body, as HTTP/1.1 frames it.
pub(super) async fn post(scene: &Rc<Scene>, fields: &str, body: &[u8]) -> Result<String, SendFailure> {
    let (mut client, server) = tokio::io::duplex(4 * 1024);
    let front = Rc::new(Front { scene: Rc::clone(scene), answered: RefCell::default() });
    let text =
        [format!("POST /hello HTTP/1.1\r\nhost: origin.test\r\n{fields}\r\n\r\n").as_bytes(), body].concat();
    let writing = spawn_local(async move {
        // The other side may leave before the end.
        let _ = client.write_all(&text).await;
        std::future::pending::<()>().await;
    });
    let here = (Ipv4Addr::LOCALHOST, 1);
    let state = Rc::new(ConnState::new(SocketAddr::from(here), here.into()));
    let long = Duration::from_secs(60);
    let deadlines =
        ConnDeadlines { header_read: long, keep_alive: long, write_stall: long, response_rate: None };
    let settings = ServerSettings {
        head: HeadLimits::default(),
        deadlines,
        http2: Http2Limits::default(),
        request_rate: None,
        life: LifeLimits::default(),
    };
    let entered = Rc::new(Connections::default()).enter();
    let meter = Metrics::new(1).expect("metrics").listener("front");
    let opened = move |protocol| meter.opened(protocol);
    let serving = spawn_local(serve(server, state, Arc::new(settings), Rc::clone(&front), entered, opened));
    while front.answered.borrow().is_none() {
        tokio::task::yield_now().await;
    }
    writing.abort();
    serving.abort();
    front.answered.take().unwrap()
}

async fn pass(scene: &Scene, conn: Rc<ConnState>, request: Request<Incoming>) -> Result<String, SendFailure> {
    let bounds = Bounds {
        bytes_max: u64::MAX,
        idle: Duration::from_secs(5),
        rate: None,
        reserved: Arc::new(Reserved::default()),
    };
    let (head, body) = request.into_parts();
    let (body, flow) = RequestBody::streamed(body, conn, bounds);
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
