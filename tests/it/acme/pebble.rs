//! A real authority: Pebble, with a DNS server that says what a test wants.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Client, post};

/// How a test would have its authority.
#[derive(Clone, Copy, Default)]
pub struct Terms {
    /// Whether an account needs one that was made otherwise.
    pub external: bool,
    /// How many percent of nonces are refused.
    pub bad_nonces: u32,
    /// For how long certificates hold, in seconds; 0: for years.
    pub seconds: u32,
}

/// An account that the authority knows otherwise.
pub const KEY_ID: &str = "kid-1";
pub const HMAC_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// A running authority. It looks for names at the ports that it was told.
pub struct Pebble {
    children: Vec<Child>,
    directory: String,
    ca: String,
    server: (SocketAddr, String, String),
    dns: SocketAddr,
    _files: tempfile::TempDir,
}

impl Pebble {
    /// One that looks at these ports of 127.0.0.1, where all names lead.
    pub fn start(http: u16, tls: u16, terms: Terms) -> Self {
        let files = tempfile::tempdir().unwrap();
        let at = |name: &str| files.path().join(name).display().to_string();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(at("cert.pem"), own.pem()).unwrap();
        std::fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        let [listen, management, dns, dns_management] = [(); 4].map(|()| free_port());
        let mut config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{listen}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": at("cert.pem"), "privateKey": at("key.pem"),
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "",
            "externalAccountBindingRequired": terms.external,
            "externalAccountMACKeys": { KEY_ID: HMAC_KEY },
        }});
        if terms.seconds > 0 {
            config["pebble"]["certificateValidityPeriod"] = terms.seconds.into();
        }
        std::fs::write(at("pebble.json"), config.to_string()).unwrap();
        let mut servers = Command::new("pebble-challtestsrv");
        servers.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        servers.args(["-defaultIPv4", "127.0.0.1", "-dns01", &format!("127.0.0.1:{dns}")]);
        servers.args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-config", &at("pebble.json"), "-dnsserver", &format!("127.0.0.1:{dns}")]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        pebble.env("PEBBLE_WFE_NONCEREJECT", terms.bad_nonces.to_string());
        let log = std::fs::File::create(files.path().join("pebble.log")).unwrap();
        pebble.stdout(log);
        servers.stdout(Stdio::null());
        let children = [servers, pebble].map(|mut command| command.stderr(Stdio::null()).spawn().unwrap());
        let dns = SocketAddr::from(([127, 0, 0, 1], dns_management));
        let directory = format!("https://127.0.0.1:{listen}/dir");
        let server = (SocketAddr::from(([127, 0, 0, 1], listen)), own.pem(), key.serialize_pem());
        let pebble = Self { children: children.into(), directory, ca: ca_pem, server, dns, _files: files };
        for port in [listen, dns_management] {
            until("the authority listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        pebble
    }

    /// The URL of its directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Its server's address, certificate and key.
    pub fn server(&self) -> (SocketAddr, &str, &str) {
        let (address, cert, key) = &self.server;
        (*address, cert, key)
    }

    /// Who vouches for its server.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Has a name lead to this address, at which nobody may be.
    pub fn lead(&self, name: &str, address: &str) {
        let record = serde_json::json!({ "host": format!("{name}."), "addresses": [address] });
        for (path, body) in
            [("/clear-a", serde_json::json!({ "host": format!("{name}.") })), ("/add-a", record)]
        {
            let message = post("dns.test", path, body.to_string()).header("Connection", "close");
            Client::connect(self.dns).ask(&message).assert_status(200);
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    // Below those that the kernel gives to whoever connects: one that is listened at again later must not be somebody's meanwhile.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    std::iter::repeat_with(|| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)))
        .map(|nth| 12_000 + u16::try_from(nth % 20_000).unwrap())
        .take(20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// As `eventually`, for what takes an authority's time.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(150));
    }
}
