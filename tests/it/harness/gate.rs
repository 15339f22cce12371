//! A gate that an origin waits at until the test opens it: slowness without sleeping.

use std::sync::{Arc, Condvar, Mutex};

use super::DEADLINE;

/// Shared by a test and its origin. Each [`Gate::open`] lets one waiter through, each
/// [`Gate::throw_open`] all of them from now on.
#[derive(Clone, Default)]
pub struct Gate {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    passes: usize,
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A gate that is shut.
    pub fn shut() -> Self {
        Self::default()
    }

    /// Lets one waiter through, the next to come if there is none.
    pub fn open(&self) {
        self.change(|state| state.passes += 1);
    }

    /// Lets everybody through.
    pub fn throw_open(&self) {
        self.change(|state| state.open = true);
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.0.lock().unwrap().waiting
    }

    /// Waits to be let through; false when nobody did before the deadline.
    pub fn pass(&self) -> bool {
        let (lock, changed) = &*self.shared;
        let mut state = lock.lock().unwrap();
        state.waiting += 1;
        let (mut state, timeout) =
            changed.wait_timeout_while(state, DEADLINE, |state| !state.open && state.passes == 0).unwrap();
        state.waiting -= 1;
        state.passes = state.passes.saturating_sub(1);
        !timeout.timed_out()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
    }
}
