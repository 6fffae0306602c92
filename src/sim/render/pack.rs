//! What a product looks like on a shelf or in a hand: a box of a size that goes with its weight, with a print on it.
//!
//! A product looks the same in every shop and every seed, as its vector does (`looks`): flavours of a line share a brand's
//! colours and differ in one, a large pack is the same print on a larger box.

use super::grain::{Rgb, cloud, hsv, mixed, times};
use crate::base::ProductId;
use crate::sim::chance::Chance;
use crate::sim::shops::{line_of, looks_of};

#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Along the shelf, into it, upwards; metres.
    pub size_m: [f32; 3],
    /// Bottles, cans, jars: drawn as boxes whose sides darken towards their edges.
    round: bool,
    ground: Rgb,
    band: Rgb,
    logo: Rgb,
    /// Of the height: where the band begins and ends.
    band_at: (f32, f32),
    logo_at: (f32, f32),
    logo_size: f32,
    print: Print,
    salt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Print {
    Plain,
    Stripes,
    Diagonal,
    Halves,
    Clouds,
}

/// Width and depth for a height of 1; cubic centimetres a gram; round.
type Form = ([f64; 2], f64, bool);

const FORMS: [(&str, Form); 9] = [
    ("drink", ([0.30, 0.30], 1.15, true)),
    ("can", ([0.54, 0.54], 1.1, true)),
    ("tin", ([0.70, 0.70], 1.1, true)),
    ("jar", ([0.68, 0.68], 1.4, true)),
    ("bar", ([3.0, 2.0], 1.6, false)),
    ("snack", ([0.72, 0.30], 6.0, false)),
    ("bread", ([0.9, 0.7], 4.0, false)),
    ("beer", ([0.29, 0.29], 1.3, true)),
    ("dairy", ([0.85, 0.80], 1.1, false)),
];
/// What is of no category we know: cartons, bags, boxes.
const OTHERS: [Form; 5] = [
    ([0.62, 0.36], 1.6, false),
    ([0.72, 0.45], 1.8, false),
    ([0.40, 0.40], 1.2, true),
    ([1.3, 0.8], 1.5, false),
    ([0.55, 0.55], 1.3, false),
];

impl Pack {
    /// `weight_g` as the catalogue says it, 0 where it does not.
    pub fn of(product: &ProductId, weight_g: f64) -> Pack {
        let (line, own) = (line_of(product), looks_of(product));
        let mut brand = Chance::new(0, &format!("pack/line/{line}"));
        let mut flavour = Chance::new(0, &format!("pack/{own}"));
        let category = line.split('-').nth(1).unwrap_or_default();
        let known = FORMS.iter().find(|(name, _)| *name == category).map(|(_, form)| *form);
        let other = OTHERS[brand.below(OTHERS.len())];
        let ([wide, deep], cm3_g, round) = known.unwrap_or(other);
        let volume_m3 = if weight_g > 0.0 { weight_g } else { 300.0 } * cm3_g * 1e-6;
        let tall = libm::cbrt(volume_m3 / (wide * deep)) * brand.between(0.93, 1.07);
        let size_m = [wide * tall, deep * tall, tall].map(|side| side.clamp(0.02, 0.4) as f32);
        let hue = |chance: &mut Chance| chance.unit() as f32;
        let (ground, band) = (hue(&mut brand), hue(&mut brand));
        let colour = |chance: &mut Chance, hue: f32| match chance.below(5) {
            0 => [235.0, 232.0, 225.0],
            1 => hsv(hue, 0.35, 0.9),
            _ => hsv(hue, chance.between(0.65, 0.95) as f32, chance.between(0.45, 0.95) as f32),
        };
        let (ground, own_band) = (colour(&mut brand, ground), colour(&mut flavour, band));
        let print = [Print::Plain, Print::Stripes, Print::Diagonal, Print::Halves, Print::Clouds][brand.below(5)];
        let from = brand.between(0.1, 0.6) as f32;
        let logo_hue = hue(&mut flavour);
        Pack {
            size_m,
            round,
            ground,
            band: own_band,
            logo: colour(&mut flavour, logo_hue),
            band_at: (from, from + brand.between(0.12, 0.35) as f32),
            logo_at: (brand.between(-0.4, 0.4) as f32, brand.between(-0.2, 0.6) as f32),
            logo_size: brand.between(0.25, 0.6) as f32,
            print,
            salt: brand.below(1 << 20) as u32,
        }
    }

    /// Colour of a point of its surface. `axis` and `sign` name the face (0 side, 1 front and back, 2 top and bottom),
    /// `at` is the point within the box, each -1..=1.
    pub fn colour(&self, axis: usize, at: [f32; 3]) -> Rgb {
        let (across, up) = (at[if axis == 0 { 1 } else { 0 }], at[2]);
        if axis == 2 {
            // A lid: caps of bottles are of the logo's colour.
            let middle = at[0] * at[0] + at[1] * at[1];
            return if self.round && middle < 0.4 { self.logo } else { times(self.ground, 0.92) };
        }
        let height = (up + 1.0) / 2.0;
        let mut colour = match self.print {
            Print::Plain => self.ground,
            Print::Stripes if ((height * 9.0) as i32) % 2 == 0 => mixed(self.ground, self.band, 0.6),
            Print::Diagonal if (across + up * 1.5 + 8.0) % 0.9 < 0.4 => mixed(self.ground, self.logo, 0.7),
            Print::Halves if across > 0.0 => self.logo,
            Print::Clouds => mixed(self.ground, self.logo, cloud(across * 2.5 + 9.0, up * 2.5 + 9.0, self.salt)),
            _ => self.ground,
        };
        if (self.band_at.0..self.band_at.1).contains(&height) {
            // Small print: dark marks on the band.
            let mark = cloud(across * 9.0 + 50.0, height * 40.0, self.salt) > 0.68;
            colour = if mark { times(self.band, 0.4) } else { self.band };
        }
        let (dx, dz) = (across - self.logo_at.0, (up - self.logo_at.1) * 1.2);
        if axis == 1 && dx * dx + dz * dz < self.logo_size * self.logo_size {
            colour = self.logo;
        }
        if self.round { times(colour, 1.05 - 0.5 * across * across) } else { colour }
    }
}
