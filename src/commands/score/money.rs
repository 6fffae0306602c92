//! By how much carts are wrong, in minor units: so many by this much too dear, so many by that much too cheap.

use super::carts::CaseScore;

/// Bars to a side. What is further out than 95 of 100 wrong carts may be gathered in the last bar.
const BARS: usize = 10;

/// Wrong carts by how wrong they are. A cart that is wrong both ways counts once on either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Width of a bar, minor units: 1, 2 or 5 of a power of ten. The first bar holds 1 to `step`.
    pub step: i64,
    /// From nearly right to far off; the last bar holds everything beyond.
    pub over: Vec<Bar>,
    pub under: Vec<Bar>,
    /// Carts in which nothing is wrong that has a price.
    pub right: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Carts that a human looks at and puts right.
    pub reviewed: usize,
    pub unreviewed: usize,
}

pub fn wrong(cases: &[CaseScore]) -> Wrong {
    let visits = || cases.iter().flat_map(|case| &case.visits);
    let mut amounts: Vec<i64> = visits().flat_map(|v| [v.over_value, v.under_value]).filter(|n| *n > 0).collect();
    amounts.sort_unstable();
    let far = amounts.get((amounts.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(1);
    let mut wrong = Wrong { step: step(far), over: vec![], under: vec![], right: 0 };
    for visit in visits() {
        for (value, bars) in [(visit.over_value, &mut wrong.over), (visit.under_value, &mut wrong.under)] {
            if value > 0 {
                let at = usize::try_from((value - 1) / wrong.step).unwrap_or(BARS).min(BARS - 1);
                bars.resize(bars.len().max(at + 1), Bar::default());
                let bar = &mut bars[at];
                *(if visit.reviewed { &mut bar.reviewed } else { &mut bar.unreviewed }) += 1;
            }
        }
        wrong.right += usize::from(visit.over_value <= 0 && visit.under_value <= 0);
    }
    wrong
}

/// The smallest round width with which so much fits into the bars.
fn step(far: i64) -> i64 {
    let mut unit = 1;
    loop {
        for step in [unit, 2 * unit, 5 * unit] {
            if far.saturating_sub(1) / step < BARS as i64 {
                return step;
            }
        }
        unit *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::score::VisitScore;
    use crate::commands::score::tests::{cart, case};

    #[test]
    fn steps_are_round_and_wide_enough() {
        for (far, wanted) in [
            (1, 1),
            (10, 1),
            (11, 2),
            (50, 5),
            (51, 10),
            (999, 100),
            (1001, 200),
            (i64::MAX, 1_000_000_000_000_000_000),
        ] {
            assert_eq!(step(far), wanted, "{far}");
        }
    }

    #[test]
    fn every_wrong_cart_is_in_a_bar() {
        let by =
            |over_value, under_value, reviewed| VisitScore { over_value, under_value, reviewed, ..cart(true, 1.0) };
        let wrong = wrong(&[case("a", 1.0, vec![by(0, 0, false), by(1, 10, false), by(5, 0, true), by(0, 1, false)])]);
        let bar = |reviewed, unreviewed| Bar { reviewed, unreviewed };
        let mut under = vec![Bar::default(); 10];
        (under[0], under[9]) = (bar(0, 1), bar(0, 1));
        let over = vec![bar(0, 1), bar(0, 0), bar(0, 0), bar(0, 0), bar(1, 0)];
        assert_eq!(wrong, Wrong { step: 1, over, under, right: 1 });
    }

    #[test]
    fn one_cart_far_off_does_not_flatten_the_others() {
        let by = |over_value| VisitScore { over_value, ..cart(false, 1.0) };
        let mut visits: Vec<VisitScore> = (0..99).map(|n| by(1 + n % 100)).collect();
        visits.push(by(1_000_000));
        let wrong = wrong(&[case("a", 0.0, visits)]);
        assert_eq!((wrong.step, wrong.over.len(), wrong.over[9].unreviewed), (10, 10, 10));
    }
}
