//! What the allocator keeps of memory that was freed: after a peak, when nobody asks for any, it would keep all that the peak took.
//!
//! To give it back is a system call for every stretch of free pages: some hundred after a peak, which take tens of milliseconds. No
//! worker does that, for its requests would wait; workers only say what is free, and a thread that gives way to them does the rest.

use std::ffi::c_long;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How often what is free is given back.
const EVERY: Duration = Duration::from_secs(1);

/// `mi_option_purge_delay` (mimalloc.h), which the bindings don't name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// How long free pages are kept, in milliseconds, unless somebody insists: whoever frees some gives back what has been free for longer.
const PURGE_DELAY_MS: c_long = 24 * 60 * 60 * 1000;

/// Says what of this thread's memory is free. Looks at each of its pages with room, which takes microseconds. Does nothing in a
/// program that allocates otherwise.
pub(super) fn let_go() {
    // SAFETY: `mi_collect` may be called at any time from any thread: it frees nothing that is allocated.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}

/// Gives back to the system what is free, once a second, on a thread of its own with the priority of the one that this is called on.
pub(super) async fn give_back() {
    // SAFETY: a number is set, which other threads read as a whole.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
    }
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let giving_back = spawn_blocking(|| {
            // SAFETY: as above. All that is free goes, whoever has freed it.
            #[allow(unsafe_code)]
            unsafe {
                libmimalloc_sys::mi_collect(true);
            }
        });
        let _ = giving_back.await;
    }
}
