//! Points and lines of the shop frame: metres, x and y on the floor, z up, as shop.toml draws it.

use serde::{Deserialize, Serialize};

/// A point on the floor, metres. Written `[x, y]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Point2 {
    pub x: f64,
    pub y: f64,
}

/// A point in the shop, metres, z up from the floor. Written `[x, y, z]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 3]", into = "[f64; 3]")]
pub struct Point3 {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

impl From<[f64; 2]> for Point2 {
    fn from([x, y]: [f64; 2]) -> Self {
        Point2 { x, y }
    }
}
impl From<Point2> for [f64; 2] {
    fn from(p: Point2) -> Self {
        [p.x, p.y]
    }
}
impl From<[f64; 3]> for Point3 {
    fn from([x, y, z]: [f64; 3]) -> Self {
        Point3 { x, y, z }
    }
}
impl From<Point3> for [f64; 3] {
    fn from(p: Point3) -> Self {
        [p.x, p.y, p.z]
    }
}

impl Point2 {
    pub fn new(x: f64, y: f64) -> Point2 {
        Point2 { x, y }
    }

    /// Metres.
    pub fn distance(self, other: Point2) -> f64 {
        ((self.x - other.x).powi(2) + (self.y - other.y).powi(2)).sqrt()
    }

    /// The point a fraction `t` of the way to `other`.
    pub fn toward(self, other: Point2, t: f64) -> Point2 {
        Point2 { x: self.x + (other.x - self.x) * t, y: self.y + (other.y - self.y) * t }
    }

    pub fn at_height(self, z: f64) -> Point3 {
        Point3 { x: self.x, y: self.y, z }
    }
}

impl Point3 {
    pub fn new(x: f64, y: f64, z: f64) -> Point3 {
        Point3 { x, y, z }
    }

    pub fn floor(self) -> Point2 {
        Point2 { x: self.x, y: self.y }
    }

    /// Metres.
    pub fn distance(self, other: Point3) -> f64 {
        ((self.x - other.x).powi(2) + (self.y - other.y).powi(2) + (self.z - other.z).powi(2)).sqrt()
    }
}

/// Whether `p` lies within the polygon (even-odd rule; a point on an edge may fall either way).
pub fn within(polygon: &[Point2], p: Point2) -> bool {
    let mut inside = false;
    let mut previous = match polygon.last() {
        Some(last) => *last,
        None => return false,
    };
    for &corner in polygon {
        if (corner.y > p.y) != (previous.y > p.y)
            && p.x < (previous.x - corner.x) * (p.y - corner.y) / (previous.y - corner.y) + corner.x
        {
            inside = !inside;
        }
        previous = corner;
    }
    inside
}

/// A line on the floor with a side that is "in the shop": a gate line or an exit line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub from: Point2,
    pub to: Point2,
    /// Any point on the shop's side of the line.
    pub inside: Point2,
}

impl Line {
    fn cross(&self, p: Point2) -> f64 {
        (self.to.x - self.from.x) * (p.y - self.from.y) - (self.to.y - self.from.y) * (p.x - self.from.x)
    }

    /// Whether `p` is on the shop's side of the (endless) line.
    pub fn is_inside(&self, p: Point2) -> bool {
        self.cross(p) * self.cross(self.inside) > 0.0
    }

    /// Metres from `p` to the segment.
    pub fn distance(&self, p: Point2) -> f64 {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let length2 = dx * dx + dy * dy;
        let t = if length2 > 0.0 { ((p.x - self.from.x) * dx + (p.y - self.from.y) * dy) / length2 } else { 0.0 };
        p.distance(self.from.toward(self.to, t.clamp(0.0, 1.0)))
    }

    /// True only when the straight way from `a` to `b` comes nowhere near: neither end is within 0.3 m of the segment, and
    /// it is not [crossed](Line::crossed). Cheap: four comparisons.
    pub fn is_far_from_way(&self, a: Point2, b: Point2) -> bool {
        const NEAR_M: f64 = 0.31;
        let apart =
            |a: f64, b: f64, from: f64, to: f64| a.max(b) + NEAR_M < from.min(to) || a.min(b) - NEAR_M > from.max(to);
        apart(a.x, b.x, self.from.x, self.to.x) || apart(a.y, b.y, self.from.y, self.to.y)
    }

    /// `Some(true)` when the way from `a` to `b` crosses the segment into the shop, `Some(false)` out of it.
    pub fn crossed(&self, a: Point2, b: Point2) -> Option<bool> {
        let (was_in, is_in) = (self.is_inside(a), self.is_inside(b));
        if was_in == is_in {
            return None;
        }
        // The crossing point must lie on the segment, with 0.3 m of grace for a body's half width.
        let (ca, cb) = (self.cross(a), self.cross(b));
        let at = a.toward(b, ca / (ca - cb));
        (self.distance(at) <= 0.3).then_some(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_line_tells_in_from_out() {
        let line = Line { from: Point2::new(0.0, 0.0), to: Point2::new(1.0, 0.0), inside: Point2::new(0.5, 2.0) };
        for (a, b, crossed) in [
            ([0.5, -0.5], [0.5, 0.5], Some(true)),
            ([0.5, 0.5], [0.5, -0.5], Some(false)),
            ([0.5, 0.2], [0.5, 0.5], None),
            ([3.0, -0.5], [3.0, 0.5], None),         // past the end of the line
            ([1.29, -0.5], [1.29, 0.5], Some(true)), // a shoulder's width past it
        ] {
            assert_eq!(line.crossed(a.into(), b.into()), crossed, "{a:?} -> {b:?}");
            assert!(crossed.is_none() || !line.is_far_from_way(a.into(), b.into()), "{a:?} -> {b:?}");
        }
    }

    #[test]
    fn a_point_is_within_a_polygon_or_not() {
        let square: Vec<Point2> = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]].map(Point2::from).to_vec();
        assert!(within(&square, Point2::new(1.0, 1.0)));
        assert!(!within(&square, Point2::new(3.0, 1.0)));
        assert!(!within(&[], Point2::new(0.0, 0.0)));
    }
}
