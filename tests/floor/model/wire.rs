//! The network between the devices and the daemon, and the devices' own moods: what comes late, twice, never, under a new
//! name or by a wrong clock.

use carryout::base::ShelfId;
use carryout::events::{Observation, Weights};
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
pub struct Wire {
    /// By the step in which they arrive.
    on_the_way: VecDeque<(u64, Observation)>,
    /// `lost`, `doubled`, `late`, `reordered`; none is well.
    modes: BTreeMap<String, String>,
    /// Devices whose clock was set, us.
    clocks: BTreeMap<String, i64>,
    /// What a camera calls whom.
    tracks: BTreeMap<String, String>,
    renamed: u32,
    /// How often a shelf started, and its number then.
    boots: BTreeMap<String, (u32, u64)>,
    taps: BTreeMap<String, Observation>,
    passages: BTreeMap<String, Observation>,
    /// Mean grams of each plate of a shelf in its first and in its last message.
    weighed: BTreeMap<ShelfId, [Vec<f64>; 2]>,
}

impl Wire {
    pub fn set_mode(&mut self, shelf: &str, mode: &str) {
        self.modes.insert(shelf.to_owned(), mode.to_owned());
    }

    pub fn set_clock(&mut self, device: &str, secs: f64) {
        self.clocks.insert(device.to_owned(), (secs * 1e6) as i64);
    }

    pub fn swap_tracks(&mut self, ann: &str, bob: &str) {
        let name = |wire: &Wire, who: &str| {
            let track = format!("track-{who}");
            wire.tracks.get(&track).cloned().unwrap_or(track)
        };
        let (a, b) = (name(self, ann), name(self, bob));
        self.tracks.insert(format!("track-{ann}"), b);
        self.tracks.insert(format!("track-{bob}"), a);
    }

    /// The camera lost somebody and sees somebody new.
    pub fn rename_track(&mut self, who: &str) {
        self.renamed += 1;
        self.tracks.insert(format!("track-{who}"), format!("track-{who}-{}", self.renamed));
    }

    pub fn reboot(&mut self, shelf: &str) {
        let (boots, _) = self.boots.entry(shelf.to_owned()).or_insert((1, 0));
        *boots += 1;
        let boots = *boots;
        self.boots.insert(shelf.to_owned(), (boots, u64::MAX));
    }

    /// Messages go as sent from now on. Clocks stay as they are.
    pub fn is_mended(&mut self) {
        self.modes.clear();
    }

    pub fn repeat_tap(&mut self, who: &str, step: u64) {
        self.on_the_way.extend(self.taps.get(who).map(|tap| (step, tap.clone())));
    }

    pub fn repeat_passage(&mut self, who: &str, step: u64) {
        self.on_the_way.extend(self.passages.get(who).map(|passage| (step, passage.clone())));
    }

    pub fn send_late(&mut self, who: &str, said: Vec<Observation>, step: u64, late: u64) {
        for mut observation in said {
            self.stamp(&mut observation);
            match &observation {
                Observation::Tap(_) => drop(self.taps.insert(who.to_owned(), observation.clone())),
                Observation::Passage(_) => drop(self.passages.insert(who.to_owned(), observation.clone())),
                _ => {}
            }
            let at = if matches!(observation, Observation::Tap(_)) { step + late } else { step };
            self.on_the_way.push_back((at, observation));
        }
    }

    pub fn send(&mut self, said: Vec<Observation>, step: u64) {
        for mut observation in said {
            self.stamp(&mut observation);
            let mut mode = "";
            if let Observation::Weights(weights) = &observation {
                let grams = mean_g(weights);
                let known = self.weighed.entry(weights.shelf.clone()).or_insert_with(|| [grams.clone(), grams.clone()]);
                known[1] = grams;
                mode = self.modes.get(weights.shelf.as_str()).map_or("", String::as_str);
            }
            match mode {
                "lost" => {}
                "doubled" => self.on_the_way.extend([(step, observation.clone()), (step + 1, observation)]),
                "late" => self.on_the_way.push_back((step + 15, observation)),
                "reordered" => self.on_the_way.push_back((step + [5, 0][(step / 2 % 2) as usize], observation)),
                _ => self.on_the_way.push_back((step, observation)),
            }
        }
    }

    pub fn arrives(&mut self, step: u64) -> Vec<Observation> {
        let (due, later) = std::mem::take(&mut self.on_the_way).into_iter().partition(|(at, _)| *at <= step);
        self.on_the_way = later;
        let due: VecDeque<(u64, Observation)> = due;
        due.into_iter().map(|(_, observation)| observation).collect()
    }

    /// How much heavier each plate of each shelf has become since the first message, g.
    pub fn changed_g(&self) -> BTreeMap<ShelfId, Vec<f64>> {
        let changed =
            |[first, last]: &[Vec<f64>; 2]| first.iter().zip(last).map(|(first, last)| last - first).collect();
        self.weighed.iter().map(|(shelf, grams)| (shelf.clone(), changed(grams))).collect()
    }

    fn stamp(&mut self, observation: &mut Observation) {
        let clock = |device: &str| self.clocks.get(device).copied().unwrap_or(0);
        match observation {
            Observation::Weights(weights) => {
                weights.t0_us += clock(weights.shelf.as_str());
                if let Some((boots, first)) = self.boots.get_mut(weights.shelf.as_str()) {
                    if *first == u64::MAX {
                        *first = weights.seq;
                    }
                    weights.boot = format!("b{boots}");
                    weights.seq -= *first;
                }
            }
            Observation::Tap(tap) => tap.t_us += clock("gate-1"),
            Observation::Passage(passage) => passage.t_us += clock("gate-1"),
            Observation::People(people) => {
                people.t_us += clock("eyes");
                for person in &mut people.people {
                    if let Some(name) = self.tracks.get(&person.track) {
                        person.track.clone_from(name);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Of each plate, over the message.
fn mean_g(weights: &Weights) -> Vec<f64> {
    let mean = |grams: &[Option<f32>]| {
        let known: Vec<f64> = grams.iter().flatten().map(|g| f64::from(*g)).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    weights.plates.iter().map(|plate| mean(&plate.grams)).collect()
}
