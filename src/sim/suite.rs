//! What attributors are tried on: suites of plays (docs/accuracy.md says why each is there), and what they may learn from.

use super::family::{self, Family};
use super::parameters::Parameters;
use super::play::{self, Conditions, Plan, Play};
use super::script::Script;
use super::shops::{self, Part};
use super::world::World;
use crate::shop::nanostore::{self, PlanogramByCase};
use crate::shop::{Problem, Shop};
use std::path::Path;
use std::sync::Arc;

/// Shops of a family's suite: half of them of the kinds that are held back from training.
const SHOPS: usize = 8;

/// A session of the day: parties come over so many minutes.
const SESSION_MIN: f64 = 15.0;
/// And so many of them, from a quiet morning to a busy noon: 1 to 12 people are inside.
const PARTIES: [u32; 5] = [8, 15, 25, 40, 60];
/// Square metres of the day's shops and of the rush's.
const DAY_M2: f64 = 60.0;
const RUSH_M2: f64 = 100.0;

/// The labelled practice cases of a real shop, in `dir`: its tables, what stood elsewhere on the day of a case, and the
/// script. `stale`: the system is told the base planogram only.
pub fn nanostore(dir: &Path, stale: bool) -> Result<Vec<Play>, String> {
    let base = nanostore::load(dir).map_err(told)?;
    let by_case = PlanogramByCase::read(&dir.join("shop_by_case.csv"), &base.layout).map_err(told)?;
    let script = Script::read(&dir.join("events_practice.csv")).map_err(|err| err.to_string())?;
    play::of_script(&Arc::new(script), &base, &by_case, stale, &Arc::new(Parameters::default()))
}

/// Generated cases in the same shop, as hard as the official ones.
pub fn hard(dir: &Path, seed: u64, cases: usize) -> Result<Vec<Play>, String> {
    family("hard", &nanostore::load(dir).map_err(told)?, seed, 1..=cases, &toml::Table::new())
}

/// Cases of a family, by their numbers, in any shop; it behaves as shipped but for `changes`.
pub fn family(
    name: &str,
    shop: &Shop,
    seed: u64,
    cases: std::ops::RangeInclusive<usize>,
    changes: &toml::Table,
) -> Result<Vec<Play>, String> {
    let family = Family::named(name)?;
    let sparse = family.sparse.then(|| shops::sparse(shop, seed));
    let stands = sparse.as_ref().map_or(shop, |sparse| &sparse.stands);
    let script = family::script(stands, name, &family, seed, cases);
    let script = Script::parse(&script).map_err(|err| err.to_string())?;
    let parameters = Arc::new(family.behaviour(changes)?);
    let mut plays = play::of_script(&Arc::new(script), stands, &PlanogramByCase::default(), false, &parameters)?;
    let told = sparse.map(|sparse| Arc::new(sparse.told));
    for play in &mut plays {
        play.conditions = family.conditions();
        play.told = told.clone().unwrap_or_else(|| play.told.clone());
    }
    Ok(plays)
}

/// Cases of a family in drawn shops, half of them of kinds and with products that are held back from training.
pub fn drawn(name: &str, seed: u64, cases: usize) -> Result<Vec<Play>, String> {
    let mut plays = Vec::new();
    for k in 0..SHOPS {
        let (part, no) = part_of(k);
        let shop = shops::shop(part, seed * SHOPS as u64 + no);
        // The kth eighth of the cases is this shop's.
        let (first, n) = (k * cases / SHOPS + 1, (k + 1) * cases / SHOPS);
        plays.extend(family(name, &shop, seed, first..=n, &toml::Table::new())?);
    }
    Ok(plays)
}

/// An ordinary day in drawn shops: sessions of a quarter of an hour, quiet and busy ones in turn, in all `carts` parties or
/// a few more.
pub fn day(seed: u64, carts: u32) -> Result<Vec<Play>, String> {
    let mut plays = Vec::new();
    let (mut come, mut k) = (0, 0);
    while come < carts {
        let (part, no) = part_of(k);
        let shop = Arc::new(shops::sized(part, seed * 10_000 + no, DAY_M2));
        let parties = PARTIES[k % PARTIES.len()];
        plays.push(crowd(format!("day-{}", k + 1), shop, parties, SESSION_MIN)?);
        come += parties;
        k += 1;
    }
    Ok(plays)
}

/// `people` parties come as fast as the gates let them into shops of 100 square metres.
pub fn rush(seed: u64, people: u32, cases: usize) -> Result<Vec<Play>, String> {
    let play = |k: usize| {
        let (part, no) = part_of(k);
        let shop = Arc::new(shops::sized(part, seed * 1_000 + no, RUSH_M2));
        crowd(format!("rush{people}-{}", k + 1), shop, people, 0.0)
    };
    (0..cases).map(play).collect()
}

/// A crowd of the ordinary mix in a shop that is as it is told.
pub fn crowd(name: String, shop: Arc<Shop>, shoppers: u32, minutes: f64) -> Result<Play, String> {
    let world = Arc::new(World::new(shop.clone())?);
    let plan = Plan::Crowd { shoppers, minutes, mix: "ordinary".to_owned() };
    Ok(Play { name, told: shop, world, plan, conditions: Conditions::default() })
}

/// Of one that may be trained on and one that is held back, in turn; and how many of its part came before, so that each part
/// goes through all of its kinds.
fn part_of(k: usize) -> (Part, u64) {
    (if k.is_multiple_of(2) { Part::Training } else { Part::HeldBack }, k as u64 / 2)
}

fn told(problems: Vec<Problem>) -> String {
    problems.first().map_or(String::new(), ToString::to_string)
}
