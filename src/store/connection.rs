//! Connections to the database: opened, tuned, and opened anew when its file is another one.

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::{StoreError, schema};

/// How long a transaction waits for another process that writes.
const BUSY: Duration = Duration::from_millis(100);
/// How long opening waits for it: another gateway may be bringing the schema up to date.
const BUSY_OPENING: Duration = Duration::from_secs(5);
/// The log of writes is merged into the database when it has grown by so many pages (32 MiB): rarely enough that pages
/// which are written again and again, as in an import, are merged once.
const CHECKPOINT_PAGES: i64 = 8_000;
/// Pages that a connection keeps in memory, in KiB.
const WRITER_CACHE_KIB: i64 = 16 << 10;
const READER_CACHE_KIB: i64 = 2 << 10;
/// Enough for the inner pages of what a look-up reads, with a million tenants: a leaf is another one each time.
const AT_HAND_CACHE_KIB: i64 = 6 << 10;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;

/// A connection, and the file that it was opened on.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    path: PathBuf,
    file: FileId,
}

/// What tells one file from another at the same path.
type FileId = (u64, u64);

impl Opened {
    /// The connection that writes; makes the file where there is none, and brings its schema up to date.
    pub(super) fn for_the_first_time(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        // SQLite would make it readable for all, and gives what lies beside it the same permissions.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        if let Err(error) = made {
            tracing::debug!(%error, "store: its file can't be made or written");
        }
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY_OPENING).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        let found = schema::migrate(&mut connection).map_err(failed)?;
        if found > schema::VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION });
        }
        tune_writer(&connection).map_err(failed)?;
        Self::over(connection, path).map_err(failed)
    }

    /// A connection that writes, to the database that is there; no database is made in the place of a lost one.
    pub(super) fn writer(path: &Path) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
        connection.busy_timeout(BUSY)?;
        if schema::version(&connection)? == 0 {
            // Made anew it would say of every tenant that there is none.
            return Err(moved("its file has been emptied"));
        }
        if schema::migrate(&mut connection)? > schema::VERSION {
            return Err(moved("it was written by a newer version of Tollgate"));
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        tune_writer(&connection)?;
        Self::over(connection, path)
    }

    /// A connection that only reads.
    pub(super) fn reader(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self::over(connection, path)
    }

    /// A connection that only reads, and never waits for anybody.
    pub(super) fn at_hand(path: &Path) -> rusqlite::Result<Self> {
        let opened = Self::reader(path)?;
        opened.connection.busy_timeout(Duration::ZERO)?;
        opened.connection.pragma_update(None, "cache_size", -AT_HAND_CACHE_KIB)?;
        Ok(opened)
    }

    fn over(connection: Connection, path: &Path) -> rusqlite::Result<Self> {
        let Some(file) = file_id(path) else { return Err(moved("its file is not there")) };
        // Plans don't depend on what is bound to them. Else the planner takes note of each value that it has looked at, also where
        // that is only to see whether a partial index serves, and a kept statement is prepared anew for every other.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { connection, path: path.to_owned(), file })
    }

    /// That its file is still the one at its path. A write into a file that was moved away would be acknowledged and lost.
    pub(super) fn is_at_its_place(&self) -> rusqlite::Result<()> {
        match file_id(&self.path) {
            Some(file) if file == self.file => Ok(()),
            Some(_) => Err(moved("its file was replaced while it was open")),
            None => Err(moved("its file is not there any more")),
        }
    }

    /// Whether there is another file at its path.
    pub(super) fn is_replaced(&self) -> bool {
        file_id(&self.path).is_some_and(|file| file != self.file)
    }

    /// Lets go of a file that isn't at its place any more, without touching what may lie beside another one there.
    pub(super) fn abandon(self) {
        let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Err(error) = kept {
            tracing::debug!(%error, "store: the log of an abandoned file may be removed");
        }
    }
}

fn tune_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // A log that a checkpoint has emptied is not kept at the size of its busiest hour.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // What a dry run undoes is kept in memory, not in a file of its own.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn file_id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

fn moved(why: &str) -> rusqlite::Error {
    let error = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(error, Some(why.to_owned()))
}
