//! From a pixel to a place: where the ray through a pixel meets a plane at a known height above the floor.

use crate::base::{Point2, Point3};

/// World metres (x, y, z, 1) to pixels (u w, v w, w), as shop.toml gives it.
pub type Projection = [[f64; 4]; 3];

/// The pixel a point of the shop appears at; `None` behind the camera or in its plane.
pub fn pixel_of(p: &Projection, at: Point3) -> Option<(f64, f64)> {
    let [u, v, w] = p.map(|row| row[0] * at.x + row[1] * at.y + row[2] * at.z + row[3]);
    (w * depth_sign(p) > 1e-9).then(|| (u / w, v / w))
}

/// How far in front of the camera a point lies, metres along its axis; negative behind it. Hartley & Zisserman, 6.2.3.
pub fn depth_m(p: &Projection, at: Point3) -> f64 {
    let [a, b, c, d] = p[2];
    let w = a * at.x + b * at.y + c * at.z + d;
    let size = (a * a + b * b + c * c).sqrt();
    if size > 0.0 { w * depth_sign(p) / size } else { 0.0 }
}

/// The point `height_m` above the floor that appears at pixel `(u, v)`; `None` when the ray never reaches that plane in
/// front of the camera: the pixel is at or above the horizon.
///
/// With z fixed, `u * row2 = row0` and `v * row2 = row1` are two linear equations in x and y.
pub fn floor_point(p: &Projection, (u, v): (f64, f64), height_m: f64) -> Option<Point2> {
    let equation = |pixel: f64, row: [f64; 4]| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row[i] - pixel * p[2][i]);
        (a, b, -(c * height_m + d))
    };
    let (a1, b1, c1) = equation(u, p[0]);
    let (a2, b2, c2) = equation(v, p[1]);
    let det = a1 * b2 - a2 * b1;
    let size = (a1.abs() + b1.abs()) * (a2.abs() + b2.abs());
    if det.abs() <= 1e-9 * size {
        return None;
    }
    let at = Point2::new((c1 * b2 - c2 * b1) / det, (a1 * c2 - a2 * c1) / det);
    // A pixel above the horizon also has a solution, behind the camera.
    pixel_of(p, at.at_height(height_m))?;
    Some(at)
}

/// Projections come with either sign (P and -P draw the same picture). Depth is positive where
/// sign(det M) * w is, M being the left 3x3 part: Hartley & Zisserman, Multiple View Geometry, result 6.1.
fn depth_sign(p: &Projection) -> f64 {
    let m = |r: usize, c: usize| p[r][c];
    let det = m(0, 0) * (m(1, 1) * m(2, 2) - m(1, 2) * m(2, 1)) - m(0, 1) * (m(1, 0) * m(2, 2) - m(1, 2) * m(2, 0))
        + m(0, 2) * (m(1, 0) * m(2, 1) - m(1, 1) * m(2, 0));
    if det < 0.0 { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f = 400 px, middle (320, 240), 5 m above (4, 3), looking straight down, picture's x along the shop's x.
    const CEILING: Projection = [[400.0, 0.0, -320.0, 0.0], [0.0, -400.0, -240.0, 2400.0], [0.0, 0.0, -1.0, 5.0]];

    #[test]
    fn what_is_drawn_is_found_again() {
        let turned = CEILING.map(|row| row.map(|value| -value));
        // On a wall at (0, 0, 2.2), looking along +y and 20 degrees down.
        let (sin, cos) = (20f64.to_radians().sin(), 20f64.to_radians().cos());
        let wall = {
            let rows = [[1.0, 0.0, 0.0], [0.0, -sin, -cos], [0.0, cos, -sin]];
            let moved = rows.map(|r| [r[0], r[1], r[2], -(r[2] * 2.2)]);
            let k = [[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]];
            k.map(|row| [0, 1, 2, 3].map(|c| row[0] * moved[0][c] + row[1] * moved[1][c] + row[2] * moved[2][c]))
        };
        for (name, p) in [("ceiling", CEILING), ("ceiling, other sign", turned), ("wall", wall)] {
            for height_m in [0.0, 1.4] {
                for at in [Point2::new(1.0, 4.5), Point2::new(-0.5, 3.0), Point2::new(2.0, 5.0)] {
                    let pixel = pixel_of(&p, at.at_height(height_m)).unwrap();
                    let found = floor_point(&p, pixel, height_m).unwrap();
                    assert!(found.distance(at) < 1e-9, "{name} at {height_m} m: {at:?} came back as {found:?}");
                }
            }
        }
        assert_eq!(pixel_of(&wall, Point3::new(0.0, -2.0, 0.0)), None, "behind the wall");
        assert_eq!(floor_point(&wall, (320.0, 10.0), 0.0), None, "above the horizon");
        assert_eq!(floor_point(&[[0.0; 4]; 3], (1.0, 1.0), 0.0), None, "no projection at all");
    }
}
