//! Plays and what methods make of them: the physics once, every method on the same recording, all cores.

use super::cores;
use super::fast::{self, Method};
use super::score::{self, Billed, EventScore, Score};
use super::simulate::RECORDED_START_US;
use crate::events::Stamped;
use crate::sim::Gates;
use crate::sim::play::Play;
use crate::sim::record::Arrivals;
use crate::sim::truth::{EventTruth, TruthLine, VisitTruth};

/// One play with one seed, and what each method made of it, in the methods' order.
pub struct Tried {
    pub case: String,
    pub seed: u64,
    pub truth: Vec<VisitTruth>,
    pub by_method: Vec<Made>,
    /// What anybody could have made of it at best, where that was worked out.
    pub ceiling: Option<Made>,
}

pub struct Made {
    pub score: Score,
    pub events: EventScore,
}

/// Tries `methods` on every play with every seed; results in the order of plays, then seeds.
pub fn tries(plays: &[Play], seeds: std::ops::Range<u64>, methods: &[Method]) -> Result<Vec<Tried>, String> {
    let jobs: Vec<(&Play, u64)> = plays.iter().flat_map(|play| seeds.clone().map(move |seed| (play, seed))).collect();
    cores::each(&jobs, |(play, seed)| one(play, *seed, methods)).into_iter().collect()
}

fn one(play: &Play, seed: u64, methods: &[Method]) -> Result<Tried, String> {
    let planned = play.plan(seed, RECORDED_START_US)?;
    let (own_seed, until_us) = (planned.seed, planned.until_us);
    let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
    let recorded: Vec<Stamped> = Arrivals::new(&mut playback, own_seed, until_us).collect();
    playback.finish();
    let (mut visits, mut events): (Vec<VisitTruth>, Vec<EventTruth>) = Default::default();
    for line in playback.truth() {
        match line {
            TruthLine::Visit(visit) => visits.push(visit),
            TruthLine::Event(event) => events.push(event),
            TruthLine::Body { .. } => {}
        }
    }
    let tokens = visits.iter().map(|visit| (visit.visit.as_str(), visit.token.as_deref())).collect();
    let prices = score::prices(&play.told);
    let made = |method: &Method| {
        let outcome = fast::run(play.told.clone(), play.policy(), recorded.iter().cloned(), method);
        let events: Vec<&EventTruth> = events.iter().collect();
        Made {
            score: score::of(&visits, &outcome.receipts, Billed::Picker, &prices),
            events: score::score_events(&events, &outcome.events, &tokens),
        }
    };
    let by_method = methods.iter().map(made).collect();
    Ok(Tried { case: play.name.clone(), seed, by_method, truth: visits, ceiling: None })
}
