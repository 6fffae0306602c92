//! What every parser that meets the outside must keep, whatever it is fed. One function a family of inputs.
//!
//! `cargo test --test parsers` feeds them valid examples with damage, `./dev fuzz` whatever a fuzzer can think of. No panic,
//! no endless answer, a refusal has a name and does not quote what it refused, what is accepted keeps its promises and
//! reads back as itself.

use super::http::http;
use super::small_shop::small_shop;
use super::upstream::upstream;
use carryout::base::{Counters, ShopTime};
use carryout::config::Config;
use carryout::events::{Entry, Observation, Stamped};
use carryout::floor::{Books, Floor, FloorOptions};
use carryout::perception::manifest::Manifest;
use carryout::sensors::topic::{self, Topic};
use carryout::shop::{Problem, Shop, nanostore};
use carryout::sim::Script;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Must not fail, whatever it is given; says whether it was accepted.
type Holds = fn(&[u8]) -> bool;

pub const FAMILIES: &[(&str, Holds)] = &[
    ("mqtt", mqtt),
    ("config", config),
    ("shop", shop_files),
    ("nanostore", nanostore),
    ("script", script),
    ("manifest", manifest),
    ("recording", recording),
    ("http", http),
    ("upstream", upstream),
];

/// Between the parts of an input that has several.
pub const PART: &str = "\n=====\n";

/// When the messages arrive, us: a moment in October 2025.
pub const ARRIVAL_US: i64 = 1_760_000_000_000_000;

/// A word that appears in valid examples where somebody's token stands: nobody may repeat it.
pub const SECRET: &str = "tok_secret_7391";

/// Characters of a refusal's detail, at most: it goes to a counter and to the log.
const DETAIL_CHARS: usize = 400;

static SHOP: LazyLock<Arc<Shop>> = LazyLock::new(|| Arc::new(small_shop()));

/// First line: the topic below the shop's, `!` before it for a retained message. The rest: the payload.
pub fn mqtt(data: &[u8]) -> bool {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(name) = std::str::from_utf8(&data[..line]) else { return false };
    let payload = data.get(line + 1..).unwrap_or_default();
    let (name, retained) = name.strip_prefix('!').map_or((name, false), |name| (name, true));
    let Some(topic) = Topic::of(name) else { return false };
    match topic::read(topic, retained, payload, ShopTime(ARRIVAL_US), &SHOP) {
        Ok(observation) => {
            accepted(observation, retained);
            true
        }
        Err(refusal) => {
            let kind = refusal.kind();
            assert!(kind.len() < 64 && kind.contains('.'), "a refusal without a name: {kind}");
            readable_detail(&refusal.detail);
            // A device is named as its topic names it.
            let named = name.contains(SECRET);
            assert!(named || !refusal.to_string().contains(SECRET), "{kind} quotes the payload: {refusal}");
            false
        }
    }
}

/// What got through keeps wire.md's promises, reads back as itself, and does no harm to a floor.
fn accepted(observation: Observation, retained: bool) {
    assert!(!retained || matches!(observation, Observation::ShelfOnline { .. }), "retained and accepted");
    match &observation {
        Observation::Weights(weights) => {
            let shelf = &SHOP.layout.shelves[&weights.shelf];
            let rows = &weights.plates;
            assert!((1..=64).contains(&weights.boot.chars().count()) && (1..=10_000_000).contains(&weights.dt_us));
            assert!(!rows.is_empty() && rows.iter().all(|row| row.grams.len() == rows[0].grams.len()));
            assert!((1..=600).contains(&rows[0].grams.len()));
            assert!(rows.iter().all(|row| shelf.plate(row.plate).is_some()));
            let possible = |g: &f32| g.is_finite() && g.abs() <= 1e6;
            assert!(rows.iter().flat_map(|row| &row.grams).flatten().all(possible), "impossible grams");
        }
        Observation::Tap(tap) => {
            assert!((1..=50).contains(&tap.group_size) && (1..=256).contains(&tap.credential.token.chars().count()));
            assert!(
                (1..=64).contains(&tap.tap_id.as_str().chars().count()) && SHOP.layout.gates.contains_key(&tap.gate)
            );
            assert!(!carryout::base::card::looks_like_card_number(&tap.credential.token), "a card number got in");
        }
        Observation::Passage(passage) => assert!(SHOP.layout.gates.contains_key(&passage.gate)),
        Observation::People(people) => {
            assert!(people.people.len() <= 200 && SHOP.layout.cameras.contains_key(&people.camera));
            for person in &people.people {
                assert!((0.0..=1.0).contains(&person.confidence) && person.track.chars().count() <= 64);
                let places = person
                    .floor
                    .iter()
                    .flat_map(|p| [p.x, p.y])
                    .chain(person.hands.iter().flat_map(|p| [p.x, p.y, p.z]));
                assert!(places.into_iter().all(f64::is_finite), "nowhere");
            }
        }
        _ => {}
    }
    reads_back(&observation);
    into_a_floor(shop(), &[], observation);
}

pub fn shop() -> Arc<Shop> {
    SHOP.clone()
}

pub fn reads_back(observation: &Observation) {
    let stamped = Stamped { arrival: ShopTime(ARRIVAL_US), observation: observation.clone() };
    let json = serde_json::to_vec(&stamped).expect("an observation is JSON");
    assert_eq!(serde_json::from_slice::<Stamped>(&json).expect("and back"), stamped);
    let mut cbor = Vec::new();
    ciborium::into_writer(&stamped, &mut cbor).expect("an observation is CBOR");
    assert_eq!(ciborium::from_reader::<Stamped, _>(&cbor[..]).expect("and back"), stamped);
}

/// A floor that has seen `before` takes it in, twice, lets two seconds pass, and is sound.
pub fn into_a_floor(shop: Arc<Shop>, before: &[Observation], observation: Observation) {
    let books = Books::new(shop.clone());
    let mut floor = Floor::new(shop, FloorOptions::default(), books, Counters::default());
    let mut apply = |ms, observation| {
        floor.apply(Stamped { arrival: ShopTime(ARRIVAL_US).plus_ms(ms), observation });
        let broken = floor.broken_invariants();
        assert!(broken.is_empty(), "{}", broken.join("; "));
    };
    apply(0, Observation::Started { anchor_us: ARRIVAL_US });
    apply(50, Observation::Tick);
    before.iter().for_each(|observation| apply(50, observation.clone()));
    apply(50, observation.clone());
    apply(100, Observation::Tick);
    apply(100, observation);
    apply(600, Observation::Tick);
    apply(2_100, Observation::Tick);
}

pub fn readable_detail(detail: &str) {
    assert!(detail.chars().count() <= DETAIL_CHARS, "an endless detail: {detail}");
}

/// Problems are sentences of a readable length.
fn readable(problems: &[Problem]) {
    assert!(!problems.is_empty(), "refused without a word");
    for problem in problems {
        let text = problem.to_string();
        assert!((8..=2_000).contains(&text.chars().count()), "{} characters: {text:.200}", text.len());
    }
}

pub fn config(data: &[u8]) -> bool {
    Config::parse("carryout.toml", &String::from_utf8_lossy(data)).inspect_err(|problems| readable(problems)).is_ok()
}

/// shop.toml, planogram.csv and catalogue.csv. What is accepted can be written down and reads back as the same.
pub fn shop_files(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split(PART);
    let [shop, planogram, catalogue] = [(); 3].map(|()| parts.next().unwrap_or_default());
    match Shop::parse(shop, planogram, catalogue) {
        Ok((shop, _)) => {
            can_be_written_down(shop);
            true
        }
        Err(problems) => {
            readable(&problems);
            false
        }
    }
}

fn can_be_written_down(shop: Shop) {
    let texts = |shop: &Shop| [shop.shop_toml(), shop.planogram_csv(), shop.catalogue_csv()];
    let written = texts(&shop);
    let (again, _) = Shop::parse(&written[0], &written[1], &written[2])
        .unwrap_or_else(|problems| panic!("written down and refused: {}\n{written:?}", problems[0]));
    assert_eq!(texts(&again), written, "written down twice, two different shops");
    into_a_floor(Arc::new(shop), &[], Observation::Tick);
}

/// geometry.csv, planogram.csv and products.csv of the importer.
pub fn nanostore(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split(PART);
    let tables = ["geometry.csv", "planogram.csv", "products.csv"];
    let tables = tables.map(|name| (name.to_owned(), parts.next().unwrap_or_default().to_owned()));
    match nanostore::parse(tables) {
        Ok((shop, _)) => {
            into_a_floor(Arc::new(shop), &[], Observation::Tick);
            true
        }
        Err(problems) => {
            readable(&problems);
            false
        }
    }
}

pub fn script(data: &[u8]) -> bool {
    let script = Script::parse(&String::from_utf8_lossy(data)).inspect_err(|error| {
        let text = error.to_string();
        assert!((8..=2_000).contains(&text.chars().count()), "{} characters: {text:.200}", text.len());
    });
    script.is_ok()
}

pub fn manifest(data: &[u8]) -> bool {
    let manifest = Manifest::parse(&String::from_utf8_lossy(data), Path::new("models/model.toml"));
    let named =
        |text: String| assert!(text.contains("models/model.toml"), "an error that does not name the file: {text}");
    manifest.inspect_err(|error| named(error.to_string())).is_ok()
}

/// A recording's CBOR and a ledger's JSON. What can be read is written as something that reads the same.
pub fn recording(data: &[u8]) -> bool {
    let stamped = ciborium::from_reader::<Stamped, _>(data);
    if let Ok(stamped) = &stamped {
        let mut once = Vec::new();
        ciborium::into_writer(stamped, &mut once).expect("what was read can be written");
        let again: Stamped = ciborium::from_reader(&once[..]).expect("what was written can be read");
        let mut twice = Vec::new();
        ciborium::into_writer(&again, &mut twice).expect("and written again");
        assert_eq!(once, twice); // bytes: a NaN is not equal to itself
    }
    let entry = serde_json::from_slice::<Entry>(data);
    if let Ok(entry) = &entry {
        let once = serde_json::to_string(entry).expect("what was read can be written");
        let again: Entry = serde_json::from_str(&once).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).expect("and written again"), once);
    }
    stamped.is_ok() || entry.is_ok()
}
