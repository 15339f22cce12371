use std::future::pending;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::account::DEBT_MAX;
use super::*;

/// Takes so much of the thread's time.
fn take(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Always has something to do, and counts its turns.
async fn hog(turns: Rc<Cell<u32>>, time: Duration) {
    poll_fn(|cx| {
        take(time);
        turns.set(turns.get() + 1);
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
}

fn of_one_who_takes_much<F: Future>(shares: &Rc<Shares>, work: F) -> Share<F> {
    let mut share = shares.of(None, work);
    share.account = Account::with_debt(DEBT_MAX);
    share
}

fn of_one_who_takes_little<F: Future>(shares: &Rc<Shares>, work: F) -> Share<F> {
    let mut share = shares.of(None, work);
    share.account = Account::with_debt(Duration::ZERO);
    share
}

#[tokio::test]
async fn who_takes_little_waits_for_a_round_and_not_for_everybody() {
    const HOGS: u32 = 40;
    let tasks = LocalSet::new();
    let run = tasks.run_until(async {
        let shares = Rc::new(Shares::new());
        spawn_local(Rc::clone(&shares).keep());
        let turns = Rc::new(Cell::new(0));
        for _ in 0..HOGS {
            spawn_local(of_one_who_takes_much(&shares, hog(Rc::clone(&turns), MUCH_ROUND / 2)));
        }
        let mut waited = Vec::new();
        for _ in 0..40 {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            let echo = async move {
                while let Ok(1) = far.read(&mut [0]).await {
                    far.write_all(b"x").await.unwrap();
                }
            };
            spawn_local(of_one_who_takes_little(&shares, echo));
            let asking = of_one_who_takes_little(&shares, async {
                near.write_all(b"x").await.unwrap();
                let before = turns.get();
                near.read_exact(&mut [0]).await.unwrap();
                turns.get() - before
            });
            waited.push(asking.await);
        }
        assert!(turns.get() > 0, "they have their turns, too");
        waited
    });
    let waited = run.await;
    // A round there and one back, each with a turn that it ends in. Where the machine stops this thread meanwhile, who takes
    // little is charged for it, and waits with the others.
    let within = waited.iter().filter(|turns| **turns <= 6).count();
    assert!(within >= 20, "{waited:?}");
}

#[tokio::test]
async fn all_that_take_much_have_their_turns() {
    const HOGS: usize = 10;
    let tasks = LocalSet::new();
    let run = tasks.run_until(async {
        let shares = Rc::new(Shares::new());
        spawn_local(Rc::clone(&shares).keep());
        let turns: Vec<_> = (0..HOGS).map(|_| Rc::new(Cell::new(0))).collect();
        for one in &turns {
            spawn_local(of_one_who_takes_much(&shares, hog(Rc::clone(one), MUCH_ROUND)));
        }
        let began = Instant::now();
        while turns.iter().any(|one| one.get() < 5) {
            // Somebody is there who takes little.
            shares.little_seen.set(Moment::now());
            assert!(began.elapsed() < Duration::from_secs(10), "{turns:?}");
            yield_now().await;
        }
        let most = turns.iter().map(|one| one.get()).max().unwrap();
        // Five or six each; but where the machine stops the thread in one's turn, that counts as some more of its turns.
        assert!(most <= 25, "one after the other: {turns:?}");
    });
    run.await;
}

fn poll<F: Future>(share: &mut Pin<Box<Share<F>>>) -> Poll<F::Output> {
    share.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A connection that counts its turns and takes this much each time.
fn counted(
    shares: &Rc<Shares>,
    client: Option<IpAddr>,
    debt: Duration,
) -> (Rc<Cell<u32>>, Pin<Box<Share<impl Future + use<>>>>) {
    let turns = Rc::new(Cell::new(0));
    let mut share = shares.of(client, hog(Rc::clone(&turns), MUCH_ROUND));
    share.account = Account::with_debt(debt);
    (turns, Box::pin(share))
}

fn address(last: u8) -> Option<IpAddr> {
    Some([192, 0, 2, last].into())
}

#[tokio::test]
async fn nobody_is_held_back_while_there_is_nobody_else() {
    let shares = Rc::new(Shares::new());
    let now = Moment::now();
    let long_ago = now.before(LIVELY * 2);
    let (turns, mut much) = counted(&shares, address(1), DEBT_MAX);
    let (others, mut little) = counted(&shares, address(1), Duration::ZERO);
    shares.little_seen.set(long_ago);
    shares.last.set(Rc::as_ptr(much.as_mut().project().client));
    shares.changed.set(long_ago);
    for _ in 0..5 {
        assert!(poll(&mut much).is_pending());
    }
    assert_eq!(turns.get(), 5, "neither somebody who takes little was there nor another client");
    shares.begin_round();
    shares.little_seen.set(now);
    assert!(poll(&mut much).is_pending());
    assert!(poll(&mut much).is_pending());
    assert_eq!(turns.get(), 6, "a round, and then it waits");
    shares.changed.set(long_ago);
    for _ in 0..5 {
        *little.as_mut().project().account = Account::with_debt(Duration::ZERO);
        assert!(poll(&mut little).is_pending());
    }
    assert_eq!(others.get(), 5, "they are all of one client");
    shares.changed.set(now);
    assert!(poll(&mut little).is_pending());
    assert_eq!(others.get(), 5, "there is another");
    shares.begin_round();
    shares.call();
    assert!(poll(&mut little).is_pending());
    assert_eq!(others.get(), 6);
    shares.lines.little.used.set(LITTLE_ROUND);
    shares.leave(much.place.as_ref().unwrap());
    pause();
    *little.as_mut().project().account = Account::with_debt(Duration::ZERO);
    assert!(poll(&mut little).is_pending());
    assert_eq!(others.get(), 7, "the thread had nothing to do in between: that was another round");
}

#[tokio::test]
async fn the_turn_of_one_who_is_gone_is_the_next_ones() {
    let shares = Rc::new(Shares::new());
    shares.lines.much.used.set(MUCH_ROUND);
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(shares.of(None, pending::<()>()))).collect();
    for one in &mut waiting {
        assert!(poll(one).is_pending());
    }
    let called = |share: &Pin<Box<Share<_>>>| {
        share.place.as_ref().is_some_and(|place| matches!(place.state.get(), State::Called { .. }))
    };
    waiting.remove(1);
    assert_eq!(shares.lines.much.waiting.borrow().len(), 2);
    shares.begin_round();
    shares.call();
    assert!(called(&waiting[0]) && !called(&waiting[1]));
    waiting.remove(0);
    assert!(called(&waiting[0]));
    drop(waiting);
    assert!(shares.is_empty());
    assert_eq!(Rc::strong_count(&shares), 1);
}

/// The order in which these have their turns.
fn order<F: Future>(
    shares: &Shares,
    waiting: &mut [(&'static str, Pin<Box<Share<F>>>)],
) -> Vec<&'static str> {
    let mut order = Vec::new();
    shares.begin_round();
    shares.call();
    loop {
        let called = |share: &Share<F>| {
            share.place.as_ref().is_some_and(|place| matches!(place.state.get(), State::Called { .. }))
        };
        let Some((name, one)) = waiting.iter_mut().find(|(_, one)| called(one)) else { return order };
        order.push(*name);
        shares.begin_round();
        let _ = poll(one);
    }
}

#[tokio::test]
async fn clients_have_their_turns_one_after_the_other_and_who_takes_little_comes_first() {
    let shares = Rc::new(Shares::new());
    shares.lines.little.used.set(LITTLE_ROUND);
    shares.lines.much.used.set(MUCH_ROUND);
    let mut waiting = Vec::new();
    for (name, client, debt) in [
        ("b much", 2, DEBT_MAX),
        ("a much", 1, DEBT_MAX),
        ("a 1", 1, Duration::ZERO),
        ("a 2", 1, Duration::ZERO),
        ("a 3", 1, Duration::ZERO),
        ("a 4", 1, Duration::ZERO),
        ("b 1", 2, Duration::ZERO),
        ("b 2", 2, Duration::ZERO),
        ("c 1", 3, Duration::ZERO),
    ] {
        let mut share = Box::pin(shares.of(address(client), async { take(Duration::from_micros(20)) }));
        *share.as_mut().project().account = Account::with_debt(debt);
        assert!(poll(&mut share).is_pending(), "{name}");
        waiting.push((name, share));
    }
    let order = order(&shares, &mut waiting);
    assert_eq!(order, ["a 1", "b 1", "c 1", "a 2", "b 2", "a 3", "a 4", "b much", "a much"]);
    assert!(shares.is_empty());
}

#[tokio::test]
async fn a_step_is_taken_in_its_round_even_if_nobody_else_is_there() {
    let shares = Rc::new(Shares::new());
    let long_ago = Moment::now().before(LIVELY * 2);
    shares.little_seen.set(long_ago);
    let steps = Rc::new(Cell::new(0));
    let step = || Box::pin(shares.step(address(1), hog(Rc::clone(&steps), MUCH_ROUND)));
    let (mut first, mut second) = (step(), step());
    shares.last.set(Rc::as_ptr(first.as_mut().project().client));
    shares.changed.set(long_ago);
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    assert_eq!(steps.get(), 1);
    shares.begin_round();
    shares.call();
    assert!(poll(&mut second).is_pending());
    assert_eq!(steps.get(), 2);
}

#[tokio::test]
async fn nothing_is_paid_by_waiting() {
    let shares = Rc::new(Shares::new());
    let (turns, mut much) = counted(&shares, address(1), MUCH_ROUND * 10);
    shares.lines.much.used.set(MUCH_ROUND);
    assert!(poll(&mut much).is_pending());
    let place = much.place.as_ref().unwrap();
    place.since.set(place.since.get().before(Duration::from_secs(60)));
    shares.begin_round();
    shares.call();
    assert!(poll(&mut much).is_pending());
    assert_eq!(turns.get(), 1);
    let debt = much.account.debt(Moment::now());
    assert!(debt > DEBT_MAX / 2, "{debt:?}: it owes what it owed a minute ago, and more");
}

#[tokio::test]
async fn clients_that_are_new_do_not_always_come_first() {
    let shares = Rc::new(Shares::new());
    shares.lines.much.used.set(MUCH_ROUND);
    let (turns, mut there) = counted(&shares, address(1), DEBT_MAX);
    assert!(poll(&mut there).is_pending());
    let mut new = std::collections::VecDeque::new();
    for last in 2..200 {
        // Two come for each that is served.
        for network in [18, 19] {
            let client = Some([198, network, 0, last].into());
            let mut share = Box::pin(shares.of(client, async { take(MUCH_ROUND) }));
            if shares.lines.much.is_open() {
                shares.lines.much.used.set(MUCH_ROUND);
            }
            assert!(poll(&mut share).is_pending());
            new.push_back(share);
        }
        shares.begin_round();
        shares.call();
        let called = |place: &Option<Rc<Place>>| {
            place.as_ref().is_some_and(|place| matches!(place.state.get(), State::Called { .. }))
        };
        if called(&there.place) {
            assert!(poll(&mut there).is_pending());
            if matches!(there.place.as_ref().unwrap().state.get(), State::Away) {
                shares.lines.much.used.set(MUCH_ROUND);
                assert!(poll(&mut there).is_pending());
            }
        } else {
            let at = new.iter().position(|one| called(&one.place)).unwrap();
            assert!(poll(&mut new[at]).is_ready());
            drop(new.remove(at));
        }
        shares.lines.much.used.set(MUCH_ROUND);
    }
    assert!(turns.get() >= 3, "{} turns among 198", turns.get());
}
