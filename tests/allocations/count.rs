//! The binary's allocator, with what one worker allocates counted, and written down where it did.

use std::alloc::{GlobalAlloc, Layout};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use mimalloc::MiMalloc;

#[global_allocator]
static COUNTED: Counted = Counted;

/// The thread that serves requests, where there is one worker.
const WORKER: &str = "worker-0";

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static OCTETS: AtomicU64 = AtomicU64::new(0);

static WRITING_DOWN: AtomicBool = AtomicBool::new(false);
static WRITTEN_DOWN: Mutex<Vec<(usize, Backtrace)>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is the worker, once it was asked.
    static IS_WORKER: Cell<Option<bool>> = const { Cell::new(None) };
    /// What is allocated meanwhile is the count's own.
    static IS_NOTING: Cell<bool> = const { Cell::new(false) };
}

struct Counted;

fn is_worker() -> bool {
    let asked = IS_WORKER.try_with(|is_worker| {
        is_worker.get().unwrap_or_else(|| {
            // Before its name is asked for, which might allocate.
            is_worker.set(Some(false));
            let is_it = thread::current().name() == Some(WORKER);
            is_worker.set(Some(is_it));
            is_it
        })
    });
    asked.unwrap_or(false)
}

fn note(octets: usize) {
    if !COUNTING.load(Ordering::Relaxed) || !is_worker() || IS_NOTING.replace(true) {
        return;
    }
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    OCTETS.fetch_add(octets as u64, Ordering::Relaxed);
    if WRITING_DOWN.load(Ordering::Relaxed) {
        let from = Backtrace::force_capture();
        WRITTEN_DOWN.lock().unwrap_or_else(PoisonError::into_inner).push((octets, from));
    }
    IS_NOTING.set(false);
}

// SAFETY: all is the allocator's.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as asked.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as asked.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as asked.
        unsafe { MiMalloc.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as asked.
        unsafe { MiMalloc.realloc(at, layout, size) }
    }
}

/// What the worker has allocated: how often, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allocated {
    pub times: u64,
    pub octets: u64,
}

/// What the worker allocates while this is done.
pub fn during(work: impl FnOnce()) -> Allocated {
    let so_far = || (ALLOCATIONS.load(Ordering::Relaxed), OCTETS.load(Ordering::Relaxed));
    COUNTING.store(true, Ordering::Relaxed);
    let before = so_far();
    work();
    let after = so_far();
    COUNTING.store(false, Ordering::Relaxed);
    Allocated { times: after.0 - before.0, octets: after.1 - before.1 }
}

/// What the worker allocates while this is done, each with how much and where.
pub fn each_during(work: impl FnOnce()) -> Vec<(usize, Backtrace)> {
    WRITING_DOWN.store(true, Ordering::Relaxed);
    during(work);
    WRITING_DOWN.store(false, Ordering::Relaxed);
    std::mem::take(&mut *WRITTEN_DOWN.lock().unwrap_or_else(PoisonError::into_inner))
}
