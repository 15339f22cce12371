//! Certificates that rotate, and reloads, under requests over both protocols.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::authority::Authority;
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, Origin, block_on, eventually, get, read};

#[test]
fn nothing_is_dropped_while_certificates_rotate() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let mut gateway = tls(&[&authority.issue(&[ACME])], "", &origin).set("workers", "2").start();
    let address = gateway.address();
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = Vec::new();
    for at in 0..4 {
        let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
        clients.push(thread::spawn(move || {
            let mut dialer = Dialer::new(&["http/1.1"]);
            let mut kept = dialer.connect(address, ACME);
            while !over.load(Ordering::Relaxed) {
                // One connection for all, and a new one for each: resumed by half of the clients.
                if at % 2 == 0 {
                    dialer.config.resumption = rustls::client::Resumption::disabled();
                }
                for client in [&mut kept, &mut dialer.connect(address, ACME)] {
                    assert_eq!(client.ask(&get(ACME, "/")).status, 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    let (over_h2, asked_h2) = (Arc::clone(&over), Arc::clone(&asked));
    clients.push(thread::spawn(move || {
        block_on(async {
            let config = Arc::new(Dialer::new(&["h2"]).config);
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(ACME).unwrap();
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap();
            let (mut sender, connection): (h2::client::SendRequest<Bytes>, _) =
                h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            while !over_h2.load(Ordering::Relaxed) {
                sender = sender.ready().await.unwrap();
                let request = http::Request::get(format!("https://{ACME}/")).body(()).unwrap();
                let (response, _) = sender.send_request(request, true).unwrap();
                assert_eq!(read(response).await.unwrap().status, 200);
                asked_h2.fetch_add(1, Ordering::Relaxed);
            }
        });
    }));
    for round in 1..=6 {
        let before = asked.load(Ordering::Relaxed);
        let renewed = authority.issue(&[ACME]);
        let limits = format!("{{ header_read_timeout: {}s }}", 10 + round);
        gateway
            .reload(|config| {
                config.file("0.pem", &renewed.cert).file("0.key", &renewed.key).set("limits", &limits)
            })
            .unwrap();
        let mut fresh = Dialer::new(&[]);
        fresh.config.resumption = rustls::client::Resumption::disabled();
        assert_eq!(fresh.connect(address, ACME).shown(), renewed.der);
        eventually("requests go on", || asked.load(Ordering::Relaxed) > before + 40);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(gateway.metric("tollgate_rejected_total", &[]), 0.0);
}
