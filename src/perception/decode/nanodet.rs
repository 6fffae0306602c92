//! NanoDet: a score and four edge distances a cell, each distance a distribution over bins whose mean, times the stride,
//! is the distance (Li et al., "Generalized Focal Loss", 2020). Its outputs carry no order: they are told by shape.

use super::{DecodeError, Part, grids, sure, told};
use crate::perception::boxes::Box2;
use crate::perception::detection::Detection;

/// A stride: scores `[cells, classes] f32` in 0..=1 and distances `[cells, 4 * bins] f32` before the softmax.
pub fn decode(
    strides: &[usize],
    class: usize,
    classes: usize,
    bins: usize,
    size: (usize, usize),
    parts: &[Part<'_>],
    threshold: f64,
) -> Result<Vec<Detection>, DecodeError> {
    let mut all = Vec::new();
    for (stride, across, down) in grids(strides, size) {
        let find = |width: usize| {
            let wanted = [across * down, width];
            parts.iter().find(|part| part.shape == wanted).ok_or_else(|| DecodeError {
                kind: "nanodet",
                problem: format!("no output {wanted:?} for stride {stride} among {}", told(parts)),
            })
        };
        let (scores, edges) = (find(classes)?, find(4 * bins)?);
        for (cell, scores) in scores.data.chunks_exact(classes).enumerate() {
            let Some(score) = sure(f64::from(scores[class]), threshold) else { continue };
            let edges = &edges.data[cell * 4 * bins..(cell + 1) * 4 * bins];
            let mut reach = edges.chunks_exact(bins).map(|logits| mean_bin(logits) * stride as f64);
            let mut next = || reach.next().expect("four edges");
            let (left, top, right, bottom) = (next(), next(), next(), next());
            // Distances count from the middle of the cell.
            let middle = |cell: usize| (cell as f64 + 0.5) * stride as f64;
            let (x, y) = (middle(cell % across), middle(cell / across));
            let found = Box2 { x: x - left, y: y - top, w: left + right, h: top + bottom, score };
            if found.area().is_finite() && found.area() > 0.0 {
                all.push(Detection::of(found));
            }
        }
    }
    Ok(all)
}

/// Mean bin under the softmax of `logits`.
fn mean_bin(logits: &[f32]) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, &logit) in logits.iter().enumerate() {
        let share = libm::exp(f64::from(logit - highest));
        sum += share;
        weighted += share * bin as f64;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    #[test]
    fn edges_are_the_means_of_their_bins() {
        // One stride of 8 on 16 x 8: two cells. The second one sees a class-1 thing; 4 bins an edge.
        let scores = part("cls", &[2, 2], &[0.0, 0.1, 0.0, 0.9]);
        let sure = |bin: usize| (0..4).map(move |b| if b == bin { 50.0f32 } else { 0.0 });
        let mut edges: Vec<f32> = vec![0.0; 16];
        edges.extend(sure(1).chain(sure(0)).chain(sure(2)).chain([0.0, 50.0, 50.0, 0.0]));
        let edges = part("dis", &[2, 16], &edges);
        let found = decode(&[8], 1, 2, 4, (16, 8), &[edges, scores], 0.4).unwrap();
        assert_eq!(found.len(), 1);
        let Box2 { x, y, w, h, .. } = found[0].bounds;
        for (name, value, expected) in [("x", x, 4.0), ("y", y, 4.0), ("w", w, 24.0), ("h", h, 12.0)] {
            assert!((value - expected).abs() < 1e-6, "{name} is {value} instead of {expected}");
        }
        assert!(decode(&[8], 1, 2, 4, (16, 8), &[edges], 0.4).unwrap_err().to_string().contains("no output [2, 2]"));
    }
}
