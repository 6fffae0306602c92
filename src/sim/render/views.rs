//! A shop's cameras, as pictures need them: projection, lens, size. Where they hang is `hang`'s question.

use crate::base::{CameraId, Point2, Point3};
use crate::shop::decompose::decompose;
use crate::shop::pose::Pose;
use crate::shop::projection::{Projection, ray};
use crate::shop::{Camera, Lens, Shop};
use serde::Serialize;

#[derive(Clone, Debug)]
pub struct View {
    pub camera: Camera,
    pub lens: Option<Lens>,
}

/// A camera as `cameras.json` describes it.
#[derive(Debug, Serialize)]
pub struct Described {
    camera: CameraId,
    size: (u32, u32),
    /// World metres (x, y, z, 1) to undistorted pixels (u w, v w, w).
    projection: Projection,
    /// Brown-Conrady; `null`: straight.
    lens: Option<LensTerms>,
    position_m: Point3,
}

#[derive(Debug, Serialize)]
struct LensTerms {
    fx: f64,
    fy: f64,
    cx: f64,
    cy: f64,
    k1: f64,
    k2: f64,
    p1: f64,
    p2: f64,
    k3: f64,
}

/// The shop with these cameras instead of its own.
pub fn equipped(shop: &Shop, views: &[View]) -> Shop {
    let mut shop = shop.clone();
    shop.layout.cameras = views.iter().map(|view| (view.camera.id.clone(), view.camera.clone())).collect();
    let lens = |view: &View| view.lens.map(|lens| (view.camera.id.clone(), lens));
    shop.layout.lenses = views.iter().filter_map(lens).collect();
    shop
}

impl View {
    /// Where the camera hangs: the point that its projection takes to nowhere.
    pub fn eye(&self) -> Point3 {
        let any = |p: Projection| ray(&p, Point2::default());
        self.camera.projection.and_then(any).map_or(Point3::default(), |ray| ray.from)
    }

    /// The same camera after a knock: where it hung, looking so many degrees to its right.
    pub fn turned(&self, right_deg: f64) -> View {
        let projection = self.camera.projection.map(|p| turned(&p, right_deg));
        View { camera: Camera { projection, ..self.camera.clone() }, lens: self.lens }
    }

    pub fn described(&self) -> Described {
        let terms = |l: Lens| {
            let Lens { fx, fy, cx, cy, k1, k2, p1, p2, k3 } = l;
            LensTerms { fx, fy, cx, cy, k1, k2, p1, p2, k3 }
        };
        Described {
            camera: self.camera.id.clone(),
            size: self.camera.size,
            projection: self.camera.projection.unwrap_or_default(),
            lens: self.lens.map(terms),
            position_m: self.eye(),
        }
    }
}

/// What a camera sees that is turned to its right where it hangs, degrees. What is no camera stays as it is.
pub fn turned(projection: &Projection, right_deg: f64) -> Projection {
    let Ok((lens, hung)) = decompose(projection) else { return *projection };
    // About its own y, which points down.
    lens.projection(&hung.compose(&Pose::new(Point3::default(), [0.0, right_deg.to_radians(), 0.0])))
}
