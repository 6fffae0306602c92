//! A training set: every interaction the floor would ask its model about, with everything that was sensed around it and
//! what really happened.
//!
//! `lessons.cbor` is one [`Lesson`] after the other, `galleries.cbor` one [`Known`] a shop. Lessons are of every family and
//! of ordinary crowds in turn, in shops drawn for training. Suites cannot be among them: their layouts and products are of
//! the other part, and the seeds of lessons are another stream than those of suites.

use crate::base::ShopId;
use crate::commands::cores;
use crate::commands::fast::{self, Method};
use crate::commands::trial::Recorded;
use crate::events::{Interaction, Observation, People};
use crate::sim::chance::Chance;
use crate::sim::family::Family;
use crate::sim::looks::Gallery;
use crate::sim::play::Play;
use crate::sim::shops::{self, Part};
use crate::sim::suite;
use crate::sim::truth::EventTruth;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// What was seen this long before an interaction and after it belongs to it, us: hands come and go, goods are carried.
const BEFORE_US: i64 = 2_000_000;
const AFTER_US: i64 = 1_500_000;
/// An event is of the interaction during which it happened, or this near to it, us: detectors are late.
const NEAR_US: i64 = 1_000_000;
/// Parties of an ordinary crowd, and minutes.
const CROWD: (u32, f64) = (12, 5.0);

/// What a shop knows of its products' looks.
#[derive(Serialize)]
struct Known {
    shop: ShopId,
    gallery: Gallery,
}

/// One interaction.
#[derive(Serialize)]
struct Lesson {
    shop: ShopId,
    case: String,
    /// As the floor asks.
    asked: Interaction,
    /// The visit each actor really belongs to, by its name in the truth; `None`: of no payer known to the floor.
    actors: Vec<Option<String>>,
    /// Everything cameras said meanwhile.
    looks: Vec<People>,
    /// What happened on this shelf in that time; nothing: a shake, a lean.
    happened: Vec<EventTruth>,
}

/// `cases` cases into `dir`, of one family or of all and crowds in turn.
pub fn write(dir: &Path, family: Option<&str>, cases: usize, seed: u64) -> Result<String, String> {
    let plays = plays(family, cases, Chance::seed_of(seed, "lessons"))?;
    let failed = |err: io::Error| format!("writing a training set into {}: {err}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut galleries: BTreeMap<&ShopId, Known> = BTreeMap::new();
    for play in &plays {
        let gallery = || Gallery::of(&play.told.catalogue, &play.world.parameters.looks);
        galleries.entry(&play.told.id).or_insert_with(|| Known { shop: play.told.id.clone(), gallery: gallery() });
    }
    append(&dir.join("galleries.cbor"), galleries.values()).map_err(failed)?;
    let mut file = io::BufWriter::new(File::create(dir.join("lessons.cbor")).map_err(failed)?);
    let (mut lessons, mut shakes) = (0, 0);
    // In rounds, so that memory holds a few dozen cases and not all.
    for round in plays.chunks(64) {
        for learned in cores::each(round, |play| learn(play, seed)) {
            for lesson in learned? {
                lessons += 1;
                shakes += usize::from(lesson.happened.is_empty());
                ciborium::into_writer(&lesson, &mut file).map_err(|err| failed(io::Error::other(err)))?;
            }
        }
    }
    file.flush().map_err(failed)?;
    let (n, shops) = (plays.len(), galleries.len());
    Ok(format!("{lessons} interactions ({shakes} of nothing) of {n} cases in {shops} shops in {}\n", dir.display()))
}

fn append<'a>(path: &Path, items: impl Iterator<Item = &'a Known>) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    for item in items {
        ciborium::into_writer(item, &mut file).map_err(io::Error::other)?;
    }
    file.flush()
}

fn plays(family: Option<&str>, cases: usize, seed: u64) -> Result<Vec<Play>, String> {
    let families: Vec<String> = match family {
        Some(name) => vec![name.to_owned()],
        None => Family::all().into_keys().collect(),
    };
    let kinds = families.len() + usize::from(family.is_none());
    let mut plays = Vec::new();
    for n in 1..=cases {
        // A shop serves a round of every kind, then comes the next.
        let shop = shops::shop(Part::Training, seed.wrapping_add((n / kinds) as u64) >> 1);
        match families.get(n % kinds) {
            Some(name) => plays.extend(suite::family(name, &shop, seed, n..=n, &toml::Table::new())?),
            None => plays.push(suite::crowd(format!("crowd-{n}"), Arc::new(shop), CROWD.0, CROWD.1)?),
        }
    }
    Ok(plays)
}

fn learn(play: &Play, seed: u64) -> Result<Vec<Lesson>, String> {
    let recorded = Recorded::of(play, Chance::seed_of(seed, "lessons"))?;
    let visits = recorded.visits();
    let name_of =
        |token: &str| visits.iter().find(|visit| visit.token.as_deref() == Some(token)).map(|v| v.visit.clone());
    let mut asked = Vec::new();
    let mut note = |floor: &crate::floor::Floor, request: &crate::events::WeighRequest| {
        for interaction in &request.interactions {
            let books = floor.books();
            let who = |body| books.visit_of(body)?.payer.as_ref().and_then(|payer| name_of(&payer.token));
            let actors: Vec<Option<String>> = interaction.actors.iter().map(|actor| who(actor.body)).collect();
            asked.push((interaction.clone(), actors));
        }
    };
    let arrivals = recorded.arrivals.iter().cloned();
    fast::watched(play.told.clone(), play.policy(), arrivals, &Method::default(), &mut note);
    let looks: Vec<(i64, &People)> = recorded
        .arrivals
        .iter()
        .filter_map(|stamped| match &stamped.observation {
            Observation::People(people) => Some((stamped.arrival.0, people)),
            _ => None,
        })
        .collect();
    let mut happened: Vec<Vec<EventTruth>> = vec![Vec::new(); asked.len()];
    for event in recorded.events() {
        let shelf = event.shelf_id();
        let away_us =
            |interaction: &Interaction| (interaction.begin.0 - event.t_us).max(event.t_us - interaction.end.0).max(0);
        let same = asked.iter().enumerate().filter(|(_, (interaction, _))| interaction.shelf.as_str() == shelf);
        let nearest = same.map(|(n, (interaction, _))| (away_us(interaction), n)).min();
        if let Some((_, n)) = nearest.filter(|(away_us, _)| *away_us <= NEAR_US) {
            happened[n].push(event.clone());
        }
    }
    let lesson = |((asked, actors), happened): ((Interaction, Vec<Option<String>>), Vec<EventTruth>)| {
        let during = asked.begin.0 - BEFORE_US..=asked.end.0 + AFTER_US;
        let seen = looks.iter().filter(|(t_us, _)| during.contains(t_us)).map(|(_, people)| (*people).clone());
        let looks = seen.collect();
        Lesson { shop: play.told.id.clone(), case: play.name.clone(), asked, actors, looks, happened }
    };
    Ok(asked.into_iter().zip(happened).map(lesson).collect())
}
