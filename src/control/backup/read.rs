//! Reading a backup that was checked: a tenant at a time, with all that it has.

use std::io::{self, BufRead};

use serde_json::Value;

use super::BadBackup;
use super::record::{Audit, Record, Tenant, Usage};
use super::seal::SEQ_MAX;
use crate::store::{AuditEntry, DomainRecord, KeyRecord, TenantRecord, UsageRecord};

/// What belongs together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// An entry of the audit log.
    Audit(Box<AuditEntry>),
    /// A tenant, and what it has.
    Tenant {
        /// The tenant; its domains are not in it.
        record: Box<TenantRecord>,
        /// Its domains.
        domains: Vec<DomainRecord>,
        /// Its keys.
        keys: Vec<KeyRecord>,
        /// What its quotas hold.
        usage: Vec<UsageRecord>,
    },
    /// Usage of a tenant that the store didn't have itself.
    Usage(UsageRecord),
}

/// Reads groups.
pub(crate) struct Reader<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
    last_seq: u64,
    /// What was read, and belongs to the next group.
    next: Option<Record>,
}

impl<R: BufRead> Reader<R> {
    /// Reads a backup from its beginning.
    pub(super) fn new(from: R) -> io::Result<Self> {
        let mut reader = Self { from, line: Vec::new(), number: 0, last_seq: 0, next: None };
        reader.read_line()?;
        let head: Value = serde_json::from_slice(&reader.line).map_err(io::Error::other)?;
        reader.last_seq = head.get("last_seq").and_then(Value::as_u64).unwrap_or_default();
        Ok(reader)
    }

    /// The number of the last change that is in it.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The next group; `None` behind the last one.
    pub(crate) fn group(&mut self) -> io::Result<Option<Group>> {
        let Some(first) = self.record()? else { return Ok(None) };
        let wrong = |wrong: &'static str| io::Error::other(wrong);
        let record = match first {
            Record::Audit(entry) => return Ok(Some(Group::Audit(Box::new(entry.into())))),
            Record::Usage(usage) => return Ok(Some(Group::Usage(usage.try_into().map_err(wrong)?))),
            Record::Tenant(tenant) => TenantRecord::try_from(tenant).map_err(wrong)?,
            Record::Domain(_) | Record::Key(_) => return Err(wrong("a part of no tenant")),
        };
        let (mut domains, mut keys, mut usage): (Vec<DomainRecord>, Vec<KeyRecord>, Vec<UsageRecord>) =
            Default::default();
        let id = record.id.as_str();
        while let Some(next) = self.record()? {
            match next {
                Record::Domain(domain) if domain.tenant == id => {
                    domains.push(domain.try_into().map_err(wrong)?);
                }
                Record::Key(key) if key.tenant == id => keys.push(key.try_into().map_err(wrong)?),
                Record::Usage(one) if one.tenant == id => usage.push(one.try_into().map_err(wrong)?),
                other => {
                    self.next = Some(other);
                    break;
                }
            }
        }
        Ok(Some(Group::Tenant { record: Box::new(record), domains, keys, usage }))
    }

    fn record(&mut self) -> io::Result<Option<Record>> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        self.read_line()?;
        match self.line.is_empty() || self.line.starts_with(b"{\"end\":") {
            true => Ok(None),
            false => serde_json::from_slice(&self.line).map(Some).map_err(io::Error::other),
        }
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.number += 1;
        self.from.read_until(b'\n', &mut self.line).map(drop)
    }
}

/// Whether records come as they are to come.
#[derive(Debug, Default)]
pub(super) struct Order {
    seq: u64,
    /// The tenant that parts belong to.
    tenant: Option<String>,
    /// Whether usage of others has begun: no tenant follows.
    is_behind: bool,
}

impl Order {
    /// Looks at the next one.
    pub(super) fn check(&mut self, line: u64, record: &[u8]) -> Result<(), BadBackup> {
        let read: Record = serde_json::from_slice(record).map_err(|error| {
            BadBackup::new(line, "a record of a backup", format!("what can't be read as one ({error})"))
        })?;
        self.follows(read).map_err(|(expected, found)| BadBackup::new(line, expected, found))
    }

    fn follows(&mut self, record: Record) -> Result<(), (&'static str, String)> {
        const SOUND: &str = "a sound record";
        let own = self.tenant.as_deref();
        let no_part = |what: &str, of: &str| {
            Err(("a part of the tenant before it", format!("a {what} of the tenant `{of}`")))
        };
        let wrong = |wrong: &'static str| (SOUND, wrong.to_owned());
        match record {
            Record::Audit(Audit { seq, .. }) if own.is_some() || self.is_behind || seq <= self.seq => {
                Err(("the audit log first, by its numbers", format!("its entry {seq}")))
            }
            Record::Audit(Audit { seq, .. }) if seq > SEQ_MAX => Err((SOUND, format!("the number {seq}"))),
            Record::Audit(Audit { seq, .. }) => {
                self.seq = seq;
                Ok(())
            }
            Record::Tenant(Tenant { id, .. })
                if self.is_behind || own.is_some_and(|own| id.as_str() <= own) =>
            {
                Err(("tenants by their ids, each once", format!("the tenant `{id}`")))
            }
            Record::Tenant(tenant) => {
                let record = TenantRecord::try_from(tenant).map_err(wrong)?;
                self.tenant = Some(record.id.to_string());
                Ok(())
            }
            Record::Domain(domain) if self.is_behind || own != Some(domain.tenant.as_str()) => {
                no_part("domain", &domain.tenant)
            }
            Record::Domain(domain) => DomainRecord::try_from(domain).map(drop).map_err(wrong),
            Record::Key(key) if self.is_behind || own != Some(key.tenant.as_str()) => {
                no_part("key", &key.tenant)
            }
            Record::Key(key) => KeyRecord::try_from(key).map(drop).map_err(wrong),
            Record::Usage(usage) => {
                self.is_behind |= !matches!(&usage, Usage { tenant, .. } if own == Some(tenant.as_str()));
                UsageRecord::try_from(usage).map(drop).map_err(wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> String {
        format!(
            "{{\"tenant\":{{\"id\":\"{id}\",\"revision\":1,\"created_ms\":1,\"updated_ms\":2,\"plan\":null,\"state\":\"active\",\
             \"labels\":{{}},\"settings\":null}}}}"
        )
    }

    fn usage(tenant: &str) -> String {
        format!(
            "{{\"usage\":{{\"tenant\":\"{tenant}\",\"quota\":\"q\",\"series\":\"s\",\"period_ms\":1,\"units\":2}}}}"
        )
    }

    fn key(tenant: &str, hash: &str) -> String {
        format!(
            "{{\"key\":{{\"tenant\":\"{tenant}\",\"id\":\"k\",\"name\":\"\",\"sha256\":\"{hash}\",\"hint\":\"\",\"created_ms\":1,\
             \"expires_ms\":null,\"replaced_by\":null}}}}"
        )
    }

    fn audit(seq: u64) -> String {
        format!(
            "{{\"audit\":{{\"seq\":{seq},\"at_ms\":1,\"actor\":\"a\",\"action\":\"b\",\"tenant\":null,\"note\":null,\
             \"before\":null,\"after\":null}}}}"
        )
    }

    fn checked(lines: &[String]) -> Result<(), BadBackup> {
        let mut order = Order::default();
        (2..).zip(lines).try_for_each(|(number, line)| order.check(number, line.as_bytes()))
    }

    #[test]
    fn a_tenant_comes_with_all_that_it_has_and_nothing_else() {
        let hash = "ab".repeat(32);
        let lines = [
            audit(3),
            audit(7),
            tenant("a"),
            key("a", &hash),
            usage("a"),
            tenant("b"),
            tenant("c"),
            usage("d"),
            usage("d"),
        ];
        assert_eq!(checked(&lines), Ok(()));
        let text = format!("{{\"last_seq\":7}}\n{}\n{{\"end\":{{}}}}\n", lines.join("\n"));
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        assert_eq!(reader.last_seq(), 7);
        let mut groups = Vec::new();
        while let Some(group) = reader.group().unwrap() {
            groups.push(match group {
                Group::Audit(entry) => format!("audit {}", entry.seq),
                Group::Tenant { record, domains, keys, usage } => {
                    format!("{} {} {} {}", record.id, domains.len(), keys.len(), usage.len())
                }
                Group::Usage(usage) => format!("usage {}", usage.tenant),
            });
        }
        assert_eq!(groups, ["audit 3", "audit 7", "a 0 1 1", "b 0 0 0", "c 0 0 0", "usage d", "usage d"]);
    }

    #[test]
    fn what_is_out_of_order_or_unsound_is_named() {
        let hash = "ab".repeat(32);
        for (lines, word) in [
            (
                vec![tenant("b"), tenant("a")],
                "line 3: expected tenants by their ids, each once, found the tenant `a`",
            ),
            (vec![tenant("a"), tenant("a")], "each once"),
            (vec![tenant("a"), usage("b"), tenant("c")], "found the tenant `c`"),
            (
                vec![tenant("a"), key("b", &hash)],
                "expected a part of the tenant before it, found a key of the tenant `b`",
            ),
            (vec![tenant("a"), key("a", "ab")], "no SHA-256"),
            (vec![tenant("A")], "no tenant's id"),
            (vec![audit(2), audit(2)], "its entry 2"),
            (vec![tenant("a"), audit(2)], "the audit log first"),
            (vec!["{\"route\":{}}".to_owned()], "line 2: expected a record of a backup"),
            (vec!["{\"tenant\":{\"id\":\"a\"}}".to_owned()], "missing field"),
            (vec![String::new()], "can't be read"),
        ] {
            let error = checked(&lines).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
