//! What a connection holds of its streams.

use super::*;
use std::rc::Rc;

struct Ended;

impl Expiring for Ended {
    fn cut_if_expired(&self, _: Instant) {}
}

#[test]
fn responses_that_have_ended_take_no_memory() {
    let conn = ConnState::new("192.0.2.1:1".parse::<SocketAddr>().unwrap(), "192.0.2.2:2".parse().unwrap());
    let open: Vec<Rc<Ended>> = (0..3).map(|_| Rc::new(Ended)).collect();
    for stream in &open {
        conn.watch(Rc::downgrade(stream) as std::rc::Weak<dyn Expiring>);
    }
    for _ in 0..10_000 {
        conn.watch(Rc::downgrade(&Rc::new(Ended)) as std::rc::Weak<dyn Expiring>);
    }
    let held = conn.streams.borrow();
    assert!(held.len() <= 16, "{} are held", held.len());
    assert_eq!(held.iter().filter(|stream| stream.strong_count() > 0).count(), open.len());
}
