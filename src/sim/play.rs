//! One thing to play: a case of a script in the shop as it stood that day, or a crowd.

use super::script::{Planned, Script};
use super::shoppers::{Crowd, Mix};
use super::{Gates, Playback, Setting, World};
use crate::shop::Shop;
use crate::shop::nanostore::PlanogramByCase;
use std::sync::Arc;

pub struct Play {
    pub name: String,
    /// The shop as the system is told it.
    pub told: Arc<Shop>,
    /// The shop as it is.
    pub world: Arc<World>,
    pub plan: Plan,
}

pub enum Plan {
    Script { script: Arc<Script>, case: usize },
    Crowd { shoppers: u32, minutes: f64 },
}

/// Every case of a script, each in the shop as it stood at its start. `stale`: the system is told the base planogram.
pub fn of_script(
    script: &Arc<Script>,
    base: &Shop,
    by_case: &PlanogramByCase,
    stale: bool,
) -> Result<Vec<Play>, String> {
    let play = |(case, of)| {
        let planogram = by_case.apply(of, &base.planogram);
        let real = Arc::new(Shop { planogram, ..base.clone() });
        let told = if stale { Arc::new(base.clone()) } else { real.clone() };
        let plan = Plan::Script { script: script.clone(), case };
        Ok(Play { name: of.to_owned(), told, world: Arc::new(World::new(real)?), plan })
    };
    script.cases.iter().map(|case| case.name.as_str()).enumerate().map(play).collect()
}

impl Play {
    pub fn plan(&self, seed: u64, start_us: i64) -> Result<Planned, String> {
        match &self.plan {
            Plan::Script { script, case } => {
                script.cases[*case].plan(&self.world, seed, start_us).map_err(|err| err.to_string())
            }
            Plan::Crowd { shoppers, minutes } => {
                let mut crowd = Crowd::new(self.world.clone(), seed, "crowd", Mix::default());
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

    pub fn playback(&self, start_us: i64, gates: Gates, planned: Planned) -> Playback {
        let mut playback = Playback::new(self.world.clone(), Setting::new(planned.seed, start_us, gates));
        planned.people.into_iter().for_each(|person| playback.add(person));
        playback
    }
}
