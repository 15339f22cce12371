//! What a connection was opened for, and what its requests ask for.

use super::authority::Authority;
use super::client::Dialer;
use super::tls;
use crate::harness::{ACME, GLOBEX, Origin, get};

const TENANTS: &str =
    "[{ id: acme, plan: free, domains: [acme.test, other.test] }, { id: globex, plan: free }]";

#[test]
fn a_connection_serves_hosts_of_its_certificate_and_tenant_alone() {
    let origin = Origin::echo();
    let authority = Authority::new("test");
    let (shared, other) = (authority.issue(&["*.app.test", "acme.test"]), authority.issue(&["other.test"]));
    let gateway = tls(&[&shared, &other], "", &origin).set("tenants", TENANTS).start();
    let mut client = Dialer::new(&[]).connect(gateway.address(), ACME);
    for (host, status) in [
        (ACME, 200),
        ("ACME.app.test.:443", 200),
        // Of the same tenant, and the certificate is for it.
        ("acme.test", 200),
        // Of another tenant.
        (GLOBEX, 421),
        // Of the same tenant, but the certificate is not for it.
        ("other.test", 421),
        // Nobody's.
        ("nobody.test", 404),
        (ACME, 200),
    ] {
        let said = client.ask(&get(host, "/"));
        assert_eq!(said.status, status, "{host}");
        if status == 421 {
            assert!(said.body.contains("misdirected_request"), "{}", said.body);
            assert!(!said.body.contains("globex"), "{}", said.body);
        }
    }
    assert_eq!(origin.requests().len(), 4);
    // Without a name the requests alone say who they are for.
    let mut client = Dialer::new(&[]).connect(gateway.address(), "127.0.0.1");
    for host in [ACME, GLOBEX, "other.test"] {
        assert_eq!(client.ask(&get(host, "/")).status, 200, "{host}");
    }
    // A connection that was opened for nobody's host is not for a tenant's.
    let mut client = Dialer::new(&[]).connect(gateway.address(), "nobody.app.test");
    assert_eq!(client.ask(&get(ACME, "/")).status, 421);
}

#[test]
fn a_trusted_proxys_connections_are_for_many() {
    let origin = Origin::echo();
    let issued = Authority::new("test").issue(&["gateway.test"]);
    let gateway = tls(&[&issued], "", &origin).set("trusted_proxies", "[127.0.0.0/8]").start();
    let mut client = Dialer::new(&[]).connect(gateway.address(), "gateway.test");
    for host in [ACME, GLOBEX] {
        assert_eq!(client.ask(&get(host, "/")).status, 200, "{host}");
    }
}
