//! Reads of the disk that fail instead of waiting: for threads that have to go on, such as those that serve requests.
//!
//! On Unix SQLite lets its system calls be replaced (`xSetSystemCall`, sqlite3.h). In the place of `pread` it gets one that
//! does the same, except on a thread that is inside of [`reading_only_what_is_there`]: there it asks the kernel for what is in
//! its page cache and for nothing else (preadv2(2) with `RWF_NOWAIT`, Linux 4.14). What isn't there is an error of reading to
//! SQLite, and whoever asked asks again where it may wait.

use std::cell::Cell;

thread_local! {
    static READING: Cell<Reading> = const { Cell::new(Reading::All) };
}

/// What this thread reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    All,
    OnlyWhatIsThere,
    /// The same, and something wasn't.
    Missed,
}

/// Has connections that are opened from now on read so. Whether they do: not on every system.
pub(super) fn prepare() -> bool {
    static PREPARED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(system::replace_pread);
    *PREPARED
}

/// Runs `read`, for which the disk is not waited for; nothing where it would have to be.
pub(super) fn reading_only_what_is_there<T>(read: impl FnOnce() -> T) -> Option<T> {
    /// Also a panic ends it.
    struct Ending;
    impl Drop for Ending {
        fn drop(&mut self) {
            READING.set(Reading::All);
        }
    }
    let _ending = Ending;
    READING.set(Reading::OnlyWhatIsThere);
    let read = read();
    (READING.get() != Reading::Missed).then_some(read)
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use std::os::raw::{c_int, c_void};

    use rusqlite::ffi;

    use super::{READING, Reading};

    /// What SQLite is given as any system call.
    type Any = unsafe extern "C" fn();
    type Pread = unsafe extern "C" fn(c_int, *mut c_void, libc::size_t, libc::off_t) -> libc::ssize_t;

    #[allow(unsafe_code)]
    pub(super) fn replace_pread() -> bool {
        let pread: Pread = pread;
        // SAFETY: `sqlite3_vfs_find` may be called at any time and gives a VFS that is there for as long as the process;
        // its `xSetSystemCall` keeps a pointer to a function and calls it as what the name says, which `Pread` is
        // where `off_t` has 64 bits.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) else { return false };
            set(vfs, c"pread".as_ptr(), Some(std::mem::transmute::<Pread, Any>(pread))) == ffi::SQLITE_OK
        }
    }

    /// As pread(2), but for what the module says.
    #[allow(unsafe_code)]
    unsafe extern "C" fn pread(
        file: c_int,
        buffer: *mut c_void,
        len: libc::size_t,
        offset: libc::off_t,
    ) -> libc::ssize_t {
        if READING.get() == Reading::All {
            // SAFETY: the caller's: a buffer of this length.
            return unsafe { libc::pread(file, buffer, len, offset) };
        }
        let into = libc::iovec { iov_base: buffer, iov_len: len };
        // SAFETY: one `iovec` over the caller's buffer.
        let read = unsafe { libc::preadv2(file, &raw const into, 1, offset, libc::RWF_NOWAIT) };
        if read < 0 {
            // Whatever the error is (a file system that can't say is one, too), it is for who may wait to see.
            READING.set(Reading::Missed);
        }
        read
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod system {
    pub(super) fn replace_pread() -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use rusqlite::Connection;

    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn what_is_not_in_memory_is_not_waited_for_and_read_by_who_may_wait() {
        assert!(prepare());
        // Not where temporary files are: they may be in memory anyway.
        let built = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(built.parent().unwrap()).unwrap();
        let path = folder.path().join("a.db");
        let fill = "CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT);
            WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000)
            INSERT INTO t SELECT n, hex(randomblob(100)) FROM c;";
        Connection::open(&path).unwrap().execute_batch(fill).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        let connection = Connection::open(&path).unwrap();
        let mut count = connection.prepare("SELECT sum(length(text)) FROM t").unwrap();
        let mut count = || count.query_row([], |row| row.get::<_, i64>(0));
        let began = std::time::Instant::now();
        loop {
            // SAFETY: advice about a file that is open.
            let forgotten = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
            assert_eq!(forgotten, 0);
            // The kernel need not follow it at once.
            match reading_only_what_is_there(&mut count) {
                None => break,
                Some(read) => assert_eq!(read, Ok(1_000_000)),
            }
            assert!(began.elapsed().as_secs() < 10, "it stays in memory");
        }
        assert_eq!(count(), Ok(1_000_000), "the connection is good for who may wait");
        assert_eq!(reading_only_what_is_there(&mut count), Some(Ok(1_000_000)), "and now it is there");
    }
}
