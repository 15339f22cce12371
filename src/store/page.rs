//! Pages: bounded by how many records they have, and by how large these are.

/// How large a page gets, in bytes of text as it is stored. A record that is larger has a page to itself: no page is empty
/// for its size, so whoever goes on gets on.
pub const PAGE_BYTES: usize = 4 << 20;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was asked for, in its order.
    pub records: Vec<T>,
    /// Whether it ended for its size, before as many as were asked for: more follow.
    pub is_cut: bool,
}

impl<T> Page<T> {
    /// Takes records until one doesn't fit any more.
    pub(super) fn of(
        records: impl Iterator<Item = rusqlite::Result<T>>,
        size: impl Fn(&T) -> usize,
    ) -> rusqlite::Result<Self> {
        let mut page = Self { records: Vec::new(), is_cut: false };
        let mut bytes = 0_usize;
        for record in records {
            let record = record?;
            bytes = bytes.saturating_add(size(&record));
            if bytes > PAGE_BYTES && !page.records.is_empty() {
                page.is_cut = true;
                break;
            }
            page.records.push(record);
        }
        Ok(page)
    }

    /// Whether there may be more: it is as long as it was asked for, or was cut.
    #[must_use]
    pub fn may_go_on(&self, limit: usize) -> bool {
        self.is_cut || self.records.len() >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sizes: &[usize]) -> (usize, bool) {
        let page = Page::of(sizes.iter().copied().map(Ok), |size| *size).unwrap();
        (page.records.len(), page.is_cut)
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_and_is_never_empty_for_it() {
        let half = PAGE_BYTES / 2;
        assert_eq!(page(&[]), (0, false));
        assert_eq!(page(&[half, half]), (2, false));
        assert_eq!(page(&[half, half, 1]), (2, true));
        assert_eq!(page(&[PAGE_BYTES * 3]), (1, false));
        assert_eq!(page(&[PAGE_BYTES * 3, 1]), (1, true));
        assert_eq!(page(&[1, usize::MAX, usize::MAX]), (1, true));
        assert!(Page { records: vec![1], is_cut: true }.may_go_on(9));
        assert!(!Page { records: vec![1], is_cut: false }.may_go_on(2));
        assert!(Page { records: vec![1], is_cut: false }.may_go_on(1));
    }
}
