//! Moments kept to some tens of microseconds: tokio's own timers round up to whole milliseconds, a tenth
//! of the service time that is measured here. A timerfd is exact, and wakes the runtime as a socket does.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

/// One alarm, for one waiter; arming it again moves it.
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// Fails where the process may open no more files.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[allow(
            deprecated,
            reason = "unsound only for a type whose descriptor changes; an OwnedFd's doesn't"
        )]
        let fd = AsyncFd::new(fd)?;
        Ok(Self { fd })
    }

    /// Sets the alarm to `at`; a moment that has passed rings at once.
    pub fn arm(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        // Zero would disarm it.
        let nanos = left.subsec_nanos().max(u32::from(left.as_secs() == 0));
        let value =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: nanos.into() };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timer = Itimerspec { it_interval: once, it_value: value };
        rustix::time::timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
        Ok(())
    }

    /// Waits until the alarm that is armed, or gets armed meanwhile, has rung.
    pub async fn rung(&self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut count = [0; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?)) {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_not_yet) => {}
            }
        }
    }

    /// Waits until `at`, not at all if it has passed.
    pub async fn sleep_until(&self, at: Instant) -> io::Result<()> {
        while Instant::now() < at {
            self.arm(at)?;
            self.rung().await?;
        }
        Ok(())
    }
}
