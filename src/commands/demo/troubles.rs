//! What cameras of a demonstration suffer, when somebody wants to see it (`--troubles`): one camera at a time, for a while,
//! with a rest after it in which everything works. Which and when follows from the seed.

use crate::sim::chance::Chance;
use crate::sim::eyes::{SimCamera, Trouble};

/// The first comes after this long, us, then each after a rest of so long.
const REST_US: (f64, f64) = (6e6, 12e6);
/// How long it lasts, us: the daemon says what it is within five seconds.
const LASTS_US: (f64, f64) = (6e6, 10e6);

pub struct Troubles {
    kinds: Vec<Trouble>,
    chance: Chance,
    next_us: i64,
    suffering: Option<usize>,
}

impl Troubles {
    pub fn new(kinds: Vec<Trouble>, seed: u64, start_us: i64) -> Troubles {
        let mut chance = Chance::new(seed, "troubles");
        let next_us = start_us + chance.between(REST_US.0, REST_US.1) as i64;
        Troubles { kinds, chance, next_us, suffering: None }
    }

    /// Until `now_us`; the answer is a line for the diary, when something changed.
    pub fn until(&mut self, now_us: i64, cameras: &mut [SimCamera]) -> Result<Option<String>, String> {
        if now_us < self.next_us || cameras.is_empty() {
            return Ok(None);
        }
        let (range, told) = match self.suffering.take() {
            Some(one) => {
                cameras[one].suffer(None)?;
                (REST_US, format!("camera {} is well again", cameras[one].id()))
            }
            None => {
                let Some(trouble) = self.chance.pick(&self.kinds).copied() else { return Ok(None) };
                let one = self.chance.below(cameras.len());
                cameras[one].suffer(Some(trouble))?;
                self.suffering = Some(one);
                (LASTS_US, format!("camera {} is {trouble}", cameras[one].id()))
            }
        };
        self.next_us = now_us + self.chance.between(range.0, range.1) as i64;
        Ok(Some(told))
    }
}
