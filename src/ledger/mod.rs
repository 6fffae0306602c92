//! The append-only journal: entry, charge and outbox row in one transaction.
//!
//! [`Ledger`] is the one writer of one SQLite file. `commit` takes what the floor decided about an observation and makes
//! it durable, all or nothing: WAL, synchronous=FULL, a hash chain over every entry. What breaks the rules of the books
//! (a second charge under a number, a gap in receipt numbers, a refund above its charge) is refused and nothing is
//! written. After a start the floor reads its past back with [`Ledger::entries_for_recovery`].
//!
//! Reading on: `schema.sql` is the book itself in prose; `project.rs` what each fact does to it; `writer.rs` the thread
//! that owns the ledger in a running shop; `reader.rs` what the page and sync may ask; `verify.rs` the auditor.

pub mod bench;
pub mod chain;
mod commit;
mod disk;
mod entries;
mod error;
mod outbox;
mod project;
mod reader;
mod schema;
mod tail;
mod verify;
mod writer;

pub use commit::Work;
pub use disk::{BALLAST_BYTES, Disk, NEARLY_FULL_BYTES};
pub use entries::Entries;
pub use error::LedgerError;
pub use outbox::{Due, Mark, RowState};
use project::word;
pub use reader::{ChargeView, OutboxCounts, Reader, ReceiptFilter};
pub use schema::{MIGRATIONS, SCHEMA, VERSION, migrate};
pub use tail::{Tail, tail};
pub use verify::{Report, verify};
pub use writer::{Batch, spawn_writer};

use crate::base::ShopTime;
use chain::Hash;
use error::Doing;
use rusqlite::{Connection, OptionalExtension};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The ledger of a state directory.
pub fn file_in(state: &Path) -> PathBuf {
    state.join("ledger.sqlite")
}

/// Whereabouts are personal and of use for a restart only: after an hour they are deleted.
pub const WHEREABOUTS_KEPT: Duration = Duration::from_secs(3600);

/// The credential of a tap that opened no visit is of use while the same tap may come again.
pub const LONE_TAP_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The end of the journal: what the next entry hangs from.
#[derive(Clone, Copy, Debug)]
struct Head {
    seq: u64,
    hash: Hash,
    t: ShopTime,
}

pub struct Ledger {
    db: Connection,
    path: PathBuf,
    head: Head,
    /// Writes left until a test's death; `None` lives on.
    writes_left: Option<u64>,
    /// When expired whereabouts were last swept.
    swept: ShopTime,
    /// Held while this ledger is open: two writers would fork the chain.
    _lock: File,
}

impl Ledger {
    /// Opens or creates the ledger file, readable by its owner only, and brings it to the current schema.
    pub fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let deed = format!("opening ledger {}", path.display());
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).doing(format!("creating state directory {}", dir.display()))?;
        }
        let lock = lock(path)?;
        // SQLite gives its -wal and -shm files the mode of the file it finds: the keys in there are nobody else's.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).doing(&deed)?;
        // A new file is on the disk when its name is.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).doing(format!("syncing directory {}", dir.display()))?;
        let mut db = Connection::open(path).doing(&deed)?;
        db.busy_timeout(Duration::from_secs(5)).doing(&deed)?;
        db.pragma_update(None, "journal_mode", "WAL").doing(&deed)?;
        // FULL: a commit has reached the disk when it returns, also after a power cut.
        db.pragma_update(None, "synchronous", "FULL").doing(&deed)?;
        // Ids are random, so a commit touches a dozen pages anywhere. 16 MB of them stay in memory, and the log is folded in
        // every 4000 pages (16 MB, by default 1000): a page that was written often is then moved once.
        db.pragma_update(None, "cache_size", -16_000).doing(&deed)?;
        db.pragma_update(None, "wal_autocheckpoint", 4_000).doing(&deed)?;
        // What is deleted is overwritten: a forgotten key must not linger on a free page.
        db.pragma_update(None, "secure_delete", true).doing(&deed)?;
        db.set_prepared_statement_cache_capacity(64);
        schema::prepare(&mut db, path)?;
        let head = head(&db)?;
        Ok(Ledger { db, path: path.to_owned(), head, writes_left: None, swept: ShopTime(0), _lock: lock })
    }

    /// Reads every page once; a damaged one is an error. A second for 128 MB.
    pub fn look_through(&self) -> Result<(), LedgerError> {
        let deed = "looking through the ledger";
        let said: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).doing(deed)?;
        match said.as_str() {
            "ok" => Ok(()),
            damage => {
                // SQLite tells it in lines under a heading of asterisks.
                let what = damage.lines().filter(|line| !line.starts_with("***")).collect::<Vec<_>>().join(", ");
                Err(LedgerError::Damaged { path: self.path.clone(), what })
            }
        }
    }

    /// Sequence number of the last entry; 0 in an empty ledger.
    pub fn last_seq(&self) -> u64 {
        self.head.seq
    }

    /// Time of the last entry: the shop's clock never starts before it.
    pub fn last_time(&self) -> Option<ShopTime> {
        (self.head.seq > 0).then_some(self.head.t)
    }

    /// Receipt numbers are gap-free: the next is one more than the last.
    pub fn next_receipt_number(&self) -> Result<u64, LedgerError> {
        self.db
            .query_row("SELECT coalesce(max(number), 0) + 1 FROM receipts", [], |row| row.get(0))
            .doing("reading the last receipt number")
    }

    /// For tests: the `n`-th database write from now (1 is the next; BEGIN and COMMIT count, and "committed, but not yet
    /// said so" counts as one more) fails with [`LedgerError::Stopped`], and so does every later one, as if the power had
    /// gone. What was not committed is rolled back.
    pub fn stop_at_write(&mut self, n: u64) {
        self.writes_left = Some(n.saturating_sub(1));
    }
}

/// A file beside the ledger, locked as long as it is open; the kernel lets go when the process dies.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let beside = path.with_extension("lock");
    let deed = format!("locking {}", beside.display());
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&beside).doing(&deed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(e).doing(deed),
    }
}

fn head(db: &Connection) -> Result<Head, LedgerError> {
    let last = db
        .query_row("SELECT seq, hash, t_us FROM entries ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(Head { seq: row.get(0)?, hash: row.get(1)?, t: ShopTime(row.get(2)?) })
        })
        .optional()
        .doing("reading the end of the journal")?;
    let Some(mut head) = last else { return Ok(Head { seq: 0, hash: chain::ZERO, t: ShopTime(0) }) };
    // Entries may be a moment out of order (an interaction is dated by its end); a thousand are many moments.
    head.t = db
        .query_row("SELECT max(t_us) FROM entries WHERE seq > ?1", [head.seq.saturating_sub(1000)], |row| {
            row.get(0).map(ShopTime)
        })
        .doing("reading the last time in the journal")?;
    Ok(head)
}
