//! What holds for any bytes that stand where a host should.

use tollgate::types::HostName;

/// Bytes are a host or are refused; a host has one form, in which it parses to itself.
pub fn parses_or_is_refused(bytes: &[u8]) {
    let Ok(host) = HostName::parse(bytes) else { return };
    let text = host.as_str();
    assert!(!text.is_empty() && text.len() <= 253, "{text:?}");
    assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()), "{text:?}");
    assert!(!text.bytes().any(|b| b"/?#@,\"'<>\\%".contains(&b)), "{text:?} would mean more than a host");
    assert_eq!(HostName::parse(text.as_bytes()), Ok(host.clone()));
    assert_ne!(host.port(), Some(0));

    // Neither case nor a trailing dot nor another port makes it another host.
    assert_eq!(HostName::parse(&bytes.to_ascii_uppercase()), Ok(host.clone()));
    assert_eq!(HostName::parse(format!("{text}:65535").as_bytes()), Ok(host.clone()));
    if !text.starts_with('[') {
        assert_eq!(HostName::parse(format!("{text}.").as_bytes()), Ok(host.clone()));
    }
}
