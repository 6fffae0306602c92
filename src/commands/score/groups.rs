//! Carts put together: all cases, cases of one family, carts that were made while as many visits were inside.
//!
//! Intervals are by bootstrap over cases, because carts of one case share their luck. A group of a single case has none.

use super::carts::{CaseScore, VisitScore, mean};
use super::interval::{Estimate, bootstrap};
use crate::sim::truth::VisitTruth;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many visits were inside at once: as told, from, to.
const CROWDS: [(&str, usize, usize); 6] =
    [("1", 1, 1), ("2", 2, 2), ("3", 3, 3), ("4-6", 4, 6), ("7-12", 7, 12), ("13+", 13, usize::MAX)];

/// Cases of one kind of difficulty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    pub family: String,
    pub cases: usize,
    pub carts: usize,
    pub f1: Estimate,
    pub exact: Estimate,
}

/// Carts made while so many visits were inside at most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crowd {
    pub inside: &'static str,
    pub carts: usize,
    pub exact: Estimate,
}

/// `crossing-12` is of family `crossing`; a name that ends otherwise is a family of its own.
pub fn family(case: &str) -> &str {
    match case.rsplit_once('-') {
        Some((family, number)) if !family.is_empty() && is_number(number) => family,
        _ => case,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Every family by name.
pub fn by_family(cases: &[CaseScore]) -> Vec<Family> {
    let mut families: BTreeMap<&str, Vec<&CaseScore>> = BTreeMap::new();
    for case in cases {
        families.entry(family(&case.case)).or_default().push(case);
    }
    let of = |(family, cases): (&str, Vec<&CaseScore>)| Family {
        family: family.to_owned(),
        cases: cases.len(),
        carts: cases.iter().map(|case| case.visits.len()).sum(),
        f1: f1(&cases),
        exact: exact(cases.iter().map(|case| case.visits.iter())),
    };
    families.into_iter().map(of).collect()
}

/// From the emptiest shop to the fullest; crowds that no cart was made in are left out.
pub fn by_crowding(cases: &[CaseScore]) -> Vec<Crowd> {
    let crowd = |(inside, from, to): (&'static str, usize, usize)| {
        let within = |visit: &&VisitScore| (from..=to).contains(&visit.inside_most);
        let carts = cases.iter().flat_map(|case| &case.visits).filter(within).count();
        let exact = || exact(cases.iter().map(|case| case.visits.iter().filter(within)));
        (carts > 0).then(|| Crowd { inside, carts, exact: exact() })
    };
    CROWDS.into_iter().filter_map(crowd).collect()
}

/// Mean over cases.
pub fn f1(cases: &[&CaseScore]) -> Estimate {
    bootstrap(cases, |cases| mean(cases.iter().map(|case| case.f1)))
}

/// Share of carts that are right; those of one case stay together, and a case without carts has no say.
pub fn exact<'a>(by_case: impl Iterator<Item = impl Iterator<Item = &'a VisitScore>>) -> Estimate {
    let count = |visits: &mut dyn Iterator<Item = &VisitScore>| {
        visits.fold((0, 0), |(right, all), visit| (right + usize::from(visit.exact), all + 1))
    };
    let counts: Vec<(usize, usize)> =
        by_case.map(|mut visits| count(&mut visits)).filter(|(_, all)| *all > 0).collect();
    bootstrap(&counts, |counts| {
        let (right, all) = counts.iter().fold((0, 0), |(right, all), (r, n)| (right + r, all + n));
        if all == 0 { 0.0 } else { right as f64 / all as f64 }
    })
}

/// For every visit, in their order: the largest number of visits of its case inside at any moment of it, itself among
/// them, whoever pays. Who goes as another comes did not meet; who never left is inside for ever.
pub fn crowding(visits: &[VisitTruth]) -> Vec<usize> {
    let mut cases: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (k, visit) in visits.iter().enumerate() {
        cases.entry(&visit.case).or_default().push(k);
    }
    let mut most = vec![1; visits.len()];
    for members in cases.values() {
        let left_us = |k: &usize| visits[*k].left_us.unwrap_or(i64::MAX);
        let mut ins: Vec<i64> = members.iter().map(|k| visits[*k].entered_us).collect();
        let mut outs: Vec<i64> = members.iter().map(left_us).collect();
        ins.sort_unstable();
        outs.sort_unstable();
        // It can only become fuller when somebody comes, so these are the moments to look at.
        let inside = |t_us: &i64| ins.partition_point(|t| t <= t_us) - outs.partition_point(|t| t <= t_us);
        let inside: Vec<usize> = ins.iter().map(inside).collect();
        for k in members {
            let from = ins.partition_point(|t_us| *t_us < visits[*k].entered_us);
            let to = ins.partition_point(|t_us| *t_us < left_us(k));
            most[*k] = inside[from..to.max(from)].iter().copied().max().unwrap_or(1).max(1);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::score::tests::{cart, case};

    #[test]
    fn a_family_is_the_name_up_to_its_number() {
        for (case, of) in [
            ("crossing-12", "crossing"),
            ("put-back-3", "put-back"),
            ("TEAM-8-1", "TEAM-8"),
            ("hand-off", "hand-off"),
            ("crowd", "crowd"),
            ("-1", "-1"),
            ("day-", "day-"),
            ("a-1b", "a-1b"),
            ("a-\u{b2}", "a-\u{b2}"),
            ("", ""),
        ] {
            assert_eq!(family(case), of, "{case}");
        }
    }

    /// (entered, left) of visits, and how many were inside at most during each.
    #[test]
    fn who_was_inside_at_the_same_time() {
        type Row = (&'static str, &'static [(i64, Option<i64>)], &'static [usize]);
        let rows: &[Row] = &[
            ("alone", &[(0, Some(10))], &[1]),
            ("one after the other", &[(0, Some(10)), (10, Some(20))], &[1, 1]),
            ("the first meets both, they do not meet", &[(0, Some(20)), (1, Some(5)), (6, Some(9))], &[2, 2, 2]),
            ("three at once", &[(0, Some(20)), (1, Some(9)), (6, Some(30))], &[3, 3, 3]),
            (
                "the crowd before me is not mine",
                &[(0, Some(5)), (1, Some(5)), (2, Some(9)), (6, Some(8))],
                &[3, 3, 3, 2],
            ),
            ("somebody stays", &[(0, None), (100, Some(101))], &[2, 2]),
            ("in and out in one moment", &[(3, Some(3))], &[1]),
            ("both at once", &[(3, Some(9)), (3, Some(9))], &[2, 2]),
        ];
        for (story, times, most) in rows {
            let visit = |(entered_us, left_us): &(i64, Option<i64>)| VisitTruth {
                case: "a".into(),
                visit: "s".into(),
                token: None,
                entered_us: *entered_us,
                left_us: *left_us,
                cart: vec![],
                cart_receiver: None,
                payer: false,
                staff: true,
            };
            let mut visits: Vec<VisitTruth> = times.iter().map(visit).collect();
            // Another case at the same time is another shop.
            visits.push(VisitTruth { case: "b".into(), ..visits[0].clone() });
            assert_eq!(crowding(&visits)[..times.len()], **most, "{story}");
        }
    }

    #[test]
    fn families_and_crowds_add_up() {
        let crowded = |n: usize, exact: bool| VisitScore { inside_most: n, ..cart(exact, 1.0) };
        let cases = [
            case("take-1", 1.0, vec![crowded(1, true)]),
            case("take-2", 0.5, vec![crowded(2, true), crowded(2, false)]),
            case("rush", 0.8, vec![crowded(5, true), crowded(13, true), crowded(40, false)]),
        ];
        let told = |f: &Family| (f.family.clone(), f.cases, f.carts, f.f1.value, f.exact.value, f.f1.low.is_nan());
        let families: Vec<_> = by_family(&cases).iter().map(told).collect();
        let wanted = [("rush".into(), 1, 3, 0.8, 2.0 / 3.0, true), ("take".into(), 2, 3, 0.75, 2.0 / 3.0, false)];
        assert_eq!(families, wanted);
        let crowds: Vec<_> = by_crowding(&cases).iter().map(|c| (c.inside, c.carts, c.exact.value)).collect();
        assert_eq!(crowds, [("1", 1, 1.0), ("2", 2, 0.5), ("4-6", 1, 1.0), ("13+", 2, 0.5)]);
        assert_eq!(by_family(&[]), []);
    }
}
