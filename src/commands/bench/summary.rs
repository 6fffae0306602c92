//! What a method made of a suite, in one line: the figures of docs/accuracy.md over everything that was tried.

use crate::commands::score::{CaseScore, Estimate, EventScore, VisitScore, bootstrap, calibration, calibration_error};
use crate::commands::trial::{Made, Tried};

pub struct Summary {
    pub name: String,
    pub carts: usize,
    pub f1: Estimate,
    pub exact: Estimate,
    pub events: EventScore,
    pub review_rate: f64,
    pub unreviewed_exact: f64,
    /// Of the carts that are wrong, how many a human looks at.
    pub wrong_reviewed: f64,
    /// Shares of all value, after review.
    pub overcharge: f64,
    pub undercharge: f64,
    pub calibration_error: f64,
}

/// Heads the lines of [`Summary::line`].
pub fn head() -> String {
    format!(
        "{:<26} {:<20} {:<20} {:>6} {:>6} {:>7} {:>7} {:>6}",
        "", "F1", "exact", "found", "true", "shopper", "product", "carts"
    )
}

impl Summary {
    /// Seeds of one case stay together, as one case.
    pub fn of<'a>(name: impl Into<String>, tried: &'a [Tried], made: impl Fn(&'a Tried) -> &'a Made) -> Summary {
        let cases: Vec<Vec<&Made>> =
            tried.chunk_by(|a, b| a.case == b.case).map(|of| of.iter().map(&made).collect()).collect();
        // Where nobody was to be scored (all had nobody to pay) nothing is right or wrong.
        let scored = |made: &&Made| !made.score.cases.is_empty();
        let every = |cases: &[&Vec<&'a Made>]| cases.iter().flat_map(|case| case.iter().copied()).collect::<Vec<_>>();
        let f1 =
            bootstrap(&cases, |cases| mean(every(cases).into_iter().filter(scored).map(|made| made.score.f1_mean)));
        let exact = bootstrap(&cases, |cases| mean(carts(every(cases)).map(|visit| f64::from(visit.exact))));
        let mut events = EventScore::default();
        tried.iter().for_each(|tried| events.add(made(tried).events));
        let all = || carts(tried.iter().map(&made).collect());
        let unreviewed = || all().filter(|visit| !visit.reviewed);
        let value = all().map(|visit| visit.value).sum::<i64>().max(1) as f64;
        let in_value = |wrong: i64| wrong as f64 / value;
        let together: Vec<CaseScore> = tried.iter().flat_map(|tried| made(tried).score.cases.iter().cloned()).collect();
        Summary {
            name: name.into(),
            carts: all().count(),
            f1,
            exact,
            events,
            review_rate: mean(all().map(|visit| f64::from(visit.reviewed))),
            unreviewed_exact: mean(unreviewed().map(|visit| f64::from(visit.exact))),
            wrong_reviewed: mean(all().filter(|visit| !visit.exact).map(|visit| f64::from(visit.reviewed))),
            overcharge: in_value(unreviewed().map(|visit| visit.over_value).sum()),
            undercharge: in_value(unreviewed().map(|visit| visit.under_value).sum()),
            calibration_error: calibration_error(&calibration(&together)),
        }
    }

    pub fn line(&self) -> String {
        let Summary { name, carts, f1, exact, events, .. } = self;
        format!(
            "{name:<26} {f1:<20} {exact:<20} {:>6.3} {:>6.3} {:>7.3} {:>7.3} {carts:>6}",
            events.recall(),
            events.precision(),
            events.shopper_rate(),
            events.product_rate(),
        )
    }

    /// What a shop would feel of it.
    pub fn selective(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        format!(
            "{:<26} {} of carts reviewed, {} of the others exact; charged too much {}, too little {}; certainty off by {}",
            self.name,
            percent(self.review_rate),
            percent(self.unreviewed_exact),
            percent(self.overcharge),
            percent(self.undercharge),
            percent(self.calibration_error),
        )
    }
}

fn carts(made: Vec<&Made>) -> impl Iterator<Item = &VisitScore> {
    made.into_iter().flat_map(|made| &made.score.cases).flat_map(|case| &case.visits)
}

/// NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}
