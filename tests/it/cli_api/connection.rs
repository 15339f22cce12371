//! How the API is reached, and what is said when it isn't.

use serde_json::json;

use super::{admin, command, finished, problem, run};
use crate::harness::{Origin, refused_address, tollgate};

#[test]
fn the_admin_listener_is_named_by_flag_before_environment() {
    let origin = admin(|_, _| (200, json!({ "plans": [] })));
    let (nobody, _held) = refused_address();
    let url = format!("http://{}", origin.address());
    let mut flagged = command(&origin, &["plan", "list", "--admin", &url]);
    finished(flagged.env("TOLLGATE_ADMIN", format!("http://{nobody}")).output().unwrap()).well();
    let mut before = command(&origin, &["plan", "--admin", &url, "list"]);
    finished(before.env_remove("TOLLGATE_ADMIN").output().unwrap()).well();
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_listener_that_is_not_there_is_named_with_advice() {
    let (nobody, _held) = refused_address();
    let mut command = tollgate(&["tenant", "list", "--admin", &format!("http://{nobody}")]);
    let error = finished(command.env_remove("TOLLGATE_TOKEN").output().unwrap()).badly();
    for part in [&nobody.to_string(), "can't be connected to", "admin.bind", "--admin"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_refused_token_is_told_by_where_it_came_from_and_never_shown() {
    let origin = Origin::answering(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 66\r\n\r\n\
         {\"code\":\"unauthenticated\",\"detail\":\"this is not the admin token\"}  ",
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.token");
    std::fs::write(&file, "of-the-file\n").unwrap();
    let path = file.to_str().unwrap();
    let ask = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&origin, arguments);
        command.env_remove("TOLLGATE_TOKEN").envs(variables.iter().copied());
        finished(command.output().unwrap()).badly()
    };
    let list = ["tenant", "list"];
    let by_flag = ["tenant", "list", "--token-file", path];
    let both = [("TOLLGATE_TOKEN", "of-the-variable"), ("TOLLGATE_TOKEN_FILE", path)];
    for (error, source) in [
        (ask(&list, &[]), "no token was given"),
        (ask(&list, &both), "environment variable TOLLGATE_TOKEN"),
        (ask(&list, &both[1..]), "TOLLGATE_TOKEN_FILE=/"),
        (ask(&by_flag, &both), "--token-file /"),
    ] {
        assert!(error.contains("this is not the admin token (401, unauthenticated)"), "{error}");
        assert!(error.contains(source), "{source}: {error}");
        assert!(!error.contains("of-the-"), "{error}");
    }
    let sent = origin.requests();
    let tokens: Vec<_> = sent.iter().map(|request| request.header("authorization")).collect();
    let expected =
        [None, Some("Bearer of-the-variable"), Some("Bearer of-the-file"), Some("Bearer of-the-file")];
    assert_eq!(tokens, expected);
}

#[test]
fn whoever_calls_is_named_for_the_audit_log() {
    let origin = admin(|_, _| (200, json!({ "plans": [] })));
    let mut command = command(&origin, &["plan", "list"]);
    finished(command.env("USER", "ali\nce").output().unwrap()).well();
    let request = origin.last_request();
    let actor = request.header("x-tollgate-actor").unwrap();
    assert!(actor.starts_with("alice"), "{actor}");
    assert_eq!(request.header("host"), Some(origin.address().to_string().as_str()));
}

#[test]
fn what_is_no_admin_api_is_told_as_such() {
    let origin = Origin::saying("<html>hello</html>");
    let error = run(&origin, &["tenant", "get", "acme"]).badly();
    assert!(error.contains("doesn't answer as an admin API does"), "{error}");
    let origin = Origin::saying("{}");
    let error = run(&origin, &["tenant", "list"]).badly();
    assert!(error.contains("no `tenants`"), "{error}");
}

#[test]
fn an_answer_that_breaks_off_fails() {
    let origin = Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"plans\":[");
    let error = run(&origin, &["plan", "list"]).badly();
    assert!(error.contains("broke off"), "{error}");
}

#[test]
fn wrong_usage_is_2_and_asks_nothing() {
    let origin = admin(|_, _| unreachable!());
    for arguments in [
        &["tenant"][..],
        &["tenant", "set", "acme"],
        &["tenant", "create", "acme", "--label", "nothing"],
        &["tenant", "list", "--all", "--limit", "5"],
        &["tenant", "list", "--limit", "0"],
        &["tenant", "list", "--output", "xml"],
        &["key", "rotate", "acme"],
        &["audit", "--since", "yesterday"],
        &["completions", "cobol"],
    ] {
        let done = run(&origin, arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}: {}", done.err);
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let origin = admin(|_, _| unreachable!());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&origin, &["completions", shell]).well();
        for word in ["tollgate", "whois", "token-file", "from-line"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
}

#[test]
fn a_refusal_has_each_error_with_its_pointer_and_help() {
    let origin = admin(|_, _| {
        let (status, mut document) = problem(422, "invalid_tenant", "the tenant is not valid");
        document["errors"] = json!([
            { "pointer": "#/plan", "code": "unknown-plan", "detail": "there is no plan `fre`", "hint": "did you mean `free`?" },
        ]);
        (status, document)
    });
    let error = run(&origin, &["tenant", "create", "acme", "--plan", "fre"]).badly();
    assert_eq!(
        error,
        "tollgate: the tenant is not valid (422, invalid_tenant)\n  #/plan: there is no plan `fre`\n    help: did you mean `free`?\n"
    );
}
