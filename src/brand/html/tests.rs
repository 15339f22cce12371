//! What pages become, whatever they are and however they come.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn injection(rules: &[Rule]) -> Arc<Injection> {
    let texts = [
        ("name", "Müller & \"Söhne\" <b>"),
        ("support_email", "help@example.com"),
        ("evil", "javascript:alert(1)"),
    ];
    let urls = [("logo", "/.brand/logo.0123456789abcdef.svg")];
    let theme = Some("#ff6600".to_owned());
    Arc::new(Injection::new("/.brand/", "/.brand/brand.css", theme, &texts, &urls, rules))
}

fn rule(select: &str, change: Change) -> Rule {
    Rule { select: select.to_owned(), change }
}

fn encoded(coding: Coding, body: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => body.to_vec(),
        Coding::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        }
        Coding::Brotli => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            writer.write_all(body).unwrap();
            writer.into_inner()
        }
    }
}

fn decoded(coding: Coding, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        Coding::Identity => out.extend_from_slice(body),
        Coding::Gzip => _ = flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).unwrap(),
        Coding::Brotli => _ = brotli::Decompressor::new(body, 4096).read_to_end(&mut out).unwrap(),
    }
    out
}

/// Sends a body through in pieces, flushed after each, and gives what comes out, still encoded.
fn through(injection: &Arc<Injection>, coding: Coding, pieces: &[&[u8]]) -> Result<Vec<u8>, Broken> {
    let mut transform = Transform::new(injection, coding, None);
    let mut out = Vec::new();
    for piece in pieces {
        transform.push(Bytes::copy_from_slice(piece));
        loop {
            match transform.pull()? {
                Pulled::Out(bytes) => out.extend_from_slice(&bytes),
                Pulled::Busy => {}
                Pulled::Hungry => break,
            }
        }
        out.extend_from_slice(&transform.flush()?.unwrap_or_default());
    }
    out.extend_from_slice(&transform.finish()?);
    Ok(out)
}

fn rewritten(rules: &[Rule], page: &str) -> String {
    String::from_utf8(through(&injection(rules), Coding::Identity, &[page.as_bytes()]).unwrap()).unwrap()
}

/// A body in pieces that end at these places.
fn pieces<'b>(body: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    let mut at = 0;
    let mut all = Vec::new();
    for cut in cuts.into_iter().chain([body.len()]) {
        all.push(&body[at..cut]);
        at = cut;
    }
    all
}

#[test]
fn whatever_pages_are_changed_by_makes_another_edition() {
    let edition = |stylesheet, theme: &str, name, logo, rules: &[Rule]| {
        let (texts, urls) = ([("name", name)], [("logo", logo)]);
        Injection::new("/.brand/", stylesheet, Some(theme.to_owned()), &texts, &urls, rules).edition
    };
    let removed = || rule("#ad", Change { remove: true, ..Change::default() });
    let first = edition("/a.css", "#123456", "Acme", "/a.svg", &[]);
    assert!(first.len() == 16 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_eq!(edition("/a.css", "#123456", "Acme", "/a.svg", &[]), first);
    for other in [
        edition("/b.css", "#123456", "Acme", "/a.svg", &[]),
        edition("/a.css", "#123457", "Acme", "/a.svg", &[]),
        edition("/a.css", "#123456", "Acne", "/a.svg", &[]),
        edition("/a.css", "#123456", "Acme", "/b.svg", &[]),
        edition("/a.css", "#123456", "Acme", "/a.svg", &[removed()]),
    ] {
        assert_ne!(other, first);
    }
}

#[test]
fn a_page_gets_its_style_sheet_and_its_tokens() {
    let page = "<!doctype html><head><title>{{brand.name}}</title></head><p title='{{ brand.name }}'>{{brand.name}}, {{brand.none}}";
    let name = "M&#252;ller &#38; &#34;S&#246;hne&#34; &#60;b&#62;";
    let head =
        "<link rel=\"stylesheet\" href=\"/.brand/brand.css\"><meta name=\"theme-color\" content=\"#ff6600\">";
    assert_eq!(
        rewritten(&[], page),
        format!(
            "<!doctype html><head>{head}<title>{name}</title></head><p title=\"{name}\">{name}, {{{{brand.none}}}}"
        )
    );
}

#[test]
fn a_token_is_filled_in_only_where_it_can_do_no_harm() {
    for same in [
        "<script>x = '{{brand.name}}'</script>",
        "<style>{{brand.name}}</style>",
        "<!-- {{brand.name}} -->",
        "<p onclick=\"f('{{brand.name}}')\" style=\"color: {{brand.name}}\">",
        "<iframe srcdoc='{{brand.name}}'></iframe>",
    ] {
        assert_eq!(rewritten(&[], same), same);
    }
    assert_eq!(rewritten(&[], "<a href='{{brand.evil}}'>"), "<a href=\"javascript%3Aalert%281%29\">");
    assert_eq!(
        rewritten(&[], "<img src='{{brand.logo}}'>"),
        "<img src=\"/.brand/logo.0123456789abcdef.svg\">"
    );
    let mail = "<a href=\"mailto:{{brand.support_email}}\">";
    assert_eq!(rewritten(&[], mail), "<a href=\"mailto:help@example.com\">");
}

#[test]
fn rules_change_elements() {
    let inner = |text: &str| Change { inner: Some(text.to_owned()), ..Change::default() };
    let rules = [
        rule("#footer", inner("© {{brand.name}} <i> {{<script>}}")),
        rule(
            "a.help",
            Change {
                attributes: [("href".to_owned(), "/help?of={{brand.name}}".to_owned())].into(),
                ..Change::default()
            },
        ),
        rule(".ad", Change { remove: true, ..Change::default() }),
        rule("nav", Change { inner_html: Some("<b>ü</b>".to_owned()), ..Change::default() }),
    ];
    let page = "<div id=footer>old <b>x</b></div><a class=help href=/x>?</a><div class=ad><p>buy</p></div><nav>old</nav>";
    let new = rewritten(&rules, page);
    assert!(new.contains("&#169; M&#252;ller") && !new.contains("<script>") && !new.contains("<i>"), "{new}");
    assert!(new.contains("/help?of&#61;M%C3%BCller"), "{new}");
    assert!(
        !new.contains("buy") && new.contains("<nav><b>&#252;</b></nav>") && !new.contains("old"),
        "{new}"
    );
}

#[test]
fn what_can_not_be_held_goes_through_as_it_is() {
    let mut page = b"<head></head><p title='".to_vec();
    page.extend(std::iter::repeat_n(b'x', 1 << 20));
    page.extend_from_slice(b"'>{{brand.name}}");
    let parts: Vec<&[u8]> = page.chunks(10_000).collect();
    let new = through(&injection(&[]), Coding::Identity, &parts).unwrap();
    assert!(new.starts_with(b"<head><link"));
    assert!(new.ends_with(b"'>{{brand.name}}"));
}

#[test]
fn a_body_that_is_not_what_its_head_says_breaks() {
    for coding in [Coding::Gzip, Coding::Brotli] {
        let whole = encoded(coding, b"<p>hello, hello, hello</p>");
        assert_eq!(through(&injection(&[]), coding, &[&whole[..whole.len() - 3]]), Err(Broken), "{coding:?}");
        assert_eq!(
            through(&injection(&[]), coding, &[b"<p>no coding at all</p>"]),
            Err(Broken),
            "{coding:?}"
        );
    }
}

#[test]
fn members_of_gzip_may_follow_each_other_and_bombs_come_in_pieces() {
    let mut two = encoded(Coding::Gzip, b"<p>one");
    two.extend(encoded(Coding::Gzip, b"two</p>"));
    let out = through(&injection(&[]), Coding::Gzip, &[&two]).unwrap();
    assert_eq!(decoded(Coding::Gzip, &out), b"<p>onetwo</p>");
    let bomb = encoded(Coding::Gzip, &vec![b' '; 32 << 20]);
    let mut transform = Transform::new(&injection(&[]), Coding::Gzip, None);
    transform.push(Bytes::from(bomb));
    let mut turns = 0;
    loop {
        match transform.pull().unwrap() {
            Pulled::Out(out) => assert!(out.len() < 128 * 1024, "{}", out.len()),
            Pulled::Busy => turns += 1,
            Pulled::Hungry => break,
        }
    }
    assert!(turns > 100, "others had their turn {turns} times");
}

#[test]
fn what_pads_the_last_member_of_gzip_is_passed_over() {
    for padding in [vec![0; 20], b"garbage".to_vec()] {
        let body = [encoded(Coding::Gzip, b"<p>all</p>"), padding].concat();
        for pieces in [vec![&body[..]], body.chunks(1).collect()] {
            let out = through(&injection(&[]), Coding::Gzip, &pieces).unwrap();
            assert_eq!(decoded(Coding::Gzip, &out), b"<p>all</p>");
        }
    }
}

#[test]
fn nothing_is_filled_into_code_wherever_it_stands() {
    for same in [
        "<svg><script>a = \"{{brand.name}}\"</script></svg>",
        "<svg><style>{{brand.name}}</style></svg>",
        "<math><script>{{brand.name}}</script></math>",
        "<a href=\"javascript:f('{{brand.name}}')\">",
        "<a href=\" java&#115;cript:f('{{brand.name}}')\">",
        "<iframe src=\"data:text/html,{{brand.name}}\">",
        "<a hx-on:click=\"f('{{brand.name}}')\" x-data=\"{{brand.name}}\" @click=\"{{brand.name}}\">",
    ] {
        assert_eq!(rewritten(&[], same), same);
    }
    let after = rewritten(&[], "<svg><script>1</script><text>{{brand.support_email}}</text></svg>");
    assert!(after.contains("<text>help@example.com"), "{after}");
    let twice = rewritten(&[], "<a title='it\"s {{x}}' title=\"{{brand.name}}\">");
    assert_eq!(twice, "<a title='it\"s {{x}}' title=\"{{brand.name}}\">");
}

#[test]
fn what_was_held_back_stands_before_what_is_passed_on() {
    let page = format!("hello {{{{brand.na<a title=\"{}\">bye", "A".repeat(200 * 1024));
    let pieces: Vec<&[u8]> = vec![&page.as_bytes()[..16], &page.as_bytes()[16..]];
    assert!(through(&injection(&[]), Coding::Identity, &pieces).unwrap() == page.as_bytes());
}

#[test]
fn a_page_can_not_be_blown_up_by_rules() {
    let rules = [rule("p", Change { inner: Some("x".repeat(16 * 1024)), ..Change::default() })];
    let page = "<p></p>".repeat(2_300);
    let mut transform = Transform::new(&injection(&rules), Coding::Identity, None);
    transform.push(Bytes::from(page.into_bytes()));
    loop {
        match transform.pull().unwrap() {
            Pulled::Out(out) => assert!(out.len() < 80 * 1024, "{}", out.len()),
            Pulled::Busy => {}
            Pulled::Hungry => break,
        }
    }
}

#[test]
fn who_may_not_have_anything_run_or_loaded_has_not() {
    let guarded = |select: &str, name: &str, value: &str| {
        let change = Change {
            inner: Some("alert(1)".to_owned()),
            attributes: [(name.to_owned(), value.to_owned())].into(),
            guarded: true,
            ..Change::default()
        };
        rule(select, change)
    };
    for (select, page) in [
        ("script", "<script src=x></script>"),
        ("meta", "<meta http-equiv=refresh content=1>"),
        ("base", "<base href=/>"),
        ("link", "<link rel=stylesheet href=/x>"),
    ] {
        assert_eq!(rewritten(&[guarded(select, "href", "//evil.test/")], page), page);
    }
    let link = rewritten(&[guarded("a", "href", "/help")], "<a href=/x>?</a>");
    assert_eq!(link, "<a href=\"/help\">alert(1)</a>");
}

fn any_coding() -> impl Strategy<Value = Coding> {
    prop_oneof![Just(Coding::Identity), Just(Coding::Gzip), Just(Coding::Brotli)]
}

/// Pages of pieces that are hard to tell apart, with octets that are no UTF-8.
fn any_page(with_work: bool) -> impl Strategy<Value = Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = [
        "<p>",
        "</p>",
        "{{",
        "{",
        "}}",
        "{{brand.",
        "{{ brand.none }}",
        "<a href='{{x}}'>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<title>",
        "</title>",
        "<br/>",
        "<",
        ">",
        "'",
        "\"",
        "é",
        "&amp;",
        "<svg><path d=''/></svg>",
        " ",
        "\n",
        "text",
    ]
    .map(|part| part.as_bytes().to_vec())
    .into();
    parts.extend([vec![0xff, 0xfe], vec![0x81, 0x8d], vec![0xc3], vec![0]]);
    if with_work {
        let work =
            ["<head>", "{{brand.name}}", "{{ brand.name }}", "<p title='{{brand.name}}'>", "<div id=footer>"];
        parts.extend(work.map(|part| part.as_bytes().to_vec()));
    }
    prop::collection::vec(prop::sample::select(parts), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_page_with_nothing_to_rewrite_is_the_same_to_the_octet(
        page in any_page(false), cuts in prop::collection::vec(any::<usize>(), 0..8), coding in any_coding()
    ) {
        let body = encoded(coding, &page);
        let out = through(&injection(&[]), coding, &pieces(&body, &cuts)).unwrap();
        prop_assert_eq!(decoded(coding, &out), page);
    }

    #[test]
    fn how_a_page_comes_changes_nothing(
        page in any_page(true), cuts in prop::collection::vec(any::<usize>(), 0..8), coding in any_coding()
    ) {
        let rules = [rule("#footer", Change { inner: Some("{{brand.name}}".to_owned()), ..Change::default() })];
        let body = encoded(coding, &page);
        let whole = through(&injection(&rules), coding, &[&body]).unwrap();
        let apart = through(&injection(&rules), coding, &pieces(&body, &cuts)).unwrap();
        prop_assert_eq!(decoded(coding, &apart), decoded(coding, &whole));
    }

    #[test]
    fn no_value_is_ever_markup(value in any::<String>()) {
        let text = escaped(&value);
        let markup = ['<', '>', '"', '\'', '`', '=', '{', '}'];
        prop_assert!(text.is_ascii() && !text.contains(markup));
        let injection = Arc::new(Injection::new("/.brand/", "/c", None, &[("x", &value)], &[], &[]));
        let page = b"<p title={{brand.x}}>{{brand.x}}</p><a href='{{brand.x}}'>";
        let new = through(&injection, Coding::Identity, &[page]).unwrap();
        // As many tags as before, and none of them with a `:` in its URL.
        prop_assert_eq!(new.iter().filter(|byte| **byte == b'<').count(), 3);
        let url = String::from_utf8(new).unwrap();
        prop_assert!(!url.rsplit("href=").next().unwrap().contains(':'));
    }
}
