//! Why there is no certificate, in words that an operator can do something with.

use std::fmt;
use std::time::Duration;

use instant_acme::{Error, Problem};

use super::Challenge;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The authority found no address of the name, or could not ask for one.
    Dns,
    /// It could not reach the name's server.
    Connection,
    /// It reached a server that gave the wrong answer.
    WrongAnswer,
    /// Records of the name forbid this authority (CAA, RFC 8659).
    Caa,
    /// The authority issues nothing for such a name.
    Rejected,
    /// The authority has had enough of us.
    RateLimited,
    /// Our account is not accepted.
    Account,
    /// The authority knows nothing of our account any more: another has to be made.
    AccountGone,
    /// The authority can't be reached, or fails itself.
    Authority,
    /// It took too long.
    Timeout,
    /// The key is not there that what is kept was encrypted with.
    EncryptionKey,
    /// Something here: the store, say.
    Internal,
}

impl Kind {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::WrongAnswer => "wrong_answer",
            Self::Caa => "caa",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate_limited",
            Self::Account | Self::AccountGone => "account",
            Self::Authority => "authority",
            Self::Timeout => "timeout",
            Self::EncryptionKey => "encryption_key",
            Self::Internal => "internal",
        }
    }

    /// Whether it is no fault of the name: another's order would fail, too.
    #[must_use]
    pub fn is_general(self) -> bool {
        matches!(
            self,
            Self::Account | Self::AccountGone | Self::Authority | Self::EncryptionKey | Self::Internal
        )
    }
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of thing.
    pub kind: Kind,
    /// What is wrong and what can be done, with what the authority says.
    pub words: String,
    /// How long the authority wants to be left alone, where it has said so.
    pub after: Option<Duration>,
}

impl Trouble {
    /// Of this kind, in these words.
    pub fn new(kind: Kind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into(), after: None }
    }

    /// What an exchange with the authority came to.
    #[must_use]
    pub fn of(error: &Error, name: &str, by: Option<Challenge>) -> Self {
        match error {
            Error::Api(problem) => Self::told(problem, name, by),
            Error::Timeout(_) => Self::new(Kind::Timeout, "the authority has not decided in time"),
            Error::Crypto | Error::KeyRejected => {
                Self::new(Kind::Account, "the account's key can't be used: remove the account from the store")
            }
            other => {
                let chain = chain(other);
                Self::new(Kind::Authority, format!("the authority can't be talked to: {chain}"))
            }
        }
    }

    /// What the authority says, by the types of RFC 8555 §6.7.
    #[must_use]
    pub fn told(problem: &Problem, name: &str, by: Option<Challenge>) -> Self {
        let nested = problem.subproblems.first();
        let full = nested.and_then(|sub| sub.r#type.as_deref()).or(problem.r#type.as_deref());
        let short = full.and_then(|full| full.strip_prefix("urn:ietf:params:acme:error:")).unwrap_or("other");
        let said = nested.and_then(|sub| sub.detail.as_deref()).or(problem.detail.as_deref());
        let place = match by {
            Some(Challenge::Http01) => format!("http://{name} (port 80)"),
            Some(Challenge::TlsAlpn01) => format!("{name} (port 443)"),
            None => name.to_owned(),
        };
        let (kind, words) = match short {
            "dns" => (
                Kind::Dns,
                format!(
                    "the authority found no address for {name} in DNS: is there an A, AAAA or CNAME record?"
                ),
            ),
            "connection" | "tls" => (
                Kind::Connection,
                format!(
                    "the authority could not reach {place} from outside: DNS points elsewhere, or a firewall is in the way"
                ),
            ),
            "unauthorized" | "incorrectResponse" => (
                Kind::WrongAnswer,
                format!(
                    "what the authority found at {place} is not what this gateway answers: does DNS point here, and does nothing else listen there"
                ),
            ),
            "caa" => (
                Kind::Caa,
                format!(
                    "a CAA record of {name}, or of a domain above it, forbids this authority: it has to be changed in DNS"
                ),
            ),
            "rejectedIdentifier" | "unsupportedIdentifier" => {
                (Kind::Rejected, format!("the authority issues no certificates for {name}"))
            }
            "rateLimited" => (
                Kind::RateLimited,
                "the authority's limits are reached: it has to be waited, or the limits raised there"
                    .to_owned(),
            ),
            "accountDoesNotExist" => {
                (Kind::AccountGone, "the authority knows nothing of the account: another is made".to_owned())
            }
            "externalAccountRequired"
            | "userActionRequired"
            | "invalidContact"
            | "unsupportedContact"
            | "badPublicKey" => {
                (Kind::Account, "the authority does not accept the account: see `tls.acme`".to_owned())
            }
            "serverInternal" => (Kind::Authority, "the authority has failed itself".to_owned()),
            _ if problem.status.is_some_and(|status| status >= 500) => {
                (Kind::Authority, "the authority has failed itself".to_owned())
            }
            _ => (Kind::Rejected, "the authority refused the order".to_owned()),
        };
        let words = match said {
            Some(said) => format!("{words}. It says: {}", shortened(said)),
            None => words,
        };
        Self { kind, words, after: None }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What others wrote is not endless.
fn shortened(text: &str) -> String {
    const MAX: usize = 300;
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(MAX).map(printable).collect();
    if text.chars().count() > MAX {
        short.push('…');
    }
    short
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shortened(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, detail: &str) -> Problem {
        let json =
            format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"{detail}","status":400}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn what_the_authority_says_is_said_in_plain_words() {
        for (kind, by, expected, of) in [
            ("connection", Challenge::Http01, "could not reach http://a.test (port 80)", Kind::Connection),
            ("connection", Challenge::TlsAlpn01, "could not reach a.test (port 443)", Kind::Connection),
            ("dns", Challenge::Http01, "no address for a.test", Kind::Dns),
            (
                "unauthorized",
                Challenge::Http01,
                "what the authority found at http://a.test",
                Kind::WrongAnswer,
            ),
            ("caa", Challenge::Http01, "CAA record of a.test", Kind::Caa),
            ("rateLimited", Challenge::Http01, "limits are reached", Kind::RateLimited),
            ("externalAccountRequired", Challenge::Http01, "does not accept the account", Kind::Account),
            ("somethingNew", Challenge::Http01, "refused the order", Kind::Rejected),
        ] {
            let trouble = Trouble::told(&problem(kind, "because"), "a.test", Some(by));
            assert!(trouble.words.contains(expected), "{kind}: {trouble}");
            assert!(trouble.words.ends_with("It says: because"), "{trouble}");
            assert_eq!(trouble.kind, of, "{kind}");
        }
    }

    #[test]
    fn words_of_others_are_bounded_and_printable() {
        let trouble = Trouble::told(&problem("dns", &"x".repeat(10_000)), "a.test", None);
        assert!(trouble.words.len() < 500);
        assert!(!shortened("a\u{1b}[31mb\n").contains(char::is_control));
    }
}
