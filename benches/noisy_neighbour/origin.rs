//! The application behind the gateways: keeps connections open, gives each request to a worker, and tells
//! at `/counters` what its workers were used for. A path that asks for no work is answered at once.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};

use crate::timer::Timer;
use crate::wire::{Request, Wire};
use crate::work::Work;
use crate::workers::Workers;

/// The same work times in every run.
const SEED: u64 = 1;

struct Origin {
    workers: RefCell<Workers<oneshot::Sender<()>>>,
    random: RefCell<fastrand::Rng>,
    /// The first work to end has changed.
    sooner: Notify,
}

/// Serves on 127.0.0.1:`port` with `workers` workers until the process is killed.
pub async fn serve(port: u16, workers: usize) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(8_192)?;
    let origin = Rc::new(Origin {
        workers: RefCell::new(Workers::new(workers, Instant::now())),
        random: RefCell::new(fastrand::Rng::with_seed(SEED)),
        sooner: Notify::new(),
    });
    let clock = {
        let origin = Rc::clone(&origin);
        async move { origin.end_works().await }
    };
    let mut clock = tokio::task::spawn_local(clock);
    loop {
        tokio::select! {
            ended = &mut clock => return ended?,
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let origin = Rc::clone(&origin);
                tokio::task::spawn_local(async move {
                    // A client that goes away ends its connection, nothing else.
                    let _gone = origin.connection(stream).await;
                });
            }
        }
    }
}

impl Origin {
    async fn connection(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream)?;
        while let Some(request) = wire.request().await? {
            let body = if request.path == "/counters" {
                let counters = self.workers.borrow_mut().counters(Instant::now());
                serde_json::to_string(&counters).map_err(io::Error::other)?
            } else {
                self.work(&request).await?;
                "done\n".to_owned()
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nx-seen-tenant: {}\r\n\r\n{body}",
                body.len(),
                request.tenant,
            );
            wire.write(answer.as_bytes()).await?;
        }
        Ok(())
    }

    async fn work(&self, request: &Request) -> io::Result<()> {
        let Some(work) = Work::of_path(&request.path) else { return Ok(()) };
        let time = work.draw(&mut self.random.borrow_mut());
        let (done, ended) = oneshot::channel();
        let first = {
            let mut workers = self.workers.borrow_mut();
            let before = workers.next_due();
            workers.arrive(Instant::now(), &request.tenant, time, done);
            workers.next_due() != before
        };
        if first {
            self.sooner.notify_one();
        }
        ended.await.map_err(io::Error::other)
    }

    async fn end_works(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        loop {
            let next = self.workers.borrow().next_due();
            let Some(next) = next else {
                self.sooner.notified().await;
                continue;
            };
            timer.arm(next)?;
            tokio::select! {
                rung = timer.rung() => rung?,
                () = self.sooner.notified() => {}
            }
            let ended = self.workers.borrow_mut().end_due(Instant::now());
            for done in ended {
                // The client may have gone; the worker had to work all the same.
                let _gone = done.send(());
            }
        }
    }
}
