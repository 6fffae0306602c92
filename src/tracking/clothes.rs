//! What somebody wears, as far as cameras tell it: a vector of their clothes, its mean over many looks.
//!
//! Vectors mean nothing but how alike two of them are, and only within one opening of the shop (`perception::appearance`). They live
//! in memory alone.

use crate::events::Vector;

/// Cost of clothes that have nothing in common, -ln of a likelihood. The same clothes seen by two cameras are alike to about 0.9, two
/// people's to about 0.5: 1.2 between them, where a place is worth up to 10.
const WEIGHT: f64 = 3.0;
/// What clothes cost somebody whose own nobody has told: they may be theirs (0.3) or another's (1.5), -ln of the mean of how likely either
/// is. Were it less than what their own cost people, whoever is seen would sooner or later be taken for whoever is not known; with 1.5 those
/// who are new lose their own boxes to who stands beside them.
const UNKNOWN: f64 = WEIGHT * 0.25;
/// A mean follows slowly, so that a minute under a wrong name does not change what somebody wears: a new look counts for so much.
const FOLLOW: f32 = 0.005;
/// The first looks count evenly.
const FIRST: u32 = 20;

#[derive(Clone, Debug, Default)]
pub struct Clothes {
    space: String,
    mean: Vec<f32>,
    looks: u32,
}

impl Clothes {
    pub fn see(&mut self, seen: &Vector) {
        if self.space != seen.space || self.mean.len() != seen.v.len() {
            *self = Clothes { space: seen.space.clone(), mean: vec![0.0; seen.v.len()], looks: 0 };
        }
        self.looks += 1;
        let share = if self.looks <= FIRST { 1.0 / self.looks as f32 } else { FOLLOW };
        for (mean, seen) in self.mean.iter_mut().zip(&seen.v) {
            *mean += (seen - *mean) * share;
        }
    }

    /// 0 for the same clothes, more for others; 0 where the camera tells of none.
    pub fn cost(&self, seen: Option<&Vector>) -> f64 {
        let Some(seen) = seen else { return 0.0 };
        if seen.space != self.space || seen.v.len() != self.mean.len() {
            return UNKNOWN;
        }
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let size = (dot(&self.mean, &self.mean) * dot(&seen.v, &seen.v)).sqrt();
        if size > 0.0 { WEIGHT * (1.0 - dot(&self.mean, &seen.v) / size).clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_clothes_are_unknown_fits_worse_than_who_wears_them() {
        let seen = |v: &[f32]| Vector { space: "today".into(), v: v.to_vec() };
        let (mut own, mut other) = (Clothes::default(), Clothes::default());
        own.see(&seen(&[1.0, 0.2]));
        other.see(&seen(&[-0.2, 1.0]));
        let now = seen(&[1.0, 0.4]);
        let [own, unknown, other] = [own, Clothes::default(), other].map(|clothes| clothes.cost(Some(&now)));
        assert!(own < unknown && unknown < other, "{own} {unknown} {other}");
        assert_eq!(Clothes::default().cost(None), 0.0, "a camera that tells of no clothes says nothing of them");
    }
}
