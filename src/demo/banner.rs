//! What the demo prints once it serves: lines to copy, each with what it shows.

use super::ADMIN_TOKEN;

/// The text for a person who just started the demo on `port` with the admin listener on `admin_port`. `file` is its configuration.
#[must_use]
pub fn banner(port: u16, admin_port: u16, file: &str) -> String {
    format!(
        r#"
Tollgate is serving three tenants on http://127.0.0.1:{port}

  tenant    plan        rate limit   pool
  acme      enterprise  2000/s       acme-dedicated
  globex    team        100/s        shared
  initech   free        5/s          shared

Open them in a browser: one application, written once, in the look of each.
  http://acme.localhost:{port}/       http://acme.localhost:{port}/billing     (an error)
  http://globex.localhost:{port}/     http://globex.localhost:{port}/billing
  http://initech.localhost:{port}/    http://initech.localhost:{port}/reports  (not in its plan)
  http://umbrella.localhost:{port}/   a fourth tenant, in maintenance

Change how they look, or put one into maintenance: edit and save
  {file}

See what the application behind each tenant is told:
  curl -s http://acme.localhost:{port}/
  curl -s http://globex.localhost:{port}/

If your curl can't resolve *.localhost, name the tenant another way:
  curl -s -H 'Host: acme.localhost' http://127.0.0.1:{port}/
  curl -s --resolve acme.localhost:{port}:127.0.0.1 http://acme.localhost:{port}/

A tenant's own domain leads to the same tenant:
  curl -s -H 'Host: www.acme.test' http://127.0.0.1:{port}/

Nobody can claim to be another tenant (the application still sees globex):
  curl -s -H 'X-Tenant-Id: acme' http://globex.localhost:{port}/

Run into initech's rate limit: ten pass, then 429 with Retry-After:
  for i in $(seq 15); do curl -s -o /dev/null -w '%{{http_code}}\n' http://initech.localhost:{port}/; done
  curl -i http://initech.localhost:{port}/

A feature that the free plan lacks, and a tenant that nobody knows:
  curl -i http://initech.localhost:{port}/reports
  curl -i http://nobody.localhost:{port}/

Events, one a second, as they happen:
  curl -N http://globex.localhost:{port}/stream

What the operator sees:
  curl -s http://127.0.0.1:{admin_port}/metrics | grep ^tollgate_
  curl -s -H 'Authorization: Bearer {ADMIN_TOKEN}' http://127.0.0.1:{admin_port}/api/v1/status

Stop with Ctrl-C.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_to_copy_names_the_ports_in_use() {
        let text = banner(18080, 19900, "/tmp/demo/tollgate.yaml");
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("curl -") || line.contains("http:")).collect();
        assert!(lines.len() >= 14, "{text}");
        for line in lines {
            assert!(line.contains(":18080") || line.contains(":19900"), "{line}");
        }
        assert!(text.contains("%{http_code}"), "{text}");
        assert!(text.contains("\n  /tmp/demo/tollgate.yaml\n"), "{text}");
    }
}
