//! How good tracks are, as everybody measures it: detection and association together (HOTA), mistakes counted (CLEAR MOT),
//! identity over the whole sequence (IDF1).
//!
//! * HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021.
//! * MOTA, identity switches: Bernardin & Stiefelhagen, "Evaluating Multiple Object Tracking Performance", 2008.
//! * IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016.
//!
//! In the order and with the tie-breaking of the authors' own evaluation, so that figures compare with published ones.

use crate::tracking::assign;
use std::collections::BTreeMap;

/// What was true and what was said at one moment. Similarities are 0..=1 and count as the same place from 0.5 on.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub truth: Vec<u64>,
    pub said: Vec<u64>,
    /// `[truth][said]`.
    pub similarity: Vec<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Shares; 1 is perfect. MOTA may be negative.
    pub hota: f64,
    pub det_a: f64,
    pub ass_a: f64,
    pub mota: f64,
    pub idf1: f64,
    pub found: usize,
    pub missed: usize,
    pub invented: usize,
    pub switches: usize,
    /// Mean of 1 - similarity over what was found, as CLEAR MOT pairs it.
    pub mean_loss: f64,
}

impl Scores {
    /// Of several runs over the same moments.
    pub fn mean(of: &[Scores]) -> Scores {
        let share = |of_one: fn(&Scores) -> f64| of.iter().map(of_one).sum::<f64>() / of.len() as f64;
        let count = |of_one: fn(&Scores) -> usize| {
            let sum: usize = of.iter().map(of_one).sum();
            (sum as f64 / of.len() as f64).round() as usize
        };
        Scores {
            hota: share(|scores| scores.hota),
            det_a: share(|scores| scores.det_a),
            ass_a: share(|scores| scores.ass_a),
            mota: share(|scores| scores.mota),
            idf1: share(|scores| scores.idf1),
            found: count(|scores| scores.found),
            missed: count(|scores| scores.missed),
            invented: count(|scores| scores.invented),
            switches: count(|scores| scores.switches),
            mean_loss: share(|scores| scores.mean_loss),
        }
    }
}

/// Distances of HOTA: from lax to strict.
const ALPHAS: usize = 19;
/// What is left of rounding.
const EPSILON: f64 = f64::EPSILON;

pub fn score(moments: &[Moment]) -> Scores {
    let clear = clear_mot(moments);
    let (hota, det_a, ass_a) = hota(moments);
    Scores { hota, det_a, ass_a, idf1: idf1(moments), ..clear }
}

/// Each id's place in a row, and how often it occurs.
fn ids(moments: &[Moment], of: fn(&Moment) -> &Vec<u64>) -> (BTreeMap<u64, usize>, Vec<f64>) {
    let mut places = BTreeMap::new();
    let mut counts = Vec::new();
    for &id in moments.iter().flat_map(of) {
        let next = places.len();
        let place = *places.entry(id).or_insert(next);
        counts.resize(places.len(), 0.0);
        counts[place] += 1.0;
    }
    (places, counts)
}

fn clear_mot(moments: &[Moment]) -> Scores {
    let mut scores = Scores::default();
    // Who a true one was last taken for, ever and a moment ago.
    let mut ever: BTreeMap<u64, u64> = BTreeMap::new();
    let mut just: BTreeMap<u64, u64> = BTreeMap::new();
    let mut loss = 0.0;
    for Moment { truth, said, similarity } in moments {
        // Whoever goes on as they were is kept, as long as it is near enough.
        let kept = |t: usize, s: usize| if just.get(&truth[t]) == Some(&said[s]) { 1_000.0 } else { 0.0 };
        let pairs = assign(truth.len(), said.len(), 0.0, |t, s| {
            if similarity[t][s] < 0.5 - EPSILON { f64::INFINITY } else { -(similarity[t][s] + kept(t, s)) }
        });
        just.clear();
        let mut found = 0;
        for (t, s) in pairs.into_iter().enumerate() {
            let Some(s) = s else { continue };
            found += 1;
            loss += 1.0 - similarity[t][s];
            scores.switches += usize::from(ever.get(&truth[t]).is_some_and(|before| *before != said[s]));
            ever.insert(truth[t], said[s]);
            just.insert(truth[t], said[s]);
        }
        scores.found += found;
        scores.missed += truth.len() - found;
        scores.invented += said.len() - found;
    }
    let all = (scores.found + scores.missed).max(1) as f64;
    scores.mota = (scores.found as f64 - scores.invented as f64 - scores.switches as f64) / all;
    scores.mean_loss = loss / scores.found.max(1) as f64;
    scores
}

fn idf1(moments: &[Moment]) -> f64 {
    let (truth, truth_count) = ids(moments, |moment| &moment.truth);
    let (said, said_count) = ids(moments, |moment| &moment.said);
    let mut together = vec![vec![0.0; said.len()]; truth.len()];
    for moment in moments {
        for (t, row) in moment.truth.iter().zip(&moment.similarity) {
            for (s, similarity) in moment.said.iter().zip(row) {
                if *similarity >= 0.5 - EPSILON {
                    together[truth[t]][said[s]] += 1.0;
                }
            }
        }
    }
    let right: f64 = assign(truth.len(), said.len(), 0.0, |t, s| -together[t][s])
        .into_iter()
        .enumerate()
        .filter_map(|(t, s)| s.map(|s| together[t][s]))
        .sum();
    let all = truth_count.iter().sum::<f64>() + said_count.iter().sum::<f64>();
    2.0 * right / all.max(1.0)
}

/// HOTA, DetA and AssA, each a mean over the alphas.
fn hota(moments: &[Moment]) -> (f64, f64, f64) {
    let (truth, truth_count) = ids(moments, |moment| &moment.truth);
    let (said, said_count) = ids(moments, |moment| &moment.said);
    // How well two ids go together over the whole sequence decides who is paired where several could be.
    let mut near = vec![vec![0.0; said.len()]; truth.len()];
    for moment in moments {
        let of_said: Vec<f64> =
            (0..moment.said.len()).map(|s| moment.similarity.iter().map(|row| row[s]).sum()).collect();
        for (t, row) in moment.truth.iter().zip(&moment.similarity) {
            let of_truth: f64 = row.iter().sum();
            for ((s, similarity), of_said) in moment.said.iter().zip(row).zip(&of_said) {
                let either = of_truth + of_said - similarity;
                if either > EPSILON {
                    near[truth[t]][said[s]] += similarity / either;
                }
            }
        }
    }
    let alike = |t: usize, s: usize| near[t][s] / (truth_count[t] + said_count[s] - near[t][s]);
    let (mut matched, mut found) = (vec![BTreeMap::<(usize, usize), f64>::new(); ALPHAS], [0.0_f64; ALPHAS]);
    for moment in moments {
        let place = |t: usize, s: usize| (truth[&moment.truth[t]], said[&moment.said[s]]);
        let pairs = assign(moment.truth.len(), moment.said.len(), 0.0, |t, s| {
            let (of_truth, of_said) = place(t, s);
            -alike(of_truth, of_said) * moment.similarity[t][s]
        });
        for (t, s) in pairs.into_iter().enumerate() {
            let Some(s) = s else { continue };
            for alpha in 0..ALPHAS {
                if moment.similarity[t][s] >= (alpha + 1) as f64 * 0.05 - EPSILON {
                    found[alpha] += 1.0;
                    *matched[alpha].entry(place(t, s)).or_default() += 1.0;
                }
            }
        }
    }
    let (all_truth, all_said) = (truth_count.iter().sum::<f64>(), said_count.iter().sum::<f64>());
    let (mut hota, mut det, mut ass) = (0.0, 0.0, 0.0);
    for alpha in 0..ALPHAS {
        let share =
            |(&(t, s), &count): (&(usize, usize), &f64)| count * count / (truth_count[t] + said_count[s] - count);
        let ass_a = matched[alpha].iter().map(share).sum::<f64>() / found[alpha].max(1.0);
        let det_a = found[alpha] / (all_truth + all_said - found[alpha]).max(1.0);
        hota += (det_a * ass_a).sqrt() / ALPHAS as f64;
        det += det_a / ALPHAS as f64;
        ass += ass_a / ALPHAS as f64;
    }
    (hota, det, ass)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One true walker `1` in four moments, and what was said of them.
    fn scores(said: [&[u64]; 4]) -> Scores {
        let moment =
            |said: &[u64]| Moment { truth: vec![1], said: said.to_vec(), similarity: vec![vec![1.0; said.len()]] };
        score(&said.map(moment))
    }

    #[test]
    fn mistakes_cost_what_the_papers_say() {
        /// A story, what was said at each moment; MOTA, IDF1, HOTA.
        type Row<'a> = (&'a str, [&'a [u64]; 4], [f64; 3]);
        let rows: &[Row] = &[
            ("perfect", [&[7], &[7], &[7], &[7]], [1.0, 1.0, 1.0]),
            // TP 4, one switch: MOTA 3/4. Identity: two of four each way. AssA = 2/4 for all four, DetA 1.
            ("another number half way", [&[7], &[7], &[8], &[8]], [0.75, 0.5, 0.5f64.sqrt()]),
            // DetA = AssA = 3/4.
            ("missed once", [&[7], &[], &[7], &[7]], [0.75, 6.0 / 7.0, 0.75]),
            // One invented: MOTA 3/4; IDF1 = 2*4/(4+5); DetA = 4/5, AssA 1.
            ("a ghost once", [&[7], &[7, 9], &[7], &[7]], [0.75, 8.0 / 9.0, 0.8f64.sqrt()]),
            ("nothing said", [&[], &[], &[], &[]], [0.0, 0.0, 0.0]),
        ];
        for (story, said, [mota, idf1, hota]) in rows {
            let found = scores(*said);
            for (name, found, expected) in
                [("MOTA", found.mota, mota), ("IDF1", found.idf1, idf1), ("HOTA", found.hota, hota)]
            {
                assert!((found - expected).abs() < 1e-9, "{story}: {name} is {found}, not {expected}");
            }
        }
    }
}
