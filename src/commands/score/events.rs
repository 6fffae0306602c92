//! Event by event: was every take and put noticed, was it the right shopper, was it the right product?
//!
//! A claim fits an event of the same case on the same shelf in the same direction whose moment lies within [`NEAR_US`] of
//! the claim's span. Pairs are made best first: near in time, on plates they share. What is left over is a false event or
//! a missed one. Staff's restocking and goods outside the catalogue happen and are not scored, whatever is claimed of them.

use crate::base::VisitId;
use crate::events::Fact;
use crate::sim::truth::EventTruth;
use serde::Serialize;
use std::collections::BTreeMap;

/// A claim is of an event that happened within its span or this near to it, us. Detectors take a second to begin and end.
const NEAR_US: i64 = 2_500_000;
/// Plates that do not touch count as much as this many us.
const ELSEWHERE_US: i64 = 3_000_000;

/// A claim as it is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedEvent {
    pub begin_us: i64,
    pub end_us: i64,
    pub shelf: String,
    pub plates: Vec<u16>,
    /// Of whose payer; `None`: nobody's.
    pub token: Option<String>,
    pub product: Option<String>,
    /// Units off the shelf: negative when put back.
    pub count: i64,
}

impl ClaimedEvent {
    /// The claims of a `Claimed` entry; `token_of` knows who pays for a visit.
    pub fn of(fact: &Fact, token_of: impl Fn(&VisitId) -> Option<String>) -> Vec<ClaimedEvent> {
        let Fact::Claimed { shelf, begin, end, claims, .. } = fact else { return Vec::new() };
        let event = |claim: &crate::events::Claim| ClaimedEvent {
            begin_us: begin.0,
            end_us: end.0,
            shelf: shelf.to_string(),
            plates: claim.plates.clone(),
            token: claim.visit.as_ref().and_then(&token_of),
            product: claim.product.as_ref().map(ToString::to_string),
            count: claim.count,
        };
        claims.iter().map(event).collect()
    }
}

/// Counts over takes and puts; they add up over cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventScore {
    /// Scored events that happened.
    pub happened: usize,
    /// Claims, those of unscored events left out.
    pub claimed: usize,
    pub matched: usize,
    /// Of the matched: claimed of the visit that did it, and of the product it was.
    pub shopper_right: usize,
    pub product_right: usize,
}

impl EventScore {
    pub fn add(&mut self, other: EventScore) {
        self.happened += other.happened;
        self.claimed += other.claimed;
        self.matched += other.matched;
        self.shopper_right += other.shopper_right;
        self.product_right += other.product_right;
    }

    pub fn precision(&self) -> f64 {
        share(self.matched, self.claimed)
    }

    pub fn recall(&self) -> f64 {
        share(self.matched, self.happened)
    }

    pub fn shopper_rate(&self) -> f64 {
        share(self.shopper_right, self.matched)
    }

    pub fn product_rate(&self) -> f64 {
        share(self.product_right, self.matched)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// One case: what happened, what was claimed; `tokens` are the payers' of its visits.
pub fn score(truth: &[&EventTruth], claims: &[ClaimedEvent], tokens: &BTreeMap<&str, Option<&str>>) -> EventScore {
    let handled = |event: &&&EventTruth| matches!(event.action.as_str(), "take" | "put" | "restock");
    let truth: Vec<&EventTruth> = truth.iter().filter(handled).copied().collect();
    let mut pairs: Vec<(i64, usize, usize)> = Vec::new();
    for (i, event) in truth.iter().enumerate() {
        let candidates = claims.iter().enumerate().filter(|(_, claim)| is_of(claim, event));
        pairs.extend(candidates.filter_map(|(k, claim)| Some((distance_us(claim, event)?, i, k))));
    }
    pairs.sort_unstable();
    let (mut claim_of, mut taken) = (vec![None; truth.len()], vec![false; claims.len()]);
    for (_, i, k) in pairs {
        if claim_of[i].is_none() && !taken[k] {
            claim_of[i] = Some(k);
            taken[k] = true;
        }
    }
    let mut score = EventScore { claimed: claims.len(), ..EventScore::default() };
    for (event, claim) in truth.iter().zip(&claim_of) {
        let is_scored = event.scored && event.action != "restock";
        match (is_scored, claim) {
            (false, Some(_)) => score.claimed -= 1,
            (false, None) => {}
            (true, claim) => {
                score.happened += 1;
                let Some(claim) = claim.map(|k| &claims[k]) else { continue };
                score.matched += 1;
                let who = tokens.get(event.visit.as_str()).copied().flatten();
                score.shopper_right += usize::from(claim.token.as_deref() == who);
                score.product_right += usize::from(claim.product.as_deref() == Some(&event.product));
            }
        }
    }
    score
}

fn is_of(claim: &ClaimedEvent, event: &EventTruth) -> bool {
    let off_the_shelf = event.action == "take";
    event.shelf_id() == claim.shelf && off_the_shelf == (claim.count > 0)
}

/// How badly the two fit; `None`: not at all.
fn distance_us(claim: &ClaimedEvent, event: &EventTruth) -> Option<i64> {
    let away_us = (claim.begin_us - event.t_us).max(event.t_us - claim.end_us).max(0);
    let share_plates = claim.plates.iter().any(|plate| event.plates.iter().any(|p| p.abs_diff(*plate) <= 1));
    let elsewhere = if share_plates { 0 } else { ELSEWHERE_US };
    (away_us <= NEAR_US).then_some(away_us + elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(t_s: f64, action: &str, visit: &str, product: &str, plates: &[u16]) -> EventTruth {
        EventTruth {
            case: "a".into(),
            t_us: (t_s * 1e6) as i64,
            action: action.into(),
            visit: visit.into(),
            to: None,
            product: product.into(),
            quantity: 1,
            gondola: 1.into(),
            shelf: 2.into(),
            plates: plates.to_vec(),
            scored: product != "stranger",
        }
    }

    fn claim(at_s: f64, count: i64, token: &str, product: &str, plates: &[u16]) -> ClaimedEvent {
        let begin_us = (at_s * 1e6) as i64;
        ClaimedEvent {
            begin_us,
            end_us: begin_us + 1_000_000,
            shelf: "1-2".into(),
            plates: plates.to_vec(),
            token: Some(token.into()).filter(|token: &String| !token.is_empty()),
            product: Some(product.into()),
            count,
        }
    }

    #[test]
    fn claims_find_their_events() {
        let tokens = BTreeMap::from([("s1", Some("t1")), ("s2", Some("t2"))]);
        let take = |t, visit, product, plates: &[u16]| event(t, "take", visit, product, plates);
        for (story, truth, claims, want) in [
            ("right", vec![take(5.0, "s1", "cola", &[3])], vec![claim(4.8, 1, "t1", "cola", &[3])], [1, 1, 1, 1, 1]),
            ("another's", vec![take(5.0, "s1", "cola", &[3])], vec![claim(4.8, 1, "t2", "gum", &[3])], [1, 1, 1, 0, 0]),
            ("nobody's", vec![take(5.0, "s1", "cola", &[3])], vec![claim(4.8, 1, "", "cola", &[3])], [1, 1, 1, 0, 1]),
            (
                "a put is no take",
                vec![take(5.0, "s1", "cola", &[3])],
                vec![claim(5.0, -1, "t1", "cola", &[3])],
                [1, 1, 0, 0, 0],
            ),
            (
                "far too late",
                vec![take(5.0, "s1", "cola", &[3])],
                vec![claim(9.0, 1, "t1", "cola", &[3])],
                [1, 1, 0, 0, 0],
            ),
            (
                "two at once go by their plates",
                vec![take(5.0, "s1", "cola", &[3]), take(5.0, "s2", "gum", &[8])],
                vec![claim(4.8, 1, "t2", "gum", &[8]), claim(4.9, 1, "t1", "cola", &[3])],
                [2, 2, 2, 2, 2],
            ),
            (
                "two claimed as one",
                vec![take(5.0, "s1", "cola", &[3]), take(5.3, "s1", "cola", &[3])],
                vec![claim(4.8, 2, "t1", "cola", &[3])],
                [2, 1, 1, 1, 1],
            ),
            (
                "unscored goods",
                vec![take(5.0, "s1", "stranger", &[3])],
                vec![claim(4.8, 1, "t1", "gum", &[3])],
                [0, 0, 0, 0, 0],
            ),
            (
                "restocking",
                vec![event(5.0, "restock", "s9", "cola", &[3])],
                vec![claim(4.8, -3, "", "cola", &[3])],
                [0, 0, 0, 0, 0],
            ),
        ] {
            let truth: Vec<&EventTruth> = truth.iter().collect();
            let s = score(&truth, &claims, &tokens);
            assert_eq!([s.happened, s.claimed, s.matched, s.shopper_right, s.product_right], want, "{story}");
        }
    }
}
