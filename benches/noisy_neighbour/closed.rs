//! The aggressor: connections that ask again as soon as they are answered, whatever the answer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::client::Client;
use crate::tally::Tally;

/// After a connection that failed; without it a gateway that is down would be asked without end.
const PAUSE: Duration = Duration::from_millis(10);

/// One connection of a closed loop. It never ends; all of them begin at once, when `go` says so.
pub async fn connection(
    mut client: Client,
    request: Rc<[u8]>,
    tally: Rc<RefCell<Tally>>,
    mut go: watch::Receiver<bool>,
) {
    if go.wait_for(|go| *go).await.is_err() {
        return;
    }
    loop {
        let sent = Instant::now();
        let outcome = client.ask(&request).await;
        tally.borrow_mut().ended(Instant::now(), sent, outcome);
        match outcome {
            Ok(status) if status < 400 => {}
            // Refusals come without end. Under a real-time policy only a thread that yields lets the
            // origin, on the same core, run at all.
            Ok(_) => std::thread::yield_now(),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
