//! The table of origins' responses: what a client gets of each, and that the next client gets nothing of it.

use std::collections::HashMap;

use super::Found;
use super::table::{Case, Outcome, read};
use crate::harness::{ACME, Ending, Origin, Response, TestGateway, config, get, request};

/// What another client's request is answered after each case.
const AFTER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter";

/// What hyper's client takes for a response, and ours does not: see `src/upstream/hyper1`.
const HYPERS: [&str; 5] = [
    "6.3 a length and a coding: the coding holds, or it is refused",
    "6.1 a coding that is not known",
    "6.1 chunked twice",
    "6.3 chunked is not the last",
    "6.1 a coding that looks like chunked",
];

#[test]
fn responses_have_the_outcomes_that_are_allowed() {
    let cases = read("responses.txt");
    let origin = origin(&cases);
    let gateway = config().to(&origin).start();
    let mut faults = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if cfg!(feature = "hyper-upstream") && HYPERS.contains(&case.name.as_str()) {
            continue;
        }
        if let Err(fault) = hold(case, number, &gateway) {
            faults.push(format!("{}: {fault}", case.name));
        }
        let next = gateway.connect().ask(&get(ACME, "/after"));
        if next.status != 200 || next.text() != "after" {
            faults.push(format!("{}: the next client got {next:?}", case.name));
        }
    }
    assert!(faults.is_empty(), "{} cases failed:\n{}", faults.len(), faults.join("\n"));
}

/// Answers the request for case N, which its query names, with that case's octets.
fn origin(cases: &[Case]) -> Origin {
    struct Answer {
        octets: Vec<u8>,
        keeps: bool,
        resets: bool,
    }
    let answers: HashMap<_, _> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let answer =
                Answer { octets: case.octets.clone(), keeps: case.has("keep"), resets: case.has("reset") };
            (format!("case={number}"), answer)
        })
        .collect();
    Origin::on_connection(move |_, mut peer| {
        while let Some(request) = peer.request() {
            let asked = request.target.split_once('?').map_or("", |(_, query)| query);
            let Some(answer) = answers.get(asked) else {
                peer.send(AFTER);
                continue;
            };
            peer.send(&answer.octets);
            if answer.resets {
                return peer.reset();
            }
            if !answer.keeps {
                return;
            }
        }
    })
}

fn hold(case: &Case, number: usize, gateway: &TestGateway) -> Result<(), String> {
    let (method, target) = case.asked.clone().unwrap_or_else(|| ("GET".to_owned(), "/".to_owned()));
    let mut client = gateway.connect();
    client.send(request(&method, ACME, &format!("{target}?case={number}")).bytes());
    let found = Found::read(&mut client, 1, method == "HEAD");
    let whole = |outcome: &Outcome| found.answers.iter().all(|answer| cut(answer) == outcome.cut);
    if !case.outcomes.iter().any(|outcome| found.is(outcome) && whole(outcome)) {
        return Err(format!("{}, which is none of {:?}", found.told(), case.outcomes));
    }
    match found.answers.first() {
        // What the gateway says itself is not what was to be passed on.
        Some(answer) if answer.code().is_empty() => passed_on(case, answer),
        _ => Ok(()),
    }
}

fn cut(answer: &Response) -> bool {
    matches!(answer.ending, Ending::Broken | Ending::Stalled)
}

fn passed_on(case: &Case, seen: &Response) -> Result<(), String> {
    for expected in &case.passed_on {
        let right = if let Some(body) = expected.strip_prefix("body ") {
            seen.text() == body
        } else if let Some(name) = expected.strip_prefix('-') {
            seen.all(name).is_empty()
        } else if let Some((name, value)) = expected.split_once(": ") {
            seen.all(name) == [value]
        } else {
            panic!("{}: no expectation: {expected:?}", case.name)
        };
        if !right {
            return Err(format!("{expected:?} is not what the client got: {seen:?}"));
        }
    }
    Ok(())
}
