//! What a vision system writes down of clothes and of goods in a hand: vectors of a named space, as separable as real ones.
//!
//! Everybody has clothes, every product a look; an observation is that vector and noise, of unit length. Clothes belong to
//! the day (to the seed), a product's look to the product: it is the same in every shop and every seed. [`Gallery`] is what a
//! shop knows of its products beforehand: the vector of a picture of each.

use super::chance::Chance;
use super::parameters::{Parameters, first_outside};
use super::shops::{line_of, looks_of};
use crate::base::ProductId;
use crate::events::Vector;
use crate::shop::Catalogue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of the spaces, as `people` messages carry them.
pub const CLOTHES: &str = "sim-clothes-1";
pub const GOODS: &str = "sim-goods-1";

/// How much vectors tell; `parameters.toml` has the figures and their sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looks {
    pub clothes: Clothes,
    pub outfits: Outfits,
    pub goods: Goods,
    /// Goods are looked at this long after a take and before a put.
    pub carried_s: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clothes {
    pub numbers: usize,
    /// Share of a vector's length (squared) that all people have in common.
    pub common: f64,
    /// Length of the noise beside a vector of length 1.
    pub noise: f64,
    /// Correlation of the noise from look to look.
    pub wander: f64,
}

/// What many wear: staff, a school, dark coats in winter.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outfits {
    pub share: f64,
    pub kinds: usize,
    /// Share of the rest of a vector (squared) that two in one outfit have in common.
    pub alike: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    pub numbers: usize,
    /// Length of the noise that stays for a whole reach, and of what each look adds.
    pub reach_noise: f64,
    pub look_noise: f64,
    /// Of the picture in the shop's gallery.
    pub enrolled: f64,
    /// Share of a look (squared) that products of one line have in common.
    pub line: f64,
}

impl Looks {
    pub(super) fn problem(&self) -> String {
        let Looks { clothes, outfits, goods, carried_s } = self;
        first_outside(&[
            ("looks.clothes.numbers", clothes.numbers as f64, 2.0, 1024.0),
            ("looks.clothes.common", clothes.common, 0.0, 1.0),
            ("looks.clothes.noise", clothes.noise, 0.0, 100.0),
            ("looks.clothes.wander", clothes.wander, 0.0, 1.0),
            ("looks.outfits.share", outfits.share, 0.0, 1.0),
            ("looks.outfits.kinds", outfits.kinds as f64, 1.0, 1e6),
            ("looks.outfits.alike", outfits.alike, 0.0, 1.0),
            ("looks.goods.numbers", goods.numbers as f64, 2.0, 1024.0),
            ("looks.goods.reach_noise", goods.reach_noise, 0.0, 100.0),
            ("looks.goods.look_noise", goods.look_noise, 0.0, 100.0),
            ("looks.goods.enrolled", goods.enrolled, 0.0, 100.0),
            ("looks.goods.line", goods.line, 0.0, 1.0),
            ("looks.carried_s", *carried_s, 0.0, 5.0),
        ])
    }
}

/// The day's clothes: one vector a body, the same for every camera.
pub struct Wardrobe {
    seed: u64,
    looks: Looks,
    common: Vec<f64>,
    worn: BTreeMap<String, Vec<f64>>,
    shown: BTreeMap<String, Vec<f64>>,
}

impl Wardrobe {
    pub fn new(seed: u64, looks: Looks) -> Wardrobe {
        let common = direction(&mut Chance::new(seed, "clothes/common"), looks.clothes.numbers);
        Wardrobe { seed, looks, common, worn: BTreeMap::new(), shown: BTreeMap::new() }
    }

    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// What `body` wears: unit length.
    fn clothes(&mut self, body: &str) -> &[f64] {
        let (seed, Looks { clothes, outfits, .. }) = (self.seed, &self.looks);
        let common = &self.common;
        self.worn.entry(body.to_owned()).or_insert_with(|| {
            let mut chance = Chance::new(seed, &format!("clothes/{body}"));
            let mut own = direction(&mut chance, clothes.numbers);
            if chance.yes(outfits.share) {
                let kind = chance.below(outfits.kinds);
                let outfit = direction(&mut Chance::new(seed, &format!("outfit/{kind}")), clothes.numbers);
                own = mixed(&outfit, &own, outfits.alike);
            }
            mixed(common, &own, clothes.common)
        })
    }

    /// What tells the clothes of `body` from what everybody wears: unit length.
    pub fn own_clothes(&mut self, body: &str) -> Vec<f64> {
        let worn = self.clothes(body).to_vec();
        let shared: f64 = worn.iter().zip(&self.common).map(|(w, c)| w * c).sum();
        unit(worn.iter().zip(&self.common).map(|(w, c)| w - shared * c).collect())
    }

    /// The clothes of `body` with this noise (one number a dimension, sigma 1), `dim` times as noisy.
    pub fn seen(&mut self, body: &str, noise: &[f64], dim: f64) -> Vector {
        let length = self.looks.clothes.noise * dim;
        let clothes = self.clothes(body);
        Vector { space: CLOTHES.to_owned(), v: said(&disturbed(clothes, noise, length)) }
    }

    /// `product` in a hand, with the noise of its reach and of this look.
    pub fn carried(&mut self, product: &str, reach: &[f64], look: &[f64], dim: f64) -> Vector {
        let goods = self.looks.goods;
        let shown = self.shown.entry(product.to_owned()).or_insert_with(|| look_of(product, &goods));
        let blurred: Vec<f64> =
            reach.iter().zip(look).map(|(r, l)| r * goods.reach_noise + l * goods.look_noise).collect();
        Vector { space: GOODS.to_owned(), v: said(&disturbed(shown, &blurred, dim)) }
    }

    /// Who has gone wears nothing any more.
    pub fn forget(&mut self, body: &str) {
        self.worn.remove(body);
    }
}

/// A picture of every product, as the shop has enrolled them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gallery {
    pub space: String,
    pub products: BTreeMap<ProductId, Vec<f32>>,
}

impl Gallery {
    pub fn of(catalogue: &Catalogue, looks: &Looks) -> Gallery {
        let picture = |id: &ProductId| {
            let mut chance = Chance::new(0, &format!("enrolled/{id}"));
            let noise: Vec<f64> = (0..looks.goods.numbers).map(|_| chance.normal()).collect();
            said(&disturbed(&look_of(id.as_str(), &looks.goods), &noise, looks.goods.enrolled))
        };
        let products = catalogue.iter().map(|product| (product.id.clone(), picture(&product.id))).collect();
        Gallery { space: GOODS.to_owned(), products }
    }
}

/// A product's look: part its line's, where it is of one, part its own.
fn look_of(product: &str, goods: &Goods) -> Vec<f64> {
    let id = ProductId::new(product);
    let (line, own) = (line_of(&id), looks_of(&id));
    let direction = |what: &str| direction(&mut Chance::new(0, what), goods.numbers);
    let own_look = direction(&format!("look/{own}"));
    if line == own { own_look } else { mixed(&direction(&format!("line/{line}")), &own_look, goods.line) }
}

/// Any direction, unit length.
fn direction(chance: &mut Chance, numbers: usize) -> Vec<f64> {
    unit((0..numbers).map(|_| chance.normal()).collect())
}

/// `share` of the squared length from `a`, the rest from `b`.
fn mixed(a: &[f64], b: &[f64], share: f64) -> Vec<f64> {
    let (x, y) = (libm::sqrt(share), libm::sqrt(1.0 - share));
    unit(a.iter().zip(b).map(|(a, b)| x * a + y * b).collect())
}

/// With noise whose length is `length` on average.
fn disturbed(v: &[f64], noise: &[f64], length: f64) -> Vec<f64> {
    let each = length / libm::sqrt(v.len() as f64);
    unit(v.iter().zip(noise).map(|(v, n)| v + each * n).collect())
}

fn unit(v: Vec<f64>) -> Vec<f64> {
    let length = libm::sqrt(v.iter().map(|x| x * x).sum::<f64>()).max(1e-12);
    v.into_iter().map(|x| x / length).collect()
}

/// Three decimals say what there is to say.
fn said(v: &[f64]) -> Vec<f32> {
    v.iter().map(|x| ((x * 1e3).round() / 1e3) as f32).collect()
}

impl Default for Looks {
    fn default() -> Looks {
        Parameters::shipped().looks.clone()
    }
}

/// How alike two vectors are: the cosine of the angle between them. 0 when they have different lengths.
pub fn alike(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let lengths = libm::sqrt(dot(a, a) * dot(b, b));
    if a.len() == b.len() && lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(chance: &mut Chance, n: usize) -> Vec<f64> {
        (0..n).map(|_| chance.normal()).collect()
    }

    fn best<'a, K>(seen: &[f32], of: impl Iterator<Item = (K, &'a [f32])>) -> K {
        of.max_by(|a, b| alike(seen, a.1).total_cmp(&alike(seen, b.1))).expect("something to compare with").0
    }

    #[test]
    fn clothes_tell_ten_people_apart_nine_times_of_ten() {
        let looks = Looks::default();
        let (mut right, mut all, mut twins) = (0, 0, 0.0f64);
        for seed in 0..60 {
            let mut wardrobe = Wardrobe::new(seed, looks.clone());
            let mut chance = Chance::new(seed, "test");
            let people: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
            let mut look = |body: &str| wardrobe.seen(body, &normals(&mut chance, looks.clothes.numbers), 1.0).v;
            let known: Vec<Vec<f32>> = people.iter().map(|body| look(body)).collect();
            for (n, body) in people.iter().enumerate() {
                let seen = look(body);
                right += usize::from(best(&seen, known.iter().map(Vec::as_slice).enumerate()) == n);
                all += 1;
            }
            let worn: Vec<Vec<f64>> = people.iter().map(|body| wardrobe.clothes(body).to_vec()).collect();
            for (i, a) in worn.iter().enumerate() {
                let close = |b: &Vec<f64>| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
                twins = worn[i + 1..].iter().map(close).fold(twins, f64::max);
            }
        }
        let share = right as f64 / all as f64;
        println!("the right one of ten people: {share:.3}");
        assert!((0.82..=0.95).contains(&share), "{share}");
        assert!(twins > 0.9, "nobody wears what another wears: {twins}");
    }

    #[test]
    fn goods_in_a_hand_are_told_apart_half_the_time() {
        let looks = Looks::default();
        let goods: Vec<String> = (0..81).map(|n| format!("product-{n}")).collect();
        let gallery: Vec<Vec<f32>> = goods
            .iter()
            .map(|id| {
                let noise = normals(&mut Chance::new(1, &format!("enrol/{id}")), looks.goods.numbers);
                said(&disturbed(&look_of(id, &looks.goods), &noise, looks.goods.enrolled))
            })
            .collect();
        let mut wardrobe = Wardrobe::new(1, looks.clone());
        let mut chance = Chance::new(1, "test");
        let (mut right, mut all) = (0, 0);
        for (n, product) in goods.iter().enumerate().cycle().take(1_000) {
            let reach = normals(&mut chance, looks.goods.numbers);
            // A second of looks, averaged: what anybody would do.
            let mut mean = vec![0.0f32; looks.goods.numbers];
            for _ in 0..8 {
                let seen = wardrobe.carried(product, &reach, &normals(&mut chance, looks.goods.numbers), 1.0).v;
                mean.iter_mut().zip(seen).for_each(|(sum, x)| *sum += x);
            }
            right += usize::from(best(&mean, gallery.iter().map(Vec::as_slice).enumerate()) == n);
            all += 1;
        }
        let share = right as f64 / all as f64;
        println!("the right one of 81 products, when seen: {share:.3}");
        assert!((0.45..=0.55).contains(&share), "{share}");
    }

    #[test]
    fn flavours_of_a_line_look_alike_in_every_shop() {
        let goods = Looks::default().goods;
        let close = |a: &str, b: &str| {
            let (a, b) = (look_of(a, &goods), look_of(b, &goods));
            a.iter().zip(&b).map(|(x, y)| x * y).sum::<f64>()
        };
        assert!(close("h-tea-3.1", "h-tea-3.2") > 0.3);
        assert!(close("h-tea-3.1", "h-tea-4.1").abs() < 0.4 && close("a", "b").abs() < 0.4);
        assert!((close("h-tea-3.1", "h-tea-3.1-large") - 1.0).abs() < 1e-9, "a large pack looks the same");
    }
}
