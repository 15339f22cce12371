//! How much of the processors' time a thread gets where there isn't enough for all, and how soon.

/// How far behind: a tenth of a share beside one thread that serves requests (sched(7): each step is a factor of 1.25).
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 10;

/// How long a prompt thread runs before it is another's turn, in nanoseconds: the shortest that the kernel takes.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

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

/// From now on this thread, and those that it starts, run soon after they are woken, whoever has the processor. They get no more of
/// it than before.
///
/// A priority alone doesn't do that: a thread of the lowest that has just got the processor keeps it for a slice of some milliseconds, and
/// several of them have one each. Of two threads that have not had their part yet the kernel takes the one whose slice ends first, and one with a
/// shorter slice needn't wait for the end of another's (EEVDF: Stoica, Abdel-Wahab 1995; Linux 6.12, `PREEMPT_SHORT`).
///
/// Elsewhere nothing changes, nor where an operator has chosen another policy than the usual one.
pub fn be_prompt() {
    #[cfg(target_os = "linux")]
    if let Some(mut attr) = attributes()
        && attr.sched_policy == libc::SCHED_OTHER.cast_unsigned()
    {
        attr.sched_runtime = SLICE_NS;
        // SAFETY: a pointer to attributes as the kernel gave them, which it reads; 0 is the calling thread.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    }
}

/// How the calling thread is scheduled.
#[cfg(target_os = "linux")]
fn attributes() -> Option<libc::sched_attr> {
    const SIZE: u32 = size_of::<libc::sched_attr>() as u32;
    let mut attr = libc::sched_attr {
        size: SIZE,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: a pointer to as many octets as are said to be there, which the kernel writes; 0 is the calling thread.
    #[allow(unsafe_code)]
    let outcome = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, SIZE, 0) };
    (outcome == 0).then_some(attr)
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

    #[test]
    fn a_prompt_thread_has_the_same_priority_and_a_short_slice_where_the_kernel_tells_it() {
        let of = |attr: libc::sched_attr| (attr.sched_policy, attr.sched_nice, attr.sched_runtime);
        let (policy, nice, slice) = of(super::attributes().unwrap());
        let prompt = std::thread::spawn(move || {
            super::be_prompt();
            of(super::attributes().unwrap())
        });
        // Older kernels know of no slices, and say 0.
        let expected = if slice == 0 { 0 } else { super::SLICE_NS };
        assert_eq!(prompt.join().unwrap(), (policy, nice, expected));
        assert_eq!(of(super::attributes().unwrap()), (policy, nice, slice));
    }
}
