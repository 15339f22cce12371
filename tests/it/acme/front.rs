//! A server before the authority's own, for what that can't be made to do: challenges that nobody looks at, orders that nobody answers,
//! refusals with a time, renewal information (RFC 9773). All else it passes on.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::tls::Credulous;

/// The server; gone with the test.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What it does otherwise than the authority.
#[derive(Default)]
pub struct Tricks {
    /// Names whose challenges are taken, and never looked at.
    pub stuck: HashSet<String>,
    /// Names whose orders are taken, and never answered.
    pub silent: HashSet<String>,
    /// For how many seconds orders are refused.
    pub limited: Option<u32>,
    /// When certificates are to be renewed: not before, not after.
    pub window: Option<(String, String)>,
    /// The certificates that this was asked for.
    pub asked: Vec<String>,
    /// What orders asked for.
    pub orders: Vec<Value>,
    /// Challenges of stuck names, by their URL's path.
    challenges: HashMap<String, Value>,
}

struct Shared {
    authority: SocketAddr,
    tricks: Mutex<Tricks>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

struct Asked {
    method: String,
    path: String,
    head: Vec<String>,
    body: Vec<u8>,
}

struct Answer {
    status: String,
    head: Vec<String>,
    body: Vec<u8>,
}

impl Front {
    /// Before the authority at this address, with this certificate.
    pub fn before(authority: SocketAddr, cert: &str, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(default_provider());
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous(schemes)))
            .with_no_client_auth();
        let shared = Arc::new(Shared {
            authority,
            tricks: Mutex::default(),
            server: Arc::new(server),
            client: Arc::new(client),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&own);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// What it does, to be looked at and changed.
    pub fn tricks(&self) -> MutexGuard<'_, Tricks> {
        self.shared.tricks.lock().unwrap()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let connection = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        while let Some(asked) = Asked::read(&mut stream) {
            let Some(answer) = self.answer(&asked) else {
                // Nothing more, until the client has had enough.
                while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
                return;
            };
            if stream.get_mut().write_all(&answer.bytes()).is_err() {
                return;
            }
        }
    }

    /// `None`: none ever.
    fn answer(&self, asked: &Asked) -> Option<Answer> {
        let payload = asked.payload();
        let names = payload.pointer("/identifiers").and_then(Value::as_array);
        let mut tricks = self.tricks.lock().unwrap();
        if let Some(names) = names {
            let name = names[0]["value"].as_str().unwrap_or_default().to_owned();
            tricks.orders.push(payload.clone());
            if tricks.silent.contains(&name) {
                return None;
            }
            if let Some(seconds) = tricks.limited {
                let kind = "urn:ietf:params:acme:error:rateLimited";
                let problem = json!({ "type": kind, "detail": "too many new orders", "status": 429 });
                let head = [format!("Retry-After: {seconds}")];
                return Some(Answer::of("429 Too Many Requests", &problem, &head));
            }
        }
        if let Some(challenge) = tricks.challenges.get(&asked.path).filter(|_| payload.is_object()) {
            return Some(Answer::of("200 OK", challenge, &[]));
        }
        if let (Some((start, end)), Some(id)) = (&tricks.window, asked.path.strip_prefix("/ari/")) {
            let window = json!({ "suggestedWindow": { "start": start, "end": end } });
            let answer = Answer::of("200 OK", &window, &["Retry-After: 21600".to_owned()]);
            tricks.asked.push(id.to_owned());
            return Some(answer);
        }
        let has_window = tricks.window.is_some();
        drop(tricks);
        let mut answer = self.pass_on(asked);
        let Ok(mut told) = serde_json::from_slice::<Value>(&answer.body) else { return Some(answer) };
        if asked.path == "/dir" && has_window {
            let host = asked.head.iter().find_map(|line| line.strip_prefix("host: ")).unwrap();
            told["renewalInfo"] = format!("https://{host}/ari").into();
            answer.body = told.to_string().into_bytes();
        }
        if payload["replaces"].is_string() {
            // As an authority has to that knows of it (RFC 9773 §5).
            told["replaces"] = payload["replaces"].clone();
            answer.body = told.to_string().into_bytes();
        }
        let mut tricks = self.tricks.lock().unwrap();
        let of = told["identifier"]["value"].as_str().unwrap_or_default();
        if tricks.stuck.contains(of) {
            for challenge in told["challenges"].as_array().into_iter().flatten() {
                let url = challenge["url"].as_str().unwrap();
                let path = url.splitn(4, '/').nth(3).unwrap();
                tricks.challenges.insert(format!("/{path}"), challenge.clone());
            }
        }
        Some(answer)
    }

    fn pass_on(&self, asked: &Asked) -> Answer {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(self.authority).unwrap());
        let mut message = format!("{} {} HTTP/1.0\r\n", asked.method, asked.path);
        for line in asked.head.iter().filter(|line| !line.starts_with("connection:")) {
            message += &format!("{line}\r\n");
        }
        message += "\r\n";
        stream.write_all(message.as_bytes()).unwrap();
        stream.write_all(&asked.body).unwrap();
        let mut bytes = Vec::new();
        // Where it only hangs up, that is the end, too.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n").map(ToOwned::to_owned);
        let status = lines.next().unwrap();
        let status = status.split_once(' ').unwrap().1.to_owned();
        let own = |line: &String| {
            let line = line.to_ascii_lowercase();
            !["content-length:", "connection:", "transfer-encoding:"]
                .iter()
                .any(|name| line.starts_with(name))
        };
        Answer { status, head: lines.filter(own).collect(), body: bytes[end + 4..].to_vec() }
    }
}

impl Asked {
    fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            lines.push(line.to_owned());
        }
        let mut first = lines.first()?.split(' ').map(ToOwned::to_owned);
        let (method, path) = (first.next()?, first.next()?);
        let head: Vec<_> = lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| format!("{}: {}", name.to_ascii_lowercase(), value.trim()))
            .collect();
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).ok()?;
        Some(Self { method, path, head, body })
    }

    /// What a signed request says; nothing where it says nothing.
    fn payload(&self) -> Value {
        let signed = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap_or_default());
        serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default()
    }
}

impl Answer {
    fn of(status: &str, body: &Value, head: &[String]) -> Self {
        Self { status: status.to_owned(), head: head.to_vec(), body: body.to_string().into_bytes() }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for line in &self.head {
            text += &format!("{line}\r\n");
        }
        text += "\r\n";
        [text.into_bytes(), self.body.clone()].concat()
    }
}
