//! From a pixel to a place: where the ray through a pixel meets a plane, at a known height above the floor or upright in
//! a person who is looked at. Pixels are those of a straight picture: a lens's bend is taken out before ([`crate::shop::lens`]).

use crate::base::{Point2, Point3};

/// World metres (x, y, z, 1) to pixels (u w, v w, w), as shop.toml gives it.
pub type Projection = [[f64; 4]; 3];

/// The pixel a point of the shop appears at; `None` behind the camera or in its plane.
pub fn pixel_of(p: &Projection, at: Point3) -> Option<Point2> {
    let [u, v, w] = p.map(|row| row[0] * at.x + row[1] * at.y + row[2] * at.z + row[3]);
    (w * depth_sign(p) > 1e-9).then(|| Point2::new(u / w, v / w))
}

/// How far in front of the camera a point lies, metres along its axis; negative behind it. Hartley & Zisserman, 6.2.3.
pub fn depth_m(p: &Projection, at: Point3) -> f64 {
    let [a, b, c, d] = p[2];
    let w = a * at.x + b * at.y + c * at.z + d;
    let size = (a * a + b * b + c * c).sqrt();
    if size > 0.0 { w * depth_sign(p) / size } else { 0.0 }
}

/// The point `height_m` above the floor that appears at a pixel; `None` when the ray never reaches that plane in
/// front of the camera: the pixel is at or above the horizon.
///
/// With z fixed, `x * row2 = row0` and `y * row2 = row1`, x and y being the pixel's, are two linear equations in x and y.
pub fn floor_point(p: &Projection, pixel: Point2, height_m: f64) -> Option<Point2> {
    let equation = |along: f64, row: [f64; 4]| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row[i] - along * p[2][i]);
        (a, b, -(c * height_m + d))
    };
    let (a1, b1, c1) = equation(pixel.x, p[0]);
    let (a2, b2, c2) = equation(pixel.y, p[1]);
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

/// A camera's line of sight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ray {
    /// The camera's middle, metres.
    pub from: Point3,
    /// Away from the camera, of no particular length.
    pub along: [f64; 3],
}

/// A ray that meets the upright plane at less than this sine (6 degrees) is as good as in it: a pixel would be decimetres.
const GRAZING: f64 = 0.1;

/// Nearer to the camera's plumb line than this, metres, no upright plane faces it.
const BELOW_M: f64 = 0.3;

/// The ray through a pixel; `None` for a projection without a middle.
///
/// With P = [M | m], the camera stands at -M^-1 m and looks along M^-1 (x, y, 1) (Hartley & Zisserman, 6.2.2).
pub fn ray(p: &Projection, pixel: Point2) -> Option<Ray> {
    let m = |r: usize, c: usize| p[r % 3][c % 3];
    // Cofactors by cyclic rows and columns carry their sign.
    let cofactor = |r: usize, c: usize| m(r + 1, c + 1) * m(r + 2, c + 2) - m(r + 1, c + 2) * m(r + 2, c + 1);
    let det: f64 = (0..3).map(|c| m(0, c) * cofactor(0, c)).sum();
    let size: f64 = (0..3).map(|r| (0..3).map(|c| m(r, c).abs()).sum::<f64>()).product();
    if det.abs() <= 1e-12 * size || !det.is_finite() {
        return None;
    }
    let solve = |b: [f64; 3]| [0, 1, 2].map(|row| (0..3).map(|k| cofactor(k, row) * b[k]).sum::<f64>() / det);
    let from = solve([-p[0][3], -p[1][3], -p[2][3]]);
    let along = solve([pixel.x, pixel.y, 1.0]).map(|part| part * depth_sign(p));
    Some(Ray { from: Point3::from(from), along })
}

impl Ray {
    /// Where it meets the upright plane through `foot` that faces the camera: good for a head and for hands that reach
    /// sideways, an arm's length off for a hand that reaches towards the camera. `None` when it does not, or hardly.
    pub fn upright(&self, foot: Point2) -> Option<Point3> {
        let (nx, ny) = (self.from.x - foot.x, self.from.y - foot.y);
        let away = (nx * nx + ny * ny).sqrt();
        let [dx, dy, dz] = self.along;
        let length = (dx * dx + dy * dy + dz * dz).sqrt();
        // Towards the plane is against its normal.
        let towards = -(nx * dx + ny * dy) / (away * length);
        if away < BELOW_M || towards.is_nan() || towards < GRAZING {
            return None;
        }
        let t = away / (towards * length);
        Some(Point3::new(self.from.x + t * dx, self.from.y + t * dy, self.from.z + t * dz))
    }
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

    /// On a wall at (0, 0, 2.2), looking along +y and 20 degrees down.
    fn wall() -> Projection {
        let (sin, cos) = (20f64.to_radians().sin(), 20f64.to_radians().cos());
        let rows = [[1.0, 0.0, 0.0], [0.0, -sin, -cos], [0.0, cos, -sin]];
        let moved = rows.map(|r| [r[0], r[1], r[2], -(r[2] * 2.2)]);
        let k = [[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]];
        k.map(|row| [0, 1, 2, 3].map(|c| row[0] * moved[0][c] + row[1] * moved[1][c] + row[2] * moved[2][c]))
    }

    #[test]
    fn a_ray_goes_from_the_camera_to_what_it_sees() {
        let wall = wall();
        let turned = wall.map(|row| row.map(|value| -value));
        for (name, p) in [("wall", wall), ("wall, other sign", turned)] {
            for (foot, at) in [
                ([0.0, 4.0], [0.0, 4.0, 1.6]),
                ([0.0, 4.0], [0.5, 4.0, 1.1]), // a hand to the side
                ([2.0, 4.0], [2.4, 3.8, 0.3]), // in the plane across the line of sight
            ] {
                let pixel = pixel_of(&p, Point3::from(at)).unwrap();
                let found = ray(&p, pixel).unwrap();
                assert!(found.from.distance(Point3::new(0.0, 0.0, 2.2)) < 1e-9, "{name}: {found:?}");
                let met = found.upright(foot.into()).unwrap();
                assert!(met.distance(at.into()) < 1e-9, "{name}: {at:?} came back as {met:?}");
            }
        }
        let ahead = ray(&wall, Point2::new(320.0, 240.0)).unwrap();
        assert_eq!(ahead.upright(Point2::new(0.0, -4.0)), None, "behind the camera");
        assert_eq!(ahead.upright(Point2::new(0.1, 0.1)), None, "right below it");
        let down = Point2::new(4.0, 2.0);
        let steep = ray(&CEILING, pixel_of(&CEILING, down.at_height(1.6)).unwrap()).unwrap();
        assert!(steep.upright(down).is_some(), "18 degrees off the plumb line");
        assert_eq!(ray(&CEILING, Point2::new(321.0, 240.0)).unwrap().upright(down), None, "along the plane");
        assert_eq!(ray(&[[0.0; 4]; 3], Point2::new(1.0, 1.0)), None, "no projection at all");
    }

    #[test]
    fn what_is_drawn_is_found_again() {
        let turned = CEILING.map(|row| row.map(|value| -value));
        let wall = wall();
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
        assert_eq!(floor_point(&wall, Point2::new(320.0, 10.0), 0.0), None, "above the horizon");
        assert_eq!(floor_point(&[[0.0; 4]; 3], Point2::new(1.0, 1.0), 0.0), None, "no projection at all");
    }
}
