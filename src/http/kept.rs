//! What is kept with a connection until it ends.

use std::any::Any;
use std::cell::RefCell;

/// Such things, of whatever kind: the connection knows nothing of them. They are few.
#[derive(Default)]
pub struct Kept(RefCell<Vec<Box<dyn Any>>>);

impl Kept {
    /// Keeps one more.
    pub fn add(&self, one: impl Any) {
        self.0.borrow_mut().push(Box::new(one));
    }

    /// Whether one like that is kept.
    pub fn has<T: Any>(&self, is: impl Fn(&T) -> bool) -> bool {
        self.0.borrow().iter().filter_map(|one| one.downcast_ref()).any(is)
    }
}
