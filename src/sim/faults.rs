//! What goes wrong with devices while people shop (`--faults`): plates break, cameras die, light goes, messages are lost,
//! late, doubled and overtaken, clocks drift and jump.
//!
//! Everything a device says passes here on its way out. Taps and passages are never lost (they are sent until
//! acknowledged) and never late: whose tap is late waits at the gate, and a recording's people do not wait.

use super::chance::Chance;
use super::parameters::first_outside;
use super::shelves::{PlateFault, ShelfSim};
use crate::base::{CameraId, PlateNo, ShelfId};
use crate::events::Observation;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;

/// Named alike on the command line and in `families.toml`: `plate-dead`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    PlateDead,
    PlateStuck,
    PlateNoisy,
    PlateDrifting,
    CameraDead,
    Light,
    Lost,
    Late,
    Doubled,
    Reordered,
    ClockDrift,
    ClockJump,
}

/// How bad faults are; `parameters.toml` has the figures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Severity {
    /// Share of shelves with one broken plate.
    pub plates: f64,
    /// Plates and cameras break, clocks jump after so long on average, seconds.
    pub after_s: f64,
    /// Messages: shares, and how late.
    pub lost: f64,
    pub late: f64,
    pub late_s: (f64, f64),
    pub doubled: f64,
    pub reordered: f64,
    /// How long an overtaken message is held up.
    pub reordered_s: (f64, f64),
    /// Parts in a million, either way.
    pub drift_ppm: (f64, f64),
    pub jump_s: (f64, f64),
    /// In the dark everything is so many times harder to see; there and back in this time.
    pub dim: f64,
    pub dim_s: (f64, f64),
}

impl Severity {
    pub(super) fn problem(&self) -> String {
        let ranges = [
            ("faults.late_s", self.late_s),
            ("faults.reordered_s", self.reordered_s),
            ("faults.drift_ppm", self.drift_ppm),
            ("faults.jump_s", self.jump_s),
            ("faults.dim_s", self.dim_s),
        ];
        if let Some((key, _)) = ranges.iter().find(|(_, (low, high))| !(0.0 <= *low && low <= high)) {
            return format!("{key} must be [least, most]");
        }
        first_outside(&[
            ("faults.plates", self.plates, 0.0, 1.0),
            ("faults.after_s", self.after_s, 0.001, 1e6),
            ("faults.lost", self.lost, 0.0, 1.0),
            ("faults.late", self.late, 0.0, 1.0),
            ("faults.late_s, at most", self.late_s.1, 0.0, 60.0),
            ("faults.doubled", self.doubled, 0.0, 1.0),
            ("faults.reordered", self.reordered, 0.0, 1.0),
            ("faults.dim", self.dim, 1.0, 100.0),
        ])
    }
}

/// The faults of one play.
pub struct Faults {
    kinds: BTreeSet<Fault>,
    severity: Severity,
    seed: u64,
    start_us: i64,
    lines: BTreeMap<String, Line>,
    /// Which camera dies when.
    dies: Option<(CameraId, i64)>,
    /// The light's period and phase.
    light: (f64, f64),
}

/// One device's connection and clock.
struct Line {
    chance: Chance,
    ppm: f64,
    /// When its clock jumps, and how far, us.
    jump: (i64, i64),
}

impl Faults {
    pub fn new(kinds: BTreeSet<Fault>, severity: Severity, seed: u64, start_us: i64, cameras: &[CameraId]) -> Faults {
        let mut chance = Chance::new(seed, "faults");
        let at_us = start_us + chance.wait_us(1.0 / severity.after_s);
        let dying = chance.pick(cameras).filter(|_| kinds.contains(&Fault::CameraDead)).cloned();
        let light = (chance.between(severity.dim_s.0, severity.dim_s.1), chance.between(0.0, TAU));
        let dies = dying.map(|camera| (camera, at_us));
        Faults { kinds, severity, seed, start_us, lines: BTreeMap::new(), dies, light }
    }

    /// Breaks one plate of some shelves, some time after the start.
    pub fn break_plates(&self, shelves: &mut BTreeMap<ShelfId, ShelfSim>) {
        let kinds: Vec<PlateFault> = [
            (Fault::PlateDead, PlateFault::Dead),
            (Fault::PlateStuck, PlateFault::Stuck),
            (Fault::PlateNoisy, PlateFault::Noisy),
            (Fault::PlateDrifting, PlateFault::Drifting),
        ]
        .into_iter()
        .filter(|(fault, _)| self.kinds.contains(fault))
        .map(|(_, how)| how)
        .collect();
        for (id, shelf) in shelves {
            let mut chance = Chance::new(self.seed, &format!("faults/plates/{id}"));
            let Some(how) = chance.pick(&kinds).copied() else { return };
            let plate = 1 + chance.below(shelf.plates()) as PlateNo;
            let at_us = self.start_us + chance.wait_us(1.0 / self.severity.after_s);
            if chance.yes(self.severity.plates) {
                shelf.fail(plate, at_us, how);
            }
        }
    }

    /// How many times harder it is to see than by day.
    pub fn dim(&self, t_us: i64) -> f64 {
        if !self.kinds.contains(&Fault::Light) {
            return 1.0;
        }
        let (period_s, phase) = self.light;
        let wave = libm::sin((t_us - self.start_us) as f64 * 1e-6 / period_s * TAU + phase);
        1.0 + (self.severity.dim - 1.0) * wave.max(0.0)
    }

    /// What becomes of something a device sends at `t_us`: nothing, one or two messages, each with when it really goes out.
    pub fn carry(&mut self, t_us: i64, mut what: Observation) -> Vec<(i64, Observation)> {
        if self.kinds.is_empty() {
            return vec![(t_us, what)];
        }
        let Some((device, measures)) = device(&what) else { return vec![(t_us, what)] };
        if let (Some((camera, at_us)), Observation::People(people)) = (&self.dies, &what)
            && people.camera == *camera
            && t_us >= *at_us
        {
            return Vec::new();
        }
        let (severity, kinds, start_us) = (&self.severity, &self.kinds, self.start_us);
        let seed = self.seed;
        let line = self.lines.entry(device).or_insert_with_key(|device| Line::new(seed, device, start_us, severity));
        line.stamp(&mut what, kinds, start_us);
        let chance = &mut line.chance;
        // Always drawn: one fault more does not change the others.
        let draws = [chance.unit(), chance.unit(), chance.unit(), chance.unit()];
        let (late_s, held_s) = (severity.late_s, severity.reordered_s);
        let (late_us, held_us) = (chance.between(late_s.0, late_s.1), chance.between(held_s.0, held_s.1));
        let has = |fault: Fault, k: usize, share: f64| kinds.contains(&fault) && draws[k] < share;
        if measures && has(Fault::Lost, 0, severity.lost) {
            return Vec::new();
        }
        let mut out_us = t_us;
        if measures && has(Fault::Late, 1, severity.late) {
            out_us += (late_us * 1e6) as i64;
        }
        if measures && has(Fault::Reordered, 2, severity.reordered) {
            out_us += (held_us * 1e6) as i64;
        }
        let mut sent = vec![(out_us, what)];
        if has(Fault::Doubled, 3, severity.doubled) {
            sent.push((out_us + (held_us * 1e6) as i64, sent[0].1.clone()));
        }
        sent
    }
}

impl Line {
    fn new(seed: u64, device: &str, start_us: i64, severity: &Severity) -> Line {
        let mut chance = Chance::new(seed, &format!("faults/{device}"));
        let sign = |chance: &mut Chance| if chance.yes(0.5) { 1.0 } else { -1.0 };
        let ppm = sign(&mut chance) * chance.between(severity.drift_ppm.0, severity.drift_ppm.1);
        let jump_s = sign(&mut chance) * chance.between(severity.jump_s.0, severity.jump_s.1);
        let jump = (start_us + chance.wait_us(1.0 / severity.after_s), (jump_s * 1e6) as i64);
        Line { chance, ppm, jump }
    }

    /// Puts this device's idea of the time into what it says.
    fn stamp(&self, what: &mut Observation, kinds: &BTreeSet<Fault>, start_us: i64) {
        let clock = |t_us: i64| {
            let mut shown_us = t_us;
            if kinds.contains(&Fault::ClockDrift) {
                shown_us += ((t_us - start_us) as f64 * self.ppm * 1e-6) as i64;
            }
            if kinds.contains(&Fault::ClockJump) && t_us >= self.jump.0 {
                shown_us += self.jump.1;
            }
            shown_us
        };
        match what {
            Observation::Weights(weights) => weights.t0_us = clock(weights.t0_us),
            Observation::People(people) => people.t_us = clock(people.t_us),
            Observation::Tap(tap) => tap.t_us = clock(tap.t_us),
            Observation::Passage(passage) => passage.t_us = clock(passage.t_us),
            Observation::GateClock { t_us, .. } => *t_us = clock(*t_us),
            _ => {}
        }
    }
}

/// Who says it, and whether it is a measurement, which may be lost.
fn device(what: &Observation) -> Option<(String, bool)> {
    Some(match what {
        Observation::Weights(weights) => (format!("shelf/{}", weights.shelf), true),
        Observation::People(people) => (format!("camera/{}", people.camera), true),
        Observation::Tap(tap) => (format!("gate/{}", tap.gate), false),
        Observation::Passage(passage) => (format!("gate/{}", passage.gate), false),
        Observation::GateClock { gate, .. } => (format!("gate/{gate}"), true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Weights;
    use crate::sim::parameters::Parameters;

    fn batches(kinds: &[Fault], n: u64) -> Vec<(i64, Weights)> {
        let severity = Parameters::default().faults;
        let mut faults = Faults::new(kinds.iter().copied().collect(), severity, 1, 0, &[]);
        let mut sent = Vec::new();
        for seq in 0..n {
            let t0_us = seq as i64 * 200_000;
            let shelf = ShelfId::new("1-1");
            let batch = Weights { shelf, boot: "b".into(), seq, t0_us, dt_us: 16_667, plates: Vec::new() };
            sent.extend(faults.carry(t0_us + 200_000, Observation::Weights(batch)));
        }
        sent.sort_by_key(|(t_us, _)| *t_us);
        sent.into_iter()
            .map(|(t_us, what)| match what {
                Observation::Weights(weights) => (t_us, weights),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn messages_suffer_what_was_asked_for_and_nothing_else() {
        let severity = Parameters::default().faults;
        let whole = batches(&[], 5_000);
        assert!(
            whole.iter().enumerate().all(|(n, (t_us, batch))| batch.seq == n as u64 && *t_us == batch.t0_us + 200_000)
        );
        let share = |n: usize| n as f64 / 5_000.0;
        let near = |got: f64, want: f64| (got - want).abs() < 0.01;
        assert!(near(share(5_000 - batches(&[Fault::Lost], 5_000).len()), severity.lost));
        assert!(near(share(batches(&[Fault::Doubled], 5_000).len() - 5_000), severity.doubled));
        let late = batches(&[Fault::Late], 5_000);
        assert!(near(share(late.iter().filter(|(t, b)| *t > b.t0_us + 200_000).count()), severity.late));
        let overtaken = batches(&[Fault::Reordered], 5_000).windows(2).filter(|w| w[0].1.seq > w[1].1.seq).count();
        assert!(overtaken > 20, "{overtaken} overtaken");
    }

    #[test]
    fn clocks_drift_and_jump() {
        let severity = Parameters::default().faults;
        let off = |kinds: &[Fault]| {
            let all = batches(kinds, 5_000);
            let of = |n: usize| all[n].1.t0_us - all[n].1.seq as i64 * 200_000;
            (of(0), of(4_999))
        };
        let (first, last) = off(&[Fault::ClockDrift]);
        let ppm = last as f64 / (4_999.0 * 0.2);
        assert!(first == 0 && (severity.drift_ppm.0..=severity.drift_ppm.1).contains(&ppm.abs()), "{ppm}");
        let (_, last) = off(&[Fault::ClockJump]);
        let s = last.abs() as f64 * 1e-6;
        assert!((severity.jump_s.0..=severity.jump_s.1).contains(&s), "{s}");
    }

    #[test]
    fn faults_are_named_alike_on_the_command_line_and_in_files() {
        use clap::ValueEnum;
        for fault in Fault::value_variants() {
            let typed = fault.to_possible_value().expect("none is hidden");
            let written: Fault = toml::Value::from(typed.get_name()).try_into().expect("its name in a file");
            assert_eq!(written, *fault);
        }
    }
}
