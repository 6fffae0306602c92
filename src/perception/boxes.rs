//! Boxes in a picture: which of many stand for one person. In input pixels in `decode`, in fractions of the picture from
//! [`super::detector`] on.

pub use crate::base::Box2;

/// Non-maximum suppression: best score first, dropping what overlaps an earlier one by more than `overlap`. Equal
/// scores keep the order they came in, so the answer is the same on every run.
pub fn suppress<T>(mut found: Vec<T>, bounds: impl Fn(&T) -> Box2, overlap: f64) -> Vec<T> {
    found.sort_by(|a, b| bounds(b).score.total_cmp(&bounds(a).score));
    let mut kept: Vec<T> = Vec::new();
    for candidate in found {
        let here = bounds(&candidate);
        if kept.iter().all(|better| bounds(better).iou(&here) <= overlap) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, score: f64) -> Box2 {
        Box2 { x, y, w: 10.0, h: 10.0, score }
    }

    #[test]
    fn one_person_keeps_one_box() {
        let kept = suppress(vec![square(1.0, 0.0, 0.6), square(0.0, 0.0, 0.9), square(30.0, 0.0, 0.5)], |b| *b, 0.45);
        assert_eq!(kept, [square(0.0, 0.0, 0.9), square(30.0, 0.0, 0.5)]);
    }
}
