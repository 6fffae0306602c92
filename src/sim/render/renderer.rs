//! One camera: draws scenes as it would see them, and says what is in them.
//!
//! A picture is a copy of the backdrop with soft shadows under feet, bodies over it where they are nearer, and what they
//! hold; a number a pixel says whose it is, so that a label knows what is hidden.

use super::backdrop::Backdrop;
use super::body::{Piece, held, pieces};
use super::goods::Goods;
use super::grain::times;
use super::label::{Label, Spot, rounded};
use super::optics::{Area, Extent, Optics};
use super::pack::Pack;
use super::room::Room;
use super::scene::{Figure, Scene};
use super::sensor::{Light, Sensor};
use super::solid::{LimbFrom, V3, v3};
use super::views::View;
use crate::base::{CameraId, ProductId};
use crate::shop::Shop;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose a pixel is: 0 nobody's, k + 1 the kth figure's, above [`ITEM`] what it holds.
const ITEM: u8 = 128;
/// No more people are drawn in one picture.
const MOST: usize = 126;
/// Shadow under somebody: radius, metres, and depth.
const SHADOW_M: f32 = 0.42;
const SHADOW: f32 = 0.5;
/// A point of a body is to be seen when nothing is nearer than it by more than the body is thick around it, metres.
const HEAD_M: f32 = 0.16;
const HAND_M: f32 = 0.09;
const FEET_M: f32 = 0.35;
const FLOOR_M: f32 = 0.06;

/// What all cameras of a shop have in common: the room, its light, its goods at the start.
pub struct Studio {
    pub shop: Arc<Shop>,
    seed: u64,
    room: Arc<Room>,
    light: Light,
}

impl Studio {
    /// `views`: every camera of the shop, which hang below its ceiling.
    pub fn new(shop: Arc<Shop>, seed: u64, views: &[View]) -> Studio {
        let highest_m = views.iter().map(|view| view.eye().z).fold(0.0, f64::max);
        let room = Arc::new(Room::new(&shop, seed, highest_m));
        Studio { room, light: Light::new(seed, &shop.layout.outline), seed, shop }
    }
}

pub struct Renderer {
    pub camera: CameraId,
    shop: Arc<Shop>,
    room: Arc<Room>,
    optics: Optics,
    backdrop: Backdrop,
    sensor: Sensor,
    packs: BTreeMap<ProductId, Pack>,
    colour: Vec<[u8; 3]>,
    depth: Vec<f32>,
    whose: Vec<u8>,
}

/// A figure as drawn.
struct Traced {
    extent: Extent,
    area: Area,
    /// Pixels of it alone.
    alone: usize,
}

/// A limb before this camera.
struct Before {
    piece: Piece,
    from: LimbFrom,
    area: Area,
}

impl Renderer {
    /// Fails on a camera whose projection or size cannot be drawn.
    pub fn new(studio: &Studio, view: &View, goods: &Goods) -> Result<Renderer, String> {
        let optics = Optics::new(&view.camera, view.lens.as_ref(), 1)?;
        let (shop, room) = (studio.shop.clone(), studio.room.clone());
        let backdrop = Backdrop::new(shop.clone(), room.clone(), &view.camera, view.lens.as_ref(), goods)?;
        let name = format!("{}/{}", shop.id, view.camera.id);
        let sensor = Sensor::new(studio.seed, &name, studio.light.clone(), &optics, &backdrop.depth);
        let pixels = optics.width * optics.height;
        Ok(Renderer {
            camera: view.camera.id.clone(),
            shop,
            room,
            optics,
            backdrop,
            sensor,
            packs: BTreeMap::new(),
            colour: vec![[0; 3]; pixels],
            depth: vec![0.0; pixels],
            whose: vec![0; pixels],
        })
    }

    /// Width and height, pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.optics.width, self.optics.height)
    }

    /// I420: `width * height * 3 / 2` bytes.
    pub fn picture(&mut self, scene: &Scene) -> Vec<u8> {
        self.draw(scene);
        self.sensor.develop(&self.colour, self.optics.width, scene.t_us)
    }

    /// The picture and everybody who would be in it if nothing hid them.
    pub fn labelled(&mut self, scene: &Scene) -> (Vec<u8>, Vec<Label>) {
        let traced = self.draw(scene);
        let labels = scene.figures.iter().zip(&traced).enumerate();
        let labels = labels.filter_map(|(k, (figure, traced))| self.label(k, figure, traced)).collect();
        (self.sensor.develop(&self.colour, self.optics.width, scene.t_us), labels)
    }

    fn draw(&mut self, scene: &Scene) -> Vec<Traced> {
        self.backdrop.stock(&scene.goods);
        self.colour.copy_from_slice(&self.backdrop.colour);
        self.depth.copy_from_slice(&self.backdrop.depth);
        self.whose.fill(0);
        let figures = &scene.figures[..scene.figures.len().min(MOST)];
        figures.iter().for_each(|figure| self.shadow(figure.stance.floor));
        let traced = figures.iter().enumerate().map(|(k, figure)| self.figure(k, figure)).collect();
        for (k, figure) in figures.iter().enumerate() {
            for (hand, item) in figure.items.iter().enumerate() {
                if let Some(product) = item {
                    self.item(k, figure, hand, product);
                }
            }
        }
        traced
    }

    fn shadow(&mut self, floor: V3) {
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
        let middle = floor - self.room.side * 0.06;
        let corners = corners.map(|(x, y): (f32, f32)| middle + v3(x, y, 0.0) * SHADOW_M);
        let area = self.optics.area(corners.into_iter(), 3.0);
        for y in area.y0..area.y1 {
            for k in y * self.optics.width + area.x0..y * self.optics.width + area.x1 {
                let p = self.optics.eye + self.optics.rays[k] * self.depth[k];
                let (dx, dy) = (p.x - middle.x, p.y - middle.y);
                let out = (dx * dx + dy * dy) / (SHADOW_M * SHADOW_M);
                if p.z.abs() < 0.03 && out < 1.0 {
                    let dark = 1.0 - SHADOW * (1.0 - out) * (1.0 - out);
                    self.colour[k] = self.colour[k].map(|c| (f32::from(c) * dark) as u8);
                }
            }
        }
    }

    fn figure(&mut self, k: usize, figure: &Figure) -> Traced {
        let (eye, width) = (self.optics.eye, self.optics.width);
        let mut extent = Extent::NONE;
        let mut limbs = Vec::new();
        for piece in pieces(&figure.stance, &figure.dress) {
            let mut own = Extent::NONE;
            let mut behind = false;
            for p in piece.limb.outline(eye) {
                match self.optics.pixel(p) {
                    Some(at) => own.hold(at),
                    None => behind = true,
                }
            }
            if own.is_none() {
                continue;
            }
            extent.hold_all(&own);
            let area = if behind { self.optics.whole() } else { self.optics.within(&own, 1.0) };
            if !area.is_empty() {
                limbs.push(Before { from: piece.limb.from(eye), piece, area });
            }
        }
        let area = limbs.iter().map(|limb| limb.area).reduce(|a, b| Area {
            x0: a.x0.min(b.x0),
            y0: a.y0.min(b.y0),
            x1: a.x1.max(b.x1),
            y1: a.y1.max(b.y1),
        });
        let area = area.unwrap_or_default();
        let salt = figure.body.bytes().fold(7u32, |salt, byte| salt.wrapping_mul(31) ^ u32::from(byte));
        let mut alone = 0;
        let mut here: Vec<&Before> = Vec::with_capacity(limbs.len());
        for y in area.y0..area.y1 {
            here.clear();
            here.extend(limbs.iter().filter(|limb| (limb.area.y0..limb.area.y1).contains(&y)));
            for x in area.x0..area.x1 {
                let at = y * width + x;
                let ray = self.optics.rays[at];
                let mut nearest: Option<(f32, V3, f32, &Piece)> = None;
                for limb in here.iter().filter(|limb| (limb.area.x0..limb.area.x1).contains(&x)) {
                    if let Some((t, normal, share)) = limb.from.enter(ray)
                        && nearest.is_none_or(|(other, ..)| t < other)
                    {
                        nearest = Some((t, normal, share, &limb.piece));
                    }
                }
                let Some((t, normal, share, piece)) = nearest else { continue };
                alone += 1;
                if t >= self.depth[at] {
                    continue;
                }
                let p = eye + ray * t;
                let colour = piece.colour(p, share, &figure.stance, &figure.dress, salt);
                // Less light comes to where legs are.
                let low = 0.78 + 0.22 * (p.z / 0.9).clamp(0.0, 1.0);
                self.depth[at] = t;
                self.whose[at] = k as u8 + 1;
                self.colour[at] = times(colour, low * self.body_light(normal, ray)).map(|c| c as u8);
            }
        }
        Traced { extent, area, alone }
    }

    /// As [`Room::light`]; what turns away from the eye is darker: it is cloth, not a wall.
    fn body_light(&self, normal: V3, ray: V3) -> f32 {
        let toward = -normal.dot(ray) / ray.length();
        self.room.light(normal) * (0.62 + 0.42 * toward)
    }

    fn item(&mut self, k: usize, figure: &Figure, hand: usize, product: &ProductId) {
        let shop = &self.shop;
        let pack = self
            .packs
            .entry(product.clone())
            .or_insert_with(|| Pack::of(product, shop.catalogue.get(product).map_or(0.0, |known| known.weight_g)));
        let block = held(&figure.stance, hand, pack.size_m);
        let (eye, width) = (self.optics.eye, self.optics.width);
        let (area, from) = (self.optics.area(block.corners().into_iter(), 2.0), block.local(eye));
        for y in area.y0..area.y1 {
            for at in y * width + area.x0..y * width + area.x1 {
                let Some(entry) = block.enter(from, self.optics.rays[at]) else { continue };
                if entry.t < self.depth[at] {
                    let place = [0, 1, 2].map(|axis| entry.local[axis] / block.half[axis]);
                    let light = self.room.light(block.axes[entry.axis] * entry.sign);
                    self.depth[at] = entry.t;
                    self.whose[at] = ITEM + k as u8 + 1;
                    self.colour[at] = times(pack.colour(entry.axis, place), light).map(|c| c as u8);
                }
            }
        }
    }

    /// `None`: nothing of it would be in the picture.
    fn label(&self, k: usize, figure: &Figure, traced: &Traced) -> Option<Label> {
        if traced.alone == 0 {
            return None;
        }
        let mine = k as u8 + 1;
        let (mut seen, mut visible) = (0usize, Extent::NONE);
        for y in traced.area.y0..traced.area.y1 {
            for x in traced.area.x0..traced.area.x1 {
                if self.whose[y * self.optics.width + x] == mine {
                    seen += 1;
                    visible.hold((x as f32, y as f32));
                    visible.hold((x as f32 + 1.0, y as f32 + 1.0));
                }
            }
        }
        let spot = |p: V3, thick_m: f32, own_m: f32| -> Spot {
            let Some((u, v)) = self.optics.pixel(p) else { return (-1.0, -1.0, false) };
            let within = u >= 0.0 && v >= 0.0 && u < self.optics.width as f32 && v < self.optics.height as f32;
            let at = if within { v as usize * self.optics.width + u as usize } else { 0 };
            let whose = self.whose[at];
            let spare_m = if whose == mine || whose == ITEM + mine { own_m } else { thick_m };
            // Depths to distances along the ray: rays are longer than their depth.
            let nearer_m = (self.optics.depth(p) - self.depth[at]) * self.optics.rays[at].length();
            (rounded(u, 100.0), rounded(v, 100.0), within && nearer_m <= spare_m)
        };
        let stance = &figure.stance;
        let hand = |i: usize| spot(stance.hands[i], HAND_M * stance.scale, (HAND_M + 0.02) * stance.scale);
        let metres = |p: V3| [p.x, p.y, p.z].map(|m| rounded(m, 1000.0));
        let held = |i: usize| figure.items[i].as_ref().map(|item| item.as_str().to_owned());
        Some(Label {
            id: figure.body.clone(),
            whole: corner_and_size(&traced.extent),
            visible_box: (seen > 0).then(|| corner_and_size(&visible)),
            visible: rounded(seen as f32 / traced.alone as f32, 1000.0),
            head: spot(stance.head, HEAD_M, HEAD_M),
            left_hand: hand(0),
            right_hand: hand(1),
            floor: spot(stance.floor, FLOOR_M, FEET_M),
            floor_m: [rounded(stance.floor.x, 1000.0), rounded(stance.floor.y, 1000.0)],
            head_m: metres(stance.head),
            hands_m: stance.hands.map(metres),
            items: [held(0), held(1)],
        })
    }
}

fn corner_and_size(extent: &Extent) -> [f64; 4] {
    let Extent { low, high } = *extent;
    [low.0, low.1, high.0 - low.0, high.1 - low.1].map(|side| rounded(side, 100.0))
}
