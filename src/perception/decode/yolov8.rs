//! YOLOv8 and its kin: every cell names a middle, a size and a score a class, all decoded in the graph (Jocher et al.,
//! "Ultralytics YOLOv8", 2023; the anchor-free, decoupled head). No objectness, scores are sigmoids already.

use super::{DecodeError, Part, coco17, single, sure};
use crate::perception::boxes::Box2;
use crate::perception::detection::Detection;
use crate::perception::manifest::Skeleton;

/// `[4 + classes (+ 3 * keypoints), cells] f32` a picture: middle x, y, width, height in input pixels, a score a class in
/// 0..=1, then x, y, probability of each keypoint. Cells in any order and number.
pub fn decode(
    class: usize,
    classes: usize,
    keypoints: Option<Skeleton>,
    parts: &[Part<'_>],
    threshold: f64,
) -> Result<Vec<Detection>, DecodeError> {
    let Part { name, shape, data } = single("yolov8", parts)?;
    let points = match keypoints {
        Some(Skeleton::Coco17) => coco17::POINTS,
        None => 0,
    };
    let rows = 4 + classes + 3 * points;
    let cells = match *shape {
        [found, cells] if found == rows => cells,
        _ => {
            let problem = format!(
                "output `{name}` is {shape:?} instead of [{rows}, cells]: 4 + {classes} classes + 3 x {points} keypoints"
            );
            return Err(DecodeError { kind: "yolov8", problem });
        }
    };
    let row = |row: usize| &data[row * cells..(row + 1) * cells];
    let (x, y, w, h) = (row(0), row(1), row(2), row(3));
    let mut found = Vec::new();
    for (cell, &score) in row(4 + class).iter().enumerate() {
        let Some(score) = sure(f64::from(score), threshold) else { continue };
        let [x, y, w, h] = [x, y, w, h].map(|row| f64::from(row[cell]));
        if ![x, y, w, h].iter().all(|value| value.is_finite()) || w <= 0.0 || h <= 0.0 {
            continue;
        }
        let bounds = Box2 { x: x - w / 2.0, y: y - h / 2.0, w, h, score };
        let mut person = Detection::of(bounds);
        if points > 0 {
            let value = |i: usize| f64::from(row(4 + classes + i)[cell]);
            coco17::place(&mut person, |point| [0, 1, 2].map(|part| value(3 * point + part)));
        }
        found.push(person);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    /// Columns are cells: each a list of its rows.
    fn columns<const N: usize>(cells: &[[f32; N]]) -> Vec<f32> {
        (0..N).flat_map(|row| cells.iter().map(move |cell| cell[row])).collect()
    }

    #[test]
    fn a_column_is_a_box() {
        let data = columns(&[
            [100.0, 50.0, 20.0, 40.0, 0.1, 0.9],
            [30.0, 30.0, 10.0, 10.0, 0.9, 0.2],      // the other class
            [f32::NAN, 30.0, 10.0, 10.0, 0.1, 0.9],  // nonsense
            [30.0, 30.0, -10.0, 10.0, 0.1, 0.9],     // nonsense
            [30.0, 30.0, 10.0, 10.0, 0.1, f32::NAN], // nonsense
        ]);
        let answer = [part("output0", &[6, 5], &data)];
        let found = decode(1, 2, None, &answer, 0.4).unwrap();
        let score = f64::from(0.9f32);
        assert_eq!(found, [Detection::of(Box2 { x: 90.0, y: 30.0, w: 20.0, h: 40.0, score })]);
        for (class, classes, keypoints, says) in [
            (0, 1, None, "`output0` is [6, 5] instead of [5, cells]"),
            (0, 2, Some(Skeleton::Coco17), "instead of [57, cells]: 4 + 2 classes + 3 x 17 keypoints"),
        ] {
            let told = decode(class, classes, keypoints, &answer, 0.4).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn a_skeleton_comes_with_its_box() {
        let mut cell = [0.0f32; 56];
        cell[..5].copy_from_slice(&[100.0, 100.0, 40.0, 120.0, 0.8]);
        cell[5..8].copy_from_slice(&[101.0, 45.0, 0.9]); // nose
        let data = columns(&[cell]);
        let found = decode(0, 1, Some(Skeleton::Coco17), &[part("output0", &[56, 1], &data)], 0.4).unwrap();
        let head = found[0].head.unwrap();
        assert_eq!((head.x, head.y), (101.0, 45.0));
        assert_eq!((found[0].hands, found[0].floor), ([None, None], None), "unseen points are left out");
    }
}
