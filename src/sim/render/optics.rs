//! One camera's geometry: the ray of every pixel, the pixel of every point, lens and all.
//!
//! A pixel's middle is at half a pixel: the picture's upper left corner is (0, 0), as in labels. A ray is as long as its
//! depth: `eye + t * ray` lies at depth t, so that depths of one pixel compare.

use super::solid::{V3, v3};
use crate::base::{Point2, Point3};
use crate::shop::projection::pixel_of;
use crate::shop::{Camera, Lens};

/// What is nearer than this to the camera, metres, is not drawn.
const NEAR_M: f64 = 0.05;

pub struct Optics {
    pub width: usize,
    pub height: usize,
    pub eye: V3,
    /// Row by row.
    pub rays: Vec<V3>,
    projection: [[f64; 4]; 3],
    lens: Option<Lens>,
    /// As far from the middle as the picture's corners, as tangents: further out a lens's polynomial means nothing.
    widest: f64,
    /// Pixels of this table to one of the picture.
    per_pixel: f64,
}

/// Pixels from `x0` to before `x1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    pub x0: usize,
    pub y0: usize,
    pub x1: usize,
    pub y1: usize,
}

impl Area {
    pub fn is_empty(&self) -> bool {
        self.x0 >= self.x1 || self.y0 >= self.y1
    }

    pub fn common(&self, o: &Area) -> Area {
        Area { x0: self.x0.max(o.x0), y0: self.y0.max(o.y0), x1: self.x1.min(o.x1), y1: self.y1.min(o.y1) }
    }
}

/// The extent of points in the picture, pixels, which may pass its edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    pub low: (f32, f32),
    pub high: (f32, f32),
}

impl Extent {
    pub const NONE: Extent = Extent { low: (f32::MAX, f32::MAX), high: (f32::MIN, f32::MIN) };

    pub fn hold(&mut self, (u, v): (f32, f32)) {
        self.low = (self.low.0.min(u), self.low.1.min(v));
        self.high = (self.high.0.max(u), self.high.1.max(v));
    }

    pub fn hold_all(&mut self, o: &Extent) {
        if !o.is_none() {
            self.hold(o.low);
            self.hold(o.high);
        }
    }

    pub fn is_none(&self) -> bool {
        self.low.0 > self.high.0
    }
}

impl Optics {
    /// With `finer` 2, twice as many pixels each way of the same picture.
    pub fn new(camera: &Camera, lens: Option<&Lens>, finer: usize) -> Result<Optics, String> {
        let failed = |why: &str| format!("drawing what camera {} sees: {why}", camera.id);
        let projection = camera.projection.ok_or_else(|| failed("it has no projection; give intrinsics and pose"))?;
        let (width, height) = (camera.size.0 as usize * finer, camera.size.1 as usize * finer);
        if width == 0 || height == 0 || width % 2 + height % 2 > 0 {
            return Err(failed("its `size` is not two even numbers of pixels"));
        }
        let m = projection.map(|row| [row[0], row[1], row[2]]);
        let back = inverse(&m).ok_or_else(|| failed("its projection is flat"))?;
        let times = |v: [f64; 3]| back.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        let eye = times(projection.map(|row| -row[3]));
        let lens = lens.filter(|lens| !lens.is_straight()).copied();
        let per_pixel = finer as f64;
        let mut widest: f64 = 0.0;
        let mut ray = |x: usize, y: usize| {
            let seen = Point2::new((x as f64 + 0.5) / per_pixel, (y as f64 + 0.5) / per_pixel);
            let ideal = lens.map_or(seen, |lens| lens.undistort(seen));
            if let Some(lens) = lens {
                widest = widest.max(radius(&lens, ideal));
            }
            let [x, y, z] = times([ideal.x, ideal.y, 1.0]);
            v3(x as f32, y as f32, z as f32)
        };
        let rays = (0..width * height).map(|k| ray(k % width, k / width)).collect();
        let eye = v3(eye[0] as f32, eye[1] as f32, eye[2] as f32);
        Ok(Optics { width, height, eye, rays, projection, lens, widest: widest * 1.05, per_pixel })
    }

    /// Depth of a point: how far before the camera's plane it lies.
    pub fn depth(&self, p: V3) -> f32 {
        let (p, row) = (Point3::from(p), self.projection[2]);
        (row[0] * p.x + row[1] * p.y + row[2] * p.z + row[3]) as f32
    }

    /// Where a point falls; `None` behind the camera. Beyond the picture's corners a lens goes on as it is there.
    pub fn pixel(&self, p: V3) -> Option<(f32, f32)> {
        if f64::from(self.depth(p)) < NEAR_M {
            return None;
        }
        let ideal = pixel_of(&self.projection, p.into())?;
        let seen = match &self.lens {
            Some(lens) => {
                let out = (radius(lens, ideal) / self.widest).max(1.0);
                let middle = Point2::new(lens.cx, lens.cy);
                middle.toward(lens.distort(middle.toward(ideal, 1.0 / out)), out)
            }
            None => ideal,
        };
        Some(((seen.x * self.per_pixel) as f32, (seen.y * self.per_pixel) as f32))
    }

    pub fn whole(&self) -> Area {
        Area { x0: 0, y0: 0, x1: self.width, y1: self.height }
    }

    /// The pixels something may touch that has an outline of these points, with `margin` around them; everything, where some
    /// of it is behind the camera.
    pub fn area(&self, points: impl Iterator<Item = V3>, margin: f32) -> Area {
        let (mut extent, mut behind) = (Extent::NONE, false);
        for p in points {
            match self.pixel(p) {
                Some(at) => extent.hold(at),
                None => behind = true,
            }
        }
        match (extent.is_none(), behind) {
            (true, _) => Area::default(),
            (false, true) => self.whole(),
            (false, false) => self.within(&extent, margin),
        }
    }

    pub fn within(&self, extent: &Extent, margin: f32) -> Area {
        // `as` turns what is below zero into zero, and nothing at all too.
        let (low, high) = (extent.low, extent.high);
        let area = Area {
            x0: (low.0 - margin) as usize,
            y0: (low.1 - margin) as usize,
            x1: (high.0 + margin + 1.0) as usize,
            y1: (high.1 + margin + 1.0) as usize,
        };
        area.common(&self.whole())
    }
}

fn radius(lens: &Lens, ideal: Point2) -> f64 {
    let (x, y) = ((ideal.x - lens.cx) / lens.fx, (ideal.y - lens.cy) / lens.fy);
    (x * x + y * y).sqrt()
}

fn inverse(m: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
    (determinant.abs() > 1e-12).then(|| [0, 1, 2].map(|r| [0, 1, 2].map(|c| minor(c, r) / determinant)))
}
