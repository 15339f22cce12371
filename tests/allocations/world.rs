//! A gateway with one worker, and the origin behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tollgate::app::{Gateway, Options, Source};

/// What the origin has to say.
pub const BODY: [u8; 1024] = [b'x'; 1024];

/// A gateway in this process, stopped when dropped.
pub struct World {
    gateway: Option<Gateway>,
    /// The certificate of its second listener.
    pub certificate: CertificateDer<'static>,
    _directory: TempDir,
}

impl World {
    /// A gateway with these sections beside its listeners and its pool, whose endpoint answers all with [`BODY`]. `{dir}` is a
    /// directory of its own; `key.pem` in it is an Ed25519 key.
    pub fn new(sections: &str, pool: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let names = vec!["acme.app.test".to_owned()];
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
        std::fs::write(dir.join("cert.key"), signing_key.serialize_pem()).unwrap();
        let signs = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        std::fs::write(dir.join("key.pem"), signs.serialize_pem()).unwrap();
        let origin = origin();
        let text = format!(
            "workers: 1
admin: {{ bind: 127.0.0.1:0 }}
listeners:
  - {{ bind: 127.0.0.1:0 }}
  - {{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ cert: '{{dir}}/cert.pem', key: '{{dir}}/cert.key' }}] }} }}
tenancy: {{ identify: [{{ host: '{{tenant}}.app.test' }}] }}
pools: {{ shared: {{ endpoints: ['http://{origin}']{pool} }} }}
default_pool: shared
routes: [{{ match: {{ path_prefix: / }} }}]
{sections}"
        );
        let path = dir.join("tollgate.yaml");
        std::fs::write(&path, text.replace("{dir}", &dir.display().to_string())).unwrap();
        let gateway = Gateway::start(Source::File(path), Options::default()).unwrap();
        let certificate = cert.der().clone();
        Self { gateway: Some(gateway), certificate, _directory: directory }
    }

    /// Where it listens in the clear, and where for TLS.
    pub fn listeners(&self) -> (SocketAddr, SocketAddr) {
        let listeners = self.gateway.as_ref().unwrap().listeners();
        (listeners[0], listeners[1])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
    }
}

/// An origin that keeps its connections, a thread each, until their other ends go.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let mut response = b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Tue, 01 Dec 2026 00:00:00 GMT\r\n\
        Content-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"
        .to_vec();
    response.extend_from_slice(&BODY);
    stream.set_nodelay(true).unwrap();
    let (mut read, mut len) = ([0; 16 * 1024], 0);
    while let Ok(more @ 1..) = stream.read(&mut read[len..]) {
        len += more;
        if read[..len].ends_with(b"\r\n\r\n") {
            len = 0;
            if stream.write_all(&response).is_err() {
                return;
            }
        }
    }
}
