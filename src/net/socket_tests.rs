use std::future::poll_fn;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::super::{send_what_has_waited, send_what_waits, take_turns};
use super::*;

async fn pair() -> (TcpSocket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (TcpSocket::from(listener.accept().await.unwrap().0), peer)
}

async fn soon(socket: &mut TcpSocket, data: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| socket.poll_write_soon(cx, data)).await
}

/// What the peer has got by now.
fn come(peer: &TcpStream) -> Vec<u8> {
    let mut buffer = [0; 64 * 1024];
    peer.try_read(&mut buffer).map_or_else(|_| Vec::new(), |len| buffer[..len].to_vec())
}

async fn got(peer: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut buffer = vec![0; len];
    timeout(Duration::from_secs(10), peer.read_exact(&mut buffer)).await.unwrap().unwrap();
    buffer
}

#[tokio::test]
async fn a_thread_that_promises_nothing_has_all_sent_at_once() {
    let (mut socket, mut peer) = pair().await;
    assert_eq!(soon(&mut socket, b"now").await.unwrap(), 3);
    assert_eq!(got(&mut peer, 3).await, b"now");
}

#[tokio::test]
async fn what_is_small_waits_until_it_is_sent_and_keeps_its_order() {
    take_turns();
    let (mut socket, mut peer) = pair().await;
    assert_eq!(soon(&mut socket, b"one ").await.unwrap(), 4);
    assert_eq!(soon(&mut socket, b"two ").await.unwrap(), 4);
    assert_eq!(come(&peer), b"", "nobody has sent it");
    send_what_waits();
    assert_eq!(got(&mut peer, 8).await, b"one two ");
    // What is written for now, or is long, goes behind what waits.
    let long = vec![b'l'; SMALL + 1];
    soon(&mut socket, b"three ").await.unwrap();
    socket.write_all(b"four ").await.unwrap();
    soon(&mut socket, b"five ").await.unwrap();
    assert_eq!(soon(&mut socket, &long).await.unwrap(), long.len());
    let whole = got(&mut peer, 16 + long.len()).await;
    assert!(whole.starts_with(b"three four five l") && whole.ends_with(b"l"));
    // Nothing is said twice.
    send_what_waits();
    soon(&mut socket, b"end").await.unwrap();
    socket.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), peer.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"end");
}

#[tokio::test]
async fn as_many_as_are_sent_together_do_not_wait_and_what_is_dropped_was_sent() {
    take_turns();
    let mut pairs = Vec::new();
    for _ in 0..9 {
        pairs.push(pair().await);
    }
    for (socket, _) in &mut pairs {
        soon(socket, b"x").await.unwrap();
    }
    for (_, peer) in &mut pairs[..8] {
        assert_eq!(got(peer, 1).await, b"x");
    }
    let (socket, mut peer) = pairs.pop().unwrap();
    drop(socket);
    assert_eq!(got(&mut peer, 1).await, b"x");
}

#[tokio::test]
async fn what_is_not_taken_comes_later_before_all_else_even_if_somebody_only_reads() {
    take_turns();
    let (mut socket, mut peer) = pair().await;
    SockRef::from(socket.stream()).set_send_buffer_size(4096).unwrap();
    let mut written = 0;
    // Until it is stuck.
    while socket.waiting.as_ref().is_none_or(|waiting| waiting.state() != State::Stuck) {
        written += soon(&mut socket, &[b'a'; SMALL]).await.unwrap();
        send_what_waits();
        assert!(written < 64 << 20, "without an end");
    }
    let blocked = poll_fn(|cx| Poll::Ready(socket.poll_write_soon(cx, b"z").is_pending())).await;
    assert!(blocked);
    let reader = async {
        let mut one = [0];
        let read = socket.read(&mut one).await.unwrap();
        (socket, read)
    };
    let taker = async {
        let all = got(&mut peer, written).await;
        assert!(all.iter().all(|octet| *octet == b'a'));
        peer.write_all(b"r").await.unwrap();
    };
    let ((mut socket, read), ()) =
        timeout(Duration::from_secs(20), async { tokio::join!(reader, taker) }).await.unwrap();
    assert_eq!(read, 1);
    soon(&mut socket, b"z").await.unwrap();
    send_what_waits();
    assert_eq!(got(&mut peer, 1).await, b"z");
}

#[tokio::test]
async fn who_is_gone_is_told_to_who_writes_next_and_what_had_come_can_be_read() {
    take_turns();
    let (mut socket, mut peer) = pair().await;
    peer.write_all(b"413").await.unwrap();
    peer.shutdown().await.unwrap();
    drop(peer);
    let failed = timeout(Duration::from_secs(10), async {
        loop {
            if soon(&mut socket, b"upload").await.is_err() {
                return;
            }
            send_what_waits();
            tokio::task::yield_now().await;
        }
    });
    failed.await.unwrap();
    assert!(socket.flush().await.is_err() && socket.write(b"x").await.is_err());
    let _ = socket.shutdown().await;
}

#[tokio::test]
async fn nobody_waits_long_while_the_worker_goes_on() {
    take_turns();
    let (mut socket, mut peer) = pair().await;
    let now = Instant::now();
    // Of an earlier one nothing counts.
    send_what_has_waited(now);
    soon(&mut socket, b"x").await.unwrap();
    let later = now + Duration::from_secs(1);
    for moment in [later, later + Duration::from_micros(99)] {
        send_what_has_waited(moment);
        assert_eq!(come(&peer), b"");
        assert_eq!(socket.waiting.as_ref().map(|waiting| waiting.state()), Some(State::Queued));
    }
    send_what_has_waited(later + Duration::from_micros(100));
    assert_eq!(got(&mut peer, 1).await, b"x");
    soon(&mut socket, b"y").await.unwrap();
    send_what_has_waited(later + Duration::from_secs(1));
    assert_eq!(
        socket.waiting.as_ref().map(|waiting| waiting.state()),
        Some(State::Queued),
        "it has just come"
    );
    send_what_waits();
    assert_eq!(got(&mut peer, 1).await, b"y");
}
