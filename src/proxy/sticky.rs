//! The cookie that keeps a client at one of a split's pools.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::routing::cookie_value;

/// A cookie that a client is given.
#[derive(Debug)]
pub(super) struct StickyCookie {
    /// Its name.
    name: Box<[u8]>,
    /// `None`: it can't stand in a field.
    line: Option<HeaderValue>,
}

impl StickyCookie {
    /// Of this name and value. It says nothing of the pool, and is gone when the browser ends (RFC 6265 §4.1.2); a client that came
    /// by https sends it by https alone.
    pub(super) fn new((name, value): (&str, u64), is_https: bool) -> Self {
        let secure = if is_https { "; Secure" } else { "" };
        let line = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_value(value));
        Self { name: name.as_bytes().into(), line: HeaderValue::try_from(line).ok() }
    }

    /// Gives it with a response, unless the application sets one of the same name itself.
    pub(super) fn give(&self, fields: &mut HeaderMap) {
        let is_of_it = |line: &HeaderValue| {
            let name = line.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
            name.trim_ascii() == &*self.name
        };
        let is_set = fields.get_all(SET_COOKIE).iter().any(is_of_it);
        if let Some(line) = self.line.as_ref().filter(|_| !is_set) {
            fields.append(SET_COOKIE, line.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applications_own_cookie_of_that_name_stays() {
        let cookie = StickyCookie::new(("sid", 10), true);
        let mut fields = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("sidx=1"))]);
        cookie.give(&mut fields);
        let lines: Vec<_> = fields.get_all(SET_COOKIE).iter().collect();
        assert_eq!(lines, ["sidx=1", "sid=000000000000000a; Path=/; HttpOnly; SameSite=Lax; Secure"]);
        let mut own = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static(" sid =1"))]);
        cookie.give(&mut own);
        assert_eq!(own.get_all(SET_COOKIE).iter().count(), 1);
    }
}
