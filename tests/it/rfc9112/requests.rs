//! The table of requests: each on a connection of its own, to an origin that says what it was asked.

use super::Found;
use super::table::{Case, read};
use crate::harness::{ACME, Origin, Request, Silence, TestGateway, config, eventually, get};

/// After one of these the rest of the connection can't be told, so that it has to end (RFC 9112, 9.6 and 11.2).
const FATAL: [u16; 5] = [400, 414, 431, 501, 505];

#[test]
fn requests_have_the_outcomes_that_are_allowed() {
    let origin = Origin::echo();
    let gateway =
        config().to(&origin).set("limits", "{ max_header_bytes: 64KiB, header_read_timeout: 5s }").start();
    let mut faults = Vec::new();
    for case in read("requests.txt") {
        if let Err(fault) = hold(&case, &gateway, &origin) {
            faults.push(format!("{}: {fault}", case.name));
        }
    }
    // None of it has done lasting harm.
    gateway.connect().ask(&get(ACME, "/after")).assert_status(200);
    assert!(faults.is_empty(), "{} cases failed:\n{}", faults.len(), faults.join("\n"));
}

fn hold(case: &Case, gateway: &TestGateway, origin: &Origin) -> Result<(), String> {
    let before = origin.requests().len();
    let mut client = gateway.connect();
    client.send(&case.octets);
    if case.has("end") {
        client.finish_sending();
    }
    let found = Found::read(&mut client, case.answers_at_most(), case.has("head"));
    if !case.outcomes.iter().any(|outcome| found.is(outcome)) {
        return Err(format!("{}, which is none of {:?}", found.told(), case.outcomes));
    }
    let last = found.answers.last().map_or(0, |answer| answer.status);
    if FATAL.contains(&last) && !case.has("open") && client.drain() == Silence::Deadline {
        return Err(format!("{last}, and the connection was left open"));
    }
    eventually("nothing is under way", || gateway.metric("tollgate_requests_in_flight", &[]) == 0.0);
    let seen = origin.requests().split_off(before);
    let served = found.answers.iter().filter(|answer| answer.status == 200).count();
    if seen.len() != served {
        return Err(format!("{served} were served, and the origin saw {seen:?}"));
    }
    match seen.first() {
        Some(first) if found.answers.first().is_some_and(|answer| answer.status == 200) => {
            passed_on(case, first)
        }
        _ => Ok(()),
    }
}

/// The first request as the origin saw it.
fn passed_on(case: &Case, seen: &Request) -> Result<(), String> {
    for expected in &case.passed_on {
        let right = if let Some(body) = expected.strip_prefix("body ") {
            seen.body == body.as_bytes()
        } else if let Some(name) = expected.strip_prefix('-') {
            seen.all(name).is_empty()
        } else if let Some((name, value)) = expected.split_once(": ") {
            seen.all(name) == [value]
        } else {
            format!("{} {} {}", seen.method, seen.target, seen.version) == format!("{expected} HTTP/1.1")
        };
        if !right {
            return Err(format!("{expected:?} is not what the origin saw: {seen:?}"));
        }
    }
    Ok(())
}
