//! The tenants of a document, in parts that one document shares with the next.

use std::fmt;
use std::iter::FlatMap;
use std::slice::Iter;
use std::sync::Arc;

use super::Tenant;

/// Some tenants that stand beside each other.
pub type TenantPart = Arc<[Arc<Tenant>]>;

/// How many tenants beside each other, or parts, may differ before what follows is told by itself.
const NEARBY: usize = 16;

/// Tenants in their order. A copy shares every part, so that of a hundred thousand tenants a change costs one part.
#[derive(Clone, Default)]
pub struct TenantList {
    parts: Vec<TenantPart>,
    /// The number of tenants up to the end of each part.
    ends: Vec<usize>,
}

/// All tenants of a list.
pub type Tenants<'l> =
    FlatMap<Iter<'l, TenantPart>, Iter<'l, Arc<Tenant>>, fn(&'l TenantPart) -> Iter<'l, Arc<Tenant>>>;

impl TenantList {
    /// How many tenants a part has; twice as many at the most, where it was changed.
    pub const PART: usize = 256;

    /// Of these parts, one after the other.
    pub fn of_parts(parts: impl IntoIterator<Item = TenantPart>) -> Self {
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        Self { ends: ends.collect(), parts }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The one in a place, from 0 on.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Arc<Tenant>> {
        let nth = self.ends.partition_point(|end| *end <= place);
        let part = self.parts.get(nth)?;
        part.get(place - (self.ends.get(nth)? - part.len()))
    }

    /// All of them.
    pub fn iter(&self) -> Tenants<'_> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Two lists without what they have in common, by their pointers; parts that they share are not looked into.
    #[must_use]
    pub fn apart<'l>(&'l self, after: &'l Self) -> (Vec<&'l Arc<Tenant>>, Vec<&'l Arc<Tenant>>) {
        let (before, after): (Vec<_>, Vec<_>) = (self.parts.iter().collect(), after.parts.iter().collect());
        let (before, after) = apart(&before, &after);
        let tenants = |parts: Vec<&'l TenantPart>| parts.into_iter().flat_map(|part| part.iter()).collect();
        let (before, after): (Vec<_>, Vec<_>) = (tenants(before), tenants(after));
        apart(&before, &after)
    }
}

impl FromIterator<Arc<Tenant>> for TenantList {
    fn from_iter<I: IntoIterator<Item = Arc<Tenant>>>(tenants: I) -> Self {
        let tenants: Vec<_> = tenants.into_iter().collect();
        Self::of_parts(tenants.chunks(Self::PART).map(Arc::from))
    }
}

impl<'l> IntoIterator for &'l TenantList {
    type Item = &'l Arc<Tenant>;
    type IntoIter = Tenants<'l>;

    fn into_iter(self) -> Tenants<'l> {
        self.iter()
    }
}

/// The same tenants in the same order, whatever the parts.
impl PartialEq for TenantList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl fmt::Debug for TenantList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Two lists without what they have in common: of long lists that differ in little, that is found by comparing pointers.
fn apart<'a, T: ?Sized>(
    mut before: &[&'a Arc<T>],
    mut after: &[&'a Arc<T>],
) -> (Vec<&'a Arc<T>>, Vec<&'a Arc<T>>) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    while let ([rest @ .., a], [others @ .., b]) = (before, after)
        && Arc::ptr_eq(a, b)
    {
        (before, after) = (rest, others);
    }
    while !before.is_empty() || !after.is_empty() {
        while let ([a, rest @ ..], [b, others @ ..]) = (before, after)
            && Arc::ptr_eq(a, b)
        {
            (before, after) = (rest, others);
        }
        let (gone, come) = meeting(before, after).unwrap_or((before.len(), after.len()));
        let ((gone, rest), (come, others)) = (
            before.split_at_checked(gone).unwrap_or((before, &[])),
            after.split_at_checked(come).unwrap_or((after, &[])),
        );
        old.extend(gone);
        new.extend(come);
        (before, after) = (rest, others);
    }
    (old, new)
}

/// How many of each list are to be passed over until both go on with the same, if that is nearby.
fn meeting<T: ?Sized>(before: &[&Arc<T>], after: &[&Arc<T>]) -> Option<(usize, usize)> {
    let mut pairs = (1..=NEARBY).flat_map(|sum| (0..=sum).map(move |gone| (gone, sum - gone)));
    pairs.find(|(gone, come)| {
        let both = before.get(*gone).zip(after.get(*come));
        both.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    })
}

#[cfg(test)]
#[path = "tenant_list_tests.rs"]
mod tests;
