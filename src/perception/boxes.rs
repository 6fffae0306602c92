//! Boxes in a picture: how much two overlap, and which of many stand for one person.

/// Left, top, width, height and a score. The unit is whoever's picture it is: input pixels in `decode`, fractions of
/// the picture from [`super::detector`] on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Box2 {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
    /// 0..=1.
    pub score: f64,
}

impl Box2 {
    pub fn middle(&self) -> (f64, f64) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    pub fn area(&self) -> f64 {
        self.w * self.h
    }

    /// Area of the intersection over area of the union; 0 when they do not touch.
    pub fn iou(&self, other: &Box2) -> f64 {
        let across = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let down = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if across <= 0.0 || down <= 0.0 {
            return 0.0;
        }
        let shared = across * down;
        shared / (self.area() + other.area() - shared)
    }
}

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
    fn overlap_is_a_share_of_the_union() {
        for (a, b, iou) in [
            (square(0.0, 0.0, 1.0), square(0.0, 0.0, 1.0), 1.0),
            (square(0.0, 0.0, 1.0), square(5.0, 0.0, 1.0), 50.0 / 150.0),
            (square(0.0, 0.0, 1.0), square(10.0, 0.0, 1.0), 0.0),
            (square(0.0, 0.0, 1.0), Box2 { x: 2.0, y: 2.0, w: 5.0, h: 5.0, score: 1.0 }, 0.25),
        ] {
            assert!((a.iou(&b) - iou).abs() < 1e-12, "{a:?} {b:?}");
            assert!((b.iou(&a) - iou).abs() < 1e-12, "{b:?} {a:?}");
        }
    }

    #[test]
    fn one_person_keeps_one_box() {
        let kept = suppress(vec![square(1.0, 0.0, 0.6), square(0.0, 0.0, 0.9), square(30.0, 0.0, 0.5)], |b| *b, 0.45);
        assert_eq!(kept, [square(0.0, 0.0, 0.9), square(30.0, 0.0, 0.5)]);
    }
}
