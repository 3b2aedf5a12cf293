//! When processes of a plugin crashed, and what follows from it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::config::Restart;
use crate::{Error, ErrorKind};

/// The wait before the second start in a row, which doubles, and the longest wait.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// When processes of a plugin crashed.
#[derive(Debug)]
pub(super) struct Crashes {
    restart: Restart,
    times: VecDeque<Instant>,
    paused: Option<Instant>,
}

impl Crashes {
    pub(super) fn new(restart: Restart) -> Self {
        Self { restart, times: VecDeque::new(), paused: None }
    }

    pub(super) fn add(&mut self, now: Instant) {
        self.times.retain(|time| now.duration_since(*time) < self.restart.window.duration());
        self.times.push_back(now);
        if self.times.len() >= self.restart.crashes.max(1).try_into().unwrap_or(usize::MAX) {
            self.paused = now.checked_add(self.restart.pause.duration());
        }
    }

    /// Until when it is not started, and what callers are told.
    pub(super) fn pause(&self, now: Instant) -> Option<(Instant, Error)> {
        let until = self.paused?;
        let Restart { crashes, window, .. } = self.restart;
        let left = until.saturating_duration_since(now).as_secs_f64();
        let message = format!("the plugin crashed {crashes} times within {window}; it is not started for {left:.0} s");
        Some((until, Error::new(ErrorKind::Unavailable, message)))
    }

    /// Ends the pause; one more crash begins the next.
    pub(super) fn resume(&mut self) {
        self.paused = None;
    }

    /// How long to wait before the next start.
    pub(super) fn wait(&self) -> Option<Duration> {
        let doublings = u32::try_from(self.times.len()).unwrap_or(u32::MAX).checked_sub(2)?;
        Some(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_and_too_many_crashes_are_a_pause() {
        let mut crashes = Crashes::new(Restart::default());
        let mut waits = Vec::new();
        for _ in 0..5 {
            assert!(crashes.pause(Instant::now()).is_none());
            crashes.add(Instant::now());
            waits.push(crashes.wait().map(|wait| wait.as_millis()));
        }
        assert_eq!(waits, [None, Some(100), Some(200), Some(400), Some(800)]);
        let (until, error) = crashes.pause(Instant::now()).unwrap();
        assert_eq!(until, Instant::now() + Duration::from_secs(30));
        assert!(error.to_string().contains("crashed 5 times within 60s; it is not started for 30 s"), "{error}");
        crashes.resume();
        crashes.add(Instant::now());
        assert!(crashes.pause(Instant::now()).is_some(), "one more crash is enough");
        crashes.resume();
        tokio::time::advance(Duration::from_secs(61)).await;
        crashes.add(Instant::now());
        assert!(crashes.pause(Instant::now()).is_none() && crashes.wait().is_none(), "old crashes do not count");
    }
}
