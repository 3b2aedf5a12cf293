//! The files of `/proc`, as proc(5) describes them.

use std::fs;
use std::path::PathBuf;

use opsorch::{Error, ErrorKind, Result};

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

    /// The time of all processors, from the first line of `stat`.
    pub(super) fn cpu_time(&self) -> Result<CpuTime> {
        self.read("stat", |text| {
            let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
            // user nice system idle iowait irq softirq steal; the guests after them are part of user and nice.
            let times = line.split_ascii_whitespace().take(8).map(|time| time.parse().ok());
            let times: Vec<u64> = times.collect::<Option<_>>()?;
            let idle = times.get(3)?.checked_add(times.get(4).copied().unwrap_or_default())?;
            let total = times.iter().try_fold(0_u64, |sum, time| sum.checked_add(*time))?;
            Some(CpuTime { idle, total })
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

    /// The seconds since the host started, from `uptime`.
    pub(super) fn uptime(&self) -> Result<f64> {
        self.read("uptime", |text| text.split_ascii_whitespace().next()?.parse().ok())
    }

    fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(|error| {
            let message = format!("could not read it: {}", error.kind());
            Error::new(ErrorKind::Unavailable, message).with_context("file", path.display()).with_source(error)
        })?;
        parse(&text).ok_or_else(|| {
            Error::unexpected("the file is not as proc(5) describes it").with_context("file", path.display())
        })
    }
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
        let (_folder, proc) = proc("stat", "cpu  100 10 50 800 40 0 0 0 90 9\ncpu0 1 2 3 4\n");
        assert_eq!(proc.cpu_time().unwrap(), CpuTime { idle: 840, total: 1000 });
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
