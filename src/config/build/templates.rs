//! Templates of pages: read from their folder, and checked to be templates.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::Environment;

use super::branding::Flaw;

/// Templates in a folder.
const FILES_MAX: usize = 64;
/// Octets of one.
const FILE_MAX: usize = 128 * 1024;

/// The templates of a folder, by the names of their files: those that end in .html.
///
/// # Errors
/// [`Flaw`].
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, String>, Flaw> {
    let why = |error: std::io::Error| ("missing-file", crate::config::load::why(&error));
    let invalid = |what: String| Err(("invalid-value", what));
    let mut templates = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(why)? {
        let entry = entry.map_err(why)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.ends_with(".html") {
            continue;
        }
        if templates.len() == FILES_MAX {
            return invalid(format!("it has more than {FILES_MAX} templates"));
        }
        let unreadable = |error| ("missing-file", format!("`{name}`: {}", why(error).1));
        let file = std::fs::metadata(entry.path()).map_err(unreadable)?;
        if !file.is_file() {
            return invalid(format!("`{name}` is no file"));
        }
        let length = file.len();
        if length > FILE_MAX as u64 {
            return invalid(format!("`{name}` has more than {} KiB", FILE_MAX / 1024));
        }
        let text = std::fs::read_to_string(entry.path()).map_err(unreadable)?;
        templates.insert(name, text);
    }
    if templates.is_empty() {
        return invalid(
            "it has no template\na template ends in .html: error.html is for all refusals".to_owned(),
        );
    }
    match check(&templates) {
        Ok(()) => Ok(templates),
        Err(what) => invalid(what),
    }
}

fn check(templates: &BTreeMap<String, String>) -> Result<(), String> {
    let mut environment = Environment::new();
    for (name, text) in templates {
        environment.add_template(name, text).map_err(|error| {
            let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
            let detail = error.detail().unwrap_or("no template");
            format!("`{name}{line}`: {detail}\nit is a template in Jinja's language")
        })?;
    }
    Ok(())
}
