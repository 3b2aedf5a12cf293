//! The filesystems that are mounted, and the space in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use opsorch::{Error, ErrorKind, Result};

/// The filesystems on disks of this host. Others are left out: what is not listed here may be at the other end of a
/// network, and asking it may hang.
const ON_DISK: [&str; 18] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfsplus", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3",
    "reiserfs", "udf", "vfat", "xfs", "zfs",
];

/// The filesystems that are left out, but do not hang: a disk may be mounted below them.
const IN_MEMORY: [&str; 9] = ["devtmpfs", "erofs", "iso9660", "overlay", "proc", "ramfs", "squashfs", "sysfs", "tmpfs"];

/// Where a filesystem is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) device: String,
    pub(super) filesystem: String,
    /// What tells one filesystem from another: the numbers of its device.
    number: String,
}

/// The space of a filesystem, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) total: u64,
    pub(super) used: u64,
    /// What those who are not root can still get.
    pub(super) available: u64,
}

impl Mount {
    /// Reads a line of `mountinfo`: id, parent, device, root, point, options and more fields up to a `-`, then the
    /// filesystem, its source and its options.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (place, source) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(2);
        let (number, point) = (place.next()?.to_owned(), place.nth(1)?);
        let mut source = source.split(' ');
        let (filesystem, device) = (source.next()?.to_owned(), source.next()?);
        let device = String::from_utf8_lossy(&unescape(device)).into_owned();
        Some(Self { point: path(unescape(point)), device, filesystem, number })
    }

    /// The space in it. This asks the kernel, and may take as long as the disk does.
    #[cfg(unix)]
    pub(super) fn space(&self) -> Result<Space> {
        let found = rustix::fs::statvfs(&self.point).map_err(|error| {
            let message = format!("could not read the space of `{}`: {error}", self.point.display());
            Error::new(ErrorKind::Unavailable, message)
        })?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space {
            total: bytes(found.f_blocks),
            used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            available: bytes(found.f_bavail),
        })
    }

    #[cfg(not(unix))]
    pub(super) fn space(&self) -> Result<Space> {
        Err(Error::new(ErrorKind::Unsupported, "the space of disks can be read on Unix only"))
    }
}

/// A path is bytes, of whatever encoding.
#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// The mounts whose space is worth knowing and can be asked for without a network: each filesystem once, at the
/// shortest path that leads to it.
pub(super) fn on_disk(mounts: Vec<Mount>) -> Vec<Mount> {
    // What is mounted later on the same point hides what was there.
    let visible: BTreeMap<PathBuf, Mount> = mounts.into_iter().map(|mount| (mount.point.clone(), mount)).collect();
    let is_near = |path: &Path| {
        visible.get(path).is_none_or(|mount| {
            let filesystem = mount.filesystem.as_str();
            ON_DISK.contains(&filesystem) || IN_MEMORY.contains(&filesystem)
        })
    };
    let mut found: Vec<_> = visible
        .values()
        .filter(|mount| ON_DISK.contains(&mount.filesystem.as_str()) && mount.point.ancestors().all(is_near))
        .cloned()
        .collect();
    found.sort_by_key(|mount| mount.point.as_os_str().len());
    let mut seen = BTreeSet::new();
    found.retain(|mount| seen.insert(mount.number.clone()));
    found
}

/// Undoes `\040` and the like, in which `mountinfo` writes spaces, tabs, line ends and backslashes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Vec<String> {
        let mounts = lines.iter().map(|line| Mount::parse(line).unwrap()).collect();
        on_disk(mounts).into_iter().map(|mount| mount.point.display().to_string()).collect()
    }

    #[test]
    fn a_line_has_optional_fields_and_escapes() {
        let mount =
            Mount::parse(r"36 35 98:0 /root /mnt/my\040disk rw,noatime master:1 shared:2 - ext4 /dev/a\134b rw");
        let expected = Mount {
            point: "/mnt/my disk".into(),
            device: r"/dev/a\b".into(),
            filesystem: "ext4".into(),
            number: "98:0".into(),
        };
        assert_eq!(mount, Some(expected));
        assert_eq!(Mount::parse("36 35 98:0 / /mnt rw"), None);
        assert_eq!(unescape(r"a\04"), br"a\04", "too short");
        assert_eq!(unescape(r"a\999"), br"a\999", "no octal number");
    }

    #[test]
    fn disks_are_found_once_and_pseudo_and_network_filesystems_are_not() {
        let lines = [
            "1 0 254:0 / / rw - ext4 /dev/vda rw",
            "2 1 0:21 / /proc rw - proc proc rw",
            "3 1 0:22 / /run rw - tmpfs tmpfs rw",
            "4 3 254:1 / /run/media/stick rw - vfat /dev/sdb1 rw",
            "5 1 254:0 /srv /srv/bound rw - ext4 /dev/vda rw",
            "6 1 0:40 / /mnt/far rw - nfs4 server:/export rw",
            "7 1 0:41 / /mnt/fuse rw - fuse.sshfs a@b: rw",
            "8 1 0:42 / /mnt/new rw - somethingnew x rw",
        ];
        assert_eq!(found(&lines), ["/", "/run/media/stick"]);
    }

    #[test]
    fn a_disk_behind_a_network_or_hidden_by_it_is_not_asked() {
        let lines = [
            "1 0 254:0 / / rw - ext4 /dev/vda rw",
            "2 1 0:40 / /far rw - nfs server:/export rw",
            "3 2 254:1 / /far/disk rw - ext4 /dev/vdb rw",
            "4 1 254:2 / /data rw - xfs /dev/vdc rw",
            "5 4 0:41 / /data rw - cifs //server/share rw",
        ];
        assert_eq!(found(&lines), ["/"]);
    }

    #[test]
    fn space_adds_up() {
        let folder = tempfile::tempdir().unwrap();
        let line = format!("1 0 254:0 / {} rw - ext4 /dev/vda rw", folder.path().display());
        let mount = Mount::parse(&line).unwrap();
        let Space { total, used, available } = mount.space().unwrap();
        assert!(total > 0 && used <= total && available <= total - used, "{total} {used} {available}");
        folder.close().unwrap();
        assert!(mount.space().unwrap_err().to_string().contains("space of `"));
    }
}
