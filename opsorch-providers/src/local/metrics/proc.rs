//! The files of `/proc`, as proc(5) describes them.

use std::fs;
use std::path::PathBuf;

use opsorch::{Error, ErrorKind, Result};

use super::mounts::Mount;

/// Where the kernel shows its numbers.
#[derive(Clone, Debug)]
pub(super) struct Proc {
    folder: PathBuf,
}

/// What the processors did since the host started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTime {
    idle: u64,
    total: u64,
}

/// What a disk did since the host started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskUse {
    pub(super) read: u64,
    pub(super) written: u64,
    pub(super) busy_ms: u64,
}

impl CpuTime {
    /// How busy the processors were meanwhile, in percent; `None` if no tick passed.
    pub(super) fn usage_since(self, earlier: Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        // The kernel may take back some ticks of idling.
        let idle = self.idle.saturating_sub(earlier.idle).min(total);
        Some((total - idle) as f64 / total as f64 * 100.0)
    }
}

impl Proc {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The time of all processors together, and of each by its number, from `stat`.
    pub(super) fn cpu_times(&self) -> Result<Vec<(Option<String>, CpuTime)>> {
        self.read("stat", |text| {
            let lines = text.lines().filter_map(|line| line.strip_prefix("cpu"));
            let times: Vec<_> = lines.map(cpu_time).collect::<Option<_>>()?;
            times.first().is_some_and(|(number, _)| number.is_none()).then_some(times)
        })
    }

    /// The load over 1, 5 or 15 minutes, from `loadavg`.
    pub(super) fn load(&self, index: usize) -> Result<f64> {
        self.read("loadavg", |text| text.split_ascii_whitespace().nth(index)?.parse().ok())
    }

    /// The total and the available memory in bytes, from `meminfo`, which counts in KiB.
    pub(super) fn memory(&self) -> Result<(u64, u64)> {
        self.read("meminfo", |text| {
            let field = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name))?;
                value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
            };
            Some((field("MemTotal:")?, field("MemAvailable:")?))
        })
    }

    /// The bytes that each interface received and transmitted, by name, from `net/dev`.
    pub(super) fn network(&self) -> Result<Vec<(String, u64, u64)>> {
        self.read("net/dev", |text| {
            let interface = |line: &str| {
                let (name, counts) = line.rsplit_once(':')?;
                let mut counts = counts.split_ascii_whitespace().map(|count| count.parse().ok());
                Some((name.trim().to_owned(), counts.next()??, counts.nth(7)??))
            };
            let mut interfaces: Vec<_> = text.lines().skip(2).map(interface).collect::<Option<_>>()?;
            interfaces.sort();
            Some(interfaces)
        })
    }

    /// What each disk read and wrote, by name, from `diskstats`. The sizes in it are in sectors of 512 bytes,
    /// whatever the disk has.
    pub(super) fn disks(&self) -> Result<Vec<(String, DiskUse)>> {
        self.read("diskstats", |text| {
            let disk = |line: &str| {
                let mut fields = line.split_ascii_whitespace().skip(2);
                let name = fields.next()?.to_owned();
                let counts: Vec<u64> = fields.take(10).map(|count| count.parse().ok()).collect::<Option<_>>()?;
                let [_, _, read, _, _, _, written, _, _, busy] = counts.try_into().ok()?;
                let bytes = |sectors: u64| sectors.checked_mul(512);
                Some((name, DiskUse { read: bytes(read)?, written: bytes(written)?, busy_ms: busy }))
            };
            text.lines().map(disk).collect()
        })
    }

    /// The mounts, from `self/mountinfo`.
    pub(super) fn mounts(&self) -> Result<Vec<Mount>> {
        self.read("self/mountinfo", |text| text.lines().map(Mount::parse).collect())
    }

    /// The seconds since the host started, from `uptime`.
    pub(super) fn uptime(&self) -> Result<f64> {
        self.read("uptime", |text| text.split_ascii_whitespace().next()?.parse().ok())
    }

    fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let path = self.folder.join(name);
        // Names of mounts and interfaces are bytes.
        let bytes = fs::read(&path).map_err(|error| {
            let message = format!("could not read it: {}", error.kind());
            Error::new(ErrorKind::Unavailable, message).with_context("file", path.display()).with_source(error)
        })?;
        parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
            Error::unexpected("the file is not as proc(5) describes it").with_context("file", path.display())
        })
    }
}

/// What follows `cpu` in a line of `stat`.
fn cpu_time(line: &str) -> Option<(Option<String>, CpuTime)> {
    let (number, times) = line.split_once(' ')?;
    // user nice system idle iowait irq softirq steal; the guests after them are part of user and nice.
    let times = times.split_ascii_whitespace().take(8).map(|time| time.parse().ok());
    let times: Vec<u64> = times.collect::<Option<_>>()?;
    let idle = times.get(3)?.checked_add(times.get(4).copied().unwrap_or_default())?;
    let total = times.iter().try_fold(0_u64, |sum, time| sum.checked_add(*time))?;
    Some((Some(number.to_owned()).filter(|number| !number.is_empty()), CpuTime { idle, total }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(name: &str, text: &str) -> (tempfile::TempDir, Proc) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let proc = Proc::new(folder.path().to_owned());
        (folder, proc)
    }

    #[test]
    fn the_time_of_the_processors_leaves_out_what_is_counted_twice() {
        let (_folder, proc) = proc("stat", "cpu  100 10 50 800 40 0 0 0 90 9\ncpu7 1 2 3 4\nintr 5\n");
        let all = (None, CpuTime { idle: 840, total: 1000 });
        let one = (Some("7".to_owned()), CpuTime { idle: 4, total: 10 });
        assert_eq!(proc.cpu_times().unwrap(), vec![all, one]);
    }

    #[test]
    fn disks_count_in_sectors_of_512_bytes() {
        let (_folder, proc) = proc("diskstats", " 254 0 vda 5 1 8 70 6 2 16 80 0 90 150 1 2 3 4 5 6\n");
        let used = DiskUse { read: 4096, written: 8192, busy_ms: 90 };
        assert_eq!(proc.disks().unwrap(), vec![("vda".to_owned(), used)]);
    }

    #[test]
    fn usage_is_what_was_not_idle() {
        let earlier = CpuTime { idle: 100, total: 1000 };
        assert_eq!(CpuTime { idle: 175, total: 1100 }.usage_since(earlier), Some(25.0));
        assert_eq!(CpuTime { idle: 90, total: 1100 }.usage_since(earlier), Some(100.0));
        assert_eq!(earlier.usage_since(earlier), None);
        assert_eq!(CpuTime { idle: 0, total: 10 }.usage_since(earlier), None, "the host was started again");
    }

    #[test]
    fn memory_is_in_bytes() {
        let (_folder, proc) = proc("meminfo", "MemTotal:       2048 kB\nMemFree:  1 kB\nMemAvailable:   1024 kB\n");
        assert_eq!(proc.memory().unwrap(), (2 << 20, 1 << 20));
    }

    #[test]
    fn interfaces_are_sorted_and_may_have_a_colon() {
        let header = "Inter-|   Receive  |  Transmit\n face |bytes ...\n";
        let lines = "  lo: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\neth0:1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n";
        let (_folder, proc) = proc("net/dev", &format!("{header}{lines}"));
        let expected = vec![("eth0:1".to_owned(), 10, 20), ("lo".to_owned(), 7, 8)];
        assert_eq!(proc.network().unwrap(), expected);
    }

    #[test]
    fn a_file_that_is_missing_or_odd_is_named() {
        let (_folder, proc) = proc("uptime", "a while\n");
        assert!(proc.uptime().unwrap_err().to_string().contains("uptime"));
        let error = proc.load(0).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("loadavg"));
    }
}
