//! Certificates from an authority, and what a handshake has to know of a name.

use rusqlite::{Connection, OptionalExtension, params};

use super::acme_names::{self, NameWork};
use super::audit::{self, Entry};
use super::question::{Pace, Question};
use super::work::Made;
use super::{Actor, Store, StoreFault, WriteError};
use crate::types::TenantId;

/// A certificate as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    /// The name that it is for.
    pub name: Box<str>,
    /// Whose the name was when it was issued.
    pub tenant: TenantId,
    /// It, and those that lead to its authority, in PEM.
    pub chain: Box<str>,
    /// The private key, encrypted.
    pub key: Vec<u8>,
    /// The id of the key that it is encrypted with.
    pub key_id: Box<str>,
    /// Its number, in hexadecimal.
    pub serial: Box<str>,
    /// Who has issued it.
    pub issuer: Box<str>,
    /// From when on it holds, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// Until when.
    pub not_after_ms: i64,
    /// When it came.
    pub issued_ms: i64,
    /// When it is to be renewed.
    pub renew_ms: i64,
}

/// What is known of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameFound {
    /// The tenant of the store that exactly this name is verified for, and its state.
    pub owner: Option<(TenantId, Box<str>)>,
    /// Its certificate.
    pub certificate: Option<KeptCertificate>,
    /// How it stands with getting one.
    pub work: Option<NameWork>,
}

impl Store {
    /// What is known of a name. Where it is nobody's here, and not `known` to be another's either, nothing else is looked for. Takes a
    /// callback as [`Store::find`] does: the answer comes on another thread, which it must not hold up.
    pub fn find_name(
        &self,
        name: &str,
        known: bool,
        answer: impl FnOnce(Result<NameFound, StoreFault>) + Send + 'static,
    ) {
        let name = name.to_owned();
        let read = move |connection: &Connection| look_up(connection, &name, known);
        self.readers.ask(Question::new(read, answer), Pace::Quick);
    }

    /// The same on this thread, if it can be told at once.
    #[must_use]
    pub fn find_name_now(&self, name: &str, known: bool) -> Option<NameFound> {
        self.at_hand.read(&self.readers, |connection| look_up(connection, name, known))
    }

    /// The same, waited for.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn name(&self, name: &str, known: bool) -> Result<NameFound, StoreFault> {
        let name = name.to_owned();
        self.readers.read(move |connection| look_up(connection, &name, known)).await
    }

    /// Keeps a certificate in the place of the one that its name had, and has the name looked at again at `next_ms`. Whether
    /// it was kept: not where the name is not its tenant's any more, unless it is the `configuration` that gives it to it.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn keep_certificate(
        &self,
        certificate: KeptCertificate,
        next_ms: i64,
        configuration: bool,
        actor: Actor,
    ) -> Result<bool, WriteError> {
        self.write(move |connection| keep(connection, &certificate, next_ms, configuration, &actor)).await
    }

    /// Removes the certificate of a name, which needs none any more.
    ///
    /// # Errors
    /// [`WriteError::Fault`].
    pub async fn remove_certificate(&self, name: &str) -> Result<(), WriteError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let sql = "DELETE FROM certificates WHERE name = ?1";
            connection.prepare_cached(sql)?.execute([&name])?;
            Ok(Ok(()))
        })
        .await
    }
}

fn look_up(connection: &Connection, name: &str, known: bool) -> rusqlite::Result<NameFound> {
    let owner: Option<(String, Box<str>)> = connection
        .prepare_cached(
            "SELECT d.tenant, t.state FROM domains AS d INDEXED BY domains_owned
             CROSS JOIN tenants AS t ON t.id = d.tenant WHERE d.name = ?1 AND d.verified = 1",
        )?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // What was written by hand under no tenant's id is nobody's.
    let owner = owner.and_then(|(id, state)| Some((TenantId::parse(&id).ok()?, state)));
    if owner.is_none() && !known {
        return Ok(NameFound::default());
    }
    Ok(NameFound {
        owner,
        certificate: certificate(connection, name)?,
        work: acme_names::work(connection, name)?,
    })
}

fn certificate(connection: &Connection, name: &str) -> rusqlite::Result<Option<KeptCertificate>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, tenant, chain, key, key_id, serial, issuer, not_before_ms, not_after_ms, issued_ms, renew_ms
         FROM certificates WHERE name = ?1",
    )?;
    let record = statement.query_row([name], |row| {
        let Ok(tenant) = TenantId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
        Ok(Some(KeptCertificate {
            name: row.get(0)?,
            tenant,
            chain: row.get(2)?,
            key: row.get(3)?,
            key_id: row.get(4)?,
            serial: row.get(5)?,
            issuer: row.get(6)?,
            not_before_ms: row.get(7)?,
            not_after_ms: row.get(8)?,
            issued_ms: row.get(9)?,
            renew_ms: row.get(10)?,
        }))
    });
    Ok(record.optional()?.flatten())
}

fn keep(
    connection: &Connection,
    certificate: &KeptCertificate,
    next_ms: i64,
    configuration: bool,
    actor: &Actor,
) -> Made<bool> {
    let (name, tenant) = (&certificate.name, &certificate.tenant);
    let owned = configuration
        || connection
            .prepare_cached("SELECT 1 FROM domains WHERE name = ?1 AND tenant = ?2 AND verified = 1")?
            .exists(params![name, tenant.as_str()])?;
    if !owned {
        acme_names::forget(connection, name)?;
        return Ok(Ok(false));
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO certificates
             (name, tenant, chain, key, key_id, serial, issuer, not_before_ms, not_after_ms, issued_ms, renew_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            name,
            tenant.as_str(),
            certificate.chain,
            certificate.key,
            certificate.key_id,
            certificate.serial,
            certificate.issuer,
            certificate.not_before_ms,
            certificate.not_after_ms,
            certificate.issued_ms,
            certificate.renew_ms
        ])?;
    acme_names::succeeded(connection, name, tenant, next_ms)?;
    let after = serde_json::json!({
        "domain": name,
        "serial": certificate.serial,
        "issuer": certificate.issuer,
        "not_after": jiff::Timestamp::from_millisecond(certificate.not_after_ms).ok().map(|at| at.to_string()),
    });
    audit::enter(connection, &Entry::new(actor, "certificate.issue", tenant).after(after.to_string()))?;
    Ok(Ok(true))
}
