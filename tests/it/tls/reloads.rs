//! Certificates that change while the gateway runs.

use std::os::unix::fs::symlink;

use super::authority::{Authority, Issued};
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, Origin, TestGateway, config, eventually, get};

fn shown(gateway: &TestGateway) -> rustls::pki_types::CertificateDer<'static> {
    let mut dialer = Dialer::new(&[]);
    dialer.config.resumption = rustls::client::Resumption::disabled();
    dialer.connect(gateway.address(), ACME).shown()
}

fn write(folder: &std::path::Path, issued: &Issued) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("tls.crt"), &issued.cert).unwrap();
    std::fs::write(folder.join("tls.key"), &issued.key).unwrap();
}

#[test]
fn a_certificate_that_changes_is_shown_from_then_on() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&[ACME]), authority.issue(&[ACME]));
    let gateway = tls(&[&first], "", &origin).start();
    let mut before = Dialer::new(&[]).connect(gateway.address(), ACME);
    assert_eq!(before.ask(&get(ACME, "/")).status, 200);
    // For a moment certificate and key are not each other's: the old ones stay, and the log says so.
    std::fs::write(gateway.directory().join("0.pem"), &second.cert).unwrap();
    eventually("the half of it is refused", || {
        gateway.metric("tollgate_config_last_reload_successful", &[]) == 0.0
    });
    assert_eq!(shown(&gateway), first.der);
    std::fs::write(gateway.directory().join("0.key"), &second.key).unwrap();
    eventually("the new certificate is shown", || shown(&gateway) == second.der);
    assert_eq!(before.ask(&get(ACME, "/")).status, 200);
}

/// As Kubernetes does with secrets: `..data` leads to a folder, and is renamed over to lead to another.
#[test]
fn a_folder_that_is_swapped_by_a_symbolic_link_is_seen() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&[ACME]), authority.issue(&[ACME]));
    let mounted = tempfile::tempdir().unwrap();
    let at = |name: &str| mounted.path().join(name);
    write(&at("..2026_01"), &first);
    symlink("..2026_01", at("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let pair = format!("cert: '{}', key: '{}'", at("tls.crt").display(), at("tls.key").display());
    let listeners = format!("[{{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ {pair} }}] }} }}]");
    let gateway = config().to(&origin).set("listeners", &listeners).start();
    assert_eq!(shown(&gateway), first.der);
    write(&at("..2026_02"), &second);
    symlink("..2026_02", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    eventually("the new certificate is shown", || shown(&gateway) == second.der);
}

/// As certbot does: `live/name/fullchain.pem` leads to `archive/name/fullchain1.pem`, and then to `fullchain2.pem`.
#[test]
fn a_file_that_leads_elsewhere_is_seen() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&[ACME]), authority.issue(&[ACME]));
    let letsencrypt = tempfile::tempdir().unwrap();
    let at = |name: &str| letsencrypt.path().join(name);
    write(&at("archive/1"), &first);
    write(&at("archive/2"), &second);
    std::fs::create_dir(at("live")).unwrap();
    let lead = |to: &str| {
        for name in ["tls.crt", "tls.key"] {
            symlink(at(&format!("archive/{to}/{name}")), at(&format!("live/{name}.new"))).unwrap();
            std::fs::rename(at(&format!("live/{name}.new")), at(&format!("live/{name}"))).unwrap();
        }
    };
    lead("1");
    let pair = format!("cert: '{}', key: '{}'", at("live/tls.crt").display(), at("live/tls.key").display());
    let listeners = format!("[{{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ {pair} }}] }} }}]");
    let gateway = config().to(&origin).set("listeners", &listeners).start();
    assert_eq!(shown(&gateway), first.der);
    lead("2");
    eventually("the new certificate is shown", || shown(&gateway) == second.der);
}

/// As deployments do it that lead `current` to one release after the other; and what a link leads to is written anew.
#[test]
fn links_on_the_way_to_a_file_are_seen() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let pairs = [(); 3].map(|()| authority.issue(&[ACME]));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("kept"), &pairs[0]);
    write(&at("releases/2/certs"), &pairs[1]);
    std::fs::create_dir_all(at("releases/1/certs")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(at("kept").join(name), at("releases/1/certs").join(name)).unwrap();
    }
    symlink("releases/1", at("current")).unwrap();
    let pair = ["tls.crt", "tls.key"].map(|name| at("current/certs").join(name).display().to_string());
    let pair = format!("cert: '{}', key: '{}'", pair[0], pair[1]);
    let listeners = format!("[{{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ {pair} }}] }} }}]");
    let gateway = config().to(&origin).set("listeners", &listeners).start();
    assert_eq!(shown(&gateway), pairs[0].der);
    write(&at("kept"), &pairs[2]);
    eventually("what the link leads to was written", || shown(&gateway) == pairs[2].der);
    symlink("releases/2", at("next")).unwrap();
    std::fs::rename(at("next"), at("current")).unwrap();
    eventually("the link on the way was swapped", || shown(&gateway) == pairs[1].der);
    // And still, behind the link as it is now.
    write(&at("releases/2/certs"), &pairs[0]);
    eventually("what is there now was written", || shown(&gateway) == pairs[0].der);
}

#[test]
fn one_broken_certificate_refuses_the_reload_whole() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (first, second) = (authority.issue(&[ACME]), authority.issue(&["other.test"]));
    let mut gateway = tls(&[&first, &second], "", &origin).start();
    let renewed = authority.issue(&[ACME]);
    let reloaded = gateway.reload(|config| {
        config.file("0.pem", &renewed.cert).file("0.key", &renewed.key).file("1.pem", "nothing")
    });
    assert!(reloaded.unwrap_err().to_string().contains("1.pem"));
    assert_eq!(shown(&gateway), first.der);
}
