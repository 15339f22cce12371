//! A few values, most often no more than two.

/// So many take no memory of their own.
const HERE: usize = 2;

/// Values one behind the other. What is charged of a request travels with it, is moved more often than it is looked at, and is most
/// often one value or two: so there is room for those only, and what more there are stands elsewhere.
#[derive(Debug)]
pub(super) struct Few<T> {
    here: [Option<T>; HERE],
    more: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { here: [const { None }; HERE], more: Vec::new() }
    }
}

impl<T> Few<T> {
    /// One more, behind the others.
    pub(super) fn push(&mut self, value: T) {
        match self.here.iter_mut().find(|place| place.is_none()) {
            Some(free) => *free = Some(value),
            None => self.more.push(value),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.here.iter().flatten().count() + self.more.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(HERE) {
            None => self.here.get(at)?.as_ref(),
            Some(at) => self.more.get(at),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.here.iter().flatten().chain(&self.more)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.here.iter_mut().flatten().chain(&mut self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_kept_in_their_order_here_or_elsewhere() {
        let mut few = Few::default();
        for count in 0..7 {
            assert_eq!((few.len(), few.get(count)), (count, None));
            assert!(few.iter().copied().eq(0..count));
            few.push(count);
            assert_eq!(few.get(count), Some(&count));
        }
        few.iter_mut().for_each(|value| *value *= 2);
        assert!(few.iter().copied().eq((0..7).map(|value| value * 2)));
    }
}
