//! One person in one picture: a box, and where head, hands and feet are when the model says so.
//!
//! What every kind of answer is decoded to, and all that [`super::place`] reads. Nothing here knows a camera or a floor.

use super::boxes::Box2;
use crate::events::Vector;

/// A point of a picture, in the unit of the box beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spot {
    pub x: f64,
    pub y: f64,
    /// 0..=1: that it can be seen there, not hidden and not guessed.
    pub seen: f64,
}

/// Pixels of the model's input in `decode`, fractions of the picture from [`super::detector`] on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    pub bounds: Box2,
    /// Middle of the head.
    pub head: Option<Spot>,
    /// Palms, left and right of the person.
    pub hands: [Option<Spot>; 2],
    /// On the floor between the feet.
    pub floor: Option<Spot>,
    /// Of the clothes; decoders leave it open, [`super::appearance`] fills it.
    pub appearance: Option<Vector>,
}

impl Detection {
    pub fn of(bounds: Box2) -> Detection {
        Detection { bounds, ..Detection::default() }
    }

    /// In a unit of which one is `across` by `down` of the present one.
    pub fn scaled(mut self, across: f64, down: f64) -> Detection {
        let Box2 { x, y, w, h, .. } = &mut self.bounds;
        (*x, *w, *y, *h) = (*x / across, *w / across, *y / down, *h / down);
        let [left, right] = &mut self.hands;
        for spot in [&mut self.head, left, right, &mut self.floor].into_iter().flatten() {
            (spot.x, spot.y) = (spot.x / across, spot.y / down);
        }
        self
    }
}
