//! Where values come from: each source is read as a whole, so that its values belong together.

use std::path::PathBuf;

use opsorch::Result;

use super::mounts;
use super::proc::{CpuTime, Proc};

/// What is read at one time and fails as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Cpu,
    DiskUse,
    Load,
    Memory,
    Network,
    Space,
    Uptime,
}

/// A value of a series: of a metric, with the values of its labels in the order in which the metric names them.
pub(super) type Value = (&'static str, Vec<String>, f64);

/// What a source said.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) values: Vec<Value>,
    /// What could not be read.
    pub(super) problem: Option<String>,
}

/// Reads sources. A reading may block.
#[derive(Debug)]
pub(super) struct Reader {
    proc: Proc,
    /// Where the devices are, `/sys/block`.
    devices: PathBuf,
    /// What the processors had done at the reading before.
    before: Vec<(Option<String>, CpuTime)>,
}

impl Reader {
    pub(super) fn new(proc: impl Into<PathBuf>, devices: impl Into<PathBuf>) -> Self {
        Self { proc: Proc::new(proc.into()), devices: devices.into(), before: Vec::new() }
    }

    /// Notes where the processors are, from where the next reading measures what they do.
    pub(super) fn prepare(&mut self) {
        // An error is met again, and then told, by the reading.
        self.before = self.proc.cpu_times().unwrap_or_default();
    }

    pub(super) fn read(&mut self, source: Source) -> Readings {
        let read = match source {
            Source::Cpu => self.cpu(),
            Source::DiskUse => self.disk_use(),
            Source::Load => self.load(),
            Source::Memory => self.memory(),
            Source::Network => self.network(),
            Source::Space => return self.space(),
            Source::Uptime => self.proc.uptime().map(|uptime| vec![("uptime", Vec::new(), uptime)]),
        };
        match read {
            Ok(values) => Readings { values, problem: None },
            Err(error) => Readings { values: Vec::new(), problem: Some(error.to_string()) },
        }
    }

    fn cpu(&mut self) -> Result<Vec<Value>> {
        let now = self.proc.cpu_times()?;
        let before = std::mem::replace(&mut self.before, now);
        let usage = self.before.iter().filter_map(|(core, now)| {
            let (_, before) = before.iter().find(|(other, _)| other == core)?;
            let usage = now.usage_since(*before)?;
            Some(match core {
                None => ("cpu.usage", Vec::new(), usage),
                Some(core) => ("cpu.core.usage", vec![core.clone()], usage),
            })
        });
        Ok(usage.collect())
    }

    fn load(&self) -> Result<Vec<Value>> {
        let load = |(index, name)| Ok((name, Vec::new(), self.proc.load(index)?));
        ["load.1m", "load.5m", "load.15m"].into_iter().enumerate().map(load).collect()
    }

    fn memory(&self) -> Result<Vec<Value>> {
        let (total, available) = self.proc.memory()?;
        let used = total.saturating_sub(available);
        let bytes = [("memory.total", total), ("memory.available", available), ("memory.used", used)];
        let mut values: Vec<Value> = bytes.map(|(name, bytes)| (name, Vec::new(), bytes as f64)).into();
        values.extend(percent(used, total).map(|usage| ("memory.usage", Vec::new(), usage)));
        Ok(values)
    }

    fn network(&self) -> Result<Vec<Value>> {
        let values = self.proc.network()?.into_iter().flat_map(|(interface, received, transmitted)| {
            [("network.receive", received), ("network.transmit", transmitted)]
                .map(|(name, bytes)| (name, vec![interface.clone()], bytes as f64))
        });
        Ok(values.collect())
    }

    fn disk_use(&self) -> Result<Vec<Value>> {
        let disks = self.proc.disks()?.into_iter().filter(|(device, _)| self.is_hardware(device));
        let values = disks.flat_map(|(device, used)| {
            let busy = used.busy_ms as f64 / 1000.0;
            [("disk.read", used.read as f64), ("disk.write", used.written as f64), ("disk.busy", busy)]
                .map(|(name, value)| (name, vec![device.clone()], value))
        });
        Ok(values.collect())
    }

    /// Whether a device is one of its own: not a part of another, nor put together from others, so that nothing is
    /// counted twice. Sysfs writes `/` in a name as `!`.
    fn is_hardware(&self, device: &str) -> bool {
        self.devices.join(device.replace('/', "!")).join("device").exists()
    }

    fn space(&self) -> Readings {
        let mut readings = Readings::default();
        let mounts = match self.proc.mounts() {
            Ok(mounts) => mounts::on_disk(mounts),
            Err(error) => return Readings { problem: Some(error.to_string()), ..readings },
        };
        for mount in mounts {
            match mount.space() {
                Ok(space) => {
                    let labels = [mount.device, mount.filesystem, mount.point.to_string_lossy().into_owned()];
                    let values =
                        [("disk.total", space.total), ("disk.used", space.used), ("disk.available", space.available)];
                    readings.values.extend(values.map(|(name, bytes)| (name, labels.to_vec(), bytes as f64)));
                    // As `df` counts: what only the superuser may use is neither in use nor to be had.
                    let usage = percent(space.used, space.used.saturating_add(space.available));
                    readings.values.extend(usage.map(|usage| ("disk.usage", labels.to_vec(), usage)));
                }
                Err(error) => readings.problem = Some(error.to_string()),
            }
        }
        readings
    }
}

/// A part of a whole in percent; a whole of nothing has none.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}
