//! Money and probability as types, so that neither can be mixed up with a plain number.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

/// An amount in integer minor units of the shop's currency (cents of a euro, whole yen).
///
/// Arithmetic panics on overflow: on money we assert and stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    pub const ZERO: Cents = Cents(0);

    /// `self * n`, for a line of `n` units.
    pub fn times(self, n: i64) -> Cents {
        Cents(self.0.checked_mul(n).expect("money overflow: amount times quantity"))
    }

    /// The tax share of `self` at `rate_bp` basis points (1900 = 19 %), rounded half up.
    ///
    /// With `included` the tax is inside the amount (`a * r / (1 + r)`), otherwise on top (`a * r`).
    pub fn tax(self, rate_bp: u32, included: bool) -> Cents {
        let rate = i128::from(rate_bp);
        let divisor = if included { 10_000 + rate } else { 10_000 };
        let product = i128::from(self.0) * rate;
        let rounded = (2 * product + divisor * product.signum()) / (2 * divisor);
        Cents(i64::try_from(rounded).expect("money overflow: tax"))
    }
}

impl Add for Cents {
    type Output = Cents;
    fn add(self, other: Cents) -> Cents {
        Cents(self.0.checked_add(other.0).expect("money overflow: sum"))
    }
}

impl Sub for Cents {
    type Output = Cents;
    fn sub(self, other: Cents) -> Cents {
        Cents(self.0.checked_sub(other.0).expect("money overflow: difference"))
    }
}

impl Neg for Cents {
    type Output = Cents;
    fn neg(self) -> Cents {
        Cents::ZERO - self
    }
}

impl AddAssign for Cents {
    fn add_assign(&mut self, other: Cents) {
        *self = *self + other;
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(amounts: I) -> Cents {
        amounts.fold(Cents::ZERO, Add::add)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
    }
}

/// A probability in steps of 1/4096, so that a model's answer is the same bytes on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u16);

impl Probability {
    pub const STEPS: u16 = 4096;
    pub const NEVER: Probability = Probability(0);
    pub const CERTAIN: Probability = Probability(Self::STEPS);

    /// Rounds to the nearest step; values outside 0..=1 (and NaN) are clamped.
    pub fn from_f64(p: f64) -> Probability {
        let steps = (p * f64::from(Self::STEPS)).round();
        Probability(if steps >= 1.0 { steps.min(f64::from(Self::STEPS)) as u16 } else { 0 })
    }

    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(Self::STEPS)
    }

    /// Both at once, if independent.
    pub fn and(self, other: Probability) -> Probability {
        Probability::from_f64(self.get() * other.get())
    }
}

impl Serialize for Probability {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let p = f64::deserialize(d)?;
        if (0.0..=1.0).contains(&p) {
            Ok(Probability::from_f64(p))
        } else {
            Err(serde::de::Error::custom(format!("probability {p} is not within 0..=1")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_is_rounded_half_up_inside_and_on_top() {
        for (amount, rate, included, tax) in [
            (119, 1900, true, 19),
            (100, 1900, false, 19),
            (250, 700, true, 16),  // 16.355
            (50, 100, false, 1),   // 0.5 rounds up
            (-50, 100, false, -1), // and away from zero, so that a refund mirrors its charge
            (100, 0, true, 0),
        ] {
            assert_eq!(Cents(amount).tax(rate, included), Cents(tax), "{amount} at {rate} bp, included {included}");
        }
    }

    #[test]
    fn probabilities_survive_json() {
        for p in [0.0, 0.25, 0.98, 1.0] {
            let p = Probability::from_f64(p);
            let text = serde_json::to_string(&p).unwrap();
            assert_eq!(serde_json::from_str::<Probability>(&text).unwrap(), p);
        }
        assert!(serde_json::from_str::<Probability>("1.5").is_err());
        assert_eq!(Probability::from_f64(f64::NAN), Probability::NEVER);
    }
}
