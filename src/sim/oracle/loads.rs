//! How likely a change of the plates is if this or that was moved there.
//!
//! The likelihood is the simulator's own: gains of plates and weights of packages vary, goods stand a little beside the
//! middle of their plates, a load rings for a while. What other reaches moved on the shelf meanwhile is known and taken
//! off, with the same uncertainties. What is ignored: a plate's gain stays the same all day, so that one reach teaches
//! something about the next.

use super::super::parameters::Parameters;
use super::super::shelves::shares;
use super::log_sum;
use super::weights::{Change, Known};
use crate::base::PlateNo;

/// Goods of several plates stand around the middle of them with this sigma, those of one plate with that, plates.
const PLACED: (f64, f64) = (0.2, 0.07);
/// They are this much wide of the plates they span, or a little less.
const WIDE: f64 = 0.85;
/// What a reach that nobody knows the weight of may have moved, grams.
const UNKNOWN_G: f64 = 1_000.0;
/// One change in a thousand is something else altogether (two elbows): any up to this is as likely then, grams a
/// plate.
const ELSE: f64 = 1e-3;
const ELSE_G: f64 = 500.0;
/// An elbow may lie on a shelf while it is weighed, before or after: one change in fifty; grams and their sigma, and how
/// many plates wide (`lean_g`, `lean_width_m` of the parameters).
const ELBOW: f64 = 0.02;
const ELBOW_G: (f64, f64) = (1_800.0, 1_200.0);
const ELBOW_PLATES: [f64; 3] = [2.0, 3.2, 4.4];
/// Squared sigmas at which something else altogether is far likelier, and nothing more need be worked out.
const NEVER: f64 = 250.0;

/// Goods that came onto a shelf (or left it: negative), and how they stood there.
#[derive(Clone, Debug)]
pub struct Load {
    /// Nominal, all units.
    pub grams: f64,
    /// Sigma of that: packages, and everything for goods nobody knows the weight of.
    sigma_g: f64,
    stand: Stand,
}

/// How goods press on the plates of a shelf.
#[derive(Clone, Debug)]
struct Stand {
    shares: Vec<f64>,
    /// How the shares change by a sigma, when the goods stand further to one side and to the other: wide goods move from
    /// plate to plate evenly, narrow ones only when they come to an edge.
    aside: [Vec<f64>; 2],
}

/// How goods may stand on some plates: several stands, each with its log share of all.
pub struct Stands(Vec<(f64, Stand)>);

impl Load {
    /// `units` of something on these plates. `unit_g` `None`: nobody knows what it weighs. Negative units were taken.
    pub fn new(unit_g: Option<f64>, units: i64, plates: &[PlateNo], on: usize, parameters: &Parameters) -> Load {
        let (middle, wide) = span(plates);
        let sigma = if wide > 1.0 { PLACED.0 } else { PLACED.1 };
        let stand = Stand::new((middle, WIDE * wide), sigma, on, parameters);
        let packages = unit_g.map(|unit_g| packages_g(unit_g, units, parameters));
        Load { grams: unit_g.unwrap_or(0.0) * units as f64, sigma_g: packages.unwrap_or(UNKNOWN_G), stand }
    }

    /// Variance of what it does to the shelf as a whole and, a little, to where.
    pub fn doubt(&self) -> f64 {
        self.sigma_g.powi(2) + (0.1 * self.grams).powi(2)
    }
}

/// Sigma of so many packages.
fn packages_g(unit_g: f64, units: i64, parameters: &Parameters) -> f64 {
    parameters.goods.package_sigma * unit_g * libm::sqrt(units.unsigned_abs() as f64)
}

impl Stand {
    /// Goods so wide around a centre, in plates, that is known but for sigma.
    fn new((centre, width): (f64, f64), sigma: f64, on: usize, parameters: &Parameters) -> Stand {
        let at = |centre: f64| shares(centre, width, on, parameters.shelves.neighbour_share);
        let stands = at(centre);
        // Two sigmas away, as two independent halves.
        let aside = [-2.0, 2.0].map(|sigmas| {
            let there = at(centre + sigmas * sigma);
            there.iter().zip(&stands).map(|(a, b)| (a - b) / (2.0 * std::f64::consts::SQRT_2)).collect()
        });
        Stand { shares: stands, aside }
    }
}

impl Stands {
    /// On these plates of a shelf with so many: a grid over what `PLACED` and `WIDE` allow, and a straight line around each
    /// of its points.
    pub fn on(plates: &[PlateNo], on: usize, parameters: &Parameters) -> Stands {
        let (middle, wide) = span(plates);
        let (asides, widths, sigma): (&[(f64, f64)], &[f64], f64) = if wide > 1.0 {
            (&[(-0.3, 0.17), (-0.1, 0.33), (0.1, 0.33), (0.3, 0.17)], &[WIDE], 0.08)
        } else {
            (&[(-0.09, 0.25), (0.0, 0.5), (0.09, 0.25)], &[0.57, 0.78], 0.04)
        };
        let stand = |aside: f64, width: f64| Stand::new((middle + aside, width * wide), sigma, on, parameters);
        let share = |share: f64| libm::log(share / widths.len() as f64);
        let all = asides.iter().flat_map(|(aside, of)| widths.iter().map(move |w| (share(*of), stand(*aside, *w))));
        Stands(all.collect())
    }
}

/// Middle of the plates and how many they span.
fn span(plates: &[PlateNo]) -> (f64, f64) {
    let (first, last) = (plates.iter().min().copied().unwrap_or(1), plates.iter().max().copied().unwrap_or(1));
    (f64::from(first + last) / 2.0, f64::from(last - first) + 1.0)
}

/// What is known beside the load in question.
pub struct Beside<'a> {
    pub others: &'a [Known],
    pub parameters: &'a Parameters,
    /// Elbows that may lie there; none where everything is explained without.
    pub elbows: Vec<Load>,
}

impl Change {
    /// Every elbow that may have lain on the shelf in one of the two stretches.
    pub fn elbows(&self, parameters: &Parameters) -> Vec<Load> {
        let on = self.plates.len();
        let mut elbows = Vec::new();
        for half_plates in 2..=2 * on {
            for width in ELBOW_PLATES {
                let stand = Stand::new((half_plates as f64 / 2.0, width), 0.2, on, parameters);
                // There before and gone after is lighter.
                elbows.extend([-1.0, 1.0].map(|sign| {
                    let stand = stand.clone();
                    Load { grams: sign * ELBOW_G.0, sigma_g: ELBOW_G.1, stand }
                }));
            }
        }
        elbows
    }

    /// Nothing explains it that likely.
    pub fn is_odd(&self, likely: f64) -> bool {
        likely < self.something_else() + 1.0
    }

    /// Log likelihood of what was sensed if, beside the others, nothing was moved.
    pub fn of_nothing(&self, beside: &Beside<'_>) -> f64 {
        self.or_else(self.with_elbows(None, beside))
    }

    /// The same if `units` of `unit_g` grams were moved there (taken: negative): however they stood.
    pub fn of(&self, unit_g: f64, units: i64, stands: &Stands, beside: &Beside<'_>) -> f64 {
        let grams = unit_g * units as f64;
        let packages_g = packages_g(unit_g, units, beside.parameters);
        let sigma_g = libm::sqrt(packages_g.powi(2) + (self.rings * grams).powi(2));
        let fits = |(share, stand): &(f64, Stand)| share + self.with_elbows(Some((grams, sigma_g, stand)), beside);
        self.or_else(log_sum(&stands.0.iter().map(fits).collect::<Vec<_>>()))
    }

    fn with_elbows(&self, load: Option<(f64, f64, &Stand)>, beside: &Beside<'_>) -> f64 {
        if beside.elbows.is_empty() {
            return self.fits(load.into_iter(), beside);
        }
        let each = libm::log(ELBOW / beside.elbows.len() as f64);
        let with = |elbow: &Load| {
            let elbow = (elbow.grams, elbow.sigma_g, &elbow.stand);
            each + self.fits(load.into_iter().chain([elbow]), beside)
        };
        log_sum(&beside.elbows.iter().map(with).collect::<Vec<_>>())
    }

    /// Gaussian log likelihood: the mean is what the loads put on every plate; plates have their own noise and gain, packages
    /// vary for the whole load, and where it stands moves weight from plate to plate.
    fn fits<'a>(&'a self, loads: impl Iterator<Item = (f64, f64, &'a Stand)>, beside: &'a Beside<'_>) -> f64 {
        let parameters = beside.parameters;
        let live: Vec<usize> = (0..self.plates.len()).filter(|i| self.plates[*i].is_some()).collect();
        let known = self.others.iter().map(|(k, moved, rings)| {
            let Load { grams, sigma_g, stand } = &beside.others[*k].load;
            (moved * grams, libm::sqrt((moved * sigma_g).powi(2) + (rings * grams).powi(2)), stand)
        });
        let loads: Vec<(f64, f64, &Stand)> = known.chain(loads).collect();
        // What two plates have in common because of the loads.
        let common = |i: usize, j: usize| -> f64 {
            let of = |(grams, sigma_g, stand): &(f64, f64, &Stand)| {
                let aside: f64 = stand.aside.iter().map(|aside| aside[i] * aside[j]).sum();
                sigma_g.powi(2) * stand.shares[i] * stand.shares[j] + grams.powi(2) * aside
            };
            loads.iter().map(of).sum()
        };
        let n = live.len();
        let (mut off, mut covariance) = (vec![0.0; n], vec![0.0; n * n]);
        for (a, &i) in live.iter().enumerate() {
            let (change_g, variance) = self.plates[i].expect("a live plate");
            let moved_g: f64 = loads.iter().map(|(grams, _, stand)| grams * stand.shares[i]).sum();
            off[a] = change_g - moved_g;
            covariance[a * n + a] = variance + (parameters.shelves.gain_sigma * moved_g).powi(2) + common(i, i);
            // One plate alone says no.
            if off[a].powi(2) > NEVER * covariance[a * n + a] {
                return f64::NEG_INFINITY;
            }
        }
        for a in 0..n {
            (0..a).for_each(|b| covariance[a * n + b] = common(live[a], live[b]));
        }
        gaussian(&mut covariance, &mut off)
    }

    /// With the chance that it was something else altogether.
    fn or_else(&self, likely: f64) -> f64 {
        log_sum(&[likely, self.something_else()])
    }

    fn something_else(&self) -> f64 {
        let each = |(change_g, _): &(f64, f64)| {
            -0.5 * (change_g / ELSE_G).powi(2) - libm::log(ELSE_G) - 0.5 * libm::log(std::f64::consts::TAU)
        };
        libm::log(ELSE) + self.plates.iter().flatten().map(each).sum::<f64>()
    }
}

/// Log density of `off` under a covariance (its lower half is read), by its Cholesky root; both are used up.
fn gaussian(covariance: &mut [f64], off: &mut [f64]) -> f64 {
    let n = off.len();
    let mut log_density = -0.5 * n as f64 * libm::log(std::f64::consts::TAU);
    for a in 0..n {
        for b in 0..=a {
            let done: f64 = (0..b).map(|k| covariance[a * n + k] * covariance[b * n + k]).sum();
            let rest = covariance[a * n + b] - done;
            covariance[a * n + b] = if a == b { libm::sqrt(rest.max(1e-12)) } else { rest / covariance[b * n + b] };
        }
        let done: f64 = (0..a).map(|k| covariance[a * n + k] * off[k]).sum();
        off[a] = (off[a] - done) / covariance[a * n + a];
        log_density -= 0.5 * off[a] * off[a] + libm::log(covariance[a * n + a]);
    }
    log_density
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_density_is_that_of_a_gaussian() {
        // By hand: determinant 4 * 2 - 1 = 7, square of (1, 2) under it (2 * 1 - 2 * 1 * 2 + 4 * 4) / 7 = 2.
        let (mut covariance, mut off) = ([4.0, 0.0, 1.0, 2.0], [1.0, 2.0]);
        let by_hand = -libm::log(std::f64::consts::TAU) - 0.5 * libm::log(7.0) - 0.5 * 2.0;
        assert!((gaussian(&mut covariance, &mut off) - by_hand).abs() < 1e-12);
    }
}
