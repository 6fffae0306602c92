//! What doctor finds: one line a check, for a person or, one object a line, for a program.

use std::fmt;
use std::io::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The shop can open, and somebody should look.
    Warning,
    Failed,
    /// Could not be tried, or there is nothing to try.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        })
    }
}

/// Prints as it finds; counts for the end.
pub struct Findings {
    json: bool,
    group: &'static str,
    counts: [usize; 4],
}

impl Findings {
    pub fn new(json: bool) -> Findings {
        Findings { json, group: "", counts: [0; 4] }
    }

    /// What the next checks are about.
    pub fn group(&mut self, name: &'static str) {
        self.group = name;
    }

    pub fn ok(&mut self, check: &str, says: impl fmt::Display) {
        self.tell(Outcome::Ok, check, &says.to_string());
    }

    pub fn warning(&mut self, check: &str, says: impl fmt::Display) {
        self.tell(Outcome::Warning, check, &says.to_string());
    }

    pub fn failed(&mut self, check: &str, says: impl fmt::Display) {
        self.tell(Outcome::Failed, check, &says.to_string());
    }

    pub fn skipped(&mut self, check: &str, says: impl fmt::Display) {
        self.tell(Outcome::Skipped, check, &says.to_string());
    }

    fn tell(&mut self, outcome: Outcome, check: &str, says: &str) {
        self.counts[outcome as usize] += 1;
        let line = if self.json {
            let says = says.replace('\n', " ");
            serde_json::json!({"group": self.group, "check": check, "outcome": outcome.to_string(), "says": says})
                .to_string()
        } else {
            format!("{outcome:<8} {:<9} {check}: {says}", self.group)
        };
        // Who closed our output wants to hear no more; the exit code still tells.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// The last line, and whether nothing failed.
    pub fn sum_up(&self) -> bool {
        let [ok, warnings, failed, skipped] = self.counts;
        if !self.json {
            let verdict = match (failed, warnings) {
                (0, 0) => "Everything that could be tried is well",
                (0, _) => "Nothing failed",
                _ => "Not everything is well",
            };
            println!("{verdict}: {ok} ok, {warnings} warnings, {failed} failed, {skipped} skipped.");
        }
        failed == 0
    }
}
