//! Plays and what methods make of them: the physics once, every method on the same recording, all cores.

use super::cores;
use super::fast::{self, Method};
use super::score::{self, Billed, ClaimedEvent, EventScore, Score};
use super::simulate::RECORDED_START_US;
use crate::events::Stamped;
use crate::sim::Gates;
use crate::sim::looks::Gallery;
use crate::sim::oracle::{self, Decision};
use crate::sim::play::Play;
use crate::sim::record::Arrivals;
use crate::sim::truth::{EventTruth, TruthLine, VisitTruth};
use std::collections::BTreeMap;

/// A played case: what devices said, and what happened.
pub struct Recorded {
    /// Its own seed, which the case's name and the seed asked for make.
    pub seed: u64,
    pub until_us: i64,
    pub arrivals: Vec<Stamped>,
    pub truth: Vec<TruthLine>,
}

impl Recorded {
    pub fn of(play: &Play, seed: u64) -> Result<Recorded, String> {
        let planned = play.plan(seed, RECORDED_START_US)?;
        let (seed, until_us) = (planned.seed, planned.until_us);
        let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
        let arrivals = Arrivals::new(&mut playback, seed, until_us).collect();
        playback.finish();
        Ok(Recorded { seed, until_us, arrivals, truth: playback.truth() })
    }

    pub fn visits(&self) -> Vec<VisitTruth> {
        self.truth.iter().filter_map(TruthLine::as_visit).cloned().collect()
    }

    pub fn events(&self) -> Vec<&EventTruth> {
        let events = self.truth.iter().filter_map(|line| match line {
            TruthLine::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// What an oracle makes of every scored event.
    pub fn at_best(&self, play: &Play, gallery: &Gallery) -> Vec<Decision> {
        let recording = oracle::Recording { arrivals: &self.arrivals, truth: &self.truth, world: &play.world, gallery };
        oracle::decide(&recording, self.seed)
    }
}

/// One play with one seed, and what each method made of it, in the methods' order.
pub struct Tried {
    pub case: String,
    pub by_method: Vec<Made>,
    /// What anybody could have made of it at best, where that was asked for.
    pub ceiling: Option<Made>,
}

pub struct Made {
    pub score: Score,
    pub events: EventScore,
}

/// Tries `methods` on every play with every seed; results in the order of plays, then seeds.
pub fn tries(plays: &[Play], seeds: std::ops::Range<u64>, methods: &[Method]) -> Result<Vec<Tried>, String> {
    each(plays, seeds, methods, false)
}

/// The same, and what an oracle makes of every recording.
pub fn tries_and_ceiling(
    plays: &[Play],
    seeds: std::ops::Range<u64>,
    methods: &[Method],
) -> Result<Vec<Tried>, String> {
    each(plays, seeds, methods, true)
}

fn each(plays: &[Play], seeds: std::ops::Range<u64>, methods: &[Method], ceiling: bool) -> Result<Vec<Tried>, String> {
    let jobs: Vec<(&Play, u64)> = plays.iter().flat_map(|play| seeds.clone().map(move |seed| (play, seed))).collect();
    cores::each(&jobs, |(play, seed)| one(play, *seed, methods, ceiling)).into_iter().collect()
}

fn one(play: &Play, seed: u64, methods: &[Method], ceiling: bool) -> Result<Tried, String> {
    let recorded = Recorded::of(play, seed)?;
    let (visits, events) = (recorded.visits(), recorded.events());
    let tokens: BTreeMap<&str, Option<&str>> =
        visits.iter().map(|visit| (visit.visit.as_str(), visit.token.as_deref())).collect();
    let prices = score::prices(&play.told);
    let made = |method: &Method| {
        let outcome = fast::run(play.told.clone(), play.policy(), recorded.arrivals.iter().cloned(), method);
        Made {
            score: score::of(&visits, &outcome.receipts, Billed::Picker, &prices),
            events: score::score_events(&events, &outcome.events, &tokens),
        }
    };
    let by_method = methods.iter().map(made).collect();
    let ceiling = ceiling.then(|| {
        let gallery = Gallery::of(&play.told.catalogue, &play.world.parameters.looks);
        let decisions = recorded.at_best(play, &gallery);
        let claims: Vec<ClaimedEvent> =
            decisions.iter().filter_map(|decision| claim(decision, events[decision.event], &tokens)).collect();
        let carts = oracle::carts(&recorded.truth, &decisions);
        Made {
            score: score::of_carts(&visits, &carts, Billed::Picker, &prices),
            events: score::score_events(&events, &claims, &tokens),
        }
    });
    Ok(Tried { case: play.name.clone(), by_method, ceiling })
}

/// A decision as a claim of the moment it is of; `None`: nothing noticed.
fn claim(decision: &Decision, of: &EventTruth, tokens: &BTreeMap<&str, Option<&str>>) -> Option<ClaimedEvent> {
    let answer = decision.answer.as_ref()?;
    Some(ClaimedEvent {
        begin_us: of.t_us,
        end_us: of.t_us,
        shelf: of.shelf_id(),
        plates: of.plates.clone(),
        token: tokens.get(answer.visit.as_str()).copied().flatten().map(str::to_owned),
        product: Some(answer.product.clone()),
        count: if of.action == "put" { -answer.quantity } else { answer.quantity },
    })
}
