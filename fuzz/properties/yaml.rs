//! What holds for any text that stands where a configuration should.

use tollgate::config::load_str;

/// A text loads, or is refused with at least one error; it never panics, and means the same twice.
pub fn loads_or_says_why(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match load_str(text, "fuzz.yaml") {
        Ok(loaded) => {
            assert!(loaded.quarantined.iter().all(|file| !file.diagnostics.is_empty()));
            assert!(load_str(text, "fuzz.yaml").is_ok(), "loads only once");
        }
        Err(report) => assert!(!report.diagnostics.is_empty(), "refused without a reason"),
    }
}
