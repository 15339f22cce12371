//! How much of the processors' time a thread gets where there isn't enough for all.

/// How far behind: a tenth of a share beside one thread that serves requests (sched(7): each step is a factor of 1.25).
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 10;

/// From now on this thread, and those that it starts, give way to threads that serve requests: what operators do takes
/// milliseconds of a processor, and requests would wait behind it. They still get their part, so whoever waits for a lock that
/// they hold waits for microseconds. There is no way back without privileges.
///
/// On Linux only, where the priority is a thread's and not its process's. Where it is not permitted nothing changes.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    // SAFETY: no pointers; 0 is the calling thread (setpriority(2), "C library/kernel differences").
    #[allow(unsafe_code)]
    unsafe {
        let own = libc::getpriority(libc::PRIO_PROCESS, 0);
        // An operator may have put the whole gateway lower than that.
        if own < NICE {
            let _ = libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    #[allow(unsafe_code)]
    fn a_thread_gives_way_and_the_others_do_not() {
        // SAFETY: no pointers; 0 is the calling thread.
        let own = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = own();
        let lower = std::thread::spawn(move || {
            super::give_way();
            // What it starts is like it.
            std::thread::spawn(own).join().unwrap()
        });
        assert_eq!((lower.join().unwrap(), own()), (before.max(super::NICE), before));
    }
}
