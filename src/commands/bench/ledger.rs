//! What durability costs: one charge a transaction, against a bare append and fsync of the same bytes.

use super::figure::{Bar, Figure, Promise, ROUNDS, median_if_steady};
use super::{Length, Measure};
use crate::ledger::bench;

pub const PROMISES: [Promise; 2] = [
    Promise { figure: "ledger.commit_ratio", bar: Bar::AtLeast(0.5), unit: "ratio" },
    Promise { figure: "ledger.commits_per_s", bar: Bar::None, unit: "1/s" },
];

/// On the disk of the temporary directory: `TMPDIR` chooses another.
pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    // A round has several of the moments when the log is folded in.
    let transactions = if how.length == Length::Long { 8_000 } else { 2_000 };
    let dir = std::env::temp_dir();
    notes.push(format!(
        "{ROUNDS} rounds of {transactions} closings of a visit with three lines, in {} (TMPDIR chooses)",
        dir.display()
    ));
    let mut rounds = bench::rounds(&dir, ROUNDS, transactions)
        .map_err(|error| format!("measuring the ledger in {}: {error}", dir.display()))?;
    let each: Vec<String> = rounds.ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    notes.push(format!("ratio of each round: {}", each.join(", ")));
    let [ratio, rate] = &PROMISES;
    Ok(vec![
        ratio.measured(median_if_steady(&mut rounds.ratios), ROUNDS),
        rate.measured(median_if_steady(&mut rounds.commits_per_s), ROUNDS),
    ])
}
