//! Time that an input takes.

use std::time::{Duration, Instant};

/// Processor time of this thread where the system tells it, else time on the wall: a busy machine takes longer.
pub(crate) struct Clock {
    wall: Instant,
    processor: Option<u64>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), processor: Self::nanoseconds() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match self.processor.zip(Self::nanoseconds()) {
            Some((from, to)) => Duration::from_nanos(to.saturating_sub(from)),
            None => self.wall.elapsed(),
        }
    }

    fn nanoseconds() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }
}
