//! A measured number beside its bar, and the few statistics that make one number of many.

use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Rounds further apart than this measured something else, too.
const SPREAD: f64 = 0.15;
/// Rounds behind a ratio.
pub const ROUNDS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// Neither too low nor too high.
    Within(f64, f64),
    /// Nobody promised anything; good to know.
    None,
}

impl Serialize for Bar {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Bar::AtLeast(bar) | Bar::AtMost(bar) => to.serialize_some(bar),
            Bar::Within(low, high) => to.serialize_some(&[low, high]),
            Bar::None => to.serialize_none(),
        }
    }
}

/// A figure's name, bar and unit: what a group says it measures before it does.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// `NAME` in it stands for one of many: a figure each.
    pub figure: &'static str,
    pub bar: Bar,
    pub unit: &'static str,
}

/// One of the many a promise with `NAME` is for, with its own bar.
pub struct Named {
    figure: String,
    bar: Bar,
    unit: &'static str,
}

/// One line of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub figure: Cow<'static, str>,
    /// `None`: not measured, because it could not be or because the rounds disagreed.
    pub value: Option<f64>,
    pub bar: Bar,
    pub ok: bool,
    pub unit: &'static str,
    /// Measurements behind the value.
    pub n: usize,
}

impl Promise {
    pub fn measured(&self, value: Option<f64>, n: usize) -> Figure {
        measured(self.figure.into(), self.bar, self.unit, value, n)
    }

    pub fn of(&self, name: &str, bar: Bar) -> Named {
        Named { figure: self.figure.replace("NAME", name), bar, unit: self.unit }
    }
}

impl Named {
    pub fn measured(self, value: Option<f64>, n: usize) -> Figure {
        measured(self.figure.into(), self.bar, self.unit, value, n)
    }
}

fn measured(figure: Cow<'static, str>, bar: Bar, unit: &'static str, value: Option<f64>, n: usize) -> Figure {
    let value = value.filter(|value| value.is_finite()).map(four_digits);
    let bar = match bar {
        Bar::AtLeast(bar) => Bar::AtLeast(four_digits(bar)),
        other => other,
    };
    let ok = match (bar, value) {
        (Bar::AtLeast(bar), Some(value)) => value >= bar,
        (Bar::AtMost(bar), Some(value)) => value <= bar,
        (Bar::Within(low, high), Some(value)) => (low..=high).contains(&value),
        (Bar::None, _) => true,
        (_, None) => false,
    };
    Figure { figure, value, bar, ok, unit, n }
}

/// More digits would be noise.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The value that a share `q` of them do not exceed; NaN of none.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (q * values.len() as f64).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The median of rounds that agree within 15 %; `None` when they do not.
pub fn median_if_steady(rounds: &mut [f64]) -> Option<f64> {
    let median = median(rounds);
    let spread = (rounds.last()? - rounds.first()?) / median;
    (spread.abs() <= SPREAD).then_some(median)
}

/// Slope of the straight line through (ln x, ln y), least squares: 1 when cost grows as fast as size.
pub fn log_log_slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (libm::log(*x), libm::log(*y))).collect();
    let n = logs.len() as f64;
    let (mx, my) = (logs.iter().map(|(x, _)| x).sum::<f64>() / n, logs.iter().map(|(_, y)| y).sum::<f64>() / n);
    let along: f64 = logs.iter().map(|(x, _)| (x - mx) * (x - mx)).sum();
    logs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_kept_missed_or_not_measured() {
        for (bar, value, ok) in [
            (Bar::AtMost(200.0), Some(200.0), true),
            (Bar::AtMost(200.0), Some(201.0), false),
            (Bar::AtLeast(0.5), Some(0.49), false),
            (Bar::AtLeast(0.5), Some(0.5), true),
            (Bar::AtMost(1.1), None, false),
            (Bar::AtMost(1.1), Some(f64::NAN), false),
            (Bar::Within(0.9, 0.97), Some(0.95), true),
            (Bar::Within(0.9, 0.97), Some(0.98), false),
            (Bar::Within(0.9, 0.97), Some(0.89), false),
            (Bar::None, Some(1e9), true),
        ] {
            let figure = Promise { figure: "x", bar, unit: "us" }.measured(value, 1);
            assert_eq!(figure.ok, ok, "{bar:?} {value:?}");
        }
    }

    #[test]
    fn a_figure_is_one_line_as_machines_read_it() {
        let line = |bar, value| serde_json::to_string(&Promise { figure: "a.b", bar, unit: "ms" }.measured(value, 5));
        let missed = r#"{"figure":"a.b","value":123.5,"bar":100.0,"ok":false,"unit":"ms","n":5}"#;
        assert_eq!(line(Bar::AtMost(100.0), Some(123.456)).unwrap(), missed);
        let unknown = r#"{"figure":"a.b","value":null,"bar":null,"ok":true,"unit":"ms","n":5}"#;
        assert_eq!(line(Bar::None, None).unwrap(), unknown);
    }

    #[test]
    fn rounds_that_disagree_are_no_figure() {
        for (rounds, value) in
            [(vec![1.0, 1.05, 0.95, 1.02, 1.0], Some(1.0)), (vec![1.0, 1.2, 0.95, 1.02, 1.0], None), (vec![], None)]
        {
            assert_eq!(median_if_steady(&mut rounds.clone()), value, "{rounds:?}");
        }
    }

    #[test]
    fn slopes_tell_how_fast_cost_grows() {
        for power in [0.0, 1.0, 1.5, 2.0] {
            let points: Vec<(f64, f64)> = [10.0, 100.0, 1000.0].map(|x: f64| (x, 7.0 * x.powf(power))).to_vec();
            assert!((log_log_slope(&points) - power).abs() < 1e-9, "x^{power}");
        }
    }

    #[test]
    fn the_99th_of_a_hundred_is_the_99th() {
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&mut hundred, 0.99), median(&mut hundred)), (99.0, 50.0));
    }
}
