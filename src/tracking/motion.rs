//! Where somebody stands, where they are going and how tall they are, each with how sure that is: a Kalman filter on the
//! floor plan.
//!
//! Velocity forgets itself (an Ornstein-Uhlenbeck process): people stop, turn and come back, and somebody who has been out of
//! sight for five seconds is somewhere within three metres, not seven metres further on.

use crate::base::{Point2, ShopTime};

/// x, y (m), their velocities (m/s), height (m).
pub const STATES: usize = 5;

/// People in a shop walk at 0 to 1.5 m/s; one axis of that, m/s.
const SPEED_M_S: f64 = 0.7;
/// After so long nothing is left of the old velocity, s: a step and a half.
const MEMORY_S: f64 = 2.0;
/// People, shoes included and some of them children, m.
const HEIGHT_M: (f64, f64) = (1.68, 0.12);
/// How tall somebody looks is forgotten as well, s: they bend, and every camera errs in its own way, so that a hundred looks do not say it to a
/// centimetre. This lets in 0.01 m in a second and ends at 0.01 to 0.02 m.
const HEIGHT_MEMORY_S: f64 = 300.0;

/// A linear view on the state: how a measured figure changes with each part of it.
pub type Row = [f64; STATES];

#[derive(Clone, Debug)]
pub struct Motion {
    pub at: ShopTime,
    pub state: [f64; STATES],
    covariance: [[f64; STATES]; STATES],
}

impl Motion {
    /// Somebody at `floor`, `sigma_m` sure of it; how fast and how tall nobody knows.
    pub fn new(at: ShopTime, floor: Point2, sigma_m: f64) -> Motion {
        let mut covariance = [[0.0; STATES]; STATES];
        for (i, sigma) in [sigma_m, sigma_m, SPEED_M_S, SPEED_M_S, HEIGHT_M.1].into_iter().enumerate() {
            covariance[i][i] = sigma * sigma;
        }
        Motion { at, state: [floor.x, floor.y, 0.0, 0.0, HEIGHT_M.0], covariance }
    }

    pub fn floor(&self) -> Point2 {
        Point2::new(self.state[0], self.state[1])
    }

    pub fn height_m(&self) -> f64 {
        self.state[4]
    }

    /// -ln of how rare somebody of that height is, 0 for the usual one.
    pub fn unusual(&self) -> f64 {
        let off = (self.state[4] - HEIGHT_M.0) / HEIGHT_M.1;
        off * off / 2.0
    }

    /// Metres: the standard deviation of the worse axis.
    pub fn sigma_m(&self) -> f64 {
        self.covariance[0][0].max(self.covariance[1][1]).sqrt()
    }

    /// Variances of x and y and what they share, m².
    pub fn spread(&self) -> [[f64; 2]; 2] {
        let c = &self.covariance;
        [[c[0][0], c[0][1]], [c[1][0], c[1][1]]]
    }

    /// As it will be at `t`; a time gone by changes nothing.
    pub fn ahead(&self, t: ShopTime) -> Motion {
        let mut ahead = self.clone();
        let dt = t.secs_since(self.at);
        if dt <= 0.0 {
            return ahead;
        }
        ahead.at = t;
        // What is left of the velocity, and how far it carries.
        let left = libm::exp(-dt / MEMORY_S);
        let carries = MEMORY_S * (1.0 - left);
        for axis in 0..2 {
            ahead.state[axis] += self.state[axis + 2] * carries;
            ahead.state[axis + 2] *= left;
        }
        let kept = libm::exp(-dt / HEIGHT_MEMORY_S);
        ahead.state[4] = HEIGHT_M.0 + (self.state[4] - HEIGHT_M.0) * kept;
        // F P F' with F = identity but for F[x][vx] = carries, F[vx][vx] = left, F[height][height] = kept.
        let c = &mut ahead.covariance;
        for axis in 0..2 {
            let moving = c[axis + 2];
            c[axis].iter_mut().zip(moving).for_each(|(here, moving)| *here += carries * moving);
            c[axis + 2].iter_mut().for_each(|moving| *moving *= left);
        }
        for axis in 0..2 {
            for row in c.iter_mut() {
                row[axis] += carries * row[axis + 2];
                row[axis + 2] *= left;
            }
        }
        c[4].iter_mut().for_each(|shared| *shared *= kept);
        c.iter_mut().for_each(|row| row[4] *= kept);
        c[4][4] += HEIGHT_M.1 * HEIGHT_M.1 * (1.0 - kept * kept);
        // Noise of the process over dt: Gillespie, "Exact numerical simulation of the Ornstein-Uhlenbeck process", 1996.
        let speed2 = SPEED_M_S * SPEED_M_S;
        let along = speed2 * MEMORY_S * MEMORY_S * (2.0 * dt / MEMORY_S - 3.0 + 4.0 * left - left * left);
        let mixed = speed2 * MEMORY_S * (1.0 - left) * (1.0 - left);
        let speed = speed2 * (1.0 - left * left);
        for axis in 0..2 {
            c[axis][axis] += along;
            c[axis][axis + 2] += mixed;
            c[axis + 2][axis] += mixed;
            c[axis + 2][axis + 2] += speed;
        }
        ahead
    }

    /// Variance of what is left between a measured figure and what `row` expects, given the figure's own `sigma`.
    pub fn variance(&self, row: &Row, sigma: f64) -> f64 {
        let shared = self.along(row);
        (0..STATES).map(|k| row[k] * shared[k]).sum::<f64>() + sigma * sigma
    }

    /// Takes in a figure that came out `surprise` larger than expected.
    pub fn learn(&mut self, row: &Row, surprise: f64, sigma: f64) {
        let shared = self.along(row);
        let variance = self.variance(row, sigma);
        for i in 0..STATES {
            self.state[i] += shared[i] * surprise / variance;
            for k in 0..STATES {
                self.covariance[i][k] -= shared[i] * shared[k] / variance;
            }
        }
    }

    fn along(&self, row: &Row) -> Row {
        let mut shared = [0.0; STATES];
        for (i, shared) in shared.iter_mut().enumerate() {
            *shared = (0..STATES).map(|k| self.covariance[i][k] * row[k]).sum();
        }
        shared
    }

    /// Takes in a place on the floor.
    pub fn see(&mut self, floor: Point2, sigma_m: f64) {
        for (axis, seen) in [floor.x, floor.y].into_iter().enumerate() {
            let mut row = [0.0; STATES];
            row[axis] = 1.0;
            self.learn(&row, seen - self.state[axis], sigma_m);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ShopTime = ShopTime(1_000_000);

    #[test]
    fn a_walker_is_expected_where_they_will_be_and_not_for_ever() {
        let mut motion = Motion::new(START, Point2::new(0.0, 0.0), 0.1);
        for step in 1..=20 {
            let t = START.plus_ms(100 * step);
            motion = motion.ahead(t);
            motion.see(Point2::new(0.12 * step as f64, 0.0), 0.1);
        }
        let expected = |ms: i64| motion.ahead(START.plus_ms(2_000 + ms));
        for (ms, from, to, sigma_max) in [(100, 2.4, 2.6, 0.15), (500, 2.7, 3.1, 0.6), (5_000, 3.5, 5.0, 3.5)] {
            let ahead = expected(ms);
            assert!((from..to).contains(&ahead.floor().x), "after {ms} ms: {:?}", ahead.floor());
            assert!(ahead.sigma_m() < sigma_max, "after {ms} ms: {} m", ahead.sigma_m());
        }
        assert!(expected(5_000).sigma_m() > 2.0, "five seconds unseen: anywhere near");
        assert_eq!(motion.ahead(START).state, motion.state, "a look that came late changes nothing");
    }

    #[test]
    fn covariances_stay_covariances() {
        let mut motion = Motion::new(START, Point2::new(1.0, 2.0), 1.5);
        for step in 1..=500 {
            motion = motion.ahead(START.plus_ms(step * if step % 7 == 0 { 3_000 } else { 50 }));
            motion.see(Point2::new(1.0 + (step % 3) as f64 * 0.1, 2.0), 0.05);
            motion.learn(&[3.0, -2.0, 0.0, 0.0, 40.0], if step % 2 == 0 { 5.0 } else { -5.0 }, 8.0);
            for i in 0..STATES {
                assert!(motion.covariance[i][i] > 0.0, "step {step}: {:?}", motion.covariance);
                for k in 0..STATES {
                    let bound = (motion.covariance[i][i] * motion.covariance[k][k]).sqrt() + 1e-9;
                    assert!(motion.covariance[i][k].abs() <= bound, "step {step}: {:?}", motion.covariance);
                }
            }
        }
    }
}
