//! The templates of pages: an operator's folder of them, or the one that is built in.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::{AutoEscape, Environment, Value};

/// Steps that a template may take.
const FUEL: u64 = 200_000;
/// Octets that a page may have.
const PAGE_MAX: usize = 512 * 1024;

static BUILT_IN: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    // Checked by a test: the text is part of the binary.
    let _ = environment.add_template("error.html", include_str!("error.html"));
    environment
});

/// An operator's templates, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Whether it was said that one of them does not work.
    told: AtomicBool,
}

impl Templates {
    /// Compiles templates by the names of their files. One that is none is left out, and said so.
    #[must_use]
    pub fn new(files: &BTreeMap<String, String>) -> Self {
        let mut environment = environment();
        for (name, text) in files {
            if let Err(error) = environment.add_template_owned(name.clone(), text.clone()) {
                tracing::warn!(template = name, %error, "a template of error pages is left out");
            }
        }
        Self { environment, told: AtomicBool::new(false) }
    }

    /// The page of a refusal: of the template of its code, else of its status, else of `error.html`. `None` where there is none, or it
    /// does not work: that is logged once.
    pub(super) fn render(&self, code: &str, status: u16, context: &Value) -> Option<Vec<u8>> {
        let names = [format!("{code}.html"), format!("{status}.html"), "error.html".to_owned()];
        let template = names.iter().find_map(|name| self.environment.get_template(name).ok())?;
        render(&template, context)
            .inspect_err(|error| {
                if !self.told.swap(true, Ordering::Relaxed) {
                    let template = template.name();
                    tracing::error!(template, %error, "a template of error pages fails: the built-in page is shown");
                }
            })
            .ok()
    }
}

/// The page of a refusal as it is built in.
pub(super) fn built_in(context: &Value) -> Vec<u8> {
    let template = BUILT_IN.get_template("error.html");
    template.and_then(|template| render(&template, context)).unwrap_or_default()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // Whatever a template is called: it makes HTML.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment
}

fn render(template: &minijinja::Template<'_, '_>, context: &Value) -> Result<Vec<u8>, minijinja::Error> {
    let mut page = Bounded(Vec::with_capacity(4 * 1024));
    template.render_captured_to(context.clone(), &mut page)?;
    Ok(page.0)
}

/// A page that can't outgrow memory.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PAGE_MAX {
            return Err(io::Error::other("the page is too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
