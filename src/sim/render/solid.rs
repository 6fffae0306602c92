//! Points in space and the two shapes everything is made of: blocks (walls, shelves, packs) and round cones (bodies).
//!
//! Single precision: a shop is 20 m long, and a millionth of that is 0.02 mm. Only additions, products, quotients and roots,
//! which every machine rounds alike.

use crate::base::{Point2, Point3};
use std::ops::{Add, Mul, Neg, Sub};

/// Metres in the shop frame, or a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct V3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

pub const UP: V3 = v3(0.0, 0.0, 1.0);

pub const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl From<Point3> for V3 {
    fn from(p: Point3) -> V3 {
        v3(p.x as f32, p.y as f32, p.z as f32)
    }
}
impl From<V3> for Point3 {
    fn from(p: V3) -> Point3 {
        Point3::new(p.x.into(), p.y.into(), p.z.into())
    }
}
impl From<Point2> for V3 {
    fn from(p: Point2) -> V3 {
        v3(p.x as f32, p.y as f32, 0.0)
    }
}
impl Add for V3 {
    type Output = V3;
    fn add(self, o: V3) -> V3 {
        v3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}
impl Sub for V3 {
    type Output = V3;
    fn sub(self, o: V3) -> V3 {
        v3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}
impl Mul<f32> for V3 {
    type Output = V3;
    fn mul(self, by: f32) -> V3 {
        v3(self.x * by, self.y * by, self.z * by)
    }
}
impl Neg for V3 {
    type Output = V3;
    fn neg(self) -> V3 {
        self * -1.0
    }
}

impl V3 {
    pub fn dot(self, o: V3) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub fn cross(self, o: V3) -> V3 {
        v3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// Of length 1; upwards where there is no direction.
    pub fn unit(self) -> V3 {
        let length = self.length();
        if length > 1e-9 { self * (1.0 / length) } else { UP }
    }

    pub fn toward(self, o: V3, share: f32) -> V3 {
        self + (o - self) * share
    }
}

/// A box, anyhow turned.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub middle: V3,
    /// Unit vectors along its edges, at right angles.
    pub axes: [V3; 3],
    /// Half of its edges, metres.
    pub half: [f32; 3],
}

/// Where a ray enters a block: how far along, at which face, at which point of the block's own frame.
pub struct Entry {
    pub t: f32,
    pub axis: usize,
    pub sign: f32,
    pub local: [f32; 3],
}

impl Block {
    /// Upright: its length along the unit vector `along`, its depth to the left of it. `origin` is the lower corner.
    pub fn standing(origin: V3, along: V3, size: [f32; 3]) -> Block {
        let back = UP.cross(along);
        let half = size.map(|side| side / 2.0);
        Block { middle: origin + along * half[0] + back * half[1] + UP * half[2], axes: [along, back, UP], half }
    }

    pub fn corners(&self) -> [V3; 8] {
        std::array::from_fn(|k| {
            let side =
                |axis: usize| self.axes[axis] * if k >> axis & 1 == 1 { self.half[axis] } else { -self.half[axis] };
            self.middle + side(0) + side(1) + side(2)
        })
    }

    /// A point as seen from the middle, along the axes.
    pub fn local(&self, p: V3) -> [f32; 3] {
        self.axes.map(|axis| axis.dot(p - self.middle))
    }

    /// Slabs: the last of three entries, before the first of three exits. `eye` as [`Block::local`] gives it.
    pub fn enter(&self, eye: [f32; 3], ray: V3) -> Option<Entry> {
        let d = self.axes.map(|axis| axis.dot(ray));
        let (mut t, mut leave, mut at) = (f32::MIN, f32::MAX, 0);
        for axis in 0..3 {
            if d[axis].abs() < 1e-9 {
                if eye[axis].abs() > self.half[axis] {
                    return None;
                }
                continue;
            }
            let inverse = 1.0 / d[axis];
            let (a, b) = ((-self.half[axis] - eye[axis]) * inverse, (self.half[axis] - eye[axis]) * inverse);
            let (a, b) = if a < b { (a, b) } else { (b, a) };
            if a > t {
                (t, at) = (a, axis);
            }
            leave = leave.min(b);
        }
        if t >= leave || t <= 0.0 {
            return None;
        }
        let local = [0, 1, 2].map(|axis| eye[axis] + d[axis] * t);
        Some(Entry { t, axis: at, sign: if d[at] < 0.0 { 1.0 } else { -1.0 }, local })
    }
}

/// The hull of two balls, flattened along one direction: a limb, a trunk, a head.
#[derive(Clone, Copy, Debug)]
pub struct Limb {
    pub a: V3,
    pub b: V3,
    pub radius_a: f32,
    pub radius_b: f32,
    /// Unit vector along which it is `flat` times as thick as across.
    pub thin: V3,
    pub flat: f32,
}

impl Limb {
    pub fn round(a: V3, b: V3, radius_a: f32, radius_b: f32) -> Limb {
        Limb { a, b, radius_a, radius_b, thin: UP, flat: 1.0 }
    }

    /// A direction in the space where the limb is round.
    fn rounded(&self, d: V3) -> V3 {
        d + self.thin * (d.dot(self.thin) * (1.0 / self.flat - 1.0))
    }

    fn flattened(&self, d: V3) -> V3 {
        d + self.thin * (d.dot(self.thin) * (self.flat - 1.0))
    }

    pub fn from(&self, eye: V3) -> LimbFrom {
        let (d, o) = (self.rounded(self.b - self.a), self.rounded(eye - self.a));
        let taper = self.radius_b - self.radius_a;
        let k = d.dot(d) - taper * taper;
        let q0 = o.dot(d) + self.radius_a * taper;
        LimbFrom { limb: *self, d, o, k, q0, c: o.dot(o) - self.radius_a * self.radius_a - q0 * q0 / k.max(1e-9) }
    }

    /// Points on the limb's outline as seen from `eye`: the circles along which sight touches its two balls.
    pub fn outline(&self, eye: V3) -> impl Iterator<Item = V3> + '_ {
        let ends = [(self.a, self.radius_a), (self.b, self.radius_b)];
        ends.into_iter().flat_map(move |(end, radius)| {
            let to = self.rounded(end - eye);
            let share = 1.0 - (radius * radius / to.dot(to)).min(0.99);
            let (middle, wide) = (to * share, radius * share.sqrt());
            let across = to.cross(if to.z.abs() < 0.9 * to.length() { UP } else { v3(1.0, 0.0, 0.0) }).unit();
            let over = across.cross(to).unit();
            CIRCLE
                .iter()
                .map(move |(cos, sin)| eye + self.flattened(middle + across * (cos * wide) + over * (sin * wide)))
        })
    }
}

/// 24 points of the unit circle, by half and double angles of 15 degrees: no sine that differs from machine to machine.
const CIRCLE: [(f32, f32); 24] = {
    const C: [f32; 7] = [1.0, 0.965_925_8, 0.866_025_4, 0.707_106_77, 0.5, 0.258_819_04, 0.0];
    let mut circle = [(0.0, 0.0); 24];
    let mut k = 0;
    while k < 24 {
        let (quarter, i) = (k / 6, k % 6);
        let (cos, sin) = (C[i], C[6 - i]);
        circle[k] = match quarter {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        };
        k += 1;
    }
    circle
};

/// A limb as one eye sees it; what does not depend on the ray is computed once.
pub struct LimbFrom {
    pub limb: Limb,
    d: V3,
    o: V3,
    k: f32,
    q0: f32,
    c: f32,
}

impl LimbFrom {
    /// Where a ray from that eye enters: how far along, the unit normal there, and the share of the way from `a` to `b`.
    ///
    /// A ball whose middle and radius go evenly from one end to the other touches its envelope where
    /// |p|^2 - ra^2 = (p.d + ra dr)^2 / (d^2 - dr^2), p from `a`: one quadratic in t.
    pub fn enter(&self, ray: V3) -> Option<(f32, V3, f32)> {
        let ray = self.limb.rounded(ray);
        let (rr, or) = (ray.dot(ray), self.o.dot(ray));
        if self.k > 1e-7 {
            let qd = ray.dot(self.d);
            let a = rr - qd * qd / self.k;
            let b = or - self.q0 * qd / self.k;
            let root2 = b * b - a * self.c;
            if a > 1e-9 {
                if root2 < 0.0 {
                    return None;
                }
                let t = (-b - root2.sqrt()) / a;
                let s = (self.q0 + t * qd) / self.k;
                if (0.0..=1.0).contains(&s) {
                    return (t > 0.0).then(|| (t, self.normal(ray, t, s), s));
                }
            }
        }
        let ball = |s: f32, radius: f32| {
            let o = self.o - self.d * s;
            let b = o.dot(ray);
            let root2 = b * b - rr * (o.dot(o) - radius * radius);
            let t = (-b - root2.max(0.0).sqrt()) / rr;
            (root2 >= 0.0 && t > 0.0).then_some((t, s))
        };
        let (first, second) = (ball(0.0, self.limb.radius_a), ball(1.0, self.limb.radius_b));
        let (t, s) = match (first, second) {
            (Some(a), Some(b)) => {
                if a.0 < b.0 {
                    a
                } else {
                    b
                }
            }
            (one, other) => one.or(other)?,
        };
        Some((t, self.normal(ray, t, s), s))
    }

    fn normal(&self, ray: V3, t: f32, s: f32) -> V3 {
        self.limb.rounded(self.o + ray * t - self.d * s).unit()
    }
}
