//! What attributors are tried on: suites of plays (docs/accuracy.md says why each is there).

use super::family::{self, Family};
use super::play::{self, Play};
use super::script::Script;
use crate::shop::nanostore::{self, PlanogramByCase};
use crate::shop::{Problem, Shop};
use std::path::Path;
use std::sync::Arc;

/// The labelled practice cases of a real shop, in `dir`: its tables, what stood elsewhere on the day of a case, and the
/// script. `stale`: the system is told the base planogram only.
pub fn nanostore(dir: &Path, stale: bool) -> Result<Vec<Play>, String> {
    let base = nanostore::load(dir).map_err(told)?;
    let by_case = PlanogramByCase::read(&dir.join("shop_by_case.csv"), &base.layout).map_err(told)?;
    let script = Script::read(&dir.join("events_practice.csv")).map_err(|err| err.to_string())?;
    play::of_script(&Arc::new(script), &base, &by_case, stale)
}

/// Generated cases in the same shop, as hard as the official ones.
pub fn hard(dir: &Path, seed: u64, cases: usize) -> Result<Vec<Play>, String> {
    family("hard", &nanostore::load(dir).map_err(told)?, seed, cases)
}

/// Generated cases of a family in any shop.
pub fn family(name: &str, shop: &Shop, seed: u64, cases: usize) -> Result<Vec<Play>, String> {
    let script = family::script(shop, name, &Family::named(name)?, seed, cases);
    let script = Script::parse(&script).map_err(|err| err.to_string())?;
    play::of_script(&Arc::new(script), shop, &PlanogramByCase::default(), false)
}

fn told(problems: Vec<Problem>) -> String {
    problems.first().map_or(String::new(), ToString::to_string)
}
