//! How a camera's boxes are off in all its looks alike: its detector takes shadows along, and it hangs a little otherwise than was
//! measured. On real recordings the four edges of four cameras were off by up to 0.05 of a box's height in the mean, heights by 3 cm:
//! who is seen by one camera looked taller than by the next, and was taken for somebody else.
//!
//! Nobody knows which camera is right. Each is held against where all of them together expect people.

use super::shape::Edges;

/// One box of so many is believed: some seconds of a busy shop.
const MEMORY: f64 = 200.0;
/// What all cameras share is seen by none of them and would drift; so habits fade, by this share of themselves in as many boxes.
const FADING: f64 = 0.1;
/// More is no habit, shares of a box's height: it is a camera that was moved.
const MOST: f64 = 0.06;

/// Left, top, right, bottom, each too far right or down by so much, shares of a box's height.
#[derive(Clone, Debug, Default)]
pub struct Habits(Edges);

impl Habits {
    /// A box of somebody known: how far each edge that is theirs lies off where it was expected, habits already taken out. `news`: how much
    /// of the look is news, 0..=1.
    pub fn learn(&mut self, off: [Option<f64>; 4], news: f64) {
        for (habit, off) in self.0.iter_mut().zip(off) {
            let Some(off) = off else { continue };
            *habit = (*habit + news * (off - FADING * *habit) / MEMORY).clamp(-MOST, MOST);
        }
    }

    /// How far edges of a box of this height are off.
    pub fn off(&self, height: f64) -> Edges {
        self.0.map(|habit| habit * height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is learned of a left edge that is off by so much in every box, after so many of them.
    fn learned(mut habits: Habits, truly_off: impl Fn(f64) -> f64, boxes: usize) -> (Habits, Edges) {
        for _ in 0..boxes {
            let off = truly_off(habits.off(1.0)[0]);
            habits.learn([Some(off), None, None, None], 1.0);
        }
        let off = habits.off(1.0);
        (habits, off)
    }

    #[test]
    fn habits_are_learned_edge_by_edge_fade_and_are_never_large() {
        let (habits, off) = learned(Habits::default(), |known| 0.04 - known, 2_000);
        assert!((0.03..0.04).contains(&off[0]) && off[1..] == [0.0; 3], "{off:?}");
        let (_, faded) = learned(habits, |_| 0.0, 4_000);
        assert!((0.0..0.01).contains(&faded[0]), "nobody says so any more: {faded:?}");
        let (_, moved) = learned(Habits::default(), |known| 0.3 - known, 2_000);
        assert_eq!(moved[0], MOST, "a camera that was moved");
    }
}
