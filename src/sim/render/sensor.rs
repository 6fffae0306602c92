//! From colours to a picture: the light of the moment, a cheap lens and sensor, and BT.601 into I420 (16..=235).
//!
//! Noise belongs to the camera and the moment: the same scene is the same bytes, in whatever order scenes are drawn.

use super::grain::grain;
use super::optics::Optics;
use crate::base::Point2;
use crate::sim::chance::Chance;

/// Places where a row's noise may begin.
const NOISE: usize = 1 << 14;
/// A lamp stays as it is for this long at least, us.
const LAMP_US: i64 = 20_000_000;

/// The light in a shop: the same for all of its cameras.
#[derive(Clone, Debug)]
pub struct Light {
    /// Slow clouds: share, period in seconds, phase in turns.
    clouds: [(f32, f64, f64); 2],
    /// Red and blue beside green.
    warm: (f32, f32),
    /// A lamp that is switched: where on the floor it shines, and how strong.
    pub lamp: Point2,
    lamp_share: f32,
    salt: u32,
}

impl Light {
    pub fn new(seed: u64, outline: &[Point2]) -> Light {
        let mut chance = Chance::new(seed, "light");
        let mut cloud = |share: f64, from: f64| {
            (chance.between(0.02, share) as f32, chance.between(from, 3.0 * from), chance.unit())
        };
        let clouds = [cloud(0.12, 60.0), cloud(0.05, 13.0)];
        let (a, b) = (chance.pick(outline).copied(), chance.pick(outline).copied());
        let lamp = a.zip(b).map_or(Point2::default(), |(a, b)| a.toward(b, 0.5));
        // Evening sun to neon tube.
        let warm = chance.between(-0.1, 0.13) as f32;
        Light {
            clouds,
            warm: (1.0 + warm, 1.0 - warm + chance.between(-0.04, 0.04) as f32),
            lamp,
            lamp_share: chance.between(0.15, 0.5) as f32,
            salt: chance.below(1 << 20) as u32,
        }
    }

    /// Of everything, and of the lamp.
    fn at(&self, t_us: i64) -> (f32, f32) {
        let wave = |(share, period_s, phase): &(f32, f64, f64)| {
            let turns = (t_us as f64 * 1e-6 / period_s + phase).fract();
            share * libm::sin(turns * std::f64::consts::TAU) as f32
        };
        let on = grain((t_us / LAMP_US) as i32, 0, self.salt) < 0.8;
        (1.0 + self.clouds.iter().map(wave).sum::<f32>(), if on { self.lamp_share } else { 0.0 })
    }
}

pub struct Sensor {
    light: Light,
    /// Darker corners times exposure, and how much of the lamp's light comes here.
    vignette: Vec<f32>,
    lamp: Vec<f32>,
    /// The camera's curve.
    curve: [u8; 256],
    balance: [f32; 3],
    soft: bool,
    noise: Vec<i8>,
    salt: u32,
    luma: Vec<u8>,
    row: Vec<[u8; 3]>,
    columns: Vec<u16>,
}

impl Sensor {
    /// `depth` of the empty shop: how far from the lamp a pixel's surface is.
    pub fn new(seed: u64, name: &str, light: Light, optics: &Optics, depth: &[f32]) -> Sensor {
        let mut chance = Chance::new(seed, &format!("sensor/{name}"));
        let (w, h) = (optics.width as f32, optics.height as f32);
        let (dark, exposure) = (chance.between(0.0, 0.35) as f32, chance.between(0.9, 1.35) as f32);
        let lamp_at = light.lamp;
        let mut vignette = Vec::with_capacity(depth.len());
        let mut lamp = Vec::with_capacity(depth.len());
        for (k, ray) in optics.rays.iter().enumerate() {
            let (x, y) = ((k % optics.width) as f32 / w - 0.5, (k / optics.width) as f32 / h - 0.5);
            vignette.push(exposure * (1.0 - dark * 2.0 * (x * x + y * y)));
            let p = optics.eye + *ray * depth[k].min(20.0);
            let (dx, dy) = (p.x - lamp_at.x as f32, p.y - lamp_at.y as f32);
            lamp.push(1.0 / (1.0 + (dx * dx + dy * dy) / 3.0));
        }
        let gamma = chance.between(0.85, 1.25);
        let lift = chance.between(0.0, 14.0);
        let curve = std::array::from_fn(|k| {
            (lift + (255.0 - lift) * libm::pow(k as f64 / 255.0, gamma)).round().clamp(0.0, 255.0) as u8
        });
        let sigma = chance.between(0.6, 4.5);
        // A row may begin anywhere in it.
        let noise =
            (0..NOISE + optics.width).map(|_| (chance.normal() * sigma).round().clamp(-60.0, 60.0) as i8).collect();
        Sensor {
            balance: [light.warm.0, 1.0, light.warm.1],
            light,
            vignette,
            lamp,
            curve,
            soft: chance.yes(0.8),
            noise,
            salt: chance.below(1 << 20) as u32,
            luma: vec![0; depth.len()],
            row: vec![[0; 3]; 2 * optics.width],
            columns: vec![0; optics.width + 2],
        }
    }

    /// `width * height * 3 / 2` bytes: Y, then U, then V at half the size.
    pub fn develop(&mut self, colour: &[[u8; 3]], width: usize, t_us: i64) -> Vec<u8> {
        let pixels = colour.len();
        let (height, half) = (pixels / width, width / 2);
        let (gain, lamp) = self.light.at(t_us);
        let gains = self.balance.map(|b| b * gain);
        let moment = (t_us / 1000) as i32;
        let mut picture = vec![0u8; pixels * 3 / 2];
        let (luma, chroma) = picture.split_at_mut(pixels);
        let (us, vs) = chroma.split_at_mut(pixels / 4);
        let noise_of = |y: usize, salt: u32| {
            let start = (grain(y as i32, moment, self.salt ^ salt) * NOISE as f32) as usize;
            &self.noise[start..start + width]
        };
        for y in (0..height).step_by(2) {
            let at = y * width..(y + 2) * width;
            let (vignette, lamps) = (&self.vignette[at.clone()], &self.lamp[at.clone()]);
            let pixels = colour[at.clone()].iter().zip(vignette.iter().zip(lamps));
            let lit = self.row.iter_mut().zip(&mut self.luma[at]);
            for ((lit, luma), (color, (vignette, lamp_here))) in lit.zip(pixels) {
                let light = vignette * (1.0 + lamp * lamp_here);
                let curved = |c: u8, gain: f32| self.curve[(f32::from(c) * gain * light).min(255.0) as u8 as usize];
                *lit = [curved(color[0], gains[0]), curved(color[1], gains[1]), curved(color[2], gains[2])];
                let [r, g, b] = lit.map(u32::from);
                *luma = (16 + ((66 * r + 129 * g + 25 * b + 128) >> 8)) as u8;
            }
            let noise = noise_of(y, 0);
            let (upper, lower) = self.row.split_at(width);
            let quads = upper.chunks_exact(2).zip(lower.chunks_exact(2)).zip(noise.chunks_exact(2));
            let out = us[y / 2 * half..].iter_mut().zip(&mut vs[y / 2 * half..]);
            for ((u, v), ((above, below), noise)) in out.zip(quads) {
                let sum =
                    |c: usize| [above[0], above[1], below[0], below[1]].iter().map(|p| i32::from(p[c])).sum::<i32>();
                let [r, g, b] = [sum(0), sum(1), sum(2)];
                let off = |n: i8| 128 + i32::from(n) / 2;
                *u = (((-38 * r - 74 * g + 112 * b + 512) >> 10) + off(noise[0])).clamp(16, 240) as u8;
                *v = (((112 * r - 94 * g - 18 * b + 512) >> 10) + off(noise[1])).clamp(16, 240) as u8;
            }
        }
        for y in 0..height {
            let row = |y: usize| &self.luma[y * width..(y + 1) * width];
            let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
            // A column of three to both sides of each pixel: weights 1 2 1, 16 in all.
            let columns = &mut self.columns;
            if self.soft {
                for (column, ((a, h), b)) in columns[1..=width].iter_mut().zip(above.iter().zip(here).zip(below)) {
                    *column = u16::from(*a) + 2 * u16::from(*h) + u16::from(*b);
                }
            } else {
                columns[1..=width].iter_mut().zip(here).for_each(|(column, h)| *column = 4 * u16::from(*h));
            }
            (columns[0], columns[width + 1]) = (columns[1], columns[width]);
            let noise = noise_of(y, 9);
            let out = luma[y * width..(y + 1) * width].iter_mut();
            for ((out, three), noise) in out.zip(columns.windows(3)).zip(noise) {
                let (side, middle) = if self.soft { (three[0] + three[2], 2 * three[1]) } else { (0, 4 * three[1]) };
                let value = ((side + middle + 8) / 16) as i16 + i16::from(*noise);
                *out = value.clamp(16, 235) as u8;
            }
        }
        picture
    }
}
