//! What is in a picture: for each person where they are in it and in the shop, and how much of them is to be seen.
//!
//! Pixels are those of the picture as drawn, lens and all; (0, 0) is its upper left corner. A box is the whole body's,
//! hidden parts and parts beyond the edges included.

use serde::Serialize;

/// Pixels, and whether it is to be seen: not hidden, and within the picture.
pub type Spot = (f64, f64, bool);

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Label {
    pub id: String,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub whole: [f64; 4],
    /// Of the pixels that show the body; `None` when none does.
    pub visible_box: Option<[f64; 4]>,
    /// Share of the body's own pixels (of this picture, drawn alone) that show it.
    pub visible: f64,
    pub head: Spot,
    pub left_hand: Spot,
    pub right_hand: Spot,
    /// On the floor between the feet.
    pub floor: Spot,
    pub floor_m: [f64; 2],
    pub head_m: [f64; 3],
    pub hands_m: [[f64; 3]; 2],
    /// In the left and in the right hand.
    pub items: [Option<String>; 2],
}

/// Hundredths of a pixel, millimetres.
pub fn rounded(x: f32, to: f64) -> f64 {
    (f64::from(x) * to).round() / to + 0.0
}
