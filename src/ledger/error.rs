//! What can go wrong with the ledger, and what to do about it. Any of these ends the daemon: on money we stop.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{deed}: {source}{}", advice(source))]
    Sqlite { deed: String, source: rusqlite::Error },

    #[error("{deed}: {source}")]
    Io { deed: String, source: std::io::Error },

    /// The rules of the books would be broken; nothing of the transaction was written.
    #[error("refused by the ledger: {0}; nothing was written")]
    Refused(String),

    /// What is on disk contradicts itself.
    #[error("ledger entry {seq}: {what}; run `carryout verify` and restore the last good backup")]
    Corrupt { seq: u64, what: String },

    #[error(
        "ledger {path} is damaged ({what}): keep the file and restore the last good backup (runbook, \"Backup and restore\")"
    )]
    Damaged { path: PathBuf, what: String },

    #[error("ledger {path} has schema {found}, this program knows up to {known}: install the newer program")]
    Newer { path: PathBuf, found: u32, known: u32 },

    #[error("ledger {0} is in use: another carryout is running on this state directory; stop it first")]
    InUse(PathBuf),

    /// A test asked the ledger to die at this write (`Ledger::stop_at_write`).
    #[error("the ledger was told to stop at this write")]
    Stopped,
}

impl LedgerError {
    /// Whether the disk has no room: the shop then closes, settles what is open and says how much to free. SQLite says
    /// "I/O error" where it could not make its shared memory (`-shm`) longer.
    pub fn disk_full(&self) -> bool {
        match self {
            LedgerError::Sqlite { source, .. } => {
                let shm = source.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
                shm || source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            LedgerError::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether what was to be written is at fault, and would be again: a rule of the books, a constraint, a size. Never what a
    /// disk says, be it full, read-only, failing or damaged.
    pub fn refused(&self) -> bool {
        use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
        match self {
            LedgerError::Refused(_) => true,
            LedgerError::Sqlite { source, .. } => {
                matches!(source.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
            }
            _ => false,
        }
    }
}

/// What to do about what SQLite says.
fn advice(source: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, ReadOnly};
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => {
            "; the file is damaged: keep it as it is and restore the last good backup (runbook, \"Backup and restore\")"
        }
        Some(ReadOnly) => {
            "; its disk can only be read: a failing disk is turned so by the system (see `dmesg`), or the rights are wrong"
        }
        _ => "",
    }
}

/// `.doing("queueing charge …")`: names the deed that failed.
pub(crate) trait Doing<T> {
    fn doing(self, deed: impl Into<String>) -> Result<T, LedgerError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, deed: impl Into<String>) -> Result<T, LedgerError> {
        self.map_err(|source| LedgerError::Sqlite { deed: deed.into(), source })
    }
}

impl<T> Doing<T> for Result<T, std::io::Error> {
    fn doing(self, deed: impl Into<String>) -> Result<T, LedgerError> {
        self.map_err(|source| LedgerError::Io { deed: deed.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi::*;

    #[test]
    fn what_is_written_is_at_fault_or_the_disk_is_never_both() {
        let says = |code| LedgerError::Sqlite {
            deed: "writing".into(),
            source: rusqlite::Error::SqliteFailure(Error::new(code), None),
        };
        let refused = || LedgerError::Refused("a refund exceeds its charge".into());
        for (story, error, fault) in [
            ("a rule of money", refused(), true),
            ("a check", says(SQLITE_CONSTRAINT_CHECK), true),
            ("the same id twice", says(SQLITE_CONSTRAINT_UNIQUE), true),
            ("a row that does not exist", says(SQLITE_CONSTRAINT_FOREIGNKEY), true),
            ("text for a number", says(SQLITE_CONSTRAINT_DATATYPE), true),
            ("a gigabyte", says(SQLITE_TOOBIG), true),
            ("the disk is full", says(SQLITE_FULL), false),
            ("it can only be read", says(SQLITE_READONLY), false),
            ("it fails", says(SQLITE_IOERR_WRITE), false),
            ("it fails to sync", says(SQLITE_IOERR_FSYNC), false),
            ("a page is broken", says(SQLITE_CORRUPT), false),
            ("no ledger at all", says(SQLITE_NOTADB), false),
            ("somebody holds it", says(SQLITE_BUSY), false),
            ("no memory", says(SQLITE_NOMEM), false),
            ("a test", LedgerError::Stopped, false),
        ] {
            assert_eq!(error.refused(), fault, "{story}: {error}");
        }
    }
}
