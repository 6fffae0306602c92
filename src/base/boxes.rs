//! A box in a picture.

/// Left, top, width, height and a score. The unit is whoever's picture it is: pixels, or fractions of the picture.
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

    /// What of it is in the picture, of a box in fractions of the picture.
    pub fn in_picture(&self) -> Box2 {
        let (left, top) = (self.x.clamp(0.0, 1.0), self.y.clamp(0.0, 1.0));
        let (right, bottom) = ((self.x + self.w).clamp(0.0, 1.0), (self.y + self.h).clamp(0.0, 1.0));
        Box2 { x: left, y: top, w: right - left, h: bottom - top, score: self.score }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_a_share_of_the_union() {
        let square = |x: f64| Box2 { x, y: 0.0, w: 10.0, h: 10.0, score: 1.0 };
        for (a, b, iou) in [
            (square(0.0), square(0.0), 1.0),
            (square(0.0), square(5.0), 50.0 / 150.0),
            (square(0.0), square(10.0), 0.0),
            (square(0.0), Box2 { x: 2.0, y: 2.0, w: 5.0, h: 5.0, score: 1.0 }, 0.25),
        ] {
            assert!((a.iou(&b) - iou).abs() < 1e-12, "{a:?} {b:?}");
            assert!((b.iou(&a) - iou).abs() < 1e-12, "{b:?} {a:?}");
        }
    }
}
