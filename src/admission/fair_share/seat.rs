//! One seat, for as long as a request has it.

use std::sync::Arc;

use super::member::Charged;
use super::share::Share;

/// A seat. Dropping it gives it back, and its tenant is charged the time that it was held.
#[derive(Debug)]
#[must_use]
pub struct Seat {
    share: Arc<Share>,
    charged: Charged,
}

impl Seat {
    pub(super) fn new(share: Arc<Share>, charged: Charged) -> Self {
        Self { share, charged }
    }

    /// Whose it is.
    #[must_use]
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.share.give_back(self.charged);
    }
}
