//! A client of the admin API. Its methods block: a command has nothing else to do than to wait for the answer.
//!
//! Each request has a connection of its own. On the machine or the network where admin listeners are, that costs less than it takes
//! to find out whether an idle connection still lives.

mod address;
mod body;
mod call;
mod problem;
mod token;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use body::Upload;
use token::Token;

pub(super) use address::Address;
pub(super) use call::Call;
pub(super) use problem::{Problem, fault, plain};

/// How much of an answer is kept that is not streamed: a page of a thousand of the largest tenants fits.
const ANSWER_MAX: usize = 512 << 20;

/// How long nothing may come of an answer that has begun.
const STALL: Duration = Duration::from_secs(60);

/// Where the gateway's admin API is, and who asks.
pub(super) struct Client {
    runtime: Runtime,
    address: Address,
    token: Option<Token>,
    actor: Option<HeaderValue>,
    interrupt: Cell<Option<Signal>>,
}

/// A whole answer.
pub(super) struct Answer {
    /// Its status: any.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

/// An answer's body, as it comes.
pub(super) struct Stream<'a> {
    client: &'a Client,
    body: Incoming,
}

impl Client {
    /// A client for the admin listener at `admin` (a URL or a Unix socket; by default what the environment says), with the token in `token_file` (likewise).
    pub(super) fn new(admin: Option<&str>, token_file: Option<&PathBuf>) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            address: Address::find(admin)?,
            token: Token::find(token_file)?,
            actor: actor(),
            interrupt: Cell::new(None),
        })
    }

    /// From here on an interrupt (Ctrl-C) ends a wait with an error, instead of the process: for work that has something to say or to
    /// clean up then. Not to be called before a question is asked, which could not be interrupted any more.
    pub(super) fn heed_interrupts(&self) -> anyhow::Result<()> {
        let _inside = self.runtime.enter();
        self.interrupt.set(Some(signal(SignalKind::interrupt())?));
        Ok(())
    }

    /// The document that a call is answered with.
    ///
    /// # Errors
    /// A [`Problem`] where the gateway refuses.
    pub(super) fn json(&self, call: Call) -> anyhow::Result<Value> {
        let answer = self.send(call)?;
        if !answer.status.is_success() {
            return Err(self.problem(answer.status, &answer.body).into());
        }
        self.document(&answer.body)
    }

    /// A call whose answer has no body.
    ///
    /// # Errors
    /// A [`Problem`] where the gateway refuses.
    pub(super) fn done(&self, call: Call) -> anyhow::Result<()> {
        let answer = self.send(call)?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(self.problem(answer.status, &answer.body).into())
        }
    }

    /// Whatever a call is answered with, be it a refusal.
    pub(super) fn send(&self, call: Call) -> anyhow::Result<Answer> {
        let (status, stream) = self.begin(call)?;
        Ok(Answer { status, body: stream.collect()? })
    }

    /// The body of a successful answer, as it comes.
    ///
    /// # Errors
    /// A [`Problem`] where the gateway refuses.
    pub(super) fn stream(&self, call: Call) -> anyhow::Result<Stream<'_>> {
        let (status, stream) = self.begin(call)?;
        if status.is_success() { Ok(stream) } else { Err(self.problem(status, &stream.collect()?).into()) }
    }

    /// The refusal that an answer tells of.
    pub(super) fn problem(&self, status: StatusCode, body: &[u8]) -> Problem {
        Problem::new(status, body, self.token.as_ref())
    }

    /// An answer's body as a document.
    pub(super) fn document(&self, body: &[u8]) -> anyhow::Result<Value> {
        serde_json::from_slice(body)
            .with_context(|| format!("{} doesn't answer as an admin API does: is it one?", self.address))
    }

    fn begin(&self, call: Call) -> anyhow::Result<(StatusCode, Stream<'_>)> {
        let patience = call.patience;
        let request = self.request(call)?;
        let response = self.wait(async {
            let stream = self.address.connect().await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // It ends with the answer: the runtime runs it while somebody waits for that.
            tokio::spawn(connection);
            let answered = timeout(patience, sender.send_request(request)).await;
            let late = || anyhow!("{} gave no answer within {patience:?}", self.address);
            answered.map_err(|_| late())?.with_context(|| format!("{} broke off", self.address))
        })?;
        let (head, body) = Response::into_parts(response);
        Ok((head.status, Stream { client: self, body }))
    }

    fn request(&self, call: Call) -> anyhow::Result<Request<Upload>> {
        let mut headers: HeaderMap = call.headers;
        headers.insert(header::HOST, self.address.authority()?);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, application/x-ndjson"));
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.authorization()?);
        }
        if let Some(actor) = &self.actor {
            headers.insert("x-tollgate-actor", actor.clone());
        }
        let target = format!("{}/api/v1{}", self.address.path(), call.target);
        let mut request = Request::builder().method(call.method).uri(target).body(call.body)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Waits for `work`, or for an interrupt where these are heeded.
    fn wait<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let mut interrupt = self.interrupt.take();
        let done = self.runtime.block_on(async {
            match &mut interrupt {
                None => work.await,
                Some(interrupt) => tokio::select! {
                    biased;
                    _ = interrupt.recv() => Err(anyhow!("interrupted")),
                    done = work => done,
                },
            }
        });
        self.interrupt.set(interrupt);
        done
    }
}

impl Stream<'_> {
    /// What comes next of it; `None` behind its end, when all of it has come.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let address = &self.client.address;
        loop {
            let frame = self.client.wait(async {
                let frame = timeout(STALL, self.body.frame()).await;
                frame.map_err(|_| anyhow!("nothing has come from {address} for {STALL:?}"))
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.with_context(|| format!("{address} broke off in the middle of its answer"))?;
            // Trailers say nothing here.
            if let Ok(chunk) = frame.into_data() {
                return Ok(Some(chunk));
            }
        }
    }

    /// All of it.
    fn collect(mut self) -> anyhow::Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.next()? {
            if body.len() + chunk.len() > ANSWER_MAX {
                bail!("{} answers more than {} MiB", self.client.address, ANSWER_MAX >> 20);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// Who calls, for the audit log: `alice@laptop`.
fn actor() -> Option<HeaderValue> {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok())?;
    // Elsewhere than on Linux the user alone has to do.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let known = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    let [user, host] = [user.as_str(), host.trim()].map(|text| text.chars().filter(known).take(64).collect());
    let name: String = match (user, host) {
        (user, _) if String::is_empty(&user) => return None,
        (user, host) if host.is_empty() => user,
        (user, host) => format!("{user}@{host}"),
    };
    HeaderValue::from_str(&name).ok()
}
