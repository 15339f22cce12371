//! What `ARCHITECTURE.md` promises and the compiler doesn't check: the layers, and the house style.

// Tests assert; a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod source;

use source::{Source, is_word};

/// The layers, from the ground up: a module imports only from layers below its own, and, within its own,
/// only what `BESIDE` lists.
const LAYERS: [&[&str]; 8] = [
    &["types", "time", "net"],
    &["telemetry"],
    &[
        "acme",
        "config",
        "listen",
        "http",
        "routing",
        "admission",
        "balance",
        "brand",
        "breaker",
        "health",
        "retry",
        "tls",
        "upstream",
    ],
    &["tenant", "store"],
    &["proxy", "certificates"],
    &["control"],
    &["admin"],
    &["app", "cli"],
];

/// What may be imported within a layer. Mechanisms know as little of each other as can be.
const BESIDE: [(&str, &str); 7] = [
    // A request's body and the framing of chunks are the same on both sides.
    ("upstream", "http"),
    // A pool asks the balancer whose turn it is.
    ("upstream", "balance"),
    // What became of requests speaks for or against endpoints.
    ("upstream", "health"),
    // A pool says how its requests are sent again.
    ("upstream", "retry"),
    // A pool says how much of it may be in use, and its connections count.
    ("upstream", "breaker"),
    // A pool has seats.
    ("upstream", "admission"),
    // The commands start the gateway; the gateway knows nothing of commands.
    ("cli", "app"),
];

/// What no layer above may import but these: the seams that keep a change in one place.
const ONLY_FOR: [(&str, &[&str]); 2] = [
    // Documents become what runs in `control` and nowhere else.
    ("config", &["control", "app", "cli"]),
    // The admin API shows and changes; it never serves.
    ("proxy", &["control", "app", "cli"]),
];

/// What the demo, which stands beside the gateway as an application would, may import; and who may start it.
const DEMO: (&str, &[&str], &[&str]) = ("demo", &["types"], &["cli"]);

/// Lines that a file may have, tests in it included: one noun, read at one sitting.
const LINES_MAX: usize = 400;

/// Files that have more, and why.
const LONG: [(&str, &str); 0] = [];

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        let module = source.module();
        let Some(&from) = module.first() else { continue };
        for (to, line) in source.imports() {
            if let Some(why) = forbidden(from, to) {
                wrong.push(format!("{}:{line}: `{from}` imports `{to}`: {why}", source.file));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the layers (see LAYERS in {}):\n{}",
        file!(),
        wrong.join("\n")
    );
}

#[test]
fn every_module_has_a_layer() {
    let root = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    for module in root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(
            module == DEMO.0 || layer(module).is_some(),
            "src/lib.rs: `{module}` is in no layer: give it one in LAYERS of {} and in ARCHITECTURE.md",
            file!()
        );
    }
}

#[test]
fn nothing_is_left_undone() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        for name in ["todo!", "unimplemented!", "dbg!"] {
            for (at, _) in source.code.match_indices(name) {
                if !source.code[..at].ends_with(is_word) {
                    wrong.push(format!("{}:{}: {name}", source.file, source.line_of(at)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "left undone:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_of_a_size_to_read() {
    for source in Source::all() {
        let lines = source.text.lines().count();
        let excused = LONG.iter().any(|(file, _)| *file == source.file);
        assert!(
            lines <= LINES_MAX || excused,
            "{} has {lines} lines, more than {LINES_MAX}: split it by its nouns, or say why not in LONG of {}",
            source.file,
            file!()
        );
        assert!(lines > LINES_MAX || !excused, "{} is short enough: take it out of LONG", source.file);
    }
}

#[test]
fn every_module_says_what_it_is() {
    for source in Source::all() {
        assert!(source.text.starts_with("//! "), "{} doesn't open with what it is (`//! …`)", source.file);
    }
}

/// Why `from` may not import `to`, if it may not.
fn forbidden(from: &str, to: &str) -> Option<String> {
    let (demo, of_demo, for_whom) = DEMO;
    if from == to || (from == demo && of_demo.contains(&to)) || (to == demo && for_whom.contains(&from)) {
        return None;
    }
    if from == demo || to == demo {
        return Some(format!("the demo imports only {of_demo:?} and is imported only by {for_whom:?}"));
    }
    // A name at the crate's root that is no module (a macro, say).
    let (above, below) = (layer(from)?, layer(to)?);
    if below > above {
        return Some(format!("it stands in layer {above}, below layer {below}"));
    }
    if below == above && !BESIDE.contains(&(from, to)) {
        return Some(format!("both stand in layer {above}, and BESIDE doesn't list the pair"));
    }
    let (_, who) = ONLY_FOR.iter().find(|(what, who)| *what == to && !who.contains(&from))?;
    Some(format!("only {who:?} may"))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The rules would pass over everything if the files were misread.
mod reading {
    use super::*;

    fn imports(file: &str, text: &str) -> Vec<(String, usize)> {
        let source = Source::new(file.to_owned(), text.to_owned());
        source.imports().into_iter().map(|(name, line)| (name.to_owned(), line)).collect()
    }

    #[test]
    fn every_way_to_import_is_seen() {
        let text = "//! `crate::no`\nuse crate::http::wire::Scanner;\nfn f() -> crate::proxy::Proxy { todo() }\n\
                    use crate::{types::{Id, Host},\n    app};\nuse super::super::config;\nuse super::near;\n";
        let seen = imports("src/tenant/identify.rs", text);
        let names = [("http", 2), ("proxy", 3), ("types", 4), ("app", 5), ("config", 6)];
        assert_eq!(seen, names.map(|(name, line)| (name.to_owned(), line)));
    }

    #[test]
    fn comments_literals_and_tests_are_not_code() {
        let text = "const A: &str = \"crate::a \\\" crate::b\";\n/* crate::c */ const R: &str = r#\"crate::\"d\"#;\n\
                    const Q: (char, u8) = ('\"', b'\\'');\nuse crate::seen;\n\
                    #[cfg(test)]\nmod tests {\n    use crate::e;\n    fn f() { if true {} }\n}\n\
                    #[cfg(test)]\n#[path = \"x.rs\"]\nmod more;\nuse crate::last;\n";
        assert_eq!(imports("src/http/mod.rs", text), [("seen".to_owned(), 4), ("last".to_owned(), 13)]);
    }

    #[test]
    fn an_upward_import_is_forbidden_and_a_downward_one_is_not() {
        for (from, to) in [
            ("http", "tenant"),
            ("http", "config"),
            ("tenant", "config"),
            ("admin", "proxy"),
            ("demo", "http"),
        ] {
            assert!(forbidden(from, to).is_some(), "{from} → {to}");
        }
        for (from, to) in [
            ("proxy", "tenant"),
            ("upstream", "http"),
            ("control", "config"),
            ("cli", "demo"),
            ("http", "http"),
        ] {
            assert!(forbidden(from, to).is_none(), "{from} → {to}");
        }
    }
}
