//! What is asked: a request, as somebody describes one.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

use crate::types::Certificate;

/// Who asks where nobody says: an address that is nobody's (RFC 5737), so no proxy that is trusted and on no list.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Fields that a request may have here.
const FIELDS_MAX: usize = 200;

/// A request that is asked about.
#[derive(Debug, Clone)]
pub struct Question {
    pub(super) url: String,
    /// Whether it is to come by https, and at which port, where the URL says so.
    pub(super) is_https: bool,
    pub(super) port: Option<u16>,
    pub(super) head: Parts,
    pub(super) peer: IpAddr,
    pub(super) peer_is_given: bool,
    pub(super) body_octets: u64,
    pub(super) certificate: Option<Certificate>,
}

/// Why a description is of no request. The text says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuestion(String);

impl Question {
    /// A request by its URL, which may leave the scheme out. Fields are added in order; `from` is the peer's address. The length of its
    /// body is what `Content-Length` says.
    ///
    /// # Errors
    /// [`InvalidQuestion`].
    pub fn new(
        method: &str,
        url: &str,
        fields: &[(String, String)],
        from: Option<&str>,
    ) -> Result<Self, InvalidQuestion> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| invalid(format!("`{method}` is no method\nwrite one like GET, POST or DELETE")))?;
        let (is_https, authority, target) = taken_apart(url)?;
        let port = port_of(&authority);
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = target;
        let (mut head, ()) = request.into_parts();
        if fields.len() > FIELDS_MAX {
            return Err(invalid(format!("more than {FIELDS_MAX} header fields are no request")));
        }
        for (name, value) in fields {
            let parsed = HeaderName::from_bytes(name.trim().as_bytes()).ok();
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok();
            let (name, value) = parsed
                .zip(value)
                .ok_or_else(|| invalid(format!("`{name}` is no header field\nwrite it like 'x-beta: 1'")))?;
            head.headers.append(name, value);
        }
        if !head.headers.contains_key(HOST) {
            let host = HeaderValue::try_from(authority).map_err(|_| no_url(url))?;
            head.headers.insert(HOST, host);
        }
        let peer = match from {
            None => NOBODY,
            Some(from) => from.trim().parse().map_err(|_| {
                invalid(format!(
                    "`{from}` is no address\nwrite one like 203.0.113.7 or 2001:db8::1, without a port"
                ))
            })?,
        };
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let body_octets = length.and_then(|length| length.parse().ok()).unwrap_or_default();
        Ok(Self {
            url: url.to_owned(),
            is_https,
            port,
            head,
            peer,
            peer_is_given: from.is_some(),
            body_octets,
            certificate: None,
        })
    }

    /// The same, from a client that has shown a certificate, in PEM. That its authority is one that is believed is taken for granted.
    ///
    /// # Errors
    /// It is no certificate.
    pub fn showing(self, pem: &str) -> Result<Self, InvalidQuestion> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        let certificate = der.and_then(|der| Certificate::read(&der)).ok_or_else(|| {
            invalid("there is no certificate in PEM\nit begins with -----BEGIN CERTIFICATE-----".to_owned())
        })?;
        Ok(Self { certificate: Some(certificate), ..self })
    }

    /// As the admin API takes it: `url`, and perhaps `method`, `from` and `headers`.
    ///
    /// # Errors
    /// [`InvalidQuestion`].
    pub fn from_json(document: &Value) -> Result<Self, InvalidQuestion> {
        let like = r#"write it like {"url": "https://www.example.com/", "method": "GET", "headers": {"x-beta": "1"}, "from": "203.0.113.7"}"#;
        let members = document.as_object().ok_or_else(|| invalid(like.to_owned()))?;
        if let Some(other) = members
            .keys()
            .find(|key| !["url", "method", "headers", "from", "client_certificate"].contains(&key.as_str()))
        {
            return Err(invalid(format!("there is no `{other}` here\n{like}")));
        }
        let text = |key: &str| match members.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(invalid(format!("`{key}` is a text\n{like}"))),
        };
        let url = text("url")?.ok_or_else(|| invalid(format!("`url` is missing\n{like}")))?;
        let fields = match members.get("headers") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(fields)) => fields_of(fields)
                .ok_or_else(|| invalid(format!("each of `headers` is a text, or a list of texts\n{like}")))?,
            Some(_) => return Err(invalid(format!("`headers` is an object\n{like}"))),
        };
        let question = Self::new(text("method")?.unwrap_or("GET"), url, &fields, text("from")?)?;
        match text("client_certificate")? {
            Some(pem) => question.showing(pem),
            None => Ok(question),
        }
    }

    /// As it was asked.
    pub(super) fn told(&self) -> Value {
        json!({
            "method": self.head.method.as_str(),
            "url": self.url,
            "target": self.head.uri.to_string(),
            "from": self.peer.to_string(),
            "from_is_given": self.peer_is_given,
        })
    }
}

fn fields_of(fields: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, value) in fields {
        match value {
            Value::String(text) => all.push((name.clone(), text.clone())),
            Value::Array(lines) => {
                for line in lines {
                    all.push((name.clone(), line.as_str()?.to_owned()));
                }
            }
            _ => return None,
        }
    }
    Some(all)
}

/// Whether it is of https, the authority, and the target in origin form, as a client would send them.
fn taken_apart(url: &str) -> Result<(bool, String, Uri), InvalidQuestion> {
    let (is_https, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some(_) => return Err(no_url(url)),
        None => (false, url),
    };
    // What follows a `#` stays with the client (RFC 9110 §7.1).
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).ok_or_else(|| no_url(url))?;
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    if authority.is_empty() || authority.contains(is_odd) {
        return Err(no_url(url));
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let target = target.parse::<Uri>().map_err(|_| no_url(url))?;
    Ok((is_https, authority.to_owned(), target))
}

fn port_of(authority: &str) -> Option<u16> {
    let (host, port) = authority.rsplit_once(':')?;
    // Colons within brackets are those of an address.
    let is_port = !host.is_empty() && (!host.starts_with('[') || host.ends_with(']'));
    port.parse().ok().filter(|_| is_port)
}

fn no_url(url: &str) -> InvalidQuestion {
    invalid(format!("`{url}` is no URL of a request\nwrite it like https://www.example.com/path?a=b"))
}

fn invalid(why: String) -> InvalidQuestion {
    InvalidQuestion(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_what_a_client_sends() {
        let sent = |url: &str| {
            let question = Question::new("GET", url, &[], None).map_err(|error| error.to_string())?;
            let host = question.head.headers.get(HOST).unwrap().to_str().unwrap().to_owned();
            Ok::<_, String>((host, question.head.uri.to_string()))
        };
        let is = |host: &str, target: &str| Ok((host.to_owned(), target.to_owned()));
        let came = |url: &str| {
            let question = Question::new("GET", url, &[], None).unwrap();
            (question.is_https, question.port)
        };
        assert_eq!(came("https://acme.test/a:1"), (true, None));
        assert_eq!(came("HTTP://acme.test:8080"), (false, Some(8080)));
        assert_eq!(came("https://[::1]/"), (true, None));
        assert_eq!(came("https://[::1]:8443/"), (true, Some(8443)));
        assert_eq!(sent("https://www.acme.test/api/reports?a=b#c"), is("www.acme.test", "/api/reports?a=b"));
        assert_eq!(sent("acme.test:8080"), is("acme.test:8080", "/"));
        assert_eq!(sent("http://[::1]?q"), is("[::1]", "/?q"));
        for url in ["", "ftp://a/", "https://u@a/", "https:///x", "http://a/ b"] {
            assert!(sent(url).unwrap_err().contains("https://www.example.com"), "{url}");
        }
    }

    #[test]
    fn a_document_becomes_a_question_or_says_what_is_wrong() {
        let of = |document: Value| Question::from_json(&document);
        let question = of(
            json!({ "url": "http://a/", "method": "POST", "from": "::1", "headers": { "x": ["1", "2"], "Host": "b" } }),
        );
        let question = question.unwrap();
        assert_eq!((question.head.method.as_str(), question.peer.to_string()), ("POST", "::1".to_owned()));
        assert_eq!(question.head.headers.get_all("x").iter().count(), 2);
        assert_eq!(question.head.headers.get(HOST).unwrap(), "b");
        for wrong in [
            json!([]),
            json!({}),
            json!({ "url": 1 }),
            json!({ "url": "http://a/", "ip": "::1" }),
            json!({ "url": "http://a/", "headers": { "x": 1 } }),
            json!({ "url": "http://a/", "from": "me" }),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
