//! How somebody looks: build, skin, hair, and what they wear.
//!
//! Clothes follow from the vector that the simulator's own people cameras say of the same body (`looks`): who is alike
//! there is alike here, and a school class wears one colour. Body and hair are the body's own.

use super::grain::{Rgb, hsv, mixed, times};
use super::solid::V3;
use crate::sim::chance::Chance;
use crate::sim::person::Stature;

#[derive(Clone, Debug, PartialEq)]
pub struct Dress {
    /// As tall as others of that stature, times this.
    pub height: f32,
    /// Around the body, times this.
    pub girth: f32,
    pub skin: Rgb,
    pub hair: Rgb,
    pub hair_style: Hair,
    pub top: Cloth,
    pub sleeve: Cloth,
    /// Sleeves end here: 0 at the shoulder, 1 at the elbow, 2 at the wrist.
    pub sleeve_ends: f32,
    pub legs: Cloth,
    pub lower: Lower,
    pub shoes: Rgb,
    pub bag: Option<(Bag, Rgb)>,
    /// Arms hang when they have nothing to do; otherwise they are bent, as with a telephone or a basket.
    pub hangs: bool,
    /// Where in their swaying they are, in turns: nobody sways in step.
    pub sways: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hair {
    Bald,
    Short,
    Long,
    Bun,
    Cap,
    /// A scarf or hood: only the face is free.
    Covered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    Trousers,
    Shorts,
    Skirt,
    /// Down to the knees, of the top's cloth.
    Coat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bag {
    Back,
    Shoulder,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cloth {
    pub base: Rgb,
    pub second: Rgb,
    pub pattern: Pattern,
    pub period_m: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    Plain,
    Hoops,
    Pinstripes,
    Checks,
    Dots,
    /// Another colour over the chest.
    Block,
}

/// From dark to light to loud: neighbours are alike.
const CLOTHS: [Rgb; 22] = [
    [22.0, 22.0, 25.0],
    [38.0, 38.0, 42.0],
    [30.0, 36.0, 58.0],
    [44.0, 58.0, 98.0],
    [72.0, 74.0, 80.0],
    [86.0, 70.0, 56.0],
    [90.0, 96.0, 66.0],
    [40.0, 82.0, 60.0],
    [130.0, 132.0, 138.0],
    [150.0, 132.0, 108.0],
    [196.0, 180.0, 152.0],
    [205.0, 205.0, 210.0],
    [240.0, 240.0, 238.0],
    [236.0, 222.0, 190.0],
    [156.0, 186.0, 216.0],
    [62.0, 116.0, 186.0],
    [48.0, 160.0, 160.0],
    [228.0, 196.0, 70.0],
    [222.0, 120.0, 50.0],
    [190.0, 44.0, 46.0],
    [212.0, 120.0, 150.0],
    [118.0, 66.0, 132.0],
];
const TROUSERS: [Rgb; 10] = [
    [24.0, 24.0, 28.0],
    [34.0, 38.0, 54.0],
    [50.0, 66.0, 104.0],
    [84.0, 106.0, 146.0],
    [60.0, 60.0, 64.0],
    [112.0, 112.0, 116.0],
    [92.0, 84.0, 62.0],
    [168.0, 150.0, 120.0],
    [218.0, 214.0, 204.0],
    [120.0, 50.0, 54.0],
];
const SKINS: [Rgb; 8] = [
    [246.0, 216.0, 196.0],
    [236.0, 196.0, 170.0],
    [224.0, 178.0, 146.0],
    [204.0, 154.0, 118.0],
    [176.0, 124.0, 90.0],
    [140.0, 94.0, 66.0],
    [104.0, 68.0, 48.0],
    [72.0, 48.0, 36.0],
];
const HAIRS: [Rgb; 8] = [
    [20.0, 18.0, 18.0],
    [38.0, 28.0, 22.0],
    [66.0, 46.0, 32.0],
    [104.0, 74.0, 46.0],
    [178.0, 146.0, 96.0],
    [150.0, 78.0, 42.0],
    [168.0, 166.0, 164.0],
    [226.0, 224.0, 220.0],
];

/// Reads a vector of clothes as so many even draws, 0..1: the same vector, the same draws; nearly the same, nearly.
struct Reading<'a> {
    clothes: &'a [f64],
    n: u32,
}

impl Reading<'_> {
    fn next(&mut self) -> f64 {
        let mut chance = Chance::new(0, &format!("dress/{}", self.n));
        self.n += 1;
        // A unit vector along a random one is normal with variance 1; its share of the normals below it is even.
        let along: f64 = self.clothes.iter().map(|v| v * chance.normal()).sum();
        (0.5 * libm::erfc(-along / std::f64::consts::SQRT_2)).clamp(0.0, 1.0 - 1e-9)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.next() * choices.len() as f64) as usize]
    }

    fn cloth(&mut self, colours: &[Rgb], patterned: f64) -> Cloth {
        let own = self.of(colours);
        let shift = hsv(self.next() as f32, 0.5, 0.8);
        let base = times(mixed(own, shift, 0.12 * self.next() as f32), 0.8 + 0.35 * self.next() as f32);
        let second = self.of(colours);
        let patterns = [Pattern::Hoops, Pattern::Pinstripes, Pattern::Checks, Pattern::Dots, Pattern::Block];
        let pattern = self.of(&patterns);
        let pattern = if self.next() < patterned { pattern } else { Pattern::Plain };
        Cloth { base: base.map(|c| c.min(250.0)), second, pattern, period_m: 0.03 + 0.1 * self.next() as f32 }
    }
}

impl Dress {
    /// `clothes`: what the body wears, a unit vector.
    pub fn of(seed: u64, body: &str, stature: Stature, clothes: &[f64]) -> Dress {
        let mut own = Chance::new(seed, &format!("body/{body}"));
        let mut worn = Reading { clothes, n: 0 };
        let child = stature == Stature::Child;
        let height = if child { own.between(0.82, 1.2) } else { (1.0 + 0.05 * own.normal()).clamp(0.88, 1.13) };
        let girth = libm::exp(0.14 * own.normal()).clamp(0.78, 1.5);
        let skin = SKINS[own.below(SKINS.len())];
        let skin = mixed(skin, SKINS[own.below(SKINS.len())], 0.2);
        let styles = [
            Hair::Short,
            Hair::Short,
            Hair::Short,
            Hair::Long,
            Hair::Long,
            Hair::Bun,
            Hair::Bald,
            Hair::Cap,
            Hair::Covered,
        ];
        let hair_style = styles[own.below(styles.len())];
        let natural = HAIRS[own.below(HAIRS.len())];
        let hair = match hair_style {
            Hair::Cap | Hair::Covered => CLOTHS[own.below(CLOTHS.len())],
            _ if own.yes(0.04) => hsv(own.unit() as f32, 0.7, 0.7),
            _ => natural,
        };
        let hangs = own.yes(0.6);
        let sways = own.unit() as f32;
        let top = worn.cloth(&CLOTHS, 0.42);
        let sleeve = if worn.next() < 0.22 { worn.cloth(&CLOTHS, 0.2) } else { top };
        let sleeve_ends = worn.of(&[0.3, 0.6, 0.8, 1.4, 1.9, 1.95, 1.95, 2.0]);
        let mut legs = worn.cloth(&TROUSERS, 0.08);
        let lower = worn.of(&[
            Lower::Trousers,
            Lower::Trousers,
            Lower::Trousers,
            Lower::Trousers,
            Lower::Shorts,
            Lower::Skirt,
            Lower::Coat,
        ]);
        if lower == Lower::Skirt && worn.next() < 0.5 {
            legs = worn.cloth(&CLOTHS, 0.4);
        }
        let shoes = worn.of(&CLOTHS);
        let bag = match worn.next() {
            u if u < 0.16 => Some((Bag::Back, worn.of(&CLOTHS))),
            u if u < 0.30 => Some((Bag::Shoulder, worn.of(&CLOTHS))),
            _ => None,
        };
        Dress {
            height: height as f32,
            girth: girth as f32,
            skin,
            hair,
            hair_style,
            top,
            sleeve,
            sleeve_ends,
            legs,
            lower,
            shoes,
            bag,
            hangs,
            sways,
        }
    }
}

impl Cloth {
    /// At `along` metres down the cloth and `across` it; `chest`: within the upper third.
    pub fn colour(&self, along: f32, across: f32, chest: bool) -> Rgb {
        let stripe = |at: f32| (at / self.period_m + 64.0).fract() < 0.45;
        let second = match self.pattern {
            Pattern::Plain => false,
            Pattern::Hoops => stripe(along),
            Pattern::Pinstripes => stripe(across),
            Pattern::Checks => stripe(along) != stripe(across),
            Pattern::Dots => {
                let (u, v) = (along / self.period_m + 64.0, across / self.period_m + 64.0);
                let (u, v) = (u.fract() - 0.5, v.fract() - 0.5);
                u * u + v * v < 0.07
            }
            Pattern::Block => chest,
        };
        if second { self.second } else { self.base }
    }
}

/// Hair grows where a point of the head, seen from its middle in heads (up, towards the face), is on top or behind.
pub fn is_hair(style: Hair, up: f32, face: f32) -> bool {
    match style {
        Hair::Bald => false,
        Hair::Short => up > 0.05 + 0.75 * face,
        Hair::Long | Hair::Bun => up > -0.15 + 0.85 * face,
        Hair::Cap => up > 0.25 + 0.15 * face,
        Hair::Covered => face < 0.45 || !(-0.75..=0.55).contains(&up),
    }
}

/// Unit vector to the left of somebody who faces along `facing`.
pub fn left_of(facing: V3) -> V3 {
    V3 { x: -facing.y, y: facing.x, z: 0.0 }
}
