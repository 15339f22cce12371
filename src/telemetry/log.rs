//! The gateway's own log: what it tells of itself, on standard error.
//!
//! Not the access log: nothing is logged here for a request that went as it should.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How lines of the log look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people where standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Human,
    /// A line of JSON for each event.
    Json,
}

/// Why the log can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter in the environment is wrong.
    #[error("{variable} is no log filter: {source}")]
    Filter {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something has set up a log in this process before.
    #[error("the log is set up already")]
    Already,
}

/// Sets up the process' log on standard error. The filter is `TOLLGATE_LOG`, else `RUST_LOG`, else `info`.
///
/// # Errors
/// [`LogError`]; nothing is set up then.
pub fn init(format: LogFormat) -> Result<(), LogError> {
    let filter = filter(|variable| std::env::var(variable).ok())?;
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let set = if json {
        tracing::subscriber::set_global_default(json_lines(filter, io::stderr))
    } else {
        tracing::subscriber::set_global_default(human_lines(filter, terminal, io::stderr))
    };
    set.map_err(|_| LogError::Already)
}

fn filter(variable: impl Fn(&str) -> Option<String>) -> Result<EnvFilter, LogError> {
    for name in ["TOLLGATE_LOG", "RUST_LOG"] {
        if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
            return EnvFilter::try_new(text).map_err(|source| LogError::Filter { variable: name, source });
        }
    }
    Ok(EnvFilter::new("info"))
}

fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

fn human_lines<W>(filter: EnvFilter, colors: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(colors)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("a lock").clone()).expect("UTF-8")
        }
    }

    fn say() {
        tracing::info!(tenant = "acme", "hello");
        tracing::debug!("hidden");
    }

    #[test]
    fn json_lines_are_json() {
        let memory = Memory::default();
        let writer = memory.clone();
        let filter = filter(|_| None).expect("a filter");
        tracing::subscriber::with_default(json_lines(filter, move || writer.clone()), say);
        let text = memory.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&line["level"], &line["message"], &line["tenant"]),
            (&"INFO".into(), &"hello".into(), &"acme".into())
        );
    }

    #[test]
    fn human_lines_have_no_colors_but_on_a_terminal() {
        for (colors, escapes) in [(false, false), (true, true)] {
            let memory = Memory::default();
            let writer = memory.clone();
            let filter = filter(|_| None).expect("a filter");
            tracing::subscriber::with_default(human_lines(filter, colors, move || writer.clone()), say);
            assert!(memory.text().contains("hello"));
            assert_eq!(memory.text().contains('\u{1b}'), escapes);
        }
    }

    #[test]
    fn the_gateways_own_variable_comes_first_and_nonsense_is_named() {
        let both = |name: &str| Some(if name == "TOLLGATE_LOG" { "warn" } else { "trace" }.to_owned());
        assert_eq!(filter(both).expect("a filter").to_string(), "warn");
        let only = |name: &str| (name == "RUST_LOG").then(|| "tollgate=debug".to_owned());
        assert_eq!(filter(only).expect("a filter").to_string(), "tollgate=debug");
        let wrong = |_: &str| Some("tollgate=loud".to_owned());
        assert!(filter(wrong).err().is_some_and(|e| e.to_string().starts_with("TOLLGATE_LOG is no")));
    }
}
