//! How a shelf's readings are judged. Every default comes from the measured figures in the field notes of load cells:
//! noise 0.5-10 g a plate, 2 s of +-20 g after a touch, smallest products 25 g, vibration to 130 g.

use serde::{Deserialize, Serialize};

/// Options of our own step detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepOptions {
    /// Milliseconds of readings averaged into one bin (a slower scale has one reading a bin). Too low: noise looks like
    /// movement. Too high: two takes in a row blur, drafts are late.
    pub bin_ms: i64,
    /// Milliseconds that must be calm before a level counts as settled. Too low: ringing is taken for a level. Too high:
    /// settled steps are late, and a busy shelf never settles.
    pub calm_ms: i64,
    /// Spread of the bins, grams, up to which that time is calm on a quiet plate. Too low: nothing settles before
    /// `settle_max_ms`. Too high: the figure is taken while the shelf still rings.
    pub calm_g: f64,
    /// Departure from the level, grams, that opens a movement. Too low: every footstep opens one (harmless but not
    /// free). Too high: drafts are late.
    pub depart_g: f64,
    /// The same in standard deviations of the plate's own bins, for noisy plates.
    pub depart_sigma: f64,
    /// Smallest change of a plate, grams, that shapes a step. Too low: noise widens steps. Too high: an item that stands
    /// across three plates loses its edges.
    pub plate_g: f64,
    /// Smallest change of the shelf, grams, that is a step. Too low: creep and moved goods become sales. Too high: light
    /// products are given away. Keep it under two thirds of the lightest product.
    pub step_g: f64,
    /// Milliseconds of agreement before a draft that makes the shelf lighter. Too low: shakes become drafts. Too high:
    /// late drafts.
    pub draft_ms: i64,
    /// Smallest draft, grams.
    pub draft_g: f64,
    /// Two changes of the same plates closer than this, milliseconds, are one step. Too low: ringing is cut in two. Too
    /// high: two people at one plate become one.
    pub apart_ms: i64,
    /// Milliseconds after which a level is taken though it still rings, provided its mean stands still. Too low: wrong
    /// figures under vibration. Too high: late ones.
    pub settle_max_ms: i64,
    /// A slow or very wide press downward may be somebody leaning: how long to wait, milliseconds, for them to stand up.
    /// Too low: a lean becomes a put-back and then a take. Too high: a slow put-back settles late.
    pub lean_ms: i64,
    /// Time constant, seconds, of following drift while calm. Too low: a slow theft is followed. Too high: warm-up drift
    /// becomes steps.
    pub follow_s: f64,
    /// How long a batch waits, milliseconds, for the missing one before it. Too low: late batches are lost. Too high:
    /// every lost batch delays its shelf.
    pub hold_ms: i64,
    /// Seconds of nothing, or of exact zeros, after which a plate is dead.
    pub dead_s: f64,
    /// Seconds of one exact value after which a plate is stuck, while others of its shelf vary.
    pub stuck_s: f64,
    /// Drift, grams a minute over two minutes, that is reported as a fault.
    pub drift_g_per_min: f64,
    /// Noise of a bin, grams, that is reported as a fault.
    pub noisy_g: f64,
}

impl Default for StepOptions {
    fn default() -> StepOptions {
        StepOptions {
            bin_ms: 50,
            calm_ms: 700,
            calm_g: 2.5,
            depart_g: 6.0,
            depart_sigma: 5.0,
            plate_g: 3.0,
            step_g: 12.0,
            draft_ms: 300,
            draft_g: 14.0,
            apart_ms: 400,
            settle_max_ms: 3_000,
            lean_ms: 8_000,
            follow_s: 3.0,
            hold_ms: 400,
            dead_s: 30.0,
            stuck_s: 20.0,
            drift_g_per_min: 6.0,
            noisy_g: 12.0,
        }
    }
}

impl StepOptions {
    /// What is wrong with them, in sentences; empty is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut want = |ok: bool, what: &str| {
            if !ok {
                problems.push(what.to_owned());
            }
        };
        want((10..=1_000).contains(&self.bin_ms), "bin_ms must lie within 10..=1000");
        want(
            (self.bin_ms.saturating_mul(2)..=10_000).contains(&self.calm_ms),
            "calm_ms must be at least two bins and at most 10000 (10 s)",
        );
        want(
            (self.bin_ms..=self.calm_ms).contains(&self.draft_ms),
            "draft_ms must be at least bin_ms and at most calm_ms",
        );
        want((self.bin_ms..=10_000).contains(&self.apart_ms), "apart_ms must lie within bin_ms..=10000");
        want((self.calm_ms..=30_000).contains(&self.settle_max_ms), "settle_max_ms must lie within calm_ms..=30000");
        want((0..=10_000).contains(&self.hold_ms), "hold_ms must lie within 0..=10000");
        want((0..=60_000).contains(&self.lean_ms), "lean_ms must lie within 0..=60000");
        for (name, value) in [
            ("calm_g", self.calm_g),
            ("depart_g", self.depart_g),
            ("depart_sigma", self.depart_sigma),
            ("plate_g", self.plate_g),
            ("step_g", self.step_g),
            ("draft_g", self.draft_g),
            ("follow_s", self.follow_s),
            ("dead_s", self.dead_s),
            ("stuck_s", self.stuck_s),
            ("drift_g_per_min", self.drift_g_per_min),
            ("noisy_g", self.noisy_g),
        ] {
            want(value.is_finite() && value > 0.0, &format!("{name} must be a positive number"));
        }
        problems
    }
}
