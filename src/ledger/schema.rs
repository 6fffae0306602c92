//! Brings a ledger file to the schema this program knows: a new file from `schema.sql`, an old one migration by
//! migration.
//!
//! To change the schema: write `migrations/NNNN.sql`, add its line to [`MIGRATIONS`], and change `schema.sql` to say the
//! same. A test compares the two and migrates the v1 book kept in `tests/ledger/v1.sql`.

use super::error::{Doing, LedgerError};
use rusqlite::Connection;
use std::path::Path;

/// The schema as it is, with its prose.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How it came to be. Migration n takes `user_version` from n-1 to n; none is ever edited after a release.
pub const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql")];

/// The `user_version` of a ledger this program writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// Creates or migrates; a file newer than this program is refused.
pub(super) fn prepare(db: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    match version(db)? {
        0 => run(db, 0, SCHEMA, VERSION),
        found if found > VERSION => Err(LedgerError::Newer { path: path.to_owned(), found, known: VERSION }),
        found => migrate(db, found),
    }
}

/// Refuses a file that this program cannot read as it is; for those who only read.
pub(super) fn expect_current(db: &Connection, path: &Path) -> Result<(), LedgerError> {
    match version(db)? {
        VERSION => Ok(()),
        found if found > VERSION => Err(LedgerError::Newer { path: path.to_owned(), found, known: VERSION }),
        found => Err(LedgerError::Refused(format!(
            "{} has schema {found}, older than {VERSION}: start `carryout run` once, which brings it up to date",
            path.display()
        ))),
    }
}

/// Runs every migration after `from`.
pub fn migrate(db: &mut Connection, from: u32) -> Result<(), LedgerError> {
    for (n, sql) in (1..).zip(MIGRATIONS).skip(from as usize) {
        run(db, n - 1, sql, n)?;
    }
    Ok(())
}

/// One step, all or nothing. Foreign keys rest while tables are rebuilt and are checked before it counts.
fn run(db: &mut Connection, from: u32, sql: &str, to: u32) -> Result<(), LedgerError> {
    let deed = format!("bringing the ledger from schema {from} to {to}");
    db.pragma_update(None, "foreign_keys", false).doing(&deed)?;
    let tx = db.transaction().doing(&deed)?;
    tx.execute_batch(sql).doing(&deed)?;
    tx.pragma_update(None, "user_version", to).doing(&deed)?;
    let dangling = tx.prepare("PRAGMA foreign_key_check").and_then(|mut q| q.exists([])).doing(&deed)?;
    if dangling {
        return Err(LedgerError::Refused(format!("{deed}: rows would point at nothing (foreign_key_check)")));
    }
    tx.commit().doing(&deed)?;
    db.pragma_update(None, "foreign_keys", true).doing(&deed)
}

fn version(db: &Connection) -> Result<u32, LedgerError> {
    db.pragma_query_value(None, "user_version", |row| row.get(0)).doing("reading the ledger's schema version")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table, index and column as SQL, without comments and spacing.
    fn shape(db: &Connection) -> Vec<String> {
        let mut query = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name").unwrap();
        let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|sql| {
            let sql = sql.unwrap();
            let code = sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join(" ");
            code.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
    }

    #[test]
    fn migrating_from_version_1_gives_the_fresh_schema() {
        let mut fresh = Connection::open_in_memory().unwrap();
        prepare(&mut fresh, Path::new("fresh")).unwrap();

        let mut old = Connection::open_in_memory().unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        prepare(&mut old, Path::new("old")).unwrap();

        assert_eq!(shape(&old), shape(&fresh));
        assert_eq!(version(&old).unwrap(), version(&fresh).unwrap());
    }

    #[test]
    fn every_table_and_column_has_a_sentence() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        let mut explained = false;
        let mut columns = 0;
        for line in SCHEMA.lines().map(str::trim) {
            let names_something = line.starts_with("CREATE")
                || line
                    .split_whitespace()
                    .nth(1)
                    .is_some_and(|t| ["TEXT", "BLOB", "INTEGER"].contains(&t.trim_end_matches(',')));
            if names_something {
                assert!(explained, "no sentence above: {line}");
                columns += usize::from(!line.starts_with("CREATE"));
            }
            explained = line.starts_with("--");
        }
        let known: usize = db
            .prepare("SELECT count(*) FROM sqlite_schema s, pragma_table_xinfo(s.name) WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite_%'")
            .and_then(|mut q| q.query_row([], |row| row.get(0)))
            .unwrap();
        assert_eq!(columns, known, "columns with a sentence");
    }

    #[test]
    fn a_ledger_of_a_newer_program_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        let error = prepare(&mut db, Path::new("x")).unwrap_err().to_string();
        assert!(error.contains("install the newer program"), "{error}");
    }
}
