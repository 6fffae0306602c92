//! Goods in a hand: how likely what was seen is if it was this product.
//!
//! The vectors of one reach as one camera saw them are averaged: the reach's own error stays, that of the looks shrinks. The
//! mean points somewhere around the product's look, and the gallery has a picture of that, itself a little wrong. On a
//! sphere that makes the odds of a product go with the cosine to its picture, times a concentration that follows from the
//! parameters (`goods_in_a_hand_are_known_as_well_as_they_can_be` holds it against what comes true). Products that look the
//! same share their pictures.

use super::super::looks::{Gallery, Goods as Looks, alike};
use super::super::shops::looks_of;
use crate::base::ProductId;
use std::collections::BTreeMap;

pub struct Goods<'a> {
    looks: Looks,
    /// Mean of the pictures of what looks the same, and how many there are.
    pictures: BTreeMap<&'a str, (Vec<f32>, usize)>,
}

/// What was seen in a hand.
#[derive(Clone, Debug, Default)]
pub struct Held {
    mean: Vec<f32>,
    looks: usize,
}

impl Held {
    pub fn see(&mut self, vector: &[f32]) {
        if self.mean.is_empty() {
            self.mean = vec![0.0; vector.len()];
        }
        self.mean.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        self.looks += 1;
    }
}

impl<'a> Goods<'a> {
    pub fn new(gallery: &'a Gallery, looks: Looks) -> Goods<'a> {
        let mut pictures: BTreeMap<&str, (Vec<f32>, usize)> = BTreeMap::new();
        for (product, picture) in &gallery.products {
            let (mean, n) = pictures.entry(looks_of(product)).or_insert_with(|| (vec![0.0; picture.len()], 0));
            mean.iter_mut().zip(picture).for_each(|(sum, x)| *sum += x);
            *n += 1;
        }
        Goods { looks, pictures }
    }

    /// Log likelihood of what was seen, beside a vector that could point anywhere.
    pub fn fits(&self, held: &Held, product: &str) -> f64 {
        let product = ProductId::new(product);
        let Some((picture, n)) = self.pictures.get(looks_of(&product)) else { return 0.0 };
        let Looks { numbers, reach_noise, look_noise, enrolled, .. } = self.looks;
        let numbers = numbers as f64;
        let noise = reach_noise.powi(2) + look_noise.powi(2) / held.looks.max(1) as f64;
        // How near the picture is to the look it is of, as a cosine.
        let picture_of = 1.0 / libm::sqrt(1.0 + enrolled.powi(2) / *n as f64);
        let sharp = libm::sqrt(1.0 + noise) * picture_of * numbers / (noise + 1.0 - picture_of.powi(2)).max(1e-3);
        sharp * alike(&held.mean, picture) - anywhere(sharp, numbers)
    }
}

/// Log of the mean of `exp(sharp * cosine)` over all directions of so many dimensions: Debye's expansion of the Bessel
/// function in it (Abramowitz and Stegun 9.7.7), good to a few hundredths from ten dimensions on.
fn anywhere(sharp: f64, numbers: f64) -> f64 {
    let half = (numbers / 2.0 - 1.0).max(0.5);
    let root = libm::sqrt(half * half + sharp * sharp);
    root - half - half * libm::log((half + root) / (2.0 * half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Cents;
    use crate::shop::{Catalogue, Product, TaxClass};
    use crate::sim::chance::Chance;
    use crate::sim::looks::{Looks as AllLooks, Wardrobe};

    #[test]
    fn goods_in_a_hand_are_known_as_well_as_they_can_be() {
        let looks = AllLooks::default();
        let mut catalogue = Catalogue::default();
        let ids: Vec<ProductId> = (0..81).map(|n| ProductId::new(format!("product-{n}"))).collect();
        for id in &ids {
            let tax = TaxClass { name: "standard".into(), rate_bp: 1900 };
            let (id, name, price, deposit) = (id.clone(), id.to_string(), Cents(100), Cents(0));
            let (weight_g, weight_tolerance_g) = (100.0, 5.0);
            catalogue.insert(Product {
                id,
                name,
                price,
                tax,
                deposit,
                weight_g,
                weight_tolerance_g,
                restricted: false,
            });
        }
        let gallery = Gallery::of(&catalogue, &looks);
        let goods = Goods::new(&gallery, looks.goods);
        let mut wardrobe = Wardrobe::new(1, looks.clone());
        let mut chance = Chance::new(1, "test");
        let (mut right, mut nearest, mut sure, mut all) = (0.0, 0.0, 0.0, 0.0);
        for id in ids.iter().cycle().take(1_000) {
            let normals = |chance: &mut Chance| (0..looks.goods.numbers).map(|_| chance.normal()).collect::<Vec<f64>>();
            let reach = normals(&mut chance);
            let mut held = Held::default();
            for _ in 0..8 {
                held.see(&wardrobe.carried(id.as_str(), &reach, &normals(&mut chance), 1.0).v);
            }
            let likely: Vec<f64> = ids.iter().map(|id| goods.fits(&held, id.as_str())).collect();
            let best = (0..81).max_by(|a, b| likely[*a].total_cmp(&likely[*b])).expect("81 products");
            let most_alike =
                gallery.products.iter().max_by(|a, b| alike(&held.mean, a.1).total_cmp(&alike(&held.mean, b.1)));
            let total = super::super::log_sum(&likely);
            right += f64::from(u8::from(ids[best] == *id));
            nearest += f64::from(u8::from(most_alike.expect("81 pictures").0 == id));
            sure += libm::exp(likely[best] - total);
            all += 1.0;
        }
        let (right, nearest, sure) = (right / all, nearest / all, sure / all);
        println!("the right one of 81: {right:.3}, by the nearest picture {nearest:.3}, and sure of it {sure:.3}");
        assert!((right - nearest).abs() < 1e-9, "{right} {nearest}");
        assert!((right - sure).abs() < 0.04, "{right} {sure}");
    }

    #[test]
    fn a_vector_that_could_point_anywhere_says_nothing_on_average() {
        let mut chance = Chance::new(1, "anywhere");
        for sharp in [0.0, 5.0, 20.0] {
            let mean = (0..20_000)
                .map(|_| {
                    let v: Vec<f64> = (0..64).map(|_| chance.normal()).collect();
                    libm::exp(sharp * v[0] / libm::sqrt(v.iter().map(|x| x * x).sum::<f64>()))
                })
                .sum::<f64>()
                / 20_000.0;
            let off = libm::log(mean) - anywhere(sharp, 64.0);
            assert!(off.abs() < 0.25, "sharp {sharp}: off by {off}");
        }
    }
}
