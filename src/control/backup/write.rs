//! Writing a backup.

use jiff::Timestamp;
use serde_json::json;

use super::VERSION;
use super::record::Record;
use super::seal::Seal;
use crate::store::{StoreFault, StoreSnapshot};

/// How much is handed over at a time, about.
const CHUNK: usize = 64 << 10;

/// Writes all that a store held at one moment, and hands it over in pieces. Reads the disk, and waits for whoever takes it.
///
/// # Errors
/// That of `give`, or a [`StoreFault`]: what was given so far is no backup.
pub(crate) fn write<E: From<StoreFault>>(
    snapshot: &StoreSnapshot,
    now: Timestamp,
    give: impl FnMut(Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let head = json!({
        "tollgate_backup": VERSION,
        "version": env!("CARGO_PKG_VERSION"),
        "created_at": format!("{now:.3}"),
        "last_seq": snapshot.last_seq(),
    });
    let head = format!("{head}\n").into_bytes();
    let mut writer = Writer { seal: Seal::over(&head), pending: head, give };
    snapshot.audit(None, |entry| writer.write(&Record::Audit(entry.into())))?;
    let mut own = None;
    snapshot.tenants(None, |tenant| {
        let id = tenant.id.clone();
        writer.write(&Record::Tenant(tenant.into()))?;
        snapshot.domains(Some(&id), |domain| writer.write(&Record::Domain(domain.into())))?;
        snapshot.keys(Some(&id), |key| writer.write(&Record::Key(key.into())))?;
        snapshot.usage(Some(&id), |usage| writer.write(&Record::Usage(usage.into())))
    })?;
    snapshot.usage(None, |usage| {
        // Usage comes by tenants: whether the store has one is asked once for each.
        let known = match &own {
            Some((id, known)) if *id == usage.tenant => *known,
            _ => {
                let mut known = false;
                snapshot.tenants(Some(&usage.tenant), |_| {
                    known = true;
                    Ok::<(), E>(())
                })?;
                own = Some((usage.tenant.clone(), known));
                known
            }
        };
        if known { Ok(()) } else { writer.write(&Record::Usage(usage.into())) }
    })?;
    writer.finish()
}

struct Writer<F> {
    seal: Seal,
    pending: Vec<u8>,
    give: F,
}

impl<E: From<StoreFault>, F: FnMut(Vec<u8>) -> Result<(), E>> Writer<F> {
    fn write(&mut self, record: &Record) -> Result<(), E> {
        let start = self.pending.len();
        // A record is texts and numbers: it can't fail to have JSON.
        serde_json::to_writer(&mut self.pending, record).map_err(|_| StoreFault::Failed)?;
        self.pending.push(b'\n');
        self.seal.take(self.pending.get(start..).unwrap_or_default());
        if self.pending.len() >= CHUNK {
            (self.give)(std::mem::take(&mut self.pending))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), E> {
        self.pending.extend_from_slice(self.seal.line().as_bytes());
        (self.give)(self.pending)
    }
}
