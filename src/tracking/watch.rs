//! Whom a camera should see: who stands free in its picture, as far as others hide them and as far as it ever sees who stands there.

use super::habits::Habits;
use super::motion::Motion;
use super::seen::LINEAR_M;
use super::shape::{Edges, SURE, View, inside};
use super::spread::Spread;
use crate::base::{Point2, ShopTime};
use std::collections::BTreeMap;

/// Who stands free in the picture is seen in so many looks.
const SEEN_FREE: f64 = 0.7;
/// Nobody can be missed where a camera sees less than this share of those whom another one sees: what stands in its way is
/// furniture, and nobody told us of it. Squares of the floor, m.
const SQUARE_M: f64 = 0.5;
const SEES: f64 = 0.5;
/// A square is taken to be seen as if so many had been seen there.
const TRUST: f64 = 3.0;
/// Who is hidden stands at least so far behind who hides them, m.
const BEHIND_M: f64 = 0.25;

/// Who is so many standard deviations less sure than those a camera has seen walk is not surely seen. It takes so many looks to know; until then
/// everybody is.
const UNSURE_SIGMAS: f64 = 2.5;
const KNOWN_LOOKS: f64 = 30.0;
/// And so many are remembered.
const LATEST_LOOKS: f64 = 2_000.0;

/// A detector is off the same way for a while: a tenth of a second apart our own one's errors go together at 0.85, half a second apart at
/// 0.65. Four looks a second count in full (real recordings are followed best like that), of more each counts for less, s.
const NEWS_S: f64 = 0.25;
/// Every look counts for something.
const NEWS_MIN: f64 = 0.05;

/// What a camera has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// Of each square of the floor: how many it saw there, and how many it should have seen and did not.
    squares: BTreeMap<(i32, i32), (u32, u32)>,
    looked: Option<ShopTime>,
    /// How sure it was of those who walk.
    walkers: Spread,
    /// How its boxes are off.
    pub habits: Habits,
}

impl Sights {
    /// Notes a look, and says how much of it is news, 0..=1.
    pub fn look(&mut self, t: ShopTime) -> f64 {
        let before = self.looked.max(Some(t));
        let before = std::mem::replace(&mut self.looked, before);
        before.map_or(1.0, |before| (t.secs_since(before) / NEWS_S).clamp(NEWS_MIN, 1.0))
    }

    pub fn saw(&mut self, at: Point2) {
        self.squares.entry(square(at)).or_default().0 += 1;
    }

    pub fn missed(&mut self, at: Point2) {
        self.squares.entry(square(at)).or_default().1 += 1;
    }

    /// Notes how sure it was, 0..=1, of somebody who walks: cameras and detectors each have a scale of their own.
    pub fn saw_walker(&mut self, confidence: f64) {
        self.walkers.learn(confidence, LATEST_LOOKS);
    }

    /// Whether that is sure of somebody, as this camera goes.
    pub fn is_sure(&self, confidence: f64) -> bool {
        let Spread { n, mean, variance } = self.walkers;
        n < KNOWN_LOOKS || confidence >= SURE.min(mean - UNSURE_SIGMAS * variance.sqrt())
    }

    /// Whether the camera usually sees who stands there.
    pub fn usually_see(&self, at: Point2) -> bool {
        let (seen, missed) = self.squares.get(&square(at)).copied().unwrap_or_default();
        let seen = f64::from(seen) + TRUST;
        seen >= SEES * (seen + f64::from(missed))
    }
}

fn square(at: Point2) -> (i32, i32) {
    ((at.x / SQUARE_M).floor() as i32, (at.y / SQUARE_M).floor() as i32)
}

/// What a camera would see of a body.
pub struct Expected {
    pub floor: Point2,
    pub edges: Edges,
    depth_m: f64,
}

impl Expected {
    /// `None` where it is not known well enough, or partly behind the camera.
    pub fn of(motion: &Motion, view: &View) -> Option<Expected> {
        let floor = motion.floor();
        let edges = (motion.sigma_m() <= LINEAR_M).then(|| view.expect(floor, motion.height_m())).flatten()?;
        Some(Expected { floor, edges, depth_m: view.depth_m(floor) })
    }

    /// The largest share of it that one of `boxes`, each with how far away its owner is, m, hides. Only who stands nearer hides
    /// somebody, and nobody hides themselves.
    pub fn hidden<'a>(&self, boxes: impl IntoIterator<Item = (f64, &'a Edges)>) -> f64 {
        let nearer = boxes.into_iter().filter(|(depth_m, _)| *depth_m < self.depth_m - BEHIND_M);
        nearer.map(|(_, edges)| inside(&self.edges, edges)).fold(0.0, f64::max)
    }
}

/// A camera and who stands in front of it.
pub struct Watch<'a> {
    pub view: Option<&'a View<'a>>,
    sights: &'a Sights,
    standing: Vec<&'a Expected>,
}

impl<'a> Watch<'a> {
    pub fn new(
        view: Option<&'a View<'a>>,
        sights: &'a Sights,
        standing: impl Iterator<Item = &'a Expected>,
    ) -> Watch<'a> {
        Watch { view, sights, standing: standing.filter(|here| sights.usually_see(here.floor)).collect() }
    }

    /// How unlikely it is that the camera does not see somebody there, -ln: who stands free in the picture is hardly ever missed.
    pub fn missing(&self, here: &Expected) -> f64 {
        let Some(view) = self.view.filter(|_| self.sights.usually_see(here.floor)) else { return 0.0 };
        let hidden = here.hidden(self.standing.iter().map(|other| (other.depth_m, &other.edges)));
        let free = (view.share_in_picture(&here.edges) - hidden).clamp(0.0, 1.0);
        -libm::log(1.0 - SEEN_FREE * free * free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_sure_is_sure_goes_by_the_camera() {
        // How sure it is of who walks; how sure of something else, and whether that is somebody.
        for (story, walkers, other, sure) in [
            ("nothing is known yet", &[][..], 0.3, true),
            ("far less than usual", &[0.85, 0.9, 0.95], 0.6, false),
            ("a little less than usual", &[0.85, 0.9, 0.95], 0.8, true),
            ("a camera that is never sure", &[0.55, 0.6, 0.65], 0.55, true),
            ("one that says anything of anybody", &[0.4, 0.6, 0.9], 0.3, true),
        ] {
            let mut sights = Sights::default();
            (0..30).for_each(|_| walkers.iter().for_each(|confidence| sights.saw_walker(*confidence)));
            assert_eq!(sights.is_sure(other), sure, "{story}");
        }
    }

    #[test]
    fn looks_close_together_are_less_news() {
        let mut sights = Sights::default();
        for (ms, news) in [(0, 1.0), (250, 1.0), (350, 0.4), (300, NEWS_MIN), (350, NEWS_MIN), (5_000, 1.0)] {
            assert!((sights.look(ShopTime(ms * 1_000)) - news).abs() < 1e-9, "at {ms} ms");
        }
    }
}
