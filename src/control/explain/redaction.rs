//! What of a request is not shown.

/// What stands for it.
pub(super) const REDACTED: &str = "***";

/// Whether a field's value is not to be shown: credentials, cookies, tokens, by what fields are called that carry them.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    if name.starts_with("access-control-") {
        return false;
    }
    let words = [
        "auth",
        "cookie",
        "token",
        "secret",
        "pass",
        "bearer",
        "hmac",
        "api-key",
        "apikey",
        "credential",
        "signature",
        "session",
    ];
    words.iter().any(|word| name.contains(word))
        || name
            .split('-')
            .any(|part| matches!(part, "key" | "keys" | "jwt" | "pin" | "pwd" | "psk" | "otp" | "sig"))
}

/// Whether a value is one of credentials, wherever it stands (RFC 9110 §11.4).
pub(super) fn is_credential(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).trim_start().to_ascii_lowercase();
    ["basic ", "bearer ", "digest ", "negotiate "].iter().any(|scheme| text.starts_with(scheme))
}

/// A field's value as it is shown.
pub(super) fn shown(name: &str, value: &[u8], is_own_secret: bool) -> String {
    match is_own_secret || is_secret(name) || is_credential(value) {
        true => REDACTED.to_owned(),
        false => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        for name in [
            "Authorization",
            "cookie",
            "X-API-Key",
            "x_api_key",
            "X-Auth-Token",
            "proxy-authorization",
            "X-Upstream-Key",
        ] {
            assert_eq!(shown(name, b"s3cret", false), REDACTED, "{name}");
        }
        assert_eq!(shown("x-beta", b"1", false), "1");
        assert_eq!(shown("x-keyboard", b"1", false), "1");
        assert_eq!(shown("x-context", b"1", true), REDACTED);
        assert_eq!(shown("x-passphrase", b"1", false), REDACTED);
        assert_eq!(shown("x-back", b" bearer abc", false), REDACTED);
        assert_eq!(shown("access-control-allow-credentials", b"true", false), "true");
    }
}
