//! Carryout's own detector: a heat map of people's middles, and from each a box and four points (after Zhou et al.,
//! "Objects as Points", 2019). Peaks are thinned in the graph.
//!
//! The box is the whole body's, hidden parts and parts beyond the picture included: its lower edge is where the feet are
//! even behind a shelf.

use super::{DecodeError, Part, sure, told};
use crate::perception::boxes::Box2;
use crate::perception::detection::{Detection, Spot};
use crate::perception::manifest::Keypoint;

/// A picture, with height = input / stride (rounded up) and K = the number of `keypoints`:
/// `heat` `[1, height, width]` in 0..=1, 0 away from peaks; `box` `[4, height, width]`, left, top, right, bottom from the
/// cell's middle in strides; `points` `[2 K, height, width]`, dx, dy from there in strides; `seen` `[K, height, width]`.
/// A cell's middle is (column + 0.5, row + 0.5) strides.
pub fn decode(
    stride: usize,
    keypoints: &[Keypoint],
    size: (usize, usize),
    parts: &[Part<'_>],
    threshold: f64,
) -> Result<Vec<Detection>, DecodeError> {
    let (width, height) = (size.0.div_ceil(stride), size.1.div_ceil(stride));
    let find = |name: &str, planes: usize| {
        let wanted = [planes, height, width];
        let problem = || format!("no output `{name}` {wanted:?} for stride {stride} among {}", told(parts));
        let found = parts.iter().find(|part| part.name == name && part.shape == wanted);
        found.ok_or_else(|| DecodeError { kind: "carryout", problem: problem() })
    };
    let k = keypoints.len();
    let (heat, edges, points, seen) = (find("heat", 1)?, find("box", 4)?, find("points", 2 * k)?, find("seen", k)?);
    let stride = stride as f64;
    let mut found = Vec::new();
    for (cell, &score) in heat.data.iter().enumerate() {
        let Some(score) = sure(f64::from(score), threshold) else { continue };
        let at = |part: &Part<'_>, plane: usize| f64::from(part.data[plane * height * width + cell]) * stride;
        let (x, y) = (((cell % width) as f64 + 0.5) * stride, ((cell / width) as f64 + 0.5) * stride);
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|edge| at(edges, edge));
        let bounds = Box2 { x: x - left, y: y - top, w: left + right, h: top + bottom, score };
        if !bounds.area().is_finite() || bounds.w <= 0.0 || bounds.h <= 0.0 {
            continue;
        }
        let mut person = Detection::of(bounds);
        for (i, point) in keypoints.iter().enumerate() {
            let seen = f64::from(seen.data[i * height * width + cell]).clamp(0.0, 1.0);
            let spot = Spot { x: x + at(points, 2 * i), y: y + at(points, 2 * i + 1), seen };
            if spot.x.is_finite() && spot.y.is_finite() {
                *match point {
                    Keypoint::Head => &mut person.head,
                    Keypoint::LeftHand => &mut person.hands[0],
                    Keypoint::RightHand => &mut person.hands[1],
                    Keypoint::Floor => &mut person.floor,
                } = Some(spot);
            }
        }
        found.push(person);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    const ALL: [Keypoint; 4] = [Keypoint::Head, Keypoint::LeftHand, Keypoint::RightHand, Keypoint::Floor];

    /// 12 x 8 input, stride 4: three cells across, two down. Numbers as planes of cells.
    fn planes(n: usize, cell: usize, values: &[f32]) -> Vec<f32> {
        assert_eq!(n, values.len());
        (0..n * 6).map(|i| if i % 6 == cell { values[i / 6] } else { 7.0 }).collect()
    }

    #[test]
    fn a_peak_is_a_person_with_their_points() {
        let heat = [0.0, 0.2, 0.0, 0.0, 0.8, 0.0]; // a faint one, and one at column 1, row 1
        let edges = planes(4, 4, &[0.5, 1.0, 0.5, 2.0]);
        let points = planes(8, 4, &[0.0, -0.75, -0.5, 0.0, 0.5, 0.25, 0.0, 2.0]);
        let seen = planes(4, 4, &[0.9, 0.1, 0.8, 1.5]);
        let (s1, s2, s3, s4) = ([1, 2, 3], [4, 2, 3], [8, 2, 3], [4, 2, 3]);
        let parts = [
            part("seen", &s4, &seen),
            part("heat", &s1, &heat),
            part("box", &s2, &edges),
            part("points", &s3, &points),
        ];
        let found = decode(4, &ALL, (12, 8), &parts, 0.5).unwrap();
        let spot = |x: f64, y: f64, seen: f32| Some(Spot { x, y, seen: f64::from(seen).min(1.0) });
        let expected = Detection {
            bounds: Box2 { x: 4.0, y: 2.0, w: 4.0, h: 12.0, score: f64::from(0.8f32) },
            head: spot(6.0, 3.0, 0.9),
            hands: [spot(4.0, 6.0, 0.1), spot(8.0, 7.0, 0.8)],
            floor: spot(6.0, 14.0, 1.0),
            appearance: None,
        };
        assert_eq!(found, [expected], "the whole body, beyond the picture's edge");
        assert_eq!(decode(4, &ALL, (12, 8), &parts, 0.1).unwrap().len(), 2);
        for (stride, keypoints, says) in [
            (2, &ALL[..], "no output `heat` [1, 4, 6] for stride 2 among 4 outputs `seen` [4, 2, 3]"),
            (4, &ALL[..2], "no output `points` [4, 2, 3]"),
        ] {
            let told = decode(stride, keypoints, (12, 8), &parts, 0.5).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}
