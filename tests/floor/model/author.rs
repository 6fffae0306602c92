//! Writes stories for the model: who comes, what they do, and what goes wrong meanwhile. The same seed, the same story.

use carryout::base::{BodyId, Probability, ProductId};
use carryout::events::{Guess, WeighRequest, Weighed};
use rand::Rng;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const PEOPLE: [&str; 5] = ["ann", "bob", "kim", "tim", "joe"];
const GOODS: [&str; 5] = ["cola", "chips", "wine", "gum", "bread"];
const PLACES: [&str; 4] = ["a/1", "a/4", "b/3", "b/2"];
const SPOTS: [&str; 5] = ["3.05 2.9", "3.35 2.9", "6.35 2.9", "4.5 1.0", "1.6 1.0"];

/// What can go wrong or be wanted at any time. `W` is somebody, `V` another, `S` a shelf, `N` a small number, `C` cents.
const MISHAPS: &[&str] = &[
    "W taps again",
    "W taps again",
    "W taps in",
    "W taps in tok_V",
    "W taps out",
    "W taps in late N",
    "W taps in for N",
    "W taps in tok_staff_W",
    "W passes in",
    "W passes out",
    "W passes again",
    "W is hidden",
    "W is seen",
    "W is away",
    "eyes close",
    "eyes open",
    "eyes restart",
    "eyes swap W V",
    "eyes rename W",
    "eyes clock 3600",
    "gate-1 clock 30",
    "gate-1 clock -40",
    "S clock 3600",
    "S clock -50",
    "S weights are lost",
    "S weights are doubled",
    "S weights are late",
    "S weights are reordered",
    "S weights are well",
    "S reboots",
    "S offline",
    "S online",
    "upstream answers",
    "upstream declines",
    "upstream gone",
    "upstream late 900",
    "upstream late 6000",
    "upstream silent",
    "upstream twice",
    "charges are declined",
    "charges are unknown",
    "charges are silent",
    "charges are twice",
    "charges are captured",
    "refunds are refused",
    "refunds are silent",
    "refunds are twice",
    "model late",
    "model silent",
    "model twice",
    "model raves",
    "model answers",
    "ledger lags N",
    "ledger lags 0",
    "daemon crashes N",
    "daemon crashes N",
    "daemon crashes 70",
    "daemon dies N",
    "daemon dies N",
    "daemon crashes 700",
    "shop closes",
    "shop opens",
    "broker down",
    "broker up",
    "staff binds N tok_W",
    "staff contests N",
    "staff contests N",
    "staff reviews N 0",
    "staff reviews N 1",
    "staff reviews N 2",
    "staff refunds N C",
    "staff refunds N C",
    "night passes",
];

/// A story of a minute or so: up to four people, and up to a dozen mishaps.
pub fn story(seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut lines: Vec<(f64, String)> = Vec::new();
    for setting in ["policy favours customers", "policy declared groups", "policy small caps", "gates have beams"] {
        if rng.random_bool(0.3) {
            lines.push((0.0, setting.to_owned()));
        }
    }
    if rng.random_bool(0.3) {
        lines.push((0.0, format!("ledger lags {}", rng.random_range(1..4))));
    }
    for who in PEOPLE.choose_multiple(&mut rng, 4).take(rng_people(seed)) {
        shopper(who, &mut rng, &mut lines);
    }
    let end = lines.last().map_or(10.0, |(at, _)| *at) + 12.0;
    for _ in 0..rng.random_range(0..12) {
        lines.push((rng.random_range(0.0..end), mishap(&mut rng)));
    }
    // Staff look at what has been paid.
    for _ in 0..rng.random_range(0..5) {
        let wishes = ["contests N", "reviews N 0", "reviews N 1", "reviews N 3", "refunds N C", "binds N tok_W"];
        let wish = fill(wishes.choose(&mut rng).expect("wishes"), &mut rng);
        lines.push((rng.random_range(end..end + 10.0), format!("staff {wish}")));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.into_iter().map(|(at, what)| format!("{at:.1} {what}\n")).collect()
}

/// One to four.
fn rng_people(seed: u64) -> usize {
    1 + (seed % 4) as usize
}

fn shopper(who: &str, rng: &mut ChaCha8Rng, lines: &mut Vec<(f64, String)>) {
    let mut at = rng.random_range(0.0..12.0);
    let mut say = |at: f64, what: String| lines.push((at, format!("{who} {what}")));
    match rng.random_range(0..10) {
        0 => say(at, "comes".into()),
        1 => say(at, format!("taps in tok_staff_{who}")),
        2 => say(at, format!("taps in for {}", rng.random_range(2..4))),
        _ => say(at, "taps in".into()),
    }
    at += rng.random_range(0.5..2.0);
    say(at, "enters".into());
    at += 2.0;
    for _ in 0..rng.random_range(0..4) {
        let product = GOODS.choose(rng).expect("goods");
        let what = match rng.random_range(0..8) {
            0 => format!("goes {}", SPOTS.choose(rng).expect("spots")),
            1 => format!("takes {} {product}", rng.random_range(2..4)),
            2 => format!("puts {product}"),
            3 => format!("puts {product} on {}", PLACES.choose(rng).expect("places")),
            _ => format!("takes {product}"),
        };
        say(at, what);
        at += rng.random_range(2.0..5.0);
    }
    if rng.random_bool(0.2) {
        say(at, "goes 1.5 1.0".into());
        say(at + 2.5, "taps out".into());
        at += 3.0;
    }
    if rng.random_bool(0.85) {
        say(at, "leaves".into());
    }
}

fn mishap(rng: &mut ChaCha8Rng) -> String {
    fill(MISHAPS.choose(rng).expect("mishaps"), rng)
}

/// Somebody, a shelf, a number for each letter that stands for one.
fn fill(pattern: &str, rng: &mut ChaCha8Rng) -> String {
    let mut said = Vec::new();
    for word in pattern.split(' ') {
        said.push(match word {
            "W" | "V" => (*PEOPLE.choose(rng).expect("people")).to_owned(),
            "tok_W" | "tok_V" => format!("tok_{}", PEOPLE.choose(rng).expect("people")),
            "tok_staff_W" => format!("tok_staff_{}", PEOPLE.choose(rng).expect("people")),
            "S" => (*["a", "b"].choose(rng).expect("shelves")).to_owned(),
            "N" => rng.random_range(1..8).to_string(),
            "C" => (rng.random_range(1..8) * 50).to_string(),
            word => word.to_owned(),
        });
    }
    said.join(" ")
}

/// A model that has lost its mind, and keeps to the form of its answers.
pub fn raving(request: &WeighRequest, seed: u64) -> Weighed {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ request.batch);
    let guess = |rng: &mut ChaCha8Rng, actors: &[BodyId]| {
        let body = match rng.random_range(0..6) {
            0 => None,
            1 => Some(BodyId(rng.random_range(0..9_999))),
            _ => actors.choose(rng).copied(),
        };
        let product = match rng.random_range(0..6) {
            0 => None,
            1 => Some(ProductId::new("moonshine")),
            _ => GOODS.choose(rng).map(|product| ProductId::new(*product)),
        };
        let probability = Probability::from_f64(rng.random_range(0.0..1.0));
        let alternatives = vec![(body, product, rng.random_range(-3..4), probability)];
        Guess {
            plates: vec![rng.random_range(1..5)],
            alternatives: if rng.random_bool(0.1) { vec![] } else { alternatives },
        }
    };
    let guesses = request.interactions.iter().map(|interaction| {
        let actors: Vec<BodyId> = interaction.actors.iter().map(|actor| actor.body).collect();
        (0..rng.random_range(1..4)).map(|_| guess(&mut rng, &actors)).collect()
    });
    Weighed { batch: request.batch, model: "raving-1".into(), guesses: guesses.collect() }
}
