//! A training set: every interaction the floor would ask its model about, with everything that was sensed around it and
//! what really happened.
//!
//! `lessons.cbor` is one [`Lesson`] after the other, `galleries.cbor` one [`Known`] a shop. Lessons are of every family and
//! of ordinary crowds in turn, in shops drawn for training. Half of what suites play is of layouts and products of the other
//! part, which no lesson has; the other half is of other seeds, whose stream lessons do not draw from.

use crate::base::ShopId;
use crate::commands::cores;
use crate::commands::fast::{self, Method};
use crate::commands::trial::Recorded;
use crate::events::{Interaction, Observation, People};
use crate::sim::chance::Chance;
use crate::sim::family::Family;
use crate::sim::looks::Gallery;
use crate::sim::parameters::Parameters;
use crate::sim::play::Play;
use crate::sim::shops::{self, Part};
use crate::sim::suite;
use crate::sim::truth::EventTruth;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// What was seen this long before an interaction and after it belongs to it, us: hands come and go, goods are carried.
const BEFORE_US: i64 = 2_000_000;
const AFTER_US: i64 = 1_500_000;
/// An event is of the interaction during which it happened, or this near to it, us: detectors are late.
const NEAR_US: i64 = 1_000_000;
/// One of each of 27 families, and a crowd.
const CASES_A_SHOP: usize = 28;
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

/// `cases` cases into `dir`, of one family or of all and crowds in turn; every [`CASES_A_SHOP`] in a new shop.
pub fn write(dir: &Path, family: Option<&str>, cases: usize, seed: u64) -> Result<String, String> {
    let families: Vec<String> = match family {
        Some(name) => vec![name.to_owned()],
        None => Family::all().into_keys().collect(),
    };
    let seed = Chance::seed_of(seed, "lessons");
    let failed = |err: io::Error| format!("writing a training set into {}: {err}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    let create = |name: &str| File::create(dir.join(name)).map(io::BufWriter::new).map_err(failed);
    let (mut file, mut galleries) = (create("lessons.cbor")?, create("galleries.cbor")?);
    let (mut lessons, mut shakes, mut shops) = (0, 0, 0);
    for first in (1..=cases).step_by(CASES_A_SHOP) {
        let shop = Arc::new(shops::shop(Part::Training, seed.wrapping_add(shops)));
        shops += 1;
        let play = |n: usize| match families.get((n - 1) % (families.len() + usize::from(family.is_none()))) {
            Some(name) => suite::family(name, &shop, seed, n..=n, &toml::Table::new()),
            None => Ok(vec![suite::crowd(format!("crowd-{n}"), shop.clone(), CROWD.0, CROWD.1)?]),
        };
        let mut plays: Vec<Play> = Vec::new();
        for n in (first..=cases).take(CASES_A_SHOP) {
            plays.extend(play(n)?);
        }
        let gallery = Gallery::of(&shop.catalogue, &Parameters::shipped().looks);
        append(&Known { shop: shop.id.clone(), gallery }, &mut galleries).map_err(failed)?;
        for learned in cores::each(&plays, |play| learn(play, seed)) {
            for lesson in learned? {
                lessons += 1;
                shakes += usize::from(lesson.happened.is_empty());
                append(&lesson, &mut file).map_err(failed)?;
            }
        }
    }
    file.flush().and_then(|()| galleries.flush()).map_err(failed)?;
    Ok(format!("{lessons} interactions ({shakes} of nothing) of {cases} cases in {shops} shops in {}\n", dir.display()))
}

fn append(item: &impl Serialize, file: &mut impl Write) -> io::Result<()> {
    ciborium::into_writer(item, file).map_err(io::Error::other)
}

fn learn(play: &Play, seed: u64) -> Result<Vec<Lesson>, String> {
    let recorded = Recorded::of(play, seed)?;
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
