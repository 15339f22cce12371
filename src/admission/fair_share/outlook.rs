//! Whether a request would get a seat, for whoever asks without wanting one.

use std::sync::Arc;

use super::{SeatTerms, Seats, Share};

/// What would come of asking for a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// One is free.
    Free,
    /// It would wait.
    Waits,
    /// As many as may are waiting.
    QueueFull,
}

impl Seats {
    /// What would come of asking for a seat now; nothing is taken. `share` is the tenant's, if it has had one.
    #[must_use]
    pub fn outlook(&self, share: Option<&Arc<Share>>, terms: SeatTerms) -> Outlook {
        let waiting = share.map_or(0, |share| share.standing().waiting);
        let is_at_max = share.map_or(terms.max == 0, |share| share.is_at_max(terms));
        let is_busy = self.is_wanted() || self.in_use() >= self.limit();
        if waiting == 0 && !is_at_max && !is_busy {
            Outlook::Free
        } else if waiting >= terms.queue {
            Outlook::QueueFull
        } else {
            Outlook::Waits
        }
    }
}
