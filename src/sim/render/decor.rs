//! What a shop is made of: floor, walls, shelves, light fittings, street. All from a seed, no two alike.

use super::grain::{Rgb, cloud, grain, hsv, mixed, times};
use crate::sim::chance::Chance;

#[derive(Clone, Debug)]
pub struct Decor {
    pub ceiling_m: f32,
    floor: Covering,
    wall: Covering,
    /// A painted base on the walls, metres high, and its colour.
    skirting: (f32, Rgb),
    pub board: Rgb,
    pub panel: Rgb,
    /// Bays are closed at their sides, or open frames.
    pub closed_sides: bool,
    pub label: Rgb,
    ceiling: Rgb,
    street: Rgb,
    sky: Rgb,
    /// Distance of the ceiling's lamps, metres.
    lamps_m: f32,
    salt: u32,
}

#[derive(Clone, Debug)]
struct Covering {
    kind: Kind,
    one: Rgb,
    other: Rgb,
    /// Size of a tile or plank, metres.
    size_m: f32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Even,
    Tiles,
    Chequers,
    Planks,
    Speckled,
}

const FLOORS: [Kind; 5] = [Kind::Even, Kind::Tiles, Kind::Chequers, Kind::Planks, Kind::Speckled];
const WALLS: [Kind; 7] =
    [Kind::Even, Kind::Even, Kind::Even, Kind::Tiles, Kind::Chequers, Kind::Planks, Kind::Speckled];

impl Covering {
    fn drawn(chance: &mut Chance, kinds: &[Kind], bright: (f64, f64), colourful: f64) -> Covering {
        let kind = kinds[chance.below(kinds.len())];
        let saturation = if chance.yes(0.5) { 0.06 } else { colourful * chance.unit() };
        let hue = if chance.yes(0.6) { chance.between(0.05, 0.14) } else { chance.unit() };
        let value = chance.between(bright.0, bright.1);
        let one = hsv(hue as f32, saturation as f32, value as f32);
        let other = times(one, chance.between(0.62, 0.96) as f32);
        Covering { kind, one, other, size_m: chance.between(0.15, 0.6) as f32 }
    }

    fn colour(&self, x: f32, y: f32, salt: u32) -> Rgb {
        let (u, v) = (x / self.size_m, y / self.size_m);
        let (i, j) = (u.floor() as i32, v.floor() as i32);
        let seam = |width: f32| {
            let (du, dv) = (u - u.floor(), v - v.floor());
            du * self.size_m < width || dv * self.size_m < width
        };
        let base = match self.kind {
            Kind::Even => self.one,
            Kind::Tiles if seam(0.012) => self.other,
            Kind::Tiles => times(self.one, 0.97 + 0.06 * grain(i, j, salt)),
            Kind::Chequers if (i + j) & 1 == 0 => self.other,
            Kind::Chequers => self.one,
            Kind::Planks => {
                let along = (u / 5.0 + grain(j, 7, salt)).floor() as i32;
                let lines = cloud(u * 1.2, v * 14.0, salt);
                let plank = mixed(self.one, self.other, 0.35 * lines + 0.65 * grain(along, j, salt));
                if v - v.floor() < 0.02 / self.size_m { times(plank, 0.75) } else { plank }
            }
            Kind::Speckled => mixed(self.one, self.other, grain((x * 60.0) as i32, (y * 60.0) as i32, salt).powi(3)),
        };
        // Wear and dirt, over half a metre.
        times(base, 0.93 + 0.1 * cloud(x * 2.1, y * 2.1, salt ^ 5))
    }
}

impl Decor {
    /// `highest_m`: of its cameras, which hang below the ceiling.
    pub fn new(seed: u64, highest_m: f64) -> Decor {
        let mut chance = Chance::new(seed, "decor");
        let low = chance.between(2.6, 3.4);
        let bay = if chance.yes(0.6) { chance.between(0.75, 0.97) } else { chance.between(0.12, 0.6) };
        let tint = chance.unit() as f32;
        let saturation = if chance.yes(0.7) { 0.05 } else { 0.5 };
        let board = hsv(tint, saturation, bay as f32);
        Decor {
            ceiling_m: low.max(highest_m + chance.between(0.1, 0.5)) as f32,
            floor: Covering::drawn(&mut chance, &FLOORS, (0.28, 0.85), 0.5),
            wall: Covering::drawn(&mut chance, &WALLS, (0.5, 0.97), 0.45),
            skirting: (
                chance.between(0.05, 1.2) as f32,
                hsv(chance.unit() as f32, 0.3, chance.between(0.3, 0.9) as f32),
            ),
            board,
            panel: times(board, chance.between(0.7, 1.02) as f32),
            closed_sides: chance.yes(0.5),
            label: hsv(chance.unit() as f32, if chance.yes(0.5) { 0.0 } else { 0.8 }, 0.92),
            ceiling: hsv(0.1, 0.03, chance.between(0.6, 0.95) as f32),
            street: hsv(0.1, 0.08, chance.between(0.35, 0.75) as f32),
            sky: hsv(0.58, chance.between(0.05, 0.4) as f32, chance.between(0.6, 1.0) as f32),
            lamps_m: chance.between(1.6, 3.0) as f32,
            salt: chance.below(1 << 20) as u32,
        }
    }

    pub fn floor(&self, x: f32, y: f32) -> Rgb {
        self.floor.colour(x, y, self.salt)
    }

    pub fn street(&self, x: f32, y: f32) -> Rgb {
        let slab = grain((x / 0.4).floor() as i32, (y / 0.4).floor() as i32, self.salt ^ 3);
        times(self.street, 0.85 + 0.15 * slab + 0.08 * cloud(x, y, self.salt))
    }

    /// `share` of the way up from the horizon.
    pub fn sky(&self, share: f32) -> Rgb {
        mixed(times(self.street, 0.9), self.sky, share.clamp(0.0, 1.0))
    }

    /// Lamps are panels of 1.2 m by 0.3 m.
    pub fn ceiling(&self, x: f32, y: f32) -> Rgb {
        let (u, v) = (x.rem_euclid(self.lamps_m), y.rem_euclid(self.lamps_m));
        let panel = (u / 0.6).fract() * 0.6 < 0.012 || (v / 0.6).fract() * 0.6 < 0.012;
        match (u < 1.2 && v < 0.3, panel) {
            (true, _) => [255.0; 3],
            (false, true) => times(self.ceiling, 0.85),
            (false, false) => self.ceiling,
        }
    }

    /// A wall at `along` metres from its left end, `up` metres above the floor: covering, skirting, posters.
    pub fn wall(&self, along: f32, up: f32, no: u32) -> Rgb {
        let salt = self.salt ^ no.wrapping_mul(77);
        let place = (along / 1.7).floor() as i32;
        if grain(place, 1, salt) < 0.45 {
            let (left, foot) = (0.2 + 0.5 * grain(place, 2, salt), 1.0 + 0.6 * grain(place, 3, salt));
            let (wide, tall) = (0.4 + 0.5 * grain(place, 4, salt), 0.4 + 0.7 * grain(place, 5, salt));
            let (u, v) = ((along - place as f32 * 1.7 - left) / wide, (up - foot) / tall);
            if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
                return poster(u, v, salt ^ place as u32);
            }
        }
        if up < self.skirting.0 { self.skirting.1 } else { self.wall.colour(along, up, salt) }
    }
}

/// Advertising: a ground, a shape (now and then of a head and shoulders, which is nobody), lines of print.
fn poster(u: f32, v: f32, salt: u32) -> Rgb {
    let ground = hsv(grain(1, 0, salt), 0.2 + 0.7 * grain(2, 0, salt), 0.4 + 0.6 * grain(3, 0, salt));
    let shape = hsv(grain(4, 0, salt), 0.6, 0.3 + 0.7 * grain(5, 0, salt));
    if !(0.04..0.96).contains(&u) || !(0.04..0.96).contains(&v) {
        return [240.0; 3];
    }
    let (x, y) = (u - 0.5, v - 0.65);
    let person = grain(6, 0, salt) < 0.35;
    if person && x * x + y * y < 0.018 {
        return [205.0, 160.0, 130.0];
    }
    let shoulders = person && v < 0.53 && x.abs() < 0.28 && v > 0.12;
    let ball = !person && x * x + (v - 0.5) * (v - 0.5) < 0.06;
    if shoulders || ball {
        return shape;
    }
    if v < 0.12 && cloud(u * 14.0, v * 40.0, salt) > 0.5 { [30.0; 3] } else { ground }
}
