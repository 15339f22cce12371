//! The command line of the binary.

use std::process::Output;

use crate::harness::{Origin, config, tollgate};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = tollgate(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn check_accepts_a_good_file_and_names_what_is_wrong_with_a_bad_one() {
    let directory = tempfile::tempdir().unwrap();
    let origin = Origin::echo();
    let good = config().to(&origin).write(directory.path());
    let (code, out, err) = run(&["check", good.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");

    let bad = config()
        .to(&origin)
        .set("plans", "{ free: { rate_limt: { rate: 1/s } } }")
        .set("tenants", "[{ id: acme, plan: fre }]")
        .write(directory.path());
    let (code, out, err) = run(&["check", bad.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}{err}");
    let said = format!("{out}{err}");
    let found = |output: &str| {
        let (code, out, _) = run(&["check", bad.to_str().unwrap(), "--output", output]);
        assert_eq!(code, Some(1), "{out}");
        out
    };
    let json: serde_json::Value = serde_json::from_str(&found("json")).unwrap();
    let yaml: serde_json::Value = serde_saphyr::from_str(&found("yaml")).unwrap();
    assert_eq!((&json, &json["valid"]), (&yaml, &serde_json::Value::Bool(false)));
    for part in ["tollgate.yaml:", "rate_limt", "rate_limit", "fre", "free"] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
}

#[test]
fn a_file_that_is_not_there_fails() {
    for command in [["check", "/no/such/file.yaml"].as_slice(), &["run", "--config", "/no/such/file.yaml"]] {
        let (code, _, err) = run(command);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("/no/such/file.yaml"), "{err}");
    }
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [[].as_slice(), &["no-such-command"], &["run", "--no-such-flag"], &["check"]] {
        let (code, _, err) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
    }
}

#[test]
fn schema_prints_a_json_schema() {
    let (code, out, err) = run(&["schema"]);
    assert_eq!(code, Some(0), "{err}");
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["listeners"].is_object());
}

#[test]
fn help_and_version_are_0() {
    for flag in ["--help", "--version"] {
        let (code, out, err) = run(&[flag]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.to_lowercase().contains("tollgate"), "{out}");
    }
}

#[test]
fn an_address_in_use_fails_and_says_which() {
    let origin = Origin::echo();
    let taken = format!("[{{ bind: {} }}]", origin.address());
    let directory = tempfile::tempdir().unwrap();
    let path = config().to(&origin).set("listeners", &taken).write(directory.path());
    let (code, _, err) = run(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&origin.address().port().to_string()), "{err}");
}
