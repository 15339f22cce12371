//! The configuration of the demo, as a user could have written it.

use std::net::SocketAddr;

/// The bearer token of the demo's admin API. It is no secret: the API listens on loopback only,
/// and only while the demo runs.
pub const ADMIN_TOKEN: &str = "tollgate-demo-token";

/// Where the demo's sample applications listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applications {
    /// The two endpoints of the pool that most tenants share.
    pub shared: [SocketAddr; 2],
    /// The one endpoint of the pool that is acme's alone.
    pub dedicated: SocketAddr,
}

/// The demo's configuration: three tenants on three plans, a shared pool and a dedicated one.
///
/// The gateway listens on `port` and the admin listener on `admin_port`, both on 127.0.0.1.
#[must_use]
pub fn document(port: u16, admin_port: u16, applications: Applications) -> String {
    let Applications { shared: [first, second], dedicated } = applications;
    format!(
        r#"# The configuration that `tollgate demo` runs with.
listeners:
  - bind: 127.0.0.1:{port}

admin:
  bind: 127.0.0.1:{admin_port}
  token: {ADMIN_TOKEN}

# Nobody's X-Forwarded-* or X-Tenant-Id is believed: clients speak to the demo directly.
trusted_proxies: []

tenancy:
  identify:
    - host: "{{tenant}}.localhost"
    - domain

plans:
  free:
    rate_limit: {{ rate: 5/s, burst: 10 }}
    concurrency: {{ max: 16 }}
    request_body: {{ max: 1MiB }}
    features: []
  team:
    rate_limit: {{ rate: 100/s, burst: 200 }}
    concurrency: {{ max: 128, weight: 5 }}
    request_body: {{ max: 10MiB }}
    features: [reports]
  enterprise:
    rate_limit: {{ rate: 2000/s, burst: 4000 }}
    concurrency: {{ max: 512, weight: 20 }}
    request_body: {{ max: 100MiB }}
    features: [reports, audit]

pools:
  shared:
    endpoints: [http://{first}, http://{second}]
    concurrency: {{ limit: 128 }}
  acme-dedicated:
    endpoints: [http://{dedicated}]

routes:
  - match: {{ path_prefix: / }}
    pool: "{{tenant.pool}}"
  - name: reports
    match: {{ path_prefix: /reports }}
    pool: "{{tenant.pool}}"
    requires_feature: reports
default_pool: shared

tenants:
  - id: acme
    plan: enterprise
    pool: acme-dedicated
    domains: [www.acme.test]
  - id: globex
    plan: team
  - id: initech
    plan: free
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_address_and_leaves_no_brace_doubled() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = document(8080, 9900, Applications { shared: [at(1001), at(1002)], dedicated: at(1003) });
        for line in [
            "  - bind: 127.0.0.1:8080\n",
            "  bind: 127.0.0.1:9900\n",
            "    endpoints: [http://127.0.0.1:1001, http://127.0.0.1:1002]\n",
            "    endpoints: [http://127.0.0.1:1003]\n",
            "    - host: \"{tenant}.localhost\"\n",
            "    pool: \"{tenant.pool}\"\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
    }

    #[test]
    fn the_document_loads_without_a_warning() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = document(8080, 9900, Applications { shared: [at(1001), at(1002)], dedicated: at(1003) });
        let loaded = crate::config::load_str(&text, "demo.yaml").unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(loaded.quarantined.is_empty());
    }
}
