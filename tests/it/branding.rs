//! How tenants look: pages in the place of problem documents, for whoever reads them.

use crate::harness::{ACME, GLOBEX, Message, Origin, config, eventually, get};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A browser's request.
fn browse(host: &str, target: &str) -> Message {
    get(host, target).header("Accept", BROWSER)
}

const DOWN: &str =
    "[{ id: acme, state: maintenance, branding: { name: 'Acme <b>', colors: { primary: '#ff6600' } } },
    { id: globex, state: maintenance }]";

#[test]
fn a_browser_sees_the_tenants_page_and_a_program_the_problem() {
    let origin = Origin::echo();
    let branding = "{ name: Example, support_email: help@example.com, colors: { background: '#fff' } }";
    let gateway = config().to(&origin).set("branding", branding).set("tenants", DOWN).start();
    let page = gateway.ask(&browse(ACME, "/"));
    page.assert_status(503);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("vary"), Some("Accept, Accept-Language"));
    assert_eq!(page.header("retry-after"), Some("120"));
    assert!(page.header("proxy-status").unwrap().contains("maintenance"));
    let html = page.text();
    // Its own name, escaped; the default's address; its own colour.
    assert!(html.contains("Acme &lt;b&gt;") && !html.contains("<b>"), "{html}");
    assert!(html.contains("mailto:help@example.com"), "{html}");
    assert!(html.contains("--brand-primary:#ff6600"), "{html}");
    assert!(html.contains(page.header("x-request-id").unwrap()), "{html}");
    let other = gateway.ask(&browse(GLOBEX, "/")).text();
    assert!(other.contains("Example") && !other.contains("Acme") && !other.contains("#ff6600"), "{other}");
    let problem = gateway.ask(&get(ACME, "/").header("Accept", "*/*"));
    problem.assert_refused(503, "maintenance");
    assert_eq!(problem.header("vary"), Some("Accept"));
    origin.assert_untouched();
}

#[test]
fn whom_the_access_list_keeps_out_gets_no_files_either() {
    let origin = Origin::echo();
    let tenants = "[{ id: acme, access: { deny: [127.0.0.0/8] } }, { id: globex }]";
    let gateway = config().to(&origin).set("branding", "{ name: Example }").set("tenants", tenants).start();
    gateway.ask(&get(ACME, "/.brand/brand.css")).assert_refused(403, "access_denied");
    gateway.ask(&get(GLOBEX, "/.brand/brand.css")).assert_status(200);
}

#[test]
fn who_is_nobodys_sees_the_default() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("branding", "{ name: Example }").start();
    let page = gateway.ask(&browse("nobody.app.test", "/"));
    page.assert_status(404);
    assert!(page.text().contains("Example"), "{}", page.text());
    assert_eq!(gateway.access_log(1)[0]["code"], "unknown_tenant");
}

#[test]
fn a_page_is_in_the_clients_language() {
    let origin = Origin::echo();
    let branding = "{ texts: { pt-BR: { maintenance: { title: Voltamos já } }, de: { default: { message: Bis gleich. } } } }";
    let gateway = config().to(&origin).set("branding", branding).set("tenants", DOWN).start();
    let in_language = |asked: &str| {
        let page = gateway.ask(&browse(ACME, "/").header("Accept-Language", asked));
        (page.header("content-language").unwrap().to_owned(), page.text())
    };
    let (language, html) = in_language("de-AT, en;q=0.5");
    assert!(language == "de" && html.contains("lang=\"de\""), "{language} {html}");
    assert!(html.contains("Wir sind gleich wieder da") && html.contains("Bis gleich."), "{html}");
    let (language, html) = in_language("pt-BR");
    assert!(language == "pt-br" && html.contains("Voltamos já"), "{language} {html}");
    assert_eq!(in_language("ja").0, "en");
}

#[test]
fn the_built_in_page_may_run_nothing() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("tenants", DOWN).start();
    let page = gateway.ask(&browse(ACME, "/"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = page.text();
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).unwrap().0;
    let hash = {
        use base64::Engine as _;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(digest)
    };
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}\n{style}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn an_operators_templates_take_the_pages_place() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .file("pages/error.html", "<p>{{ code }} of {{ tenant }}: {{ brand.tagline }}</p>{{ detail }}")
        .file(
            "pages/maintenance.html",
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        )
        .set("branding", "{ error_pages: pages, tagline: '<i>' }")
        .set("tenants", "[{ id: acme, state: suspended }, { id: globex, state: maintenance }]")
        .start();
    let page = gateway.ask(&browse(ACME, "/"));
    page.assert_status(403);
    assert!(page.text().starts_with("<p>tenant_suspended of acme: &lt;i&gt;</p>"), "{}", page.text());
    assert!(!page.header("content-security-policy").unwrap().contains("script-src"));
    // One that never ends is stopped, and the built-in page is shown.
    let page = gateway.ask(&browse(GLOBEX, "/"));
    page.assert_status(503);
    assert!(page.text().contains("back soon"), "{}", page.text());
}

#[test]
fn a_head_has_the_pages_length_and_no_body() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).set("tenants", DOWN).start();
    let mut client = gateway.connect();
    let page = client.ask(&crate::harness::request("HEAD", ACME, "/").header("Accept", BROWSER));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-length").unwrap().parse::<usize>().unwrap() > 500);
    client.ask(&browse(ACME, "/")).assert_status(503);
}

const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";

#[test]
fn a_tenants_files_are_served_at_the_edge_to_its_own_clients() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .file("logo.svg", LOGO)
        .set("branding", "{ name: Example, logo: logo.svg, colors: { primary: '#123456' } }")
        .set(
            "tenants",
            "[{ id: acme, state: suspended, branding: { colors: { primary: '#ff6600' } } }, { id: globex }]",
        )
        .start();
    let css = gateway.ask(&get(ACME, "/.brand/brand.css"));
    css.assert_status(200);
    assert!(css.text().contains("--brand-primary:#ff6600"), "{}", css.text());
    assert_eq!(css.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(css.header("cache-control"), Some("private, no-cache"));
    let etag = css.header("etag").unwrap().to_owned();
    let known =
        gateway.ask(&get(ACME, "/.brand/brand.css").header("If-None-Match", &format!("\"x\", W/{etag}")));
    assert_eq!((known.status, known.body.len()), (304, 0));
    gateway.ask(&get(GLOBEX, "/.brand/brand.css").header("If-None-Match", &etag)).assert_status(200);
    // What names its content is kept for ever; a former name finds what is there now, which is not.
    let json = gateway.ask(&get(ACME, "/.brand/brand.json")).json();
    assert_eq!(
        (json["name"].as_str(), json["colors"]["primary"].as_str()),
        (Some("Example"), Some("#ff6600"))
    );
    let hashed = gateway.ask(&get(ACME, json["stylesheet"].as_str().unwrap()));
    assert_eq!(hashed.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let other = gateway.ask(&get(GLOBEX, json["stylesheet"].as_str().unwrap()));
    assert!(other.text().contains("#123456") && other.header("cache-control") == Some("private, no-cache"));
    let logo = gateway.ask(&get(ACME, json["logo"].as_str().unwrap()));
    assert_eq!((logo.text().as_str(), logo.header("content-type")), (LOGO, Some("image/svg+xml")));
    assert_eq!(logo.header("x-content-type-options"), Some("nosniff"));
    assert!(logo.header("content-security-policy").unwrap().contains("sandbox"));
    let head = gateway.ask(&crate::harness::request("HEAD", ACME, "/.brand/brand.css"));
    assert_eq!(head.header("content-length"), Some(css.body.len().to_string().as_str()));
    gateway.ask(&get(ACME, "/.brand/other")).assert_status(404);
    gateway.ask(&crate::harness::post(ACME, "/.brand/brand.css", "x")).assert_status(405);
    gateway.ask(&get("nobody.app.test", "/.brand/brand.css")).assert_refused(404, "unknown_tenant");
    origin.assert_untouched();
}

#[test]
fn without_branding_the_path_is_the_applications() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).start();
    gateway.ask(&get(ACME, "/.brand/brand.css")).assert_status(200);
    assert_eq!(origin.last_request().target, "/.brand/brand.css");
}

/// What an origin sends: a head, and a body of this length.
fn page(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const INJECT: &str = "{ name: 'M & M', inject: true, colors: { primary: '#123456' },
    rewrite: [{ select: '#footer', set_inner: 'by {{brand.name}}' }] }";

const PAGE: &str = "<html><head><title>{{brand.name}}</title></head><body><p id=footer>old</p></body></html>";

#[test]
fn a_page_is_given_the_look_and_its_head_says_so() {
    let fields = "ETag: \"abc\"\r\nAccept-Ranges: bytes\r\nContent-Security-Policy: default-src 'none'\r\n";
    let origin = Origin::answering(page(fields, PAGE.as_bytes()));
    let gateway = config().to(&origin).set("branding", INJECT).start();
    let answer = gateway.ask(&get(ACME, "/").header("Accept-Encoding", "zstd, gzip, br;q=0.5"));
    answer.assert_status(200);
    let html = answer.text();
    assert!(html.contains("<head><link rel=\"stylesheet\" href=\"/.brand/brand."), "{html}");
    assert!(
        html.contains("<title>M &#38; M</title>") && html.contains("<p id=footer>by M &#38; M</p>"),
        "{html}"
    );
    let etag = answer.header("etag").unwrap();
    assert!(etag.starts_with("W/\"abc-s") && etag.len() == "W/\"abc-s0123456789abcdef\"".len(), "{etag}");
    assert_eq!(answer.header("accept-ranges"), None);
    assert_eq!(answer.header("content-length"), None);
    let policy = "default-src 'none'; style-src acme.app.test/.brand/";
    assert_eq!(answer.header("content-security-policy"), Some(policy));
    assert_eq!(origin.last_request().header("accept-encoding"), Some("gzip, br;q=0.5"));
    let link = html.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(gateway.ask(&get(ACME, link)).text().contains("#123456"));
}

#[test]
fn a_compressed_page_stays_compressed() {
    use std::io::{Read as _, Write as _};
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(PAGE.as_bytes()).unwrap();
    let origin = Origin::answering(page("Content-Encoding: gzip\r\n", &gzip.finish().unwrap()));
    let gateway = config().to(&origin).set("branding", INJECT).start();
    let answer = gateway.ask(&get(ACME, "/").header("Accept-Encoding", "gzip"));
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut html = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut html).unwrap();
    assert!(html.contains("by M &#38; M"), "{html}");
}

#[test]
fn what_is_no_page_is_not_touched() {
    let raw = |status: &str, fields: &str| {
        let length = PAGE.len();
        format!("HTTP/1.1 {status}\r\nETag: \"abc\"\r\n{fields}Content-Length: {length}\r\n\r\n{PAGE}")
    };
    let html = "Content-Type: text/html\r\n";
    for answer in [
        raw("200 OK", "Content-Type: application/json\r\n"),
        raw("200 OK", ""),
        raw("200 OK", &format!("{html}Cache-Control: public, no-transform\r\n")),
        raw("200 OK", &format!("{html}Content-Encoding: zstd\r\n")),
        raw("200 OK", "Content-Type: text/html; charset=UTF-16LE\r\n"),
        raw("206 Partial Content", &format!("{html}Content-Range: bytes 0-1/9\r\n")),
    ] {
        let origin = Origin::answering(&answer);
        let gateway = config().to(&origin).set("branding", INJECT).start();
        let got = gateway.ask(&get(ACME, "/"));
        assert_eq!(got.text(), PAGE, "{answer}");
        assert_eq!(got.header("etag"), Some("\"abc\""), "{answer}");
        assert_eq!(got.header("content-length"), Some(PAGE.len().to_string().as_str()), "{answer}");
    }
}

#[test]
fn what_the_origin_has_sent_is_not_waited_with() {
    let (gate, head) = (
        crate::harness::Gate::shut(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let waits = gate.clone();
    let origin = Origin::serving(move |_, peer| {
        peer.send(head);
        peer.send_chunk("<p>first {{brand.na");
        waits.pass();
        peer.send_chunk("me}}</p>");
        peer.send("0\r\n\r\n");
    });
    let gateway = config().to(&origin).set("branding", INJECT).start();
    let mut client = gateway.asking(&get(ACME, "/"));
    client.response_head().unwrap();
    let first = client.chunk().unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), "<p>first ");
    gate.open();
    let second = client.chunk().unwrap();
    assert_eq!(String::from_utf8(second).unwrap(), "M &#38; M</p>");
}

#[test]
fn a_compressed_page_that_broke_off_never_looks_complete() {
    let origin = Origin::answering(page("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00\x00"));
    let gateway = config().to(&origin).set("branding", INJECT).start();
    let mut client = gateway.asking(&get(ACME, "/"));
    assert_ne!(client.response(false).unwrap().ending, crate::harness::Ending::Complete);
}

#[test]
fn an_applications_error_is_replaced_where_it_is_asked_for() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nX-Stack: secret\r\nContent-Length: 5\r\n\r\nstack";
    let origin = Origin::answering(answer);
    let gateway = config()
        .to(&origin)
        .set("branding", "{ name: Example }")
        .set("tenants", "[{ id: acme, branding: { intercept: [503] } }, { id: globex }]")
        .start();
    let page = gateway.ask(&browse(ACME, "/"));
    page.assert_status(503);
    assert!(page.text().contains("Example") && !page.text().contains("stack"), "{}", page.text());
    assert_eq!((page.header("retry-after"), page.header("x-stack")), (Some("7"), None));
    assert!(page.header("proxy-status").unwrap().contains("received-status=503"));
    gateway.ask(&get(ACME, "/")).assert_refused(503, "upstream_error");
    let counted =
        || gateway.metric("tollgate_rejected_total", &[("tenant", "acme"), ("reason", "upstream_error")]);
    eventually("it counts by its own name", || counted() >= 2.0);
    let own = gateway.ask(&browse(GLOBEX, "/"));
    assert_eq!((own.status, own.text().as_str()), (503, "stack"));
}
