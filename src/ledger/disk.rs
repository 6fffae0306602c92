//! Room on the ledger's disk: ballast, thrown off when the disk is full.
//!
//! A file of 64 MiB lies beside the ledger and is good for nothing but to be deleted. When a commit finds the disk full it
//! is, and the commit is tried again: what was going on becomes durable, and some five thousand visits more would. The
//! shop sells only while the ballast is held: without it nobody new comes in, who is inside pays and leaves, and once
//! somebody has freed enough, [`Disk::hold`] puts it back and the shop goes on. When even that room is used up, commits
//! wait; nothing is ever dropped.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Sales for hours (a short visit is about ten kilobytes), and nothing on any disk that may keep a shop's books.
pub const BALLAST_BYTES: u64 = 64 << 20;

/// Weeks of a busy shop, which writes 10 MB a day. With less than this somebody should make room: page and doctor say so.
pub const NEARLY_FULL_BYTES: u64 = 512 << 20;

/// Ballast is taken aboard when as much again stays free: not on the last free block.
const FREE_PER_BALLAST: u64 = 2;

#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    bytes: u64,
    held: AtomicBool,
    /// A commit waits for room.
    waiting: AtomicBool,
    /// Bytes free when somebody last looked.
    free: AtomicU64,
}

impl Disk {
    /// Of a state directory, with a ballast of `bytes`; nothing is held yet.
    pub fn of(dir: &Path, bytes: u64) -> Disk {
        let (held, waiting) = (AtomicBool::new(false), AtomicBool::new(false));
        Disk { dir: dir.to_owned(), bytes, held, waiting, free: AtomicU64::new(u64::MAX) }
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Takes the ballast aboard if there is room for it and as much again. Whether it is held now.
    pub fn hold(&self) -> io::Result<bool> {
        let there = self.is_there();
        if !there && self.free_bytes()? >= FREE_PER_BALLAST * self.bytes {
            let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(self.ballast())?;
            // SAFETY: a plain system call on a descriptor that is open.
            match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, self.bytes as libc::off_t) } {
                0 => file.sync_all()?,
                error => {
                    let _ = fs::remove_file(self.ballast());
                    return Err(io::Error::from_raw_os_error(error));
                }
            }
        } else if !there {
            self.held.store(false, Ordering::Release);
            return Ok(false);
        }
        self.held.store(true, Ordering::Release);
        self.waiting.store(false, Ordering::Release);
        Ok(true)
    }

    /// Whether the ballast lies on the disk, whoever put it there.
    pub fn is_there(&self) -> bool {
        fs::metadata(self.ballast()).is_ok_and(|file| file.len() == self.bytes)
    }

    /// Bytes to be freed before the ballast can be taken aboard; nought: it can.
    pub fn missing_bytes(&self) -> u64 {
        (FREE_PER_BALLAST * self.bytes).saturating_sub(self.free_bytes().unwrap_or(0))
    }

    /// Throws the ballast off; `false` when there was none to throw.
    pub fn release(&self) -> bool {
        self.held.store(false, Ordering::Release);
        fs::remove_file(self.ballast()).is_ok()
    }

    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::Release);
    }

    /// Whether a commit waits for room: no progress, and no fault of ours.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Bytes that a program without special rights may still write.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let path = CString::new(self.dir.as_os_str().as_bytes()).map_err(io::Error::other)?;
        // SAFETY: `statvfs` fills what it is given, and is given a string with an end and a place for its answer.
        unsafe {
            let mut found = std::mem::zeroed::<libc::statvfs>();
            match libc::statvfs(path.as_ptr(), &mut found) {
                0 => Ok(found.f_bavail * found.f_frsize),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Looks how much is free, for who must not wait for a disk.
    pub fn look(&self) {
        if let Ok(free) = self.free_bytes() {
            self.free.store(free, Ordering::Release);
        }
    }

    /// Bytes free when [`Disk::look`] last looked; `None`: not yet.
    pub fn free_seen(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Acquire)).filter(|free| *free != u64::MAX)
    }

    /// What staff should do before the shop has to close; nothing when it is [closed](Disk::complaint) for it.
    pub fn warning(&self) -> Option<String> {
        let free = self.free_seen().filter(|free| *free < NEARLY_FULL_BYTES && self.is_held())?;
        let (mb, dir) = (free >> 20, self.dir.display());
        Some(format!(
            "The disk of {dir} is nearly full: {mb} MB are left, and a full disk closes the shop. Make room now."
        ))
    }

    /// Why nobody new is let in, for staff; `None`: there is room.
    pub fn complaint(&self) -> Option<String> {
        if self.is_held() {
            return None;
        }
        let (mb, dir) = (self.missing_bytes().max(1).div_ceil(1 << 20), self.dir.display());
        let now = if self.is_waiting() {
            "Nothing can be written until then: whoever is inside waits for their receipt"
        } else {
            "Who is inside pays and leaves as ever"
        };
        Some(format!(
            "The disk of {dir} is full: free at least {mb} MB there. {now}, nothing is lost, and the shop opens by itself."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_told_before_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::of(dir.path(), 4096);
        assert_eq!((disk.free_seen(), disk.warning()), (None, None), "nobody has looked");
        disk.look();
        assert!(disk.free_seen().is_some());
        disk.hold().unwrap();
        for (free, warns) in [(0, true), (NEARLY_FULL_BYTES - 1, true), (NEARLY_FULL_BYTES, false), (1 << 40, false)] {
            disk.free.store(free, Ordering::Release);
            assert_eq!(disk.warning().is_some(), warns, "{free} bytes");
        }
        disk.free.store(300 << 20, Ordering::Release);
        assert!(disk.warning().unwrap().contains("is nearly full: 300 MB are left"), "{:?}", disk.warning());
        disk.held.store(false, Ordering::Release);
        assert_eq!(disk.warning(), None, "it is full already, and the shop is closed for it");
    }
}
