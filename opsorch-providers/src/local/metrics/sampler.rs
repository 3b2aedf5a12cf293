//! Measures in the background, as long as somebody holds the sampler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opsorch::{Clock, Time};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::history::History;
use super::source::{Reader, Source};

/// How long the use of the processors is measured before the first sweep.
const FIRST: Duration = Duration::from_millis(100);

/// How long building the provider waits for the first sweeps.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sources that the kernel answers from memory.
const QUICK: [Source; 6] =
    [Source::Load, Source::Memory, Source::Uptime, Source::Cpu, Source::DiskUse, Source::Network];

/// Those that may wait for a disk, which must not keep the others waiting.
const SLOW: [Source; 1] = [Source::Space];

/// How often to measure, and how long to keep it.
#[derive(Clone, Copy, Debug)]
pub(in crate::local) struct Rhythm {
    pub(in crate::local) interval: Duration,
    pub(in crate::local) history: Duration,
}

impl Rhythm {
    fn samples(&self) -> usize {
        let samples = self.history.as_secs() / self.interval.as_secs().max(1);
        usize::try_from(samples).unwrap_or(usize::MAX).max(1)
    }
}

/// The histories of all sources, which a task of its own adds to. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Sampler {
    histories: Arc<Histories>,
    task: JoinHandle<()>,
    /// How many sweeps over the quick and the slow sources are done.
    sweeps: [watch::Receiver<u64>; 2],
}

/// What was measured, by source.
#[derive(Debug)]
pub(super) struct Histories {
    clock: Arc<dyn Clock>,
    by_source: Mutex<BTreeMap<Source, History>>,
}

impl Sampler {
    /// Begins to measure, and returns when there are first values, or if they do not come soon. The readers are
    /// for the quick sources and for those that may wait for a disk.
    pub(super) async fn start(readers: [Reader; 2], rhythm: Rhythm, clock: Arc<dyn Clock>) -> Self {
        let history = || History::new(rhythm.history, rhythm.samples());
        let by_source = QUICK.iter().chain(&SLOW).map(|source| (*source, history())).collect();
        let histories = Arc::new(Histories { clock, by_source: Mutex::new(by_source) });
        let [quick, slow] = readers;
        let (quick_done, quick_sweeps) = watch::channel(0);
        let (slow_done, slow_sweeps) = watch::channel(0);
        let shared = Arc::clone(&histories);
        let task = tokio::spawn(async move {
            tokio::join!(
                sample(&QUICK, quick, &shared, rhythm.interval, quick_done),
                sample(&SLOW, slow, &shared, rhythm.interval, slow_done),
            );
        });
        let mut sampler = Self { histories, task, sweeps: [quick_sweeps, slow_sweeps] };
        // Where they do not come, queries say that there is nothing.
        let _ = tokio::time::timeout(PATIENCE, sampler.sweeps_done(1)).await;
        sampler
    }

    /// How many sweeps are done, over the quick and the slow sources.
    pub(super) fn sweeps(&self) -> [watch::Receiver<u64>; 2] {
        self.sweeps.clone()
    }

    /// Waits until so many sweeps are done.
    async fn sweeps_done(&mut self, count: u64) {
        for sweeps in &mut self.sweeps {
            // An error says that nobody measures any more.
            let _ = sweeps.wait_for(|done| *done >= count).await;
        }
    }

    pub(super) fn histories(&self) -> Arc<Histories> {
        Arc::clone(&self.histories)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Histories {
    /// Looks at the history of a source. It blocks: recording waits for it, and it for recording.
    pub(super) fn look<T>(&self, source: Source, look: impl FnOnce(&History, Time) -> T) -> Option<T> {
        let histories = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        histories.get(&source).map(|history| look(history, self.clock.now()))
    }

    /// Reads the sources one after the other. All have the time at which they were read.
    fn sweep(&self, sources: &[Source], reader: &mut Reader) {
        let readings: Vec<_> = sources.iter().map(|source| (source, reader.read(*source))).collect();
        let at = self.clock.now();
        let mut histories = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, readings) in readings {
            if let Some(history) = histories.get_mut(source) {
                history.record(at, readings);
            }
        }
    }
}

/// Sweeps over sources at each interval. One reading at a time: where one hangs, no others pile up behind it.
async fn sample(
    sources: &'static [Source],
    mut reader: Reader,
    histories: &Arc<Histories>,
    interval: Duration,
    done: watch::Sender<u64>,
) {
    if sources.contains(&Source::Cpu) {
        let prepared = tokio::task::spawn_blocking(move || {
            reader.prepare();
            reader
        });
        match prepared.await {
            Ok(prepared) => reader = prepared,
            Err(_) => return,
        }
        tokio::time::sleep(FIRST).await;
    }
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let histories = Arc::clone(histories);
        let swept = tokio::task::spawn_blocking(move || {
            histories.sweep(sources, &mut reader);
            reader
        });
        // It fails only when the runtime ends.
        match swept.await {
            Ok(swept) => reader = swept,
            Err(_) => return,
        }
        done.send_modify(|sweeps| *sweeps += 1);
    }
}
