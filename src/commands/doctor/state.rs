//! The disk that must not forget: is the state directory there and ours, does it keep what is written, how fast, and for
//! how long; and the ledger in it.

use super::finding::Findings;
use super::ms;
use crate::config::CONFIG_FILE;
use crate::ledger::{self, BALLAST_BYTES, Disk, LedgerError, NEARLY_FULL_BYTES};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A busy shop writes 10 MB a day; below this it has a year left.
const ENOUGH_BYTES: u64 = 4 << 30;

/// A tap and a cart wait for one synced write; slower than this a gate is felt to hesitate.
const SLOW: Duration = Duration::from_millis(25);
const WRITES: usize = 15;

/// Entries at the end of the ledger that are looked at.
const TAIL: u64 = 500;

/// File systems that forget, or that lock and sync in ways SQLite cannot trust: `statfs` number and name.
const DOUBTFUL: [(i64, &str, &str); 8] = [
    (0x0102_1994, "tmpfs", "it is memory: nothing survives a restart"),
    (0x8584_58f6, "ramfs", "it is memory: nothing survives a restart"),
    (0x6969, "NFS", "the network may lose what it said was written"),
    (0x517b, "SMB", "the network may lose what it said was written"),
    (0xff53_4d42, "CIFS", "the network may lose what it said was written"),
    (0xfe53_4d42, "SMB2", "the network may lose what it said was written"),
    (0x0102_1997, "9p", "the network may lose what it said was written"),
    (0x6573_5546, "FUSE", "what lies behind it is not known"),
];

/// Who holds the ledger's lock, by the kernel's own list: looking takes nothing from anybody.
pub fn daemon_of(ledger: &Path) -> Option<u32> {
    let lock = fs::metadata(ledger.with_extension("lock")).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`
    let holder = locks.lines().filter(|line| line.contains(" FLOCK ")).find_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let (pid, place) = (words.next()?, words.next()?);
        let mut parts = place.split(':');
        let (major, minor) =
            (u32::from_str_radix(parts.next()?, 16).ok()?, u32::from_str_radix(parts.next()?, 16).ok()?);
        let inode: u64 = parts.next()?.parse().ok()?;
        let device = libc::makedev(major, minor);
        (inode == lock.ino() && device == lock.dev()).then(|| pid.parse().ok())
    });
    holder.flatten()
}

pub fn directory(findings: &mut Findings, dir: &Path, config: &Path) {
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.warning("directory", format_args!("{shown} is not there yet; the first start makes it"));
            return;
        }
        Err(error) => {
            let what = format_args!("{shown}: {error}; run doctor as root, or name another in [state]");
            return findings.failed("directory", what);
        }
        Ok(metadata) if !metadata.is_dir() => {
            let what = format_args!("{shown} is no directory; name another in `directory` of [state]");
            return findings.failed("directory", what);
        }
        Ok(metadata) => metadata,
    };
    let mode = metadata.mode() & 0o777;
    match (packaged_user(config), mode & 0o022) {
        (Some(uid), _) if uid != metadata.uid() => findings.failed(
            "directory",
            format_args!("{shown} belongs to user {}, not to carryout; chown -R carryout: {shown}", metadata.uid()),
        ),
        (_, 0) => findings.ok("directory", format_args!("{shown}, nobody else writes there (mode {mode:o})")),
        _ => findings
            .warning("directory", format_args!("others may put files into {shown} (mode {mode:o}); chmod 700 {shown}")),
    }
    match writes(dir) {
        Ok((median, worst)) if median <= SLOW => findings
            .ok("writing", format_args!("a synced write takes {} (worst of {WRITES}: {})", ms(median), ms(worst))),
        Ok((median, _)) => findings.warning(
            "writing",
            format_args!(
                "a synced write takes {}; every tap waits for one: use a disk that syncs within {}",
                ms(median),
                ms(SLOW)
            ),
        ),
        Err(error) => findings.failed(
            "writing",
            format_args!("cannot write into {shown}: {error}; nothing can be sold: mend its rights or its disk"),
        ),
    }
    file_system(findings, dir);
}

/// The uid that the packaged unit runs as, when this is its config and the machine knows the user.
fn packaged_user(config: &Path) -> Option<u32> {
    if config != Path::new(CONFIG_FILE) {
        return None;
    }
    // SAFETY: getpwnam takes a text that lives for ever and answers with null or a pointer to a static record, which is
    // read at once; no other thread here asks for users.
    unsafe {
        let user = libc::getpwnam(c"carryout".as_ptr());
        (!user.is_null()).then(|| (*user).pw_uid)
    }
}

/// Is removed however the trial ends.
struct Trial(PathBuf);

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Median and worst time of a small write that is synced, as every commit is.
fn writes(dir: &Path) -> io::Result<(Duration, Duration)> {
    let trial = Trial(dir.join(format!(".carryout-doctor-{}", std::process::id())));
    let mut file: File = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&trial.0)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_all()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok((times[WRITES / 2], times[WRITES - 1]))
}

fn file_system(findings: &mut Findings, dir: &Path) {
    let Ok(path) = CString::new(dir.as_os_str().as_bytes()) else { return };
    // SAFETY: `path` ends with a nought and lives through the call; the record is written whole when it answers 0.
    let found = unsafe {
        let mut found: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &mut found) == 0).then_some(found)
    };
    let Some(found) = found else { return findings.skipped("file system", io::Error::last_os_error()) };
    // Width and sign of this field differ from machine to machine.
    #[allow(clippy::unnecessary_cast)]
    let kind = found.f_type as i64 & 0xffff_ffff;
    match DOUBTFUL.iter().find(|(number, ..)| *number == kind) {
        Some((_, name, why)) => findings.warning(
            "file system",
            format_args!("{} lies on {name}: {why}; keep the ledger on a local disk", dir.display()),
        ),
        None => findings.ok("file system", "a local one"),
    }
    let free = match Disk::of(dir, BALLAST_BYTES).free_bytes() {
        Ok(free) => free,
        Err(error) => return findings.skipped("free space", error),
    };
    let gigabytes = free as f64 / 1e9;
    match free {
        ENOUGH_BYTES.. => findings.ok("free space", format_args!("{gigabytes:.0} GB; a busy shop needs 4 GB a year")),
        NEARLY_FULL_BYTES.. => findings
            .warning("free space", format_args!("{gigabytes:.1} GB; a busy shop needs 4 GB a year: make room in time")),
        _ => findings.failed(
            "free space",
            format_args!("{gigabytes:.1} GB are left, and a full disk closes the shop; make room now"),
        ),
    }
}

/// The file that is thrown off when the disk is full: without it, or room for it, the shop does not open.
pub fn ballast(findings: &mut Findings, dir: &Path) {
    if !dir.is_dir() {
        return findings.skipped("ballast", "it comes with the state directory");
    }
    let (disk, mib) = (Disk::of(dir, BALLAST_BYTES), BALLAST_BYTES >> 20);
    match (disk.is_there(), disk.missing_bytes()) {
        (true, _) => findings.ok("ballast", format_args!("{mib} MiB are held, to be thrown off when the disk is full")),
        (false, 0) => {
            findings.ok("ballast", format_args!("none yet; there is room for its {mib} MiB and as much again"))
        }
        (false, missing) => findings.failed(
            "ballast",
            format_args!(
                "none, and no room for its {mib} MiB and as much again: the shop does not open; free {} MiB in {}",
                missing.div_ceil(1 << 20),
                dir.display()
            ),
        ),
    }
}

pub fn ledger(findings: &mut Findings, file: &Path, daemon: Option<u32>) {
    match daemon {
        Some(pid) => findings.ok("daemon", format_args!("carryout runs on this state directory, process {pid}")),
        None => findings.skipped("daemon", "no carryout runs on this state directory"),
    }
    if !file.exists() {
        return findings
            .skipped("ledger", format_args!("{} is not there yet; the first start makes it", file.display()));
    }
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.mode() & 0o777);
    if mode & 0o077 != 0 {
        let shown = file.display();
        findings.warning("ledger", format_args!("others may read {shown} (mode {mode:o}); chmod 600 {shown}"));
    }
    match ledger::tail(file, TAIL) {
        Ok(tail) => findings.ok(
            "ledger",
            format_args!(
                "schema {}, {} entries, the last {} hang together, {} rows wait for upstream",
                ledger::VERSION,
                tail.last_seq,
                tail.looked_at,
                tail.waiting_upstream
            ),
        ),
        Err(LedgerError::Corrupt { seq, what }) => findings.failed(
            "ledger",
            format_args!("entry {seq}: {what}; stop the shop, run `carryout verify`, restore the last good backup"),
        ),
        Err(error @ LedgerError::Sqlite { .. }) => findings.failed(
            "ledger",
            format_args!("{error}; if it is damaged, keep the file and restore the last good backup (docs/runbook.md)"),
        ),
        Err(error) => findings.failed("ledger", error),
    }
}
