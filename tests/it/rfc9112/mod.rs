//! HTTP/1.1 (RFC 9112) octet by octet: `requests.txt` and `responses.txt` are the tables, each case with the outcomes that
//! the RFC allows. What is written about them here is only how they are read and tried.

mod requests;
mod responses;
mod table;

use crate::harness::{Client, Response, Silence};
use table::Outcome;

/// What became of what was sent: each final status, and how the connection was left.
#[derive(Debug)]
struct Found {
    answers: Vec<Response>,
    silence: Option<Silence>,
}

impl Found {
    /// Reads at most `count` final responses; the first may be one to HEAD.
    fn read(client: &mut Client, count: usize, to_head: bool) -> Self {
        let mut found = Self { answers: Vec::new(), silence: None };
        while found.answers.len() < count {
            match client.response(to_head && found.answers.is_empty()) {
                Ok(response) if response.status < 200 && response.status != 101 => {}
                Ok(response) => found.answers.push(response),
                Err(silence) => {
                    found.silence = Some(silence);
                    break;
                }
            }
        }
        found
    }

    /// Whether it is this outcome, its body cut off or whole.
    fn is(&self, outcome: &Outcome) -> bool {
        let statuses: Vec<_> = self.answers.iter().map(|answer| answer.status).collect();
        // A connection that ends in order after fewer answers has ended in order: what was reset may have said more.
        let enough = statuses == outcome.statuses;
        let silent =
            outcome.statuses.is_empty() && matches!(self.silence, Some(Silence::Closed | Silence::Reset));
        enough && (!outcome.statuses.is_empty() || silent)
    }

    fn told(&self) -> String {
        let answers: Vec<_> = self
            .answers
            .iter()
            .map(|answer| {
                format!("{} {} {:?} {:?}", answer.status, answer.code(), answer.ending, answer.text())
            })
            .collect();
        format!("{answers:?}, {:?}", self.silence)
    }
}
