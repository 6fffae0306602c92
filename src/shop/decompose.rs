//! A 3x4 projection taken apart into a lens and a pose, and whether they can be those of a camera in a shop.
//!
//! A projection is twelve numbers from somebody else's tool; what is wrong with them shows only when they are taken
//! apart: a camera below the floor, one that looks at the ceiling, pixels that are not square. `carryout calibrate` and
//! `carryout check` ask the same questions here. How a projection is made of its parts is [`Lens::projection`].

use super::lens::Lens;
use super::pose::Pose;
use super::projection::{Projection, floor_point, pixel_of};
use crate::base::{Point2, Point3};

/// What no camera in a shop can be. Each is a sentence about the camera, without its name.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Absurd {
    #[error("its projection has no camera: its left three columns are not independent of each other")]
    Degenerate,
    #[error("its pixels are slanted by {0:.1} degrees: rows of the projection are mixed up, or it is not a camera's")]
    Slanted(f64),
    #[error("its pixels are {0:.2} times as wide as high: is `size` that of the picture it was measured in?")]
    NotSquare(f64),
    #[error(
        "its focal length is {widths:.2} widths of the picture, {degrees:.0} degrees across: `size`, or the focal length, is wrong"
    )]
    Focal { widths: f64, degrees: f64 },
    #[error(
        "its principal point [{0:.0}, {1:.0}] is far from the picture's middle: `size`, or the principal point, is wrong"
    )]
    OffCentre(f64, f64),
    #[error(
        "it hangs at z = {0:.2} m, not above the floor: the projection's z counts down, or its pose is turned round"
    )]
    BelowFloor(f64),
    #[error("it hangs {0:.0} m above the floor: lengths are metres")]
    Aloft(f64),
    #[error("no pixel of its picture shows the floor: it looks level or up")]
    NoFloor,
}

/// Focal lengths, in widths of the picture: 157 degrees across, beyond which the lens model does not hold, and 6 degrees.
const FOCAL: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// Pixels of every camera made today are square; anamorphic streams (704 x 576 shown as 16:9) are 1.45.
const ASPECT: std::ops::RangeInclusive<f64> = 0.6..=1.7;

/// Principal points are within some percent of the middle; a cropped stream moves them, but not out of this share.
const OFF_CENTRE: f64 = 0.25;

/// Shops are halls at most this high, metres.
const ALOFT_M: f64 = 30.0;

/// Slanted pixels do not exist; a fit without that knowledge has a little. More than this, degrees, is a mix-up.
const SLANT_DEGREES: f64 = 1.0;

/// The lens (straight) and pose of a projection, by RQ decomposition of its left part (Hartley & Zisserman, Multiple View
/// Geometry, 6.2.4). The parts make the projection again up to its scale and a slant of less than a degree, which is let go.
pub fn decompose(p: &Projection) -> Result<(Lens, Pose), Absurd> {
    let row = |r: usize| [p[r][0], p[r][1], p[r][2]];
    let mut m = [row(0), row(1), row(2)];
    let mut last = [p[0][3], p[1][3], p[2][3]];
    let (det, size) = (dot(m[0], cross(m[1], m[2])), length(m[0]) * length(m[1]) * length(m[2]));
    if !det.is_finite() || !size.is_finite() || det.abs() <= 1e-9 * size || size == 0.0 {
        return Err(Absurd::Degenerate);
    }
    // P and -P draw the same; and its scale means nothing: the third row is the camera's axis, of length one.
    let scale = det.signum() / length(m[2]);
    m.iter_mut().flatten().chain(&mut last).for_each(|value| *value *= scale);
    // M = K R with K upper triangular, from the last row up: each row is its axis and what lies along the axes below.
    let z = m[2];
    let cy = dot(m[1], z);
    let (fy, y) = unit(minus(m[1], z, cy));
    let (cx, slant) = (dot(m[0], z), dot(m[0], y));
    let (fx, x) = unit(minus(minus(m[0], z, cx), y, slant));
    let slant_degrees = libm::atan2(slant, fx).to_degrees();
    if slant_degrees.abs() > SLANT_DEGREES {
        return Err(Absurd::Slanted(slant_degrees));
    }
    // K t is the last column; the camera stands at -R' t.
    let t2 = last[2];
    let t1 = (last[1] - cy * t2) / fy;
    let t0 = (last[0] - cx * t2 - slant * t1) / fx;
    let at = |i: usize| -(x[i] * t0 + y[i] * t1 + z[i] * t2);
    let rotation = [0, 1, 2].map(|i| [x[i], y[i], z[i]]);
    let pose = Pose { position: Point3::new(at(0), at(1), at(2)), rotation };
    Ok((Lens { fx, fy, cx, cy, ..Lens::default() }, pose))
}

/// The first thing that is absurd about a camera whose picture is `size` pixels; `None`: it can be.
pub fn absurd(lens: &Lens, pose: &Pose, size: (u32, u32)) -> Option<Absurd> {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let aspect = lens.fx / lens.fy;
    if !ASPECT.contains(&aspect) {
        return Some(Absurd::NotSquare(1.0 / aspect));
    }
    let widths = lens.fx / width;
    if !FOCAL.contains(&widths) {
        return Some(Absurd::Focal { widths, degrees: 2.0 * libm::atan2(0.5, widths).to_degrees() });
    }
    if (lens.cx - width / 2.0).abs() > OFF_CENTRE * width || (lens.cy - height / 2.0).abs() > OFF_CENTRE * height {
        return Some(Absurd::OffCentre(lens.cx, lens.cy));
    }
    // NaN is above nothing.
    let z = pose.position.z;
    if z.is_nan() || z <= 0.0 {
        return Some(Absurd::BelowFloor(z));
    }
    if z > ALOFT_M {
        return Some(Absurd::Aloft(z));
    }
    let projection = lens.projection(pose);
    // A horizon is a straight line: if any pixel shows the floor, so does a corner.
    let corners = [[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]];
    let any = corners.into_iter().any(|corner| floor_point(&projection, corner.into(), 0.0).is_some());
    (!any).then_some(Absurd::NoFloor)
}

/// How far apart two projections draw the same points, pixels at most, over floor and heads before the camera.
pub fn apart_px(a: &Projection, b: &Projection, size: (u32, u32)) -> f64 {
    let mut worst: f64 = 0.0;
    for share in 0..=100 {
        let (x, y) = (f64::from(share % 10) / 10.0, f64::from(share / 10) / 10.0);
        let pixel = Point2::new(x * f64::from(size.0), y * f64::from(size.1));
        for height_m in [0.0, 1.7] {
            let Some(at) = floor_point(a, pixel, height_m) else { continue };
            let there = pixel_of(b, at.at_height(height_m));
            worst = worst.max(there.map_or(f64::INFINITY, |there| there.distance(pixel)));
        }
    }
    worst
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn minus(a: [f64; 3], b: [f64; 3], times: f64) -> [f64; 3] {
    [0, 1, 2].map(|i| a[i] - b[i] * times)
}

fn unit(a: [f64; 3]) -> (f64, [f64; 3]) {
    let length = length(a);
    (length, a.map(|part| part / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENS: Lens = Lens { fx: 500.0, fy: 505.0, cx: 325.0, cy: 236.0, k1: 0.0, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
    const SIZE: (u32, u32) = (640, 480);

    fn stand(eye: [f64; 3], target: [f64; 3]) -> Pose {
        Pose::looking_at(eye.into(), target.into()).unwrap()
    }

    #[test]
    fn a_projection_comes_apart_into_what_made_it() {
        for (name, eye, target) in [
            ("on a wall", [0.2, -1.0, 2.3], [2.0, 1.5, 0.4]),
            ("straight down", [3.0, 2.5, 5.0], [3.0, 2.5, 0.0]),
            ("level", [5.0, 5.0, 1.2], [-1.0, 2.0, 1.2]),
        ] {
            let pose = stand(eye, target);
            let made = LENS.projection(&pose);
            for scale in [1.0, -1.0, 0.01, -250.0] {
                let (lens, found) = decompose(&made.map(|row| row.map(|value| value * scale))).unwrap();
                assert!(found.position.distance(pose.position) < 1e-9, "{name} x {scale}: {found:?}");
                assert!((lens.fx - LENS.fx).abs() + (lens.cy - LENS.cy).abs() < 1e-6, "{name} x {scale}: {lens:?}");
                assert!(apart_px(&made, &lens.projection(&found), SIZE) < 1e-6, "{name} x {scale}");
                assert_eq!(absurd(&lens, &found, SIZE), None, "{name} x {scale}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_camera_has_a_name() {
        let good = LENS.projection(&stand([0.0, 0.0, 2.5], [2.0, 2.0, 0.5]));
        let changed = |change: fn(&mut Projection)| {
            let mut p = good;
            change(&mut p);
            p
        };
        let name = |p: Projection, size: (u32, u32)| {
            let found = decompose(&p).map(|(lens, pose)| absurd(&lens, &pose, size));
            let why = match found {
                Err(why) | Ok(Some(why)) => format!("{why:?}"),
                Ok(None) => "fine".into(),
            };
            why.split(['(', ' ']).next().unwrap().to_owned()
        };
        let swap = |p: &Projection, lens: Lens, eye, target| {
            assert_ne!(*p, lens.projection(&stand(eye, target)));
            lens.projection(&stand(eye, target))
        };
        for (story, p, size, expected) in [
            ("as it is", good, SIZE, "fine"),
            ("all nought", [[0.0; 4]; 3], SIZE, "Degenerate"),
            ("not a number", [[f64::NAN; 4]; 3], SIZE, "Degenerate"),
            ("one row twice", changed(|p| p[1] = p[0]), SIZE, "Degenerate"),
            ("a row is missing its decimal point", changed(|p| p[0][0] *= 100.0), SIZE, "Slanted"),
            ("rows of another camera's size", good, (1920, 1080), "OffCentre"),
            (
                "a lens of 1 degree",
                swap(&good, Lens { fx: 4e4, fy: 4e4, ..LENS }, [0.0, 0.0, 2.5], [2.0, 2.0, 0.5]),
                SIZE,
                "Focal",
            ),
            (
                "four times as wide as high",
                swap(&good, Lens { fy: 2e3, ..LENS }, [0.0, 0.0, 2.5], [2.0, 2.0, 0.5]),
                SIZE,
                "NotSquare",
            ),
            ("millimetres", swap(&good, LENS, [0.0, 0.0, 2500.0], [2000.0, 2000.0, 0.0]), SIZE, "Aloft"),
            ("below the floor", swap(&good, LENS, [0.0, 0.0, -2.5], [2.0, 2.0, 0.0]), SIZE, "BelowFloor"),
            ("at the ceiling", swap(&good, LENS, [0.0, 0.0, 2.5], [0.1, 0.1, 4.0]), SIZE, "NoFloor"),
            ("z counts down", changed(|p| p.iter_mut().for_each(|row| row[2] *= -1.0)), SIZE, "BelowFloor"),
        ] {
            assert_eq!(name(p, size), expected, "{story}");
        }
    }
}
