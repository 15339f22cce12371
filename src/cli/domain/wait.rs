//! Looking for a proof, once or until it is there.

use std::io::{self, IsTerminal};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::challenge::missing;
use crate::cli::client::{Call, Client, Problem, plain};

/// Refusals that waiting helps against.
const PASSING: [&str; 2] = ["not_verified", "too_many_proofs"];
/// From the first look to the second; doubled with each that follows.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: DNS keeps what it said for minutes anyway.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// What the gateway answers to `call` once there is a proof, for which this waits so long.
///
/// # Errors
/// There is none; it says what is missing.
pub(super) fn proof(
    client: &Client,
    domain: &str,
    patience: Duration,
    call: impl Fn() -> Call,
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + patience;
    let spinner = Spinner::new(patience);
    let mut pause = PAUSE;
    loop {
        let left = match client.json(call()) {
            Ok(proven) => return Ok(proven),
            Err(error) => match error.downcast::<Problem>() {
                Ok(problem) if problem.code().is_some_and(|code| PASSING.contains(&code)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(anyhow!("{problem}{}", plain(&missing(&problem.document()))));
                    }
                    left
                }
                Ok(problem) => return Err(problem.into()),
                Err(error) => return Err(error),
            },
        };
        spinner.say(domain);
        sleep(pause.min(left));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// On a terminal, while it is waited.
struct Spinner(ProgressBar);

impl Spinner {
    fn new(patience: Duration) -> Self {
        if patience.is_zero() || !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    fn say(&self, domain: &str) {
        self.0.set_message(format!("waiting for the proof of {}", plain(domain)));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
