//! Tenants, brought back from a backup.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::documents::written_document;
use super::restore_deferred::Deferred;
use super::tenants::{checked, known_id};
use super::{Refusal, Registry, RestoreReport};
use crate::control::backup::{Group, Reader, Spool, SpoolError};
use crate::store::{Actor, AuditEntry, Restored, Store, StoreFault, UsageRecord};
use crate::types::TenantId;

/// How long the store may take for a batch.
const STALL: Duration = Duration::from_secs(30);
/// How much of a backup is looked at in one go, in bytes.
const PIECE: usize = 256 << 10;
/// How much is brought back in one go: records, and quarters of a KiB of texts.
const BATCH: usize = 1_000;
/// What an entry of the audit log, or usage without its tenant, counts: these go in one transaction that is not cut.
const UNCUT: usize = 5;

/// A backup on its way in.
pub struct Receiving {
    registry: Arc<Registry>,
    store: Arc<Store>,
    spool: Option<Spool>,
    pending: Vec<u8>,
    turn: OwnedSemaphorePermit,
}

/// A backup that is whole.
pub struct Received {
    registry: Arc<Registry>,
    store: Arc<Store>,
    reader: Reader<BufReader<File>>,
    _turn: OwnedSemaphorePermit,
}

impl Registry {
    /// Takes in a backup, which is kept beside the store until it is brought back.
    ///
    /// # Errors
    /// [`Refusal`]: there is no store, no room, or another backup or restore is under way.
    pub async fn receive_backup(self: &Arc<Self>) -> Result<Receiving, Refusal> {
        let store = self.store()?;
        let turn = self.begin_backup()?;
        let folder = store.path().parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let spool = blocking(move || Spool::within(&folder)).await??;
        Ok(Receiving { registry: Arc::clone(self), store, spool: Some(spool), pending: Vec::new(), turn })
    }
}

impl Receiving {
    /// Takes what comes next.
    ///
    /// # Errors
    /// [`Refusal`]: it is not what comes next in a backup, or there is no room.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE { self.look().await } else { Ok(()) }
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`Refusal`]: it is no whole backup.
    pub async fn finish(mut self) -> Result<Received, Refusal> {
        self.look().await?;
        let spool = self.spool.take().ok_or(StoreFault::Failed)?;
        let reader = blocking(move || spool.finish()).await??;
        Ok(Received { registry: self.registry, store: self.store, reader, _turn: self.turn })
    }

    async fn look(&mut self) -> Result<(), Refusal> {
        let mut spool = self.spool.take().ok_or(StoreFault::Failed)?;
        let bytes = std::mem::take(&mut self.pending);
        self.spool = Some(blocking(move || spool.take(&bytes).map(|()| spool)).await??);
        Ok(())
    }
}

impl Received {
    /// Brings tenants back: one, or all. What is durable is in force when it returns; where it breaks off, all tenants are
    /// as they were or as they are to be. A dry run says what would change, and changes nothing.
    ///
    /// # Errors
    /// [`Refusal`]: of the one tenant; or the store did not answer.
    pub async fn restore(
        self,
        only: Option<&str>,
        dry_run: bool,
        actor: Actor,
    ) -> Result<RestoreReport, Refusal> {
        let only = only.map(known_id).transpose()?;
        let report = RestoreReport { dry_run, ..RestoreReport::default() };
        // Of one tenant, who has its domains does not come back.
        let mut under_way = UnderWay { report, deferred: only.is_none().then(Deferred::default) };
        let last_seq = self.reader.last_seq();
        let (mut reader, mut is_first) = (self.reader, true);
        loop {
            let (registry, one, who) = (Arc::clone(&self.registry), only.clone(), actor.clone());
            let read = move || registry.next_of(&mut reader, one.as_ref(), &who).map(|batch| (reader, batch));
            let (back, batch) = blocking(read).await?.map_err(SpoolError::Io)?;
            reader = back;
            let is_last = batch.is_last;
            let reserved = only.is_none() && (is_first || !batch.audit.is_empty());
            is_first = false;
            // What was begun is done, and forgotten by the cache, also when whoever asked has gone or waited long enough.
            let bringing = bring_back(
                Arc::clone(&self.registry),
                Arc::clone(&self.store),
                batch,
                reserved.then_some(last_seq),
                under_way,
            );
            let brought = timeout(STALL, tokio::spawn(bringing)).await.map_err(|_| StoreFault::Busy)?;
            under_way = brought.map_err(|_| StoreFault::Failed)??;
            if is_last {
                break;
            }
        }
        let mut report = under_way.report;
        let Some(id) = only else { return Ok(report) };
        match report.errors.pop() {
            Some((_, refusal)) => Err(refusal),
            None if report.is_of_nothing() => Err(Refusal::NotInBackup(id)),
            None => Ok(report),
        }
    }
}

/// What came of it so far.
pub(super) struct UnderWay {
    pub(super) report: RestoreReport,
    /// Who has to wait for others, where they may.
    pub(super) deferred: Option<Deferred>,
}

/// What is brought back in one go.
#[derive(Default)]
struct Batch {
    audit: Vec<AuditEntry>,
    tenants: Vec<Arc<Restored>>,
    usage: Vec<UsageRecord>,
    refused: Vec<(TenantId, Refusal)>,
    is_last: bool,
}

impl Registry {
    /// What comes next of a backup, or of one tenant in it. Reads the disk.
    fn next_of(
        &self,
        reader: &mut Reader<BufReader<File>>,
        only: Option<&TenantId>,
        actor: &Actor,
    ) -> std::io::Result<Batch> {
        let in_force = self.in_force();
        let (mut batch, mut weight) = (Batch::default(), 0);
        while weight < BATCH {
            let Some(group) = reader.group()? else {
                batch.is_last = true;
                break;
            };
            let is_wanted = |id: &TenantId| only.is_none_or(|only| only == id);
            match group {
                Group::Audit(entry) if only.is_none() => {
                    let texts = [&entry.before, &entry.after];
                    weight += UNCUT + texts.iter().map(|text| weight_of(text.as_deref())).sum::<usize>();
                    batch.audit.push(*entry);
                }
                Group::Usage(usage) if is_wanted(&usage.tenant) => {
                    weight += UNCUT;
                    batch.usage.push(usage);
                }
                Group::Tenant { record, domains, keys, usage } if is_wanted(&record.id) => {
                    let mut record = *record;
                    let owned = domains.iter().filter(|domain| domain.verified);
                    record.content.domains = owned.map(|domain| domain.name.clone()).collect();
                    weight += 1 + domains.len() + keys.len() + usage.len();
                    weight += weight_of(record.content.settings.as_deref());
                    match checked(&in_force, &record.id, &written_document(&record)) {
                        Ok(_) => {
                            let actor = actor.clone();
                            batch.tenants.push(Arc::new(Restored { record, domains, keys, usage, actor }));
                        }
                        Err(refusal) => batch.refused.push((record.id, refusal)),
                    }
                }
                Group::Audit(_) | Group::Usage(_) | Group::Tenant { .. } => {}
            }
        }
        Ok(batch)
    }
}

async fn bring_back(
    registry: Arc<Registry>,
    store: Arc<Store>,
    batch: Batch,
    last_seq: Option<u64>,
    mut under_way: UnderWay,
) -> Result<UnderWay, Refusal> {
    let dry_run = under_way.report.dry_run;
    let Batch { audit, tenants, usage, refused, is_last } = batch;
    // The numbers of the log are kept free before anything else gets one of them.
    if let Some(last_seq) = last_seq {
        let restored = store.restore_audit(audit, last_seq, dry_run).await;
        under_way.report.audit += restored.map_err(Refusal::of_restore)?;
    }
    refused.into_iter().for_each(|(id, refusal)| under_way.report.refused(id, refusal));
    if !tenants.is_empty() {
        let outcomes = store.restore(tenants.clone(), dry_run).await?;
        under_way.take(&registry, tenants, outcomes)?;
    }
    if !usage.is_empty() {
        under_way.report.usage_seen += usage.len() as u64;
        let raised = store.restore_usage(usage, dry_run).await;
        under_way.report.differ(&raised.map_err(Refusal::of_restore)?);
    }
    // All others are back: what is in the way of these is each other, or is there to stay.
    if is_last && let Some(deferred) = under_way.deferred.take().filter(|deferred| !deferred.is_empty()) {
        let Deferred { tenants, released, .. } = deferred;
        let outcomes = store.restore_together(tenants.clone(), released, dry_run).await?;
        under_way.take(&registry, tenants, outcomes)?;
    }
    Ok(under_way)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreFault> {
    spawn_blocking(work).await.map_err(|_| StoreFault::Failed)
}

pub(super) fn weight_of(text: Option<&str>) -> usize {
    text.map_or(0, str::len) / 256
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Bad(bad) => Self::BadBackup(bad),
            SpoolError::Io(error) => {
                tracing::error!(%error, "a backup that was to be restored can't be kept or read");
                Self::Spool(error.to_string())
            }
        }
    }
}
