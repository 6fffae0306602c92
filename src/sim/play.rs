//! One thing to play: a case of a script in the shop as it stood that day, or a crowd; and under which conditions.

use super::chance::Chance;
use super::faults::Fault;
use super::parameters::Parameters;
use super::script::{Planned, Script};
use super::shoppers::Crowd;
use super::{Gates, Playback, Setting, World};
use crate::carts::PolicyOptions;
use crate::carts::policy::Join;
use crate::shop::Shop;
use crate::shop::nanostore::PlanogramByCase;
use std::collections::BTreeSet;
use std::sync::Arc;

pub struct Play {
    pub name: String,
    /// The shop as the system is told it. Only devices that it knows are installed.
    pub told: Arc<Shop>,
    /// The shop as it is.
    pub world: Arc<World>,
    pub plan: Plan,
    pub conditions: Conditions,
}

pub enum Plan {
    Script {
        script: Arc<Script>,
        case: usize,
    },
    /// So many parties, tapping over so many minutes, behaving as this mix of the world's parameters.
    Crowd {
        shoppers: u32,
        minutes: f64,
        mix: String,
    },
}

/// What is otherwise than in an ordinary shop.
#[derive(Clone, Debug)]
pub struct Conditions {
    pub faults: BTreeSet<Fault>,
    pub join: Join,
}

impl Default for Conditions {
    fn default() -> Conditions {
        Conditions { faults: BTreeSet::new(), join: PolicyOptions::default().join }
    }
}

/// Every case of a script, each in the shop as it stood at its start. `stale`: the system is told the base planogram.
pub fn of_script(
    script: &Arc<Script>,
    base: &Shop,
    by_case: &PlanogramByCase,
    stale: bool,
    parameters: &Arc<Parameters>,
) -> Result<Vec<Play>, String> {
    // Most cases are of the same shop, and finding one's way in it takes a while to prepare.
    let same = Arc::new(World::behaving(Arc::new(base.clone()), parameters.clone())?);
    let play = |(case, of)| {
        let planogram = by_case.apply(of, &base.planogram);
        let world = match planogram == base.planogram {
            true => same.clone(),
            false => {
                let real = Arc::new(Shop { planogram, ..base.clone() });
                Arc::new(World::behaving(real, parameters.clone())?)
            }
        };
        let told = if stale { same.shop.clone() } else { world.shop.clone() };
        let plan = Plan::Script { script: script.clone(), case };
        Ok(Play { name: of.to_owned(), told, world, plan, conditions: Conditions::default() })
    };
    script.cases.iter().map(|case| case.name.as_str()).enumerate().map(play).collect()
}

impl Play {
    pub fn plan(&self, seed: u64, start_us: i64) -> Result<Planned, String> {
        match &self.plan {
            Plan::Script { script, case } => {
                script.cases[*case].plan(&self.world, seed, start_us).map_err(|err| err.to_string())
            }
            Plan::Crowd { shoppers, minutes, mix } => {
                let seed = Chance::seed_of(seed, &self.name);
                let mix = self.world.parameters.mix(mix)?.clone();
                let mut crowd = Crowd::new(self.world.clone(), seed, &self.name, mix);
                let every_us = minutes * 60e6 / f64::from((*shoppers).max(1));
                let mut until_us = start_us;
                let mut people = Vec::new();
                for k in 0..*shoppers {
                    let style = crowd.anybody();
                    let visit = crowd.come(style, start_us + 10_000_000 + (f64::from(k) * every_us) as i64);
                    until_us = until_us.max(visit.left_us + 8_000_000);
                    people.extend(visit.people);
                }
                Ok(Planned { people, until_us, seed })
            }
        }
    }

    /// The retailer's rules there.
    pub fn policy(&self) -> PolicyOptions {
        PolicyOptions { join: self.conditions.join, ..PolicyOptions::default() }
    }

    pub fn playback(&self, start_us: i64, gates: Gates, planned: Planned) -> Playback {
        let setting = Setting {
            told: Some(self.told.clone()),
            faults: self.conditions.faults.clone(),
            ..Setting::new(planned.seed, start_us, gates)
        };
        let mut playback = Playback::new(self.world.clone(), setting);
        planned.people.into_iter().for_each(|person| playback.add(person));
        playback
    }
}
