//! What is remembered of a file of tenants from one load to the next.

use std::ffi::OsStr;
use std::sync::Arc;

use super::conflict::Conflict;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Tenant;
use crate::config::fingerprint::Stat;
use crate::config::source::Site;

/// A file: what it was like when it was read, and what was made of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: Arc<OsStr>,
    /// `None` until it was read.
    pub seen: Option<Seen>,
    /// Its tenant, also where something speaks against it: what it claims it keeps from others.
    pub held: Option<Held>,
    /// What it was held against when it was judged.
    pub conflicts: Box<[Conflict]>,
    pub diagnostics: Box<[Diagnostic]>,
    /// Whether one of these is an error, so that the file is left out.
    pub is_bad: bool,
    /// The tenant of it in the document that was accepted last.
    pub accepted: Option<Arc<Tenant>>,
}

/// A file as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What the file system said of it just before; `None` where there was nothing.
    pub stat: Option<Stat>,
    /// Whether it may have been written again without another time.
    pub is_fresh: bool,
    /// Of its text.
    pub hash: u64,
}

/// A tenant with the places of what it claims.
#[derive(Debug)]
pub(super) struct Held {
    pub tenant: Arc<Tenant>,
    /// Line and column of its id.
    pub id: (u32, u32),
    /// Of its domains, one for each.
    pub domains: Box<[(u32, u32)]>,
    /// Whether it differs from its plan in something that has to fit plan and routes.
    pub has_own_limits: bool,
}

impl Entry {
    /// A file that was not read yet.
    pub fn new(name: Arc<OsStr>) -> Self {
        Self {
            name,
            seen: None,
            held: None,
            conflicts: Box::default(),
            diagnostics: Box::default(),
            is_bad: false,
            accepted: None,
        }
    }

    /// Its tenant, if nothing speaks against it.
    pub fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.held.as_ref().filter(|_| !self.is_bad).map(|held| &held.tenant)
    }
}

impl Held {
    /// Where its id is.
    pub fn id_site(&self) -> Site {
        self.site(self.id)
    }

    /// Where its `nth` domain is.
    pub fn domain_site(&self, nth: usize) -> Site {
        self.site(self.domains.get(nth).copied().unwrap_or_default())
    }

    fn site(&self, (line, column): (u32, u32)) -> Site {
        Site { file: Arc::clone(&self.tenant.origin.file), line, column }
    }
}
