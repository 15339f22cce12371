//! What a connection may send of frames that do no work, and when that is too much.
//!
//! A bucket a kind: it holds as much as any honest client needs at once, gets more by the second, and by the work that goes on:
//! who is sent much has windows to open, who opens streams may give some of them up. What is over the budget ends the connection
//! with GOAWAY and ENHANCE_YOUR_CALM (RFC 9113 §7, §10.5).

use std::time::Duration;

use tokio::time::Instant;

use super::frames::{Frame, kind};

/// NO_ERROR, with which a stream is reset whose answer came before the end of its request (RFC 9113 §8.1), and
/// what is said of it that is no fault of the client's.
const BLAMELESS: [u32; 3] = [0, 2, 8];
/// REFUSED_STREAM: there were as many as the client may have open.
const REFUSED: u32 = 7;

/// Of what there was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Abuse {
    /// PING (CVE-2019-9512).
    Ping,
    /// SETTINGS, and acknowledgements of them (CVE-2019-9515).
    Settings,
    /// PRIORITY (CVE-2019-9513).
    Priority,
    /// DATA without an octet, that doesn't end its stream (CVE-2019-9518).
    EmptyData,
    /// WINDOW_UPDATE, beyond what was sent to the client (CVE-2019-9511 by its windows).
    WindowUpdate,
    /// RST_STREAM, beyond the streams that were answered (CVE-2023-44487, CVE-2019-9514).
    Reset,
    /// Streams that the gateway had to reset because of the client's frames (CVE-2025-8671).
    ProvokedReset,
    /// Streams beyond those that the client was told it may have open.
    RefusedStream,
    /// CONTINUATION in one header block (CVE-2024-27316).
    Continuation,
    /// Octets of one header block, as they are sent.
    HeaderBlock,
    /// HEADERS without an octet (CVE-2019-9516 is the like of it).
    EmptyHeaders,
    /// Frames of types that nobody knows, or that a client has no use for.
    UnknownFrame,
    /// What h2 has counted: streams reset before they were looked at, pieces of few octets that wait.
    Other,
}

impl Abuse {
    /// Its name as a label, and in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Settings => "settings",
            Self::Priority => "priority",
            Self::EmptyData => "empty_data",
            Self::WindowUpdate => "window_update",
            Self::Reset => "reset",
            Self::ProvokedReset => "provoked_reset",
            Self::RefusedStream => "refused_stream",
            Self::Continuation => "continuation",
            Self::HeaderBlock => "header_block",
            Self::EmptyHeaders => "empty_headers",
            Self::UnknownFrame => "unknown_frame",
            Self::Other => "other",
        }
    }
}

/// What is left of one kind.
#[derive(Debug)]
struct Bucket {
    left: u32,
    most: u32,
    /// What comes back each second.
    rate: u32,
    /// Since when it has been coming back: looked at when nothing is left, so that most frames cost no look at a clock.
    since: Option<Instant>,
}

impl Bucket {
    const fn new(most: u32, rate: u32) -> Self {
        Self { left: most, most, rate, since: None }
    }

    fn give(&mut self, much: u32) {
        self.left = self.left.saturating_add(much).min(self.most);
    }

    /// Takes one; `false` when there is none.
    fn take(&mut self, opened: Instant) -> bool {
        if self.left == 0 {
            let now = Instant::now();
            let passed = now.duration_since(self.since.unwrap_or(opened)).min(Duration::from_secs(3600));
            let back = u64::from(self.rate) * u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) / 1000;
            if back == 0 {
                return false;
            }
            self.since = Some(now);
            self.give(u32::try_from(back).unwrap_or(u32::MAX));
        }
        self.left = self.left.saturating_sub(1);
        true
    }
}

/// The accounts of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    opened: Instant,
    ping: Bucket,
    settings: Bucket,
    priority: Bucket,
    empty_data: Bucket,
    window_update: Bucket,
    reset: Bucket,
    provoked_reset: Bucket,
    refused_stream: Bucket,
    empty_headers: Bucket,
    unknown: Bucket,
    block: Block,
    block_octets_max: u32,
    continuations_max: u32,
}

/// The header block that is arriving.
#[derive(Debug, Default)]
struct Block {
    octets: u32,
    continuations: u32,
}

impl Budget {
    /// The budget of a connection that opens now; heads may have so many octets, decoded.
    pub(super) fn new(head_bytes_max: usize) -> Self {
        let head = u32::try_from(head_bytes_max).unwrap_or(u32::MAX);
        Self {
            opened: Instant::now(),
            ping: Bucket::new(200, 20),
            settings: Bucket::new(50, 1),
            priority: Bucket::new(400, 20),
            empty_data: Bucket::new(64, 1),
            window_update: Bucket::new(4_000, 200),
            reset: Bucket::new(200, 20),
            provoked_reset: Bucket::new(100, 5),
            // Before it has heard of the bound, a client opens a hundred or so at once.
            refused_stream: Bucket::new(500, 50),
            empty_headers: Bucket::new(10, 1),
            unknown: Bucket::new(400, 20),
            block: Block::default(),
            // What is coded is hardly ever longer than what it says.
            block_octets_max: head.saturating_mul(2),
            // As h2 has it, so that it is counted here first.
            continuations_max: (head / 16_384 + head / 65_536).max(5),
        }
    }

    /// Charges a frame of the client's; what there was too much of, if that is so.
    pub(super) fn received(&mut self, frame: &Frame) -> Option<Abuse> {
        let opened = self.opened;
        let (bucket, abuse) = match frame.kind {
            kind::DATA if frame.octets() == 0 && !frame.ends_stream() => {
                (&mut self.empty_data, Abuse::EmptyData)
            }
            kind::DATA => {
                self.ping.give(1);
                return None;
            }
            kind::HEADERS => {
                self.opens();
                if frame.length == 0 && !self.empty_headers.take(opened) {
                    return Some(Abuse::EmptyHeaders);
                }
                self.block = Block { octets: frame.length, continuations: 0 };
                return self.block_is_too_long();
            }
            kind::CONTINUATION => {
                self.block.continuations += 1;
                self.block.octets = self.block.octets.saturating_add(frame.length);
                let too_long = self.block_is_too_long();
                if frame.ends_block() {
                    self.block = Block::default();
                }
                return too_long;
            }
            kind::PRIORITY => (&mut self.priority, Abuse::Priority),
            kind::RST_STREAM => (&mut self.reset, Abuse::Reset),
            kind::SETTINGS => (&mut self.settings, Abuse::Settings),
            kind::PING => (&mut self.ping, Abuse::Ping),
            kind::WINDOW_UPDATE => (&mut self.window_update, Abuse::WindowUpdate),
            _ => (&mut self.unknown, Abuse::UnknownFrame),
        };
        (!bucket.take(opened)).then_some(abuse)
    }

    /// Takes account of a frame of ours. A piece that was cut to a window of few octets is no work: its client has such windows.
    pub(super) fn sent(&mut self, frame: &Frame, is_dribble: bool) -> Option<Abuse> {
        match frame.kind {
            kind::DATA if !is_dribble => {
                // One of the stream and one of the connection, and as many again.
                self.window_update.give(4);
                self.ping.give(1);
            }
            // A stream that is answered may be given up.
            kind::HEADERS => self.reset.give(1),
            kind::RST_STREAM if frame.code() == REFUSED => {
                return (!self.refused_stream.take(self.opened)).then_some(Abuse::RefusedStream);
            }
            kind::RST_STREAM if !BLAMELESS.contains(&frame.code()) => {
                return (!self.provoked_reset.take(self.opened)).then_some(Abuse::ProvokedReset);
            }
            _ => {}
        }
        None
    }

    /// A stream opens: with it come updates of its window, and of its priority.
    fn opens(&mut self) {
        self.ping.give(1);
        self.window_update.give(4);
        self.priority.give(2);
        self.unknown.give(2);
    }

    fn block_is_too_long(&self) -> Option<Abuse> {
        if self.block.continuations > self.continuations_max {
            return Some(Abuse::Continuation);
        }
        (self.block.octets > self.block_octets_max).then_some(Abuse::HeaderBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame(kind: u8, flags: u8, length: u32) -> Frame {
        Frame { length, kind, flags, stream: 1, start: [0; 8] }
    }

    /// How many of a frame pass at once.
    fn passing(budget: &mut Budget, frame: &Frame) -> usize {
        (0..100_000).take_while(|_| budget.received(frame).is_none()).count()
    }

    fn on_paused_time(test: impl AsyncFnOnce()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(test());
    }

    #[test]
    fn each_kind_has_an_end_and_its_own_name() {
        let cases = [
            (frame(kind::PING, 0, 8), Abuse::Ping),
            (frame(kind::PING, 1, 8), Abuse::Ping),
            (frame(kind::SETTINGS, 0, 0), Abuse::Settings),
            (frame(kind::PRIORITY, 0, 5), Abuse::Priority),
            (frame(kind::DATA, 0, 0), Abuse::EmptyData),
            (frame(kind::WINDOW_UPDATE, 0, 4), Abuse::WindowUpdate),
            (frame(kind::RST_STREAM, 0, 4), Abuse::Reset),
            (frame(kind::CONTINUATION, 0, 1), Abuse::Continuation),
            (frame(kind::CONTINUATION, 0, 200_000), Abuse::HeaderBlock),
            (frame(kind::HEADERS, 0, 0), Abuse::EmptyHeaders),
            (frame(0xf3, 0, 0), Abuse::UnknownFrame),
            (frame(5, 0, 0), Abuse::UnknownFrame),
        ];
        on_paused_time(async || {
            for (frame, abuse) in cases {
                let mut budget = Budget::new(64 * 1024);
                let passed = passing(&mut budget, &frame);
                assert!(passed < 5_000, "{frame:?}: {passed}");
                assert_eq!(budget.received(&frame), Some(abuse), "{frame:?}");
            }
        });
    }

    #[test]
    fn what_is_spent_comes_back_with_time() {
        on_paused_time(async || {
            let mut budget = Budget::new(64 * 1024);
            let ping = frame(kind::PING, 0, 8);
            assert_eq!(passing(&mut budget, &ping), 200);
            tokio::time::advance(SECOND).await;
            assert_eq!(passing(&mut budget, &ping), 20);
            tokio::time::advance(1_000 * SECOND).await;
            assert_eq!(passing(&mut budget, &ping), 200, "never more than at the start");
        });
    }

    #[test]
    fn work_is_never_too_much() {
        on_paused_time(async || {
            let mut budget = Budget::new(64 * 1024);
            for _ in 0..100_000 {
                // A stream with its window's update, an answer, the windows opened again, and a cancel now and then.
                for (kind, flags, length) in [
                    (kind::HEADERS, 5, 100),
                    (kind::WINDOW_UPDATE, 0, 4),
                    (kind::PRIORITY, 0, 5),
                    (0x10, 0, 7),
                ] {
                    assert_eq!(budget.received(&frame(kind, flags, length)), None);
                }
                budget.sent(&frame(kind::HEADERS, 4, 50), false);
                budget.sent(&frame(kind::DATA, 1, 16_384), false);
                for kind in [kind::WINDOW_UPDATE, kind::WINDOW_UPDATE, kind::PING, kind::RST_STREAM] {
                    assert_eq!(budget.received(&frame(kind, 0, 4)), None);
                }
            }
        });
    }

    #[test]
    fn a_window_of_one_octet_earns_nothing() {
        on_paused_time(async || {
            let mut budget = Budget::new(64 * 1024);
            let spent = (0..100_000).take_while(|_| {
                budget.sent(&frame(kind::DATA, 0, 1), true);
                budget.received(&frame(kind::WINDOW_UPDATE, 0, 4)).is_none()
            });
            assert!(spent.count() <= 4_000);
        });
    }

    #[test]
    fn resets_of_ours_count_where_the_client_is_to_blame() {
        on_paused_time(async || {
            let mut budget = Budget::new(64 * 1024);
            let reset = |code| Frame { start: [0, 0, 0, code, 0, 0, 0, 0], ..frame(kind::RST_STREAM, 0, 4) };
            for code in [0, 2, 8] {
                assert!((0..1_000).all(|_| budget.sent(&reset(code), false).is_none()));
            }
            let provoked = (0..1_000).take_while(|_| budget.sent(&reset(1), false).is_none()).count();
            assert_eq!((provoked, budget.sent(&reset(1), false)), (100, Some(Abuse::ProvokedReset)));
            let refused = (0..10_000).take_while(|_| budget.sent(&reset(7), false).is_none()).count();
            assert_eq!((refused, budget.sent(&reset(7), false)), (500, Some(Abuse::RefusedStream)));
        });
    }
}
