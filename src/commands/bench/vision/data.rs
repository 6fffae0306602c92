//! Reads the recorded sequences beside the project (`CARRYOUT_FIELD_DATA`, see there): MOTChallenge text, and the same with spaces.

use crate::base::Box2;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows of numbers, by the frame in the first column. Separated by commas or spaces. The error is a sentence.
pub fn rows(path: &Path) -> Result<BTreeMap<i64, Vec<Vec<f64>>>, String> {
    let failed = |cause: &dyn std::fmt::Display| format!("reading {}: {cause}", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| failed(&cause))?;
    let mut frames: BTreeMap<i64, Vec<Vec<f64>>> = BTreeMap::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells = line.split([',', ' ', '\t']).filter(|cell| !cell.is_empty());
        let row: Vec<f64> = cells
            .map(|cell| cell.parse().map_err(|_| failed(&format!("line {}: `{cell}` is not a number", n + 1))))
            .collect::<Result<_, _>>()?;
        if row.len() < 6 {
            return Err(failed(&format!("line {}: {} columns instead of six or more", n + 1, row.len())));
        }
        frames.entry(row[0] as i64).or_default().push(row);
    }
    Ok(frames)
}

/// `frame, id, x, y, w, h, score`: pixels; a score that is not there is 1.
pub fn box_of(row: &[f64]) -> Box2 {
    Box2 { x: row[2], y: row[3], w: row[4], h: row[5], score: row.get(6).copied().unwrap_or(1.0) }
}

/// The whole numbers of a text file's `key=value` line.
pub fn setting(path: &Path, key: &str) -> Result<f64, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("reading {}: {cause}", path.display()))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')?.trim().parse().ok());
    value.ok_or_else(|| format!("reading {}: no `{key}`", path.display()))
}
