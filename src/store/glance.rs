//! A look into a store as it lies on the disk, for whoever only asks: nothing is made, brought up to date or written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::fault::fault;
use super::key_uses::{self, KeyUses};
use super::lookup::look_up;
use super::{Found, StoreError, StoreFault, TenantKey, schema};

/// What ends the path of a URI, or is an escape in it.
const ENCODED: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%');

/// See the module.
#[derive(Debug)]
pub struct Glance(Mutex<Connection>);

impl Glance {
    /// The store in a file; `None` where there is no such file.
    ///
    /// # Errors
    /// It can't be read, or is not of the schema that this version knows.
    pub fn at(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        let text = path.to_string_lossy();
        let encoded = utf8_percent_encode(&text, ENCODED);
        // Where nobody has it open there is no log beside it, and SQLite would make one, but for a file that is said not to change.
        let is_open = beside(path, "-wal").exists();
        let uri = if is_open { format!("file:{encoded}") } else { format!("file:{encoded}?immutable=1") };
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
        let found = schema::version(&connection).map_err(failed)?;
        if found > schema::VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION });
        }
        if found < schema::VERSION {
            return Err(StoreError::Older { path: path.to_owned(), found, known: schema::VERSION });
        }
        Ok(Some(Self(Mutex::new(connection))))
    }

    /// Looks a tenant up, with its labels. Reads the disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn find(&self, key: &TenantKey) -> Result<Option<Found>, StoreFault> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look_up(&connection, key, true).map_err(|error| fault(&error))
    }

    /// Which keys have encrypted what is kept. Reads the disk.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn key_uses(&self, now_ms: i64) -> Result<KeyUses, StoreFault> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        key_uses::read(&connection, now_ms).map_err(|error| fault(&error))
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tenant_tests::{Desk, a_put, tenant_id};

    fn files(folder: &Path) -> Vec<(String, u64)> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_store_is_read_while_it_is_open_and_when_it_is_not() {
        let desk = Desk::new();
        desk.put(a_put("acme", &["www.acme.test", "*.shop.acme.test"])).unwrap();
        let found = |key: &TenantKey| {
            let glance = Glance::at(&desk.path()).unwrap().unwrap();
            glance.find(key).unwrap().map(|found| found.record.id.to_string())
        };
        let is_found = || {
            assert_eq!(found(&TenantKey::Host("www.acme.test".into())).as_deref(), Some("acme"));
            assert_eq!(found(&TenantKey::Host("a.shop.acme.test".into())).as_deref(), Some("acme"));
            assert_eq!(found(&TenantKey::Id(tenant_id("acme"))).as_deref(), Some("acme"));
            assert_eq!(found(&TenantKey::Id(tenant_id("globex"))), None);
        };
        is_found();
        desk.store.close();
        let folder = desk.path().parent().unwrap().to_owned();
        let before = files(&folder);
        is_found();
        assert_eq!(files(&folder), before, "nothing is made beside it");
        assert!(Glance::at(&folder.join("none.db")).unwrap().is_none());
        std::fs::write(folder.join("other.db"), "no database").unwrap();
        assert!(Glance::at(&folder.join("other.db")).is_err());
        std::fs::write(folder.join("old.db"), "").unwrap();
        assert!(matches!(Glance::at(&folder.join("old.db")), Err(StoreError::Older { found: 0, .. })));
    }
}
