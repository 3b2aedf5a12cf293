//! What a plugin says on its standard error goes to the log, without its secrets, and not faster than people read.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::transport::Redactor;

/// The most of a line that is looked at.
const LONGEST: usize = 16 * 1024;

/// The most characters of a line that are logged.
const SHOWN: usize = 2000;

/// How many lines a second are logged, and how many at once after a silence.
const LINES_A_SECOND: f64 = 50.0;
const BURST: f64 = 200.0;

/// Reads a plugin's standard error until its end, or until it is dropped.
#[derive(Debug)]
pub(super) struct Logging(JoinHandle<()>);

impl Logging {
    /// Without a redactor nothing is logged but how much there was: any line may hold a secret.
    pub(super) fn start(plugin: String, pipe: Receiver, redactor: Option<Arc<Redactor>>) -> Self {
        Self(tokio::spawn(async move { read(pipe, Log::new(plugin, redactor)).await }))
    }

    /// Waits for the end, which is near once the plugin has ended.
    pub(super) async fn finish(&mut self, most: Duration) {
        let _ = tokio::time::timeout(most, &mut self.0).await;
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(pipe: Receiver, mut log: Log) {
    let mut buffer = BytesMut::new();
    let mut cut = false;
    loop {
        if pipe.readable().await.is_err() {
            break;
        }
        buffer.reserve(LONGEST);
        match pipe.try_read_buf(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            if !std::mem::take(&mut cut) {
                log.line(&line);
            }
        }
        if buffer.len() >= LONGEST {
            if !cut {
                log.line(&buffer);
            }
            // The rest of the line is dropped as it comes.
            cut = true;
            buffer.clear();
        }
    }
    if !cut && !buffer.is_empty() {
        log.line(&buffer);
    }
    log.dropped();
}

/// A log with a limit on lines a second.
struct Log {
    plugin: String,
    redactor: Option<Arc<Redactor>>,
    allowance: f64,
    at: Instant,
    dropped: u64,
}

impl Log {
    fn new(plugin: String, redactor: Option<Arc<Redactor>>) -> Self {
        Self { plugin, redactor, allowance: BURST, at: Instant::now(), dropped: 0 }
    }

    fn line(&mut self, line: &[u8]) {
        let Some(redactor) = self.redactor.clone() else {
            self.dropped += 1;
            return;
        };
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * LINES_A_SECOND;
        (self.allowance, self.at) = ((self.allowance + earned).min(BURST), now);
        if self.allowance < 1.0 {
            self.dropped += 1;
            return;
        }
        self.allowance -= 1.0;
        self.dropped();
        let text = redactor.shown(&String::from_utf8_lossy(line.get(..LONGEST).unwrap_or(line)), SHOWN);
        if !text.is_empty() {
            tracing::info!(target: "opsorch::plugin::stderr", plugin = %self.plugin, "{text}");
        }
    }

    fn dropped(&mut self) {
        if self.dropped > 0 {
            let (plugin, lines) = (&self.plugin, std::mem::take(&mut self.dropped));
            let why = if self.redactor.is_some() { "there were too many" } else { "they may hold secrets" };
            tracing::warn!(target: "opsorch::plugin::stderr", %plugin, lines, "lines were dropped: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_cut_and_what_was_dropped_is_counted() {
        let mut log = Log::new("tracker".into(), Some(Arc::default()));
        (0..1000).for_each(|_| log.line(b"again\n"));
        assert_eq!(log.dropped, 800);
        tokio::time::advance(Duration::from_secs(1)).await;
        (0..51).for_each(|_| log.line(b"again\n"));
        assert_eq!(log.dropped, 1, "the count was told, and 50 lines were logged");
    }
}
