//! Diagnostics as text for people.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity};

/// Renders diagnostics one below the other, and a last line that counts them.
pub(super) fn all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&one(diagnostic, colour));
        text.push_str("\n\n");
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let counted = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    };
    let counts = [counted(count(Severity::Error), "error"), counted(count(Severity::Warning), "warning")];
    text.push_str(&counts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    if !diagnostics.is_empty() {
        text.push('\n');
    }
    text
}

/// Renders one diagnostic, without a line break at its end.
pub(super) fn one(diagnostic: &Diagnostic, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    if diagnostic.line == 0 {
        group = group.element(Origin::path(diagnostic.file.as_str()));
    } else {
        let snippet = Snippet::source(diagnostic.source.as_str())
            .line_start(diagnostic.line as usize)
            .path(diagnostic.file.as_str())
            .annotation(AnnotationKind::Primary.span(span(diagnostic)));
        group = group.element(snippet);
    }
    for related in &diagnostic.related {
        let at = format!("{} at {}:{}:{}", related.message, related.file, related.line, related.column);
        group = group.element(Level::NOTE.message(at));
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The bytes of the line that a diagnostic's columns stand for.
fn span(diagnostic: &Diagnostic) -> std::ops::Range<usize> {
    let line = diagnostic.source.as_str();
    let byte_of = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let start = diagnostic.column.saturating_sub(1) as usize;
    byte_of(start)..byte_of(start + diagnostic.width as usize)
}
