//! A quick look at the end of a ledger: can it be read, and do its last entries hang together? The whole is `verify`'s.

use super::chain::Hash;
use super::error::{Doing, LedgerError};
use super::reader::Reader;
use super::schema;
use super::verify::Line;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// What a ledger says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    pub last_seq: u64,
    /// Entries looked at.
    pub looked_at: u64,
    pub waiting_upstream: u64,
}

/// SQLite's write-ahead log: there while somebody has the ledger open, and after a crash.
fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A ledger that nobody has open, all of it in its one file. An ordinary reader would leave empty companions beside it;
/// `immutable` keeps SQLite from making any.
fn at_rest(path: &Path) -> Result<Reader, LedgerError> {
    let deed = format!("opening ledger {} for reading", path.display());
    let plain = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(format!("file:{plain}?immutable=1"), flags).doing(&deed)?;
    schema::expect_current(&db, path)?;
    Ok(Reader { db })
}

/// Reads the last `entries` of the ledger at `path`. Takes no lock; a running shop goes on meanwhile.
pub fn tail(path: &Path, entries: u64) -> Result<Tail, LedgerError> {
    let reader = if wal_of(path).exists() { Reader::open(path)? } else { at_rest(path)? };
    let deed = "reading the end of the journal";
    // One snapshot: the writer may be at work.
    reader.db.execute_batch("BEGIN").doing(deed)?;
    let mut query = reader
        .db
        .prepare(
            "SELECT seq, prev, kind, t_us, visit, body, commitment, hash, NULL, NULL, NULL FROM entries
             WHERE seq > (SELECT coalesce(max(seq), 0) FROM entries) - ?1 ORDER BY seq",
        )
        .doing(deed)?;
    let mut rows = query.query([entries as i64]).doing(deed)?;
    let (mut before, mut looked_at): (Option<(u64, Hash)>, u64) = (None, 0);
    while let Some(row) = rows.next().doing(deed)? {
        let line = Line::of(row).doing(deed)?;
        let seq = line.seq;
        let corrupt = |what: String| LedgerError::Corrupt { seq, what };
        let visit = line.visit().map_err(corrupt)?;
        if before.is_some_and(|(last, head)| (last + 1, head) != (seq, line.prev)) {
            return Err(corrupt("it does not hang from the one before".into()));
        }
        if !line.is_as_written(visit) {
            return Err(corrupt("it was changed after it was written".into()));
        }
        before = Some((seq, line.hash));
        looked_at += 1;
    }
    Ok(Tail { last_seq: before.map_or(0, |(seq, _)| seq), looked_at, waiting_upstream: reader.outbox()?.rows })
}
