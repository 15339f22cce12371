//! A source file as the rules need it: its code, without comments, literals and tests.

use std::path::{Path, PathBuf};

/// One file of `src`.
pub struct Source {
    /// From the package's root: `src/http/wire/head.rs`.
    pub file: String,
    /// As it was written.
    pub text: String,
    /// The same lines with comments, the insides of literals and `#[cfg(test)]` items blanked.
    pub code: String,
}

impl Source {
    /// All of `src`, but not the files that hold only tests.
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        list(&root.join("src"), &mut files);
        files.sort();
        files
            .into_iter()
            .map(|path| {
                let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                Self::new(file, std::fs::read_to_string(&path).unwrap())
            })
            .filter(|source| !source.file.ends_with("/tests.rs") && !source.file.ends_with("_tests.rs"))
            .collect()
    }

    pub fn new(file: String, text: String) -> Self {
        let code = without_tests(&without_text(&text));
        Self { file, text, code }
    }

    /// Its module's path: `["http", "wire", "head"]`; nothing for the crate's root.
    pub fn module(&self) -> Vec<&str> {
        let path = self.file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<&str> = path.split('/').collect();
        if matches!(module.last(), Some(&"mod" | &"lib" | &"main")) {
            module.pop();
        }
        module
    }

    /// The crate's top-level modules that it names, each with the line.
    pub fn imports(&self) -> Vec<(&str, usize)> {
        let depth = self.module().len();
        // As many `super` as the module is deep lead to the crate's root, too.
        let roots = ["crate::".to_owned(), "tollgate::".to_owned(), "super::".repeat(depth.max(1))];
        let mut found = Vec::new();
        for root in roots.iter().filter(|root| depth > 0 || !root.starts_with("super")) {
            for (at, _) in self.code.match_indices(root.as_str()) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|b| is_word(b) || b == ':') {
                    continue;
                }
                let rest = &self.code[at + root.len()..];
                found.extend(
                    heads(rest)
                        .into_iter()
                        .map(|(name, offset)| (name, self.line_of(at + root.len() + offset))),
                );
            }
        }
        found
    }

    /// The line, from 1, of an octet of `code`.
    pub fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The first word of a path, or of each path of a `{…}` group, with its place.
fn heads(path: &str) -> Vec<(&str, usize)> {
    let word = |at: usize| {
        let rest = &path[at..];
        (&rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())], at)
    };
    if !path.starts_with('{') {
        return vec![word(0)];
    }
    let mut depth = 0;
    let mut starts = Vec::new();
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == ',' || at == 0) {
            let gap = path[at + 1..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
            starts.push(at + 1 + gap);
        }
    }
    starts.into_iter().map(word).filter(|(name, _)| !name.is_empty()).collect()
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text with comments and the insides of string and character literals blanked, line for line.
fn without_text(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let until = |from: usize, done: &dyn Fn(usize) -> bool| {
        (from..chars.len()).find(|at| done(*at)).unwrap_or(chars.len())
    };
    let in_word =
        at > 0 && is_word(get(at - 1)) && !(get(at - 1) == 'b' && (at < 2 || !is_word(get(at - 2))));
    match (get(at), get(at + 1)) {
        ('/', '/') => until(at, &|at| get(at) == '\n'),
        ('/', '*') => (until(at + 2, &|at| get(at) == '*' && get(at + 1) == '/') + 2).min(chars.len()),
        ('r', '"' | '#') if !in_word => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if get(at + 1 + hashes) != '"' {
                return at;
            }
            let closes = |at: usize| get(at) == '"' && (1..=hashes).all(|step| get(at + step) == '#');
            (until(at + 2 + hashes, &closes) + 1 + hashes).min(chars.len())
        }
        ('"', _) => {
            let mut end = at + 1;
            while end < chars.len() && get(end) != '"' {
                end += if get(end) == '\\' { 2 } else { 1 };
            }
            (end + 1).min(chars.len())
        }
        // A lifetime has no closing quote behind its one character.
        ('\'', '\\') => (until(at + 3, &|at| get(at) == '\'') + 1).min(chars.len()),
        ('\'', _) if get(at + 2) == '\'' => at + 3,
        _ => at,
    }
}

/// The code with every item under `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = MARK.len() + item_end(&item[MARK.len()..]);
        kept.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    kept + rest
}

/// Behind the item's `;` or its closing brace.
fn item_end(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            return at + 1;
        }
    }
    item.len()
}
