//! What somebody wears, as far as cameras tell it: a vector of their clothes, its mean over many looks.
//!
//! Vectors mean nothing but how alike two of them are, and only within one opening of the shop (`perception::appearance`). They live
//! in memory alone.

use super::spread::Spread;
use crate::events::Vector;
use std::collections::BTreeMap;

/// A mean follows slowly, so that a minute under a wrong name does not change what somebody wears: a new look counts for so much.
const FOLLOW: f32 = 0.005;
/// The first looks count evenly.
const FIRST: u32 = 20;
/// One look at clothes says no more than this for or against somebody, natural log odds: outfits are sold more than once.
const LOUDEST: f64 = 3.0;
/// Before anything was seen: cosines of looks at one person's clothes and at two people's, mean and standard deviation, as if so many
/// had been seen.
const SAME: (f64, f64) = (0.85, 0.10);
const OTHERS: (f64, f64) = (0.60, 0.20);
const BEFORE: f64 = 50.0;
/// Older ones are forgotten after so many.
const LATEST: f64 = 5_000.0;
/// A camera that begins anew has another space; of more than so many all are learned again.
const SPACES: usize = 64;
/// No clothes are told apart more finely than this, standard deviation.
const FINEST: f64 = 0.02;

/// How alike looks at clothes are: at the same ones and at two people's. Vectors of every space are alike in their own way, so that is learned
/// from those seen in one look: who is matched is themselves, and nobody else in it.
#[derive(Clone, Debug, Default)]
pub struct Likeness(BTreeMap<String, Space>);

/// Cosines of looks with the clothes of who was seen, and of others.
#[derive(Clone, Debug)]
struct Space {
    same: Spread,
    others: Spread,
}

impl Default for Space {
    fn default() -> Space {
        Space { same: Spread::of(BEFORE, SAME), others: Spread::of(BEFORE, OTHERS) }
    }
}

impl Likeness {
    /// -ln of how much likelier the same person looks like that than somebody else; 0 where either's clothes are not known.
    pub fn cost(&self, clothes: &Clothes, seen: Option<&Vector>) -> f64 {
        let Some((seen, cosine)) = seen.and_then(|seen| Some((seen, clothes.cosine(seen)?))) else { return 0.0 };
        self.0.get(&seen.space).map_or_else(|| Space::default().cost(cosine), |space| space.cost(cosine))
    }

    /// Takes in a look at somebody, held against the clothes of one of those in it.
    pub fn learn(&mut self, clothes: &Clothes, seen: &Vector, is_theirs: bool) {
        let Some(cosine) = clothes.cosine(seen).filter(|_| clothes.looks >= FIRST) else { return };
        if !self.0.contains_key(&seen.space) {
            if self.0.len() >= SPACES {
                self.0.clear();
            }
            self.0.insert(seen.space.clone(), Space::default());
        }
        let space = self.0.get_mut(&seen.space).expect("just inserted");
        if is_theirs { &mut space.same } else { &mut space.others }.learn(cosine, LATEST);
    }
}

impl Space {
    /// The likelier, the more alike: what is beyond either's mean says no more than the mean.
    fn cost(&self, cosine: f64) -> f64 {
        let (least, most) = (self.others.mean, self.same.mean);
        if least >= most {
            return 0.0;
        }
        let cosine = cosine.clamp(least, most);
        (log(&self.others, cosine) - log(&self.same, cosine)).clamp(-LOUDEST, LOUDEST)
    }
}

/// Natural logarithm of how dense cosines lie there, as of a normal distribution, but for a constant.
fn log(cosines: &Spread, at: f64) -> f64 {
    let variance = cosines.variance.max(FINEST * FINEST);
    let off = at - cosines.mean;
    -off * off / variance / 2.0 - libm::log(variance) / 2.0
}

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

    /// As one look at them.
    pub fn vector(&self) -> Option<Vector> {
        (self.looks > 0).then(|| Vector { space: self.space.clone(), v: self.mean.clone() })
    }

    /// How alike they are to a look, -1..=1; `None` where they are not known.
    fn cosine(&self, seen: &Vector) -> Option<f64> {
        if seen.space != self.space || seen.v.len() != self.mean.len() {
            return None;
        }
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let size = (dot(&self.mean, &self.mean) * dot(&seen.v, &seen.v)).sqrt();
        (size > 0.0).then(|| dot(&self.mean, &seen.v) / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(v: &[f32]) -> Vector {
        Vector { space: "today".into(), v: v.to_vec() }
    }

    #[test]
    fn clothes_speak_for_who_wears_them_and_against_who_wears_others() {
        let (mut own, mut other) = (Clothes::default(), Clothes::default());
        own.see(&seen(&[1.0, 0.2]));
        other.see(&seen(&[-0.2, 1.0]));
        let likeness = Likeness::default();
        let now = seen(&[1.0, 0.4]);
        let [own, unknown, other] = [own, Clothes::default(), other].map(|clothes| likeness.cost(&clothes, Some(&now)));
        assert!(own < 0.0 && unknown == 0.0 && other > 0.0, "{own} {unknown} {other}");
        assert_eq!(
            likeness.cost(&Clothes::default(), None),
            0.0,
            "a camera that tells of no clothes says nothing of them"
        );
    }

    #[test]
    fn how_alike_clothes_are_is_learned() {
        // Vectors of which two people's are alike to 0.90 and the same person's to 0.98.
        let angle = |cosine: f64| (cosine.acos().cos() as f32, cosine.acos().sin() as f32);
        let (mut own, mut likeness) = (Clothes::default(), Likeness::default());
        (0..FIRST).for_each(|_| own.see(&seen(&[1.0, 0.0])));
        let [same, others] = [0.98, 0.90].map(|cosine| {
            let (x, y) = angle(cosine);
            seen(&[x, y])
        });
        assert!(likeness.cost(&own, Some(&others)) < 0.0, "before anything was seen, 0.9 is much");
        for _ in 0..5_000 {
            likeness.learn(&own, &same, true);
            likeness.learn(&own, &others, false);
        }
        let elsewhere = |seen: &Vector| Vector { space: "another camera's".into(), ..seen.clone() };
        let mut strange = Clothes::default();
        strange.see(&elsewhere(&others));
        assert!(likeness.cost(&strange, Some(&elsewhere(&others))) < 0.0, "of another space nothing was learned");
        let [same, others] = [same, others].map(|seen| likeness.cost(&own, Some(&seen)));
        assert!(same < -1.0 && others > 1.0, "{same} {others}");
    }
}
