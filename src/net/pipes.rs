//! A worker's pipes: those that are lent, and those that nobody uses at present.

use std::cell::RefCell;
use std::rc::Rc;

use super::pipe::Pipe;

/// Pipes that are lent at a time: with one a body needs two descriptors more, and a slow one for long.
const LENT_MAX: usize = 256;
/// Of them those that are wide: what is in one is the kernel's memory, 1 MiB of it.
const WIDE_MAX: usize = 16;
/// Octets of a body for which one is wide.
const LONG: u64 = 16 * 1024 * 1024;
/// Pipes that are kept for the next bodies.
const KEPT_MAX: usize = 64;

/// Pipes for the bodies that go one way.
#[derive(Debug, Default)]
pub struct Pipes {
    kept: RefCell<Vec<Pipe>>,
    /// Of those that are lent, each has one like it.
    lent: Rc<()>,
    wide: Rc<()>,
}

/// A pipe on loan: [left](Pipes::leave) to the next body, or lost with what is in it.
#[derive(Debug)]
struct Lent {
    pipe: Pipe,
    is_wide: bool,
    _lent: Rc<()>,
}

/// What the bodies that go by a connection pass through, once the first has. A pointer: most have no such body.
#[derive(Debug, Default)]
pub struct Passage(Option<Box<Lent>>);

impl Passage {
    /// Whether nothing is on its way through it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|lent| lent.pipe.held() == 0)
    }

    /// What so many octets of a body may pass through; `None`: they are to be copied.
    pub fn open(&mut self, octets: u64, pipes: &Pipes) -> Option<&mut Pipe> {
        if self.0.is_none() {
            self.0 = pipes.lend(octets).map(Box::new);
        }
        self.0.as_mut().map(|lent| &mut lent.pipe).filter(|pipe| !pipe.is_unfit())
    }

    /// The pipe, where something is on its way.
    pub fn held(&mut self) -> Option<&mut Pipe> {
        self.0.as_mut().map(|lent| &mut lent.pipe).filter(|pipe| pipe.held() > 0)
    }

    /// Leaves it to others, if nothing is in it.
    pub fn leave(&mut self, pipes: &Pipes) {
        self.0.take().into_iter().for_each(|lent| pipes.leave(*lent));
    }
}

impl Pipes {
    /// What a body of so many octets may pass through; `None`: there is no other, and it has to be copied.
    fn lend(&self, octets: u64) -> Option<Lent> {
        if octets >= LONG && Rc::strong_count(&self.wide) <= WIDE_MAX {
            // Made for this one: that is little beside what passes.
            if let Ok(pipe) = Pipe::wide() {
                return Some(Lent { pipe, is_wide: true, _lent: Rc::clone(&self.wide) });
            }
        }
        if Rc::strong_count(&self.lent) > LENT_MAX {
            return None;
        }
        let pipe = self.kept.borrow_mut().pop().or_else(|| Pipe::new().ok())?;
        Some(Lent { pipe, is_wide: false, _lent: Rc::clone(&self.lent) })
    }

    /// Takes a pipe back that a body has passed through.
    fn leave(&self, lent: Lent) {
        let Lent { pipe, is_wide, .. } = lent;
        let mut kept = self.kept.borrow_mut();
        // What is left of one body is none of the next.
        if pipe.held() == 0 && !pipe.is_unfit() && !is_wide && kept.len() < KEPT_MAX {
            kept.push(pipe);
        }
    }

    /// Closes those that nobody uses.
    pub fn clear(&self) {
        self.kept.borrow_mut().clear();
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_lent_and_those_that_come_back_again() {
        let pipes = Pipes::default();
        let mut lent: Vec<_> = std::iter::from_fn(|| pipes.lend(1)).collect();
        assert_eq!(lent.len(), LENT_MAX);
        // One is lost with its connection.
        drop(lent.pop());
        let back = pipes.lend(1).unwrap();
        assert!(pipes.lend(1).is_none());
        pipes.leave(back);
        assert_eq!(pipes.kept.borrow().len(), 1);
        assert!(pipes.lend(1).is_some() && pipes.kept.borrow().is_empty());
        pipes.leave(lent.pop().unwrap());
        pipes.clear();
        assert!(pipes.kept.borrow().is_empty());
    }

    #[test]
    fn few_are_wide_and_none_of_them_is_kept() {
        let pipes = Pipes::default();
        let lent: Vec<_> = (0..=WIDE_MAX).filter_map(|_| pipes.lend(LONG)).collect();
        assert_eq!(lent.iter().filter(|lent| lent.is_wide).count(), WIDE_MAX);
        assert_eq!(lent.len(), WIDE_MAX + 1);
        lent.into_iter().for_each(|lent| pipes.leave(lent));
        assert_eq!(pipes.kept.borrow().len(), 1);
        assert!(pipes.lend(LONG).is_some_and(|lent| lent.is_wide));
    }
}
