//! The configuration of the demo, as a user could have written it.

use std::net::SocketAddr;

use super::looks::branding;

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

/// The demo's configuration: three tenants on three plans, a fourth in maintenance, a shared pool and a dedicated one, and one
/// that nobody serves, so that it can be seen what then is.
///
/// The gateway listens on `port` and the admin listener on `admin_port`, both on 127.0.0.1.
#[must_use]
pub fn document(port: u16, admin_port: u16, applications: Applications) -> String {
    let Applications { shared: [first, second], dedicated } = applications;
    let [acme, globex, initech, umbrella] = ["acme", "globex", "initech", "umbrella"].map(branding);
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
  billing:                      # nobody listens there: what its users see then is a page, too
    endpoints: ["http://127.0.0.1:1"]

identity:
  features_header: X-Tenant-Features

branding:                       # of all: what differs is with the tenants
  inject: true                  # into the pages of the application: style sheet and {{{{brand.…}}}} tokens
  intercept: [502, 503, 504]    # pages in the place of these answers of the application

routes:
  - match: {{ path_prefix: / }}
    pool: "{{tenant.pool}}"
  - name: reports
    match: {{ path_prefix: /reports }}
    pool: "{{tenant.pool}}"
    requires_feature: reports
  - name: billing
    match: {{ path_prefix: /billing }}
    pool: billing
default_pool: shared

tenants:
  - id: acme
    plan: enterprise
    pool: acme-dedicated
    domains: [www.acme.test]
{acme}
  - id: globex
    plan: team
{globex}
  - id: initech
    plan: free
{initech}
  - id: umbrella
    plan: team
    state: maintenance
{umbrella}
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
        // The doubled ones are tokens of pages.
        assert_eq!(text.matches("{{").count(), text.matches("{{brand.").count(), "{text}");
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
