//! A host made of files, for tests.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use opsorch::ManualClock;

use super::{Host, Rhythm};

pub(in crate::local) const INTERVAL: Duration = Duration::from_secs(15);

/// A host made of files.
pub(in crate::local) struct Fake {
    pub(in crate::local) folder: tempfile::TempDir,
    pub(in crate::local) clock: ManualClock,
}

impl Fake {
    pub(in crate::local) fn new() -> Self {
        let fake = Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::default() };
        fake.write("block/vda/device", "");
        fake.write("block/dm-0/size", "");
        fake.write("loadavg", "1.0 2.0 3.0 1/100 4\n");
        fake.write("meminfo", "MemTotal: 4 kB\nMemAvailable: 1 kB\n");
        fake.write("uptime", "10.5 20.0\n");
        fake.write("diskstats", "254 0 vda 1 0 2 0 1 0 4 0 0 1500 0\n253 0 dm-0 1 0 2 0 1 0 4 0 0 5 0\n");
        fake.write("net/dev", "head\nhead\nlo: 1 0 0 0 0 0 0 0 2\neth0: 3 0 0 0 0 0 0 0 4\n");
        let mount = fake.folder.path().display();
        fake.write("self/mountinfo", &format!("1 0 254:0 / {mount} rw - ext4 /dev/vda rw\n"));
        fake.cpu(100, 100);
        fake
    }

    pub(in crate::local) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Says that each of two processors was busy and idle for so many ticks.
    pub(in crate::local) fn cpu(&self, busy: u64, idle: u64) {
        let (twice_busy, twice_idle) = (busy * 2, idle * 2);
        let each = format!("{busy} 0 0 {idle} 0 0 0 0");
        self.write("stat", &format!("cpu  {twice_busy} 0 0 {twice_idle} 0 0 0 0\ncpu0 {each}\ncpu1 {each}\n"));
    }

    pub(in crate::local) async fn start(&self, history: Duration) -> Host {
        let (proc, devices) = (self.folder.path(), self.folder.path().join("block"));
        let rhythm = Rhythm { interval: INTERVAL, history };
        Host::over(proc, &devices, rhythm, Arc::new(self.clock.clone())).await
    }

    /// Lets an interval pass, and waits for the sweep at its end.
    pub(in crate::local) async fn sweep(&self, host: &Host, sweeps: u64) {
        self.clock.advance(INTERVAL);
        tokio::time::advance(INTERVAL).await;
        for measured in &mut host.measured() {
            measured.wait_for(|done| *done >= sweeps).await.unwrap();
        }
    }
}
