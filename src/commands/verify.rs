//! `carryout verify --state DIR`: the auditor's word on a ledger, in plain sentences.

use crate::ledger;
use std::fmt::Write;
use std::path::Path;

/// What was found, to be printed; `Err` holds the same when something does not add up, for a failing exit.
pub fn verify(state: &Path) -> Result<String, String> {
    let file = ledger::file_in(state);
    let report = ledger::verify(&file).map_err(|e| format!("verifying {}: {e}", file.display()))?;
    let mut text = format!(
        "{}: {} entries, {} visits ({} erased), {} receipts, {} charges ({} open), {} refunds, {} rows for upstream\n",
        file.display(),
        report.entries,
        report.visits,
        report.erased_visits,
        report.receipts,
        report.charges,
        report.open_charges,
        report.refunds,
        report.outbox_rows
    );
    let _ = writeln!(text, "head of the chain: entry {} {}", report.entries, report.head);
    if report.is_clean() {
        text.push_str("everything adds up\n");
        return Ok(text);
    }
    for finding in &report.findings {
        let _ = writeln!(text, "- {finding}");
    }
    text.push_str("the ledger does not add up: stop the shop, keep this file, and restore the last good backup\n");
    Err(text)
}
