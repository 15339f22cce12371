//! Domains: claimed by several tenants, owned by one at most.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::audit::{self, Entry};
use super::tenants::{taken, tenant};
use super::work::Made;
use super::{Actor, Store, StoreFault, TenantRecord, WriteError};
use crate::types::TenantId;

/// Domains that a tenant may have and claim, one by one.
const DOMAINS_MAX: usize = 10_000;
/// What is bounded by [`ClaimTerms`].
const CLAIMS: &str = "domains that wait for their proof";
/// Tenants that are told of who claim one name.
const CLAIMS_MAX: usize = 100;

/// A domain of a tenant, owned or claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRecord {
    /// Its name in lower case, a wildcard's with `*.`.
    pub name: Box<str>,
    /// Whose it is, or who claims it.
    pub tenant: TenantId,
    /// Whether the tenant owns it: only then do requests for it reach the tenant.
    pub verified: bool,
    /// How it was verified: `dns`, `http`, or `operator`, who vouched for it.
    pub method: Option<Box<str>>,
    /// What the tenant is to publish as a proof, while it is only claimed.
    pub token: Option<Box<str>>,
    /// When it was claimed first, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was verified, in milliseconds since 1970.
    pub verified_ms: Option<i64>,
}

/// A tenant's claim on a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The tenant.
    pub tenant: TenantId,
    /// The domain, in lower case.
    pub domain: Box<str>,
    /// What the tenant is to publish as a proof; `None` where the operator vouches, and it is the tenant's at once.
    pub token: Option<Box<str>>,
    /// What claims wait under.
    pub terms: ClaimTerms,
    /// Whose change it is.
    pub actor: Actor,
}

/// How many claims of a tenant may wait for their proof, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimTerms {
    /// One that was made before this has lapsed, in milliseconds since 1970.
    pub since_ms: i64,
    /// So many at a time; lapsed ones don't count.
    pub max: usize,
}

impl Store {
    /// Claims a domain for a tenant. One that the tenant claims already is left as it is, with its token, unless that has
    /// lapsed, or the operator vouches for it now. The tenant's lapsed claims go.
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where there is no such tenant, `DomainTaken` where another owns the domain, `TooMany`.
    pub async fn claim_domain(&self, claim: Claim) -> Result<DomainRecord, WriteError> {
        self.write(move |connection| carry_out(connection, &claim)).await
    }

    /// Gives a tenant the domain that it claims, for it has shown that it is its own, by this method (`dns`, `http`).
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where it doesn't claim it, `DomainTaken` where another owns it.
    pub async fn verify_domain(
        &self,
        tenant: TenantId,
        domain: &str,
        method: &'static str,
        actor: Actor,
    ) -> Result<DomainRecord, WriteError> {
        let domain = domain.to_owned();
        self.write(move |connection| verify(connection, &tenant, &domain, method, &actor)).await
    }

    /// Takes a domain, or a claim on it, from a tenant; what it was.
    ///
    /// # Errors
    /// [`WriteError`]: `Absent` where the tenant has none.
    pub async fn release_domain(
        &self,
        tenant: TenantId,
        domain: &str,
        actor: Actor,
    ) -> Result<DomainRecord, WriteError> {
        let domain = domain.to_owned();
        self.write(move |connection| release(connection, &tenant, &domain, &actor)).await
    }

    /// The domains of a tenant, by name, those among them that it only claims.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn domains_of(&self, tenant: TenantId) -> Result<Vec<DomainRecord>, StoreFault> {
        self.readers.read(move |connection| of_tenant(connection, &tenant)).await
    }

    /// A tenant's domain, owned or claimed.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn domain_of(
        &self,
        tenant: TenantId,
        domain: &str,
    ) -> Result<Option<DomainRecord>, StoreFault> {
        let domain = domain.to_owned();
        self.readers.read(move |connection| of_both(connection, &tenant, &domain)).await
    }

    /// Who claims or owns a name; the first hundred.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn claims_on(&self, domain: &str) -> Result<Vec<DomainRecord>, StoreFault> {
        let domain = domain.to_owned();
        let read = move |connection: &Connection| {
            let sql = format!("{SELECT} WHERE name = ?1 ORDER BY verified DESC, tenant LIMIT {CLAIMS_MAX}");
            rows(connection, &sql, &domain)
        };
        self.readers.read(read).await
    }

    /// Who owns exactly this domain; a host below a wildcard is not looked for.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn domain(&self, domain: &str) -> Result<Option<DomainRecord>, StoreFault> {
        let domain = domain.to_owned();
        let read = move |connection: &Connection| {
            let sql = format!("{SELECT} WHERE name = ?1 AND verified = 1");
            Ok(rows(connection, &sql, &domain)?.pop())
        };
        self.readers.read(read).await
    }
}

/// What [`record`] reads.
pub(super) const SELECT: &str =
    "SELECT name, tenant, verified, method, token, created_ms, verified_ms FROM domains";

/// A row of [`SELECT`]; `None` for one that was written by hand for no tenant's id.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Option<DomainRecord>> {
    let Ok(tenant) = TenantId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    Ok(Some(DomainRecord {
        name: row.get(0)?,
        tenant,
        verified: row.get(2)?,
        method: row.get(3)?,
        token: row.get(4)?,
        created_ms: row.get(5)?,
        verified_ms: row.get(6)?,
    }))
}

pub(super) fn of_tenant(connection: &Connection, id: &TenantId) -> rusqlite::Result<Vec<DomainRecord>> {
    rows(connection, &format!("{SELECT} WHERE tenant = ?1 ORDER BY name"), id.as_str())
}

fn rows(connection: &Connection, sql: &str, by: &str) -> rusqlite::Result<Vec<DomainRecord>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([by], record)?;
    rows.filter_map(Result::transpose).collect()
}

fn of_both(connection: &Connection, id: &TenantId, domain: &str) -> rusqlite::Result<Option<DomainRecord>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE name = ?1 AND tenant = ?2"))?;
    Ok(statement.query_row([domain, id.as_str()], record).optional()?.flatten())
}

fn carry_out(connection: &Connection, claim: &Claim) -> Made<DomainRecord> {
    let (id, domain) = (&claim.tenant, &*claim.domain);
    let Some(before) = tenant(connection, id)? else { return Ok(Err(WriteError::Absent)) };
    if let Some(error) = taken(connection, domain, id)? {
        return Ok(Err(error));
    }
    let waits = |claimed: &DomainRecord| claimed.verified || claimed.created_ms >= claim.terms.since_ms;
    let claimed = of_both(connection, id, domain)?.filter(waits);
    if let Some(claimed) = claimed.as_ref().filter(|claimed| claimed.verified || claim.token.is_some()) {
        return Ok(Ok(claimed.clone()));
    }
    forget_lapsed(connection, id, claim.terms.since_ms)?;
    if claim.token.is_some() && waiting(connection, id)? >= claim.terms.max {
        return Ok(Err(WriteError::TooMany { what: CLAIMS, max: claim.terms.max }));
    }
    if claimed.is_none() && count(connection, id)? >= DOMAINS_MAX {
        return Ok(Err(WriteError::TooMany { what: "domains", max: DOMAINS_MAX }));
    }
    let now_ms = audit::now_ms();
    let claimed = DomainRecord {
        name: domain.into(),
        tenant: id.clone(),
        verified: false,
        method: None,
        token: claim.token.clone(),
        created_ms: claimed.map_or(now_ms, |claimed| claimed.created_ms),
        verified_ms: None,
    };
    if claim.token.is_none() {
        return give(connection, before, claimed, "operator", "domain.add", &claim.actor).map(Ok);
    }
    audit::enter(connection, &Entry::new(&claim.actor, "domain.claim", id).after(json(&claimed)))?;
    save(connection, &claimed)?;
    Ok(Ok(claimed))
}

fn verify(
    connection: &Connection,
    id: &TenantId,
    domain: &str,
    method: &'static str,
    actor: &Actor,
) -> Made<DomainRecord> {
    let (Some(before), Some(claimed)) = (tenant(connection, id)?, of_both(connection, id, domain)?) else {
        return Ok(Err(WriteError::Absent));
    };
    if claimed.verified {
        return Ok(Ok(claimed));
    }
    if let Some(error) = taken(connection, domain, id)? {
        return Ok(Err(error));
    }
    give(connection, before, claimed, method, "domain.verify", actor).map(Ok)
}

/// Makes a domain a tenant's own, which changes the tenant.
fn give(
    connection: &Connection,
    before: TenantRecord,
    mut domain: DomainRecord,
    method: &'static str,
    action: &'static str,
    actor: &Actor,
) -> rusqlite::Result<DomainRecord> {
    let mut after = before.clone();
    after.content.domains.push(domain.name.clone());
    after.content.domains.sort_unstable();
    let now_ms = change(connection, &before, &after, action, actor)?;
    (domain.verified, domain.method, domain.token) = (true, Some(method.into()), None);
    domain.verified_ms = Some(now_ms);
    save(connection, &domain)?;
    Ok(domain)
}

fn release(connection: &Connection, id: &TenantId, domain: &str, actor: &Actor) -> Made<DomainRecord> {
    let (Some(before), Some(had)) = (tenant(connection, id)?, of_both(connection, id, domain)?) else {
        return Ok(Err(WriteError::Absent));
    };
    if had.verified {
        let mut after = before.clone();
        after.content.domains.retain(|name| **name != *domain);
        change(connection, &before, &after, "domain.release", actor)?;
    } else {
        audit::enter(connection, &Entry::new(actor, "domain.release", id).before(json(&had)))?;
    }
    connection
        .prepare_cached("DELETE FROM domains WHERE name = ?1 AND tenant = ?2")?
        .execute([domain, id.as_str()])?;
    Ok(Ok(had))
}

/// Enters a change of a tenant's domains, which makes its new revision; when it was.
fn change(
    connection: &Connection,
    before: &TenantRecord,
    after: &TenantRecord,
    action: &'static str,
    actor: &Actor,
) -> rusqlite::Result<i64> {
    let entry = Entry::new(actor, action, &before.id);
    let entry = entry.before(audit::tenant_json(before)).after(audit::tenant_json(after));
    let now_ms = entry.at_ms;
    let revision = audit::enter(connection, &entry)?;
    connection
        .prepare_cached("UPDATE tenants SET revision = ?2, updated_ms = ?3 WHERE id = ?1")?
        .execute(params![before.id.as_str(), audit::signed(revision), now_ms])?;
    Ok(now_ms)
}

/// Writes a domain down as it is.
pub(super) fn save(connection: &Connection, domain: &DomainRecord) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO domains (name, tenant, verified, method, token, created_ms, verified_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let DomainRecord { name, tenant, verified, method, token, created_ms, verified_ms } = domain;
    statement
        .execute(params![name, tenant.as_str(), verified, method, token, created_ms, verified_ms])
        .map(drop)
}

fn count(connection: &Connection, id: &TenantId) -> rusqlite::Result<usize> {
    counted(connection, "SELECT count(*) FROM domains WHERE tenant = ?1", id)
}

fn waiting(connection: &Connection, id: &TenantId) -> rusqlite::Result<usize> {
    counted(connection, "SELECT count(*) FROM domains WHERE tenant = ?1 AND verified = 0", id)
}

fn counted(connection: &Connection, sql: &str, id: &TenantId) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([id.as_str()], |row| row.get::<_, i64>(0)).map(|count| count.unsigned_abs() as usize)
}

/// Nobody has given these up: the audit log says nothing of it.
fn forget_lapsed(connection: &Connection, id: &TenantId, since_ms: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM domains WHERE tenant = ?1 AND verified = 0 AND created_ms < ?2";
    connection.prepare_cached(sql)?.execute(params![id.as_str(), since_ms]).map(drop)
}

/// A claim for the audit log; its token is no secret, but nobody looks for it there.
fn json(domain: &DomainRecord) -> String {
    let state = if domain.verified { "verified" } else { "pending" };
    format!("{{\"domain\":{},\"state\":\"{state}\"}}", audit::json(&domain.name))
}
