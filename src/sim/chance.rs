//! Seeded chance. Everything random in the synthetic shop draws from a stream named after the thing it belongs to, so
//! that one seed gives the same bytes on any machine, and a new plate or camera does not disturb the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[derive(Clone)]
pub struct Chance {
    rng: ChaCha8Rng,
    /// Box-Muller makes two normals at a time; the second waits here.
    spare: Option<f64>,
}

impl Chance {
    /// The stream `name` of `seed`: `Chance::new(7, "plate/1-4/3")`.
    pub fn new(seed: u64, name: &str) -> Chance {
        let digest = Sha256::digest(format!("{seed}/{name}").as_bytes());
        Chance { rng: ChaCha8Rng::from_seed(digest.into()), spare: None }
    }

    /// A seed of its own for each case of a script: another day, other tap ids, other noise.
    pub fn seed_of(seed: u64, case: &str) -> u64 {
        Chance::new(seed, &format!("case/{case}")).rng.next_u64()
    }

    /// 0 <= u < 1, in 2^53 steps.
    pub fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// 0 <= n < `n`; 0 for an empty range.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    pub fn yes(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Mean 0, sigma 1. `libm`, not the machine's: the last bit must not depend on it.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.unit());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// A draw from a distribution given by its quantiles `(probability, value)`, straight lines between them.
    pub fn from_quantiles(&mut self, table: &[(f64, f64)]) -> f64 {
        let u = self.unit();
        for pair in table.windows(2) {
            let [(p0, v0), (p1, v1)] = [pair[0], pair[1]];
            if u <= p1 {
                return v0 + (v1 - v0) * (u - p0) / (p1 - p0);
            }
        }
        table[table.len() - 1].1
    }

    /// Microseconds until the next event of a Poisson process with this many events a second.
    pub fn wait_us(&mut self, per_second: f64) -> i64 {
        (-libm::log(1.0 - self.unit()) / per_second * 1e6) as i64
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }

    pub fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_by_seed_and_name_and_differ_otherwise() {
        let draw = |seed, name| {
            let mut chance = Chance::new(seed, name);
            (0..8).map(|_| chance.normal().to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, "plate/1"), draw(7, "plate/1"));
        assert_ne!(draw(7, "plate/1"), draw(8, "plate/1"));
        assert_ne!(draw(7, "plate/1"), draw(7, "plate/2"));
    }

    #[test]
    fn a_quantile_table_is_drawn_as_written() {
        let mut chance = Chance::new(1, "table");
        let mut drawn: Vec<f64> =
            (0..20_001).map(|_| chance.from_quantiles(&[(0.0, 0.0), (0.5, 1.0), (0.9, 5.0), (1.0, 9.0)])).collect();
        drawn.sort_by(f64::total_cmp);
        for (p, value) in [(0.5, 1.0), (0.9, 5.0)] {
            let got = drawn[(p * 20_000.0) as usize];
            assert!((got - value).abs() < 0.15, "quantile {p} is {got}, written {value}");
        }
    }
}
