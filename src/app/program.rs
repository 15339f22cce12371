//! The program's own pages: what of its file and its libraries' is in memory for this process.
//!
//! The kernel maps what lies around each place that is used, 64 KiB at a time, and leaves it there. So when a gateway listens, nearly all that was
//! read of the program to start it (commands, YAML, checks, the schema, first certificates) counts as its memory, and is
//! never used again. It is let go of once: what is used after all is there again at the price of a fault that reads nothing,
//! since the file stays in the page cache as long as the kernel has room.

/// Lets go of all pages that are as they are in their files: of code and of constants without addresses in them. To be called
/// when a gateway has begun to serve, and not under load: each hot page costs a microsecond once.
pub(super) fn let_go() {
    system::let_go();
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use std::ffi::{CStr, c_int, c_void};
    use std::slice;

    #[allow(unsafe_code)]
    pub(super) fn let_go() {
        // SAFETY: the callback takes no more than it is given, and it doesn't unwind.
        unsafe {
            libc::dl_iterate_phdr(Some(let_go_of), std::ptr::null_mut());
        }
    }

    /// The program, or one of its libraries.
    #[allow(unsafe_code)]
    unsafe extern "C" fn let_go_of(
        object: *mut libc::dl_phdr_info,
        _: libc::size_t,
        _: *mut c_void,
    ) -> c_int {
        // SAFETY: what dl_iterate_phdr(3) gives is there during the call: a name that ends, and so many headers.
        let (base, name, segments) = unsafe {
            let object = &*object;
            let segments = slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into());
            (object.dlpi_addr, CStr::from_ptr(object.dlpi_name), segments)
        };
        // What the kernel maps itself (the vDSO) has a name without a path; the program has none.
        if !name.is_empty() && !name.to_bytes().starts_with(b"/") {
            return 0;
        }
        for segment in segments.iter().filter(|segment| is_as_in_its_file(segment)) {
            if let Some((start, len)) = whole_pages(base.wrapping_add(segment.p_vaddr), segment.p_memsz) {
                // SAFETY: pages of a private mapping of a file that were never written: they are read from it again. Where that
                // can't be done (locked pages) nothing changes.
                unsafe {
                    libc::madvise(start as *mut c_void, len, libc::MADV_DONTNEED);
                }
            }
        }
        0
    }

    /// Whether nobody can have written there, the linker included: what it has put addresses into lies in a segment that is
    /// writable at first, also where it is protected afterwards (RELRO).
    fn is_as_in_its_file(segment: &libc::Elf64_Phdr) -> bool {
        segment.p_type == libc::PT_LOAD && segment.p_flags & libc::PF_W == 0
    }

    /// The pages that lie in a segment as a whole, and their size.
    pub(super) fn whole_pages(address: u64, len: u64) -> Option<(usize, usize)> {
        let page = page_size();
        let start = address.checked_next_multiple_of(page)?;
        let end = address.checked_add(len)? / page * page;
        let len = end.checked_sub(start).filter(|len| *len > 0)?;
        Some((usize::try_from(start).ok()?, usize::try_from(len).ok()?))
    }

    /// In octets.
    pub(super) fn page_size() -> u64 {
        // SAFETY: no pointers.
        #[allow(unsafe_code)]
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        // It is always told (POSIX); the largest there is would do no harm.
        u64::try_from(size).unwrap_or(64 << 10)
    }
}

/// Elsewhere nothing is known of it.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod system {
    pub(super) fn let_go() {}
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::let_go;
    use super::system::{page_size, whole_pages};

    #[allow(clippy::unwrap_used)] // only tests ask
    fn resident_of_files_kib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_was_used_before_is_not_resident_any_more_and_can_be_used_again() {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let before = resident_of_files_kib();
            let_go();
            let after = resident_of_files_kib();
            // To read and to compare is to use the program again. Other tests run beside this one.
            if after < before {
                break;
            }
            assert!(Instant::now() < deadline, "{before} KiB before, {after} after");
        }
    }

    #[test]
    fn only_whole_pages_are_let_go_of() {
        let page = page_size();
        let size = usize::try_from(page).unwrap();
        assert_eq!(whole_pages(16 * page, page), Some((16 * size, size)));
        assert_eq!(whole_pages(16 * page + 1, 2 * page), Some((17 * size, size)));
        assert_eq!(whole_pages(16 * page + 1, page), None);
        assert_eq!(whole_pages(16 * page, 0), None);
        assert_eq!(whole_pages(u64::MAX, 1), None);
    }
}
