//! Where a thing stands in its parent's frame: bay in shop, shelf in bay, plate in shelf, camera in shop.
//!
//! Rotations are Rodrigues vectors in radians: the direction is the axis, the length the angle, right-handed. Sines come
//! from `libm`, so that a layout is the same bytes on every machine.

use crate::base::Point3;

/// `parent = rotation * child + position`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    pub position: Point3,
    /// Rows of the rotation matrix; its columns are the child's axes in the parent's frame.
    pub rotation: [[f64; 3]; 3],
}

pub const STRAIGHT: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Pose {
    /// From a position in metres and a Rodrigues vector in radians.
    pub fn new(position: Point3, rotation_rad: [f64; 3]) -> Pose {
        Pose { position, rotation: matrix(rotation_rad) }
    }

    /// A camera at `eye` whose picture's middle shows `target`, its top towards the ceiling (towards +y when it looks
    /// straight up or down). Camera axes: x right, y down, z forward. `None` when the two points are one.
    pub fn looking_at(eye: Point3, target: Point3) -> Option<Pose> {
        let forward = unit([target.x - eye.x, target.y - eye.y, target.z - eye.z])?;
        let right = unit(cross(forward, [0.0, 0.0, 1.0])).or_else(|| unit(cross(forward, [0.0, 1.0, 0.0])))?;
        Some(Pose { position: eye, rotation: from_columns(right, cross(forward, right), forward) })
    }

    /// The frame whose origin, a point along +x and a point along +y are known. `None` when they lie on one line.
    pub fn through(origin: Point3, along_x: Point3, along_y: Point3) -> Option<Pose> {
        let to = |p: Point3| [p.x - origin.x, p.y - origin.y, p.z - origin.z];
        let x = unit(to(along_x))?;
        let z = unit(cross(x, to(along_y)))?;
        Some(Pose { position: origin, rotation: from_columns(x, cross(z, x), z) })
    }

    /// A point of this frame, in the parent's.
    pub fn apply(&self, p: Point3) -> Point3 {
        let [x, y, z] = self.rotation.map(|row| row[0] * p.x + row[1] * p.y + row[2] * p.z);
        Point3::new(self.position.x + x, self.position.y + y, self.position.z + z)
    }

    /// A point of the parent's frame, in this one.
    pub fn locate(&self, p: Point3) -> Point3 {
        let d = [p.x - self.position.x, p.y - self.position.y, p.z - self.position.z];
        let along = |axis: usize| (0..3).map(|row| self.rotation[row][axis] * d[row]).sum();
        Point3::new(along(0), along(1), along(2))
    }

    /// A child of this frame, in the parent's.
    pub fn compose(&self, child: &Pose) -> Pose {
        let mut rotation = [[0.0; 3]; 3];
        for (row, out) in rotation.iter_mut().enumerate() {
            for (column, cell) in out.iter_mut().enumerate() {
                *cell = (0..3).map(|k| self.rotation[row][k] * child.rotation[k][column]).sum();
            }
        }
        Pose { position: self.apply(child.position), rotation }
    }

    /// The parent's frame as seen from this one.
    pub fn inverse(&self) -> Pose {
        let r = &self.rotation;
        let rotation = [0, 1, 2].map(|row| [r[0][row], r[1][row], r[2][row]]);
        Pose { position: self.locate(Point3::default()), rotation }
    }

    /// The corners of a `width` x `depth` surface at this frame's origin: origin, +x, +x+y, +y.
    pub fn corners(&self, width: f64, depth: f64) -> [Point3; 4] {
        [[0.0, 0.0], [width, 0.0], [width, depth], [0.0, depth]].map(|[x, y]| self.apply(Point3::new(x, y, 0.0)))
    }

    /// The Rodrigues vector of the rotation, radians.
    pub fn rotation_rad(&self) -> [f64; 3] {
        let r = &self.rotation;
        let twist = [r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]];
        let sin2 = length(twist); // 2 sin(angle)
        let cos2 = r[0][0] + r[1][1] + r[2][2] - 1.0; // 2 cos(angle)
        let angle = libm::atan2(sin2, cos2);
        if sin2 > 1e-9 {
            return twist.map(|t| t / sin2 * angle);
        }
        if cos2 > 0.0 {
            return [0.0; 3];
        }
        // Half a turn: the axis is the column of (R + 1) with the largest diagonal element.
        let k = (0..3).max_by(|a, b| r[*a][*a].total_cmp(&r[*b][*b])).unwrap_or(0);
        let column = [0, 1, 2].map(|row| r[row][k] + if row == k { 1.0 } else { 0.0 });
        unit(column).map_or([0.0; 3], |axis| axis.map(|a| a * angle))
    }
}

/// Rodrigues' formula: `cos a I + sin a [k]x + (1 - cos a) k k'`.
fn matrix(rotation_rad: [f64; 3]) -> [[f64; 3]; 3] {
    let angle = length(rotation_rad);
    if angle == 0.0 {
        return STRAIGHT;
    }
    let [x, y, z] = rotation_rad.map(|r| r / angle);
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let rest = 1.0 - cos;
    [
        [cos + x * x * rest, x * y * rest - z * sin, x * z * rest + y * sin],
        [y * x * rest + z * sin, cos + y * y * rest, y * z * rest - x * sin],
        [z * x * rest - y * sin, z * y * rest + x * sin, cos + z * z * rest],
    ]
}

fn from_columns(x: [f64; 3], y: [f64; 3], z: [f64; 3]) -> [[f64; 3]; 3] {
    [0, 1, 2].map(|row| [x[row], y[row], z[row]])
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn length(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

/// `None` for a vector too short to have a direction.
fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = length(v);
    (length > 1e-9).then(|| v.map(|c| c / length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, PI};

    fn close(a: Point3, b: Point3) -> bool {
        a.distance(b) < 1e-9
    }

    #[test]
    fn a_turned_bay_carries_its_shelf_with_it() {
        // Turned a quarter clockwise seen from above: its +x runs along the shop's -y.
        let bay = Pose::new(Point3::new(4.9, -0.3, 0.0), [0.0, 0.0, -FRAC_PI_2]);
        let shelf = Pose::new(Point3::new(0.0, -0.4, 1.0), [0.0; 3]);
        assert!(close(bay.apply(Point3::new(0.0, 0.0, 0.0)), Point3::new(4.9, -0.3, 0.0)));
        let corners = bay.compose(&shelf).corners(0.9, 0.4);
        for (corner, at) in corners.into_iter().zip([[4.5, -0.3], [4.5, -1.2], [4.9, -1.2], [4.9, -0.3]]) {
            assert!(close(corner, Point3::new(at[0], at[1], 1.0)), "{corner:?} is not {at:?}");
        }
    }

    #[test]
    fn a_rotation_survives_the_way_there_and_back() {
        for r in [[0.0; 3], [0.0, 0.0, -1.57], [0.3, -0.2, 1.1], [PI, 0.0, 0.0], [0.0, 2.0, -2.0], [0.0, 0.0, PI]] {
            let pose = Pose::new(Point3::default(), r);
            let again = Pose::new(Point3::default(), pose.rotation_rad());
            for (a, b) in pose.rotation.iter().flatten().zip(again.rotation.iter().flatten()) {
                assert!((a - b).abs() < 1e-9, "{r:?}: {pose:?} became {again:?}");
            }
            let p = Point3::new(0.3, 0.7, -0.2);
            assert!(close(pose.locate(pose.apply(p)), p), "{r:?}");
        }
    }

    #[test]
    fn a_camera_looks_where_it_is_pointed() {
        for (eye, target, right, down) in [
            ([0.0, 0.0, 2.0], [0.0, 3.0, 2.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]), // a wall camera facing +y
            ([3.0, 2.5, 5.0], [3.0, 2.5, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]), // a ceiling camera
        ] {
            let pose = Pose::looking_at(eye.into(), target.into()).unwrap();
            let axis = |k: usize| Point3::new(pose.rotation[0][k], pose.rotation[1][k], pose.rotation[2][k]);
            assert!(close(axis(0), right.into()), "right of {eye:?}: {:?}", axis(0));
            assert!(close(axis(1), down.into()), "down of {eye:?}: {:?}", axis(1));
        }
        assert_eq!(Pose::looking_at(Point3::default(), Point3::default()), None);
    }
}
