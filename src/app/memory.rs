//! What the allocator keeps of memory that was freed. It gives pages back as it hands out others, so that after a
//! peak, when nobody asks for any, it would keep all that the peak took.

/// Gives back to the system what this thread's allocations leave unused for about a second. Looks at each of
/// its pages with room, which takes microseconds; under load the allocator does the same every ten thousand times that it
/// has to look for room. Does nothing in a program that allocates otherwise.
pub(super) fn give_back() {
    // SAFETY: `mi_collect` may be called at any time from any thread: it frees nothing that is allocated.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(false);
    }
}
