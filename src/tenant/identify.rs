//! Whose request it is: the first rule that yields a tenant, unless another names another.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::cache::Key;
use super::client_cert::ClientCertRule;
use super::{Directory, LookedUp, Tenant};
use crate::types::{Certificate, KeyHash};

/// The rules of `tenancy.identify`, in order.
#[derive(Debug, Default)]
pub struct Identify {
    rules: Vec<Rule>,
    unknown: Option<Arc<Tenant>>,
    fields: Option<HeaderValue>,
}

/// One way to find a tenant.
#[derive(Debug, Clone)]
pub enum Rule {
    /// A host of this form.
    Host(HostPattern),
    /// A domain that a tenant has claimed.
    Domain,
    /// A field with a tenant's id, from a trusted proxy.
    Header(HeaderName),
    /// A field with an API key of a tenant, from anybody.
    ApiKey(HeaderName),
    /// A part of the certificate that the client has shown.
    ClientCert(ClientCertRule),
}

/// A host with a tenant's id for one of its labels (or a part of one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// What stands before the id, in lower case.
    pub before: Box<str>,
    /// What stands behind it, in lower case.
    pub after: Box<str>,
}

/// What a request's tenant is found by.
#[derive(Debug, Clone, Copy)]
pub struct Clues<'r> {
    /// Its host, normalised.
    pub host: Option<&'r str>,
    /// Its fields.
    pub fields: &'r HeaderMap,
    /// Whether those that name a tenant count: a trusted proxy has sent it.
    pub via_trusted: bool,
    /// The certificate that its client has shown, and that was found to be good.
    pub certificate: Option<&'r Certificate>,
}

/// Whose a request is.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Whether its host says so, too. Else the host is only what the client says.
    pub by_host: bool,
}

/// Why a request has no tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unidentified {
    /// No rule yields one.
    Unknown,
    /// Two rules yield different ones: it could be attributed to either, so it is to neither.
    Conflict,
    /// No rule yields one, but some can't tell at the moment.
    Doubtful,
    /// Its connection was opened for somebody else's host.
    Misdirected,
    /// This has to be looked up first, where tenants are kept: see [`Directory::look_up`].
    NotHere(Key),
}

/// Who hears what each rule says: nobody, where a request is served.
pub trait Witness {
    /// What the rule at this place says.
    fn heard(&mut self, rule: usize, said: Said<'_>);
}

impl Witness for () {
    fn heard(&mut self, _: usize, _: Said<'_>) {}
}

/// What a rule says of a request.
#[derive(Debug, Clone, Copy)]
pub enum Said<'s> {
    /// Nothing: it was not asked, for there is no host, the host has named a tenant already, or the field comes from nobody who
    /// is trusted.
    NotAsked,
    /// That it knows nobody.
    Nobody,
    /// Whose it is.
    Tenant(&'s Arc<Tenant>),
    /// That it is nobody's, whatever other rules say.
    Refused(&'s Unidentified),
}

impl HostPattern {
    /// The id that a host has in it.
    #[must_use]
    pub fn capture<'h>(&self, host: &'h str) -> Option<&'h str> {
        let id = host.strip_suffix(&*self.after)?.strip_prefix(&*self.before)?;
        (!id.is_empty() && !id.contains('.')).then_some(id)
    }
}

impl Identify {
    /// These rules; `unknown` gets the requests that none of them knows.
    #[must_use]
    pub fn new(rules: Vec<Rule>, unknown: Option<Arc<Tenant>>) -> Self {
        let names = rules.iter().filter_map(|rule| match rule {
            Rule::Header(name) | Rule::ApiKey(name) => Some(name.as_str()),
            Rule::Host(_) | Rule::Domain | Rule::ClientCert(_) => None,
        });
        let names: Vec<&str> = names.collect();
        let fields = HeaderValue::try_from(names.join(", ")).ok().filter(|_| !names.is_empty());
        Self { rules, unknown, fields }
    }

    /// The tenant of a request.
    ///
    /// Host patterns and domains never name two tenants for one host (the configuration is refused, and so is a domain that
    /// is claimed under a pattern), so once the host has named one, only fields can disagree. The witness hears each rule.
    ///
    /// # Errors
    /// [`Unidentified`].
    pub fn find(
        &self,
        directory: &Directory,
        looked_up: &LookedUp,
        clues: Clues<'_>,
        witness: &mut impl Witness,
    ) -> Result<Identified, Unidentified> {
        match self.found(directory, looked_up, clues, witness) {
            // Nobody may be said to be unknown for what was known before the store had no answer.
            Ok(None) | Err(Unidentified::Unknown) if looked_up.is_doubtful() => Err(Unidentified::Doubtful),
            found => {
                let unknown = || Some(Identified { tenant: self.unknown.clone()?, by_host: false });
                found?.or_else(unknown).ok_or(Unidentified::Unknown)
            }
        }
    }

    fn found(
        &self,
        directory: &Directory,
        looked_up: &LookedUp,
        clues: Clues<'_>,
        witness: &mut impl Witness,
    ) -> Result<Option<Identified>, Unidentified> {
        let Clues { host, fields, via_trusted, certificate } = clues;
        let mut found: Option<Arc<Tenant>> = None;
        let mut by_host = false;
        for (at, rule) in self.rules.iter().enumerate() {
            let yielded = match (rule, host) {
                (Rule::Header(name), _) if via_trusted => Self::named(directory, looked_up, name, fields),
                (Rule::ApiKey(name), _) => Self::of_key(directory, looked_up, name, fields),
                (Rule::ClientCert(rule), _) if let Some(certificate) = certificate => {
                    Self::of_certificate(directory, looked_up, rule, certificate)
                }
                (Rule::Host(_) | Rule::Domain, Some(host)) if !by_host => {
                    Self::of_host(directory, looked_up, rule, host).map_err(Into::into)
                }
                _ => {
                    witness.heard(at, Said::NotAsked);
                    continue;
                }
            };
            witness.heard(at, Said::of(&yielded));
            let Some(tenant) = yielded? else { continue };
            by_host |= matches!(rule, Rule::Host(_) | Rule::Domain);
            match &found {
                Some(first) if first.id() != tenant.id() => return Err(Unidentified::Conflict),
                Some(_) => {}
                None => found = Some(tenant),
            }
        }
        Ok(found.map(|tenant| Identified { tenant, by_host }))
    }

    /// The tenant that a host names by itself, where one does.
    ///
    /// # Errors
    /// The key that has to be looked up first.
    pub fn by_host(
        &self,
        directory: &Directory,
        looked_up: &LookedUp,
        host: &str,
    ) -> Result<Option<Arc<Tenant>>, Key> {
        for rule in &self.rules {
            if let Some(tenant) = Self::of_host(directory, looked_up, rule, host)? {
                return Ok(Some(tenant));
            }
        }
        Ok(None)
    }

    fn of_host(
        directory: &Directory,
        looked_up: &LookedUp,
        rule: &Rule,
        host: &str,
    ) -> Result<Option<Arc<Tenant>>, Key> {
        match rule {
            Rule::Host(pattern) => match pattern.capture(host) {
                Some(id) => directory.by_id(id, looked_up),
                None => Ok(None),
            },
            Rule::Domain => directory.by_domain(host, looked_up),
            Rule::Header(_) | Rule::ApiKey(_) | Rule::ClientCert(_) => Ok(None),
        }
    }

    /// A certificate that names a tenant that there is none of, or several, is as good as one of somebody else's.
    fn of_certificate(
        directory: &Directory,
        looked_up: &LookedUp,
        rule: &ClientCertRule,
        certificate: &Certificate,
    ) -> Result<Option<Arc<Tenant>>, Unidentified> {
        let Some(id) = rule.id(certificate).map_err(|_| Unidentified::Conflict)? else { return Ok(None) };
        directory.by_id(id, looked_up)?.map(Some).ok_or(Unidentified::Unknown)
    }

    /// The fields by which tenants are told apart, where there are such.
    #[must_use]
    pub fn fields(&self) -> Option<&HeaderValue> {
        self.fields.as_ref()
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A trusted proxy that names an unknown tenant, or several, has made a mistake that must show.
    fn named(
        directory: &Directory,
        looked_up: &LookedUp,
        name: &HeaderName,
        fields: &HeaderMap,
    ) -> Result<Option<Arc<Tenant>>, Unidentified> {
        let Some(line) = only_line(name, fields)? else { return Ok(None) };
        let id = line.to_str().map_err(|_| Unidentified::Unknown)?.trim();
        directory.by_id(id, looked_up)?.map(Some).ok_or(Unidentified::Unknown)
    }

    /// Whoever sends a key that is nobody's, or was revoked, is not let in on the strength of something else.
    fn of_key(
        directory: &Directory,
        looked_up: &LookedUp,
        name: &HeaderName,
        fields: &HeaderMap,
    ) -> Result<Option<Arc<Tenant>>, Unidentified> {
        let Some(line) = only_line(name, fields)? else { return Ok(None) };
        let hash = KeyHash::of_field(line.as_bytes()).ok_or(Unidentified::Unknown)?;
        directory.by_key(&hash, looked_up)?.map(Some).ok_or(Unidentified::Unknown)
    }
}

impl<'s> Said<'s> {
    fn of(yielded: &'s Result<Option<Arc<Tenant>>, Unidentified>) -> Self {
        match yielded {
            Ok(Some(tenant)) => Self::Tenant(tenant),
            Ok(None) => Self::Nobody,
            Err(why) => Self::Refused(why),
        }
    }
}

/// The one line of a field. Who sends two says two things.
fn only_line<'f>(name: &HeaderName, fields: &'f HeaderMap) -> Result<Option<&'f HeaderValue>, Unidentified> {
    let mut lines = fields.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(Unidentified::Conflict),
        (line, None) => Ok(line),
    }
}

impl From<Key> for Unidentified {
    fn from(key: Key) -> Self {
        Self::NotHere(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_captures_one_label_or_part_of_one() {
        let pattern = |before: &str, after: &str| HostPattern { before: before.into(), after: after.into() };
        let app = pattern("", ".app.example.com");
        assert_eq!(app.capture("acme.app.example.com"), Some("acme"));
        assert_eq!(app.capture("a.b.app.example.com"), None);
        assert_eq!(app.capture(".app.example.com"), None);
        assert_eq!(app.capture("app.example.com"), None);
        assert_eq!(app.capture("acme.app.example.com.evil.test"), None);
        assert_eq!(pattern("t-", "-x.test").capture("t-acme-x.test"), Some("acme"));
        assert_eq!(pattern("t-", "-x.test").capture("t-x.test"), None);
    }
}
