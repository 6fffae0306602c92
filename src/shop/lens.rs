//! A camera's lens: how rays become pixels, with the usual five distortion terms (Brown-Conrady; the order and meaning
//! of OpenCV's `k1 k2 p1 p2 k3`).
//!
//! [`Camera::projection`](super::Camera) speaks of the undistorted picture. A camera with a lens listed in
//! `Layout::lenses` has its pixels straightened with [`Lens::undistort`] before they meet the projection.

use super::pose::Pose;
use crate::base::{Point2, Point3};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lens {
    /// Focal lengths, pixels.
    pub fx: f64,
    pub fy: f64,
    /// Principal point, pixels.
    pub cx: f64,
    pub cy: f64,
    pub k1: f64,
    pub k2: f64,
    pub p1: f64,
    pub p2: f64,
    pub k3: f64,
}

impl Lens {
    /// World metres to undistorted pixels for a camera whose axes (x right, y down, z forward) stand at `pose`.
    pub fn projection(&self, pose: &Pose) -> [[f64; 4]; 3] {
        // World to camera is the transpose: row k of it is the camera's k-th axis.
        let row = |k: usize| {
            let axis = [0, 1, 2].map(|i| pose.rotation[i][k]);
            let c = pose.position;
            [axis[0], axis[1], axis[2], -(axis[0] * c.x + axis[1] * c.y + axis[2] * c.z)]
        };
        let (x, y, z) = (row(0), row(1), row(2));
        let mix = |f: f64, a: [f64; 4], c: f64| [0, 1, 2, 3].map(|i| f * a[i] + c * z[i]);
        [mix(self.fx, x, self.cx), mix(self.fy, y, self.cy), z]
    }

    /// The pose a projection made by [`Lens::projection`] came from. `None` if it cannot have been made by this lens.
    pub fn pose_of(&self, projection: &[[f64; 4]; 3]) -> Option<Pose> {
        let z = projection[2];
        let strip = |f: f64, row: [f64; 4], c: f64| [0, 1, 2, 3].map(|i| (row[i] - c * z[i]) / f);
        let rows = [strip(self.fx, projection[0], self.cx), strip(self.fy, projection[1], self.cy), z];
        let dot = |a: &[f64; 4], b: &[f64; 4]| (0..3).map(|i| a[i] * b[i]).sum::<f64>();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let wanted = if i == j { 1.0 } else { 0.0 };
                if (dot(a, b) - wanted).abs() > 1e-6 {
                    return None;
                }
            }
        }
        let rotation = [0, 1, 2].map(|i| [rows[0][i], rows[1][i], rows[2][i]]);
        let at = |i: usize| -(0..3).map(|k| rows[k][i] * rows[k][3]).sum::<f64>();
        Some(Pose { position: Point3::new(at(0), at(1), at(2)), rotation })
    }

    pub fn is_straight(&self) -> bool {
        [self.k1, self.k2, self.p1, self.p2, self.k3] == [0.0; 5]
    }

    /// A pixel of an ideal picture, where this lens shows it.
    pub fn distort(&self, ideal: Point2) -> Point2 {
        let (x, y) = ((ideal.x - self.cx) / self.fx, (ideal.y - self.cy) / self.fy);
        let (x, y) = self.bend(x, y);
        Point2::new(x * self.fx + self.cx, y * self.fy + self.cy)
    }

    /// A pixel this lens shows, where an ideal one would. Fixed-point iteration; 20 rounds reach 0.01 px for the mild
    /// lenses (|k1| up to 0.4) this model is good for. A fisheye needs another model.
    pub fn undistort(&self, seen: Point2) -> Point2 {
        let (x0, y0) = ((seen.x - self.cx) / self.fx, (seen.y - self.cy) / self.fy);
        let (mut x, mut y) = (x0, y0);
        if !self.is_straight() {
            for _ in 0..20 {
                let (bx, by) = self.bend(x, y);
                (x, y) = (x + x0 - bx, y + y0 - by);
            }
        }
        Point2::new(x * self.fx + self.cx, y * self.fy + self.cy)
    }

    /// The distortion of a ray (x, y, 1).
    fn bend(&self, x: f64, y: f64) -> (f64, f64) {
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3));
        (
            x * radial + 2.0 * self.p1 * x * y + self.p2 * (r2 + 2.0 * x * x),
            y * radial + self.p1 * (r2 + 2.0 * y * y) + 2.0 * self.p2 * x * y,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::projection::pixel_of;
    use super::*;

    const LENS: Lens =
        Lens { fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0, k1: -0.25, k2: 0.08, p1: 0.001, p2: -0.0005, k3: 0.0 };

    #[test]
    fn a_pixel_is_straightened_and_bent_back() {
        for seen in [[320.0, 240.0], [10.0, 10.0], [630.0, 470.0], [600.0, 100.0]] {
            let seen = Point2::from(seen);
            let again = LENS.distort(LENS.undistort(seen));
            assert!(again.distance(seen) < 0.01, "{seen:?} came back as {again:?}");
        }
    }

    #[test]
    fn what_a_camera_looks_at_is_in_the_middle_and_its_pose_is_found_again() {
        let pose = Pose::looking_at(Point3::new(0.2, -1.0, 2.3), Point3::new(2.0, 1.5, 0.4)).unwrap();
        let projection = LENS.projection(&pose);
        let middle = pixel_of(&projection, Point3::new(2.0, 1.5, 0.4)).unwrap();
        assert!(middle.distance(Point2::new(320.0, 240.0)) < 1e-9, "{middle:?}");
        let found = LENS.pose_of(&projection).unwrap();
        assert!(found.position.distance(pose.position) < 1e-9, "{found:?}");
        assert_eq!(LENS.pose_of(&[[1.0, 2.0, 3.0, 4.0]; 3]), None);
        assert_eq!(pixel_of(&projection, Point3::new(-2.0, -4.0, 2.3)), None, "behind the camera");
    }
}
