//! Carts through pixels: shoppers before drawn cameras, over real RTSP, looked at by the running daemon. Nothing else tells it where
//! anybody stands: no camera sends `people`.
//!
//! Drawn shops, four cameras hung with care (`sim/render/hang.rs`), an ordinary mix of shoppers who tap, take, put back and leave; a real
//! broker, `carryout run` as a child, the reference upstream. It runs at the speed of life, and the same machine draws, encodes, decodes
//! and looks: on a busy one pictures are late, and carts the worse for it. Beside it the same shoppers where cameras send `people`
//! ([`super::accuracy`]'s way), so that what pixels cost can be seen.

use super::figure::{Bar, Figure, Promise};
use super::summary::Summary;
use super::{Length, Measure};
use crate::base::ShopTime;
use crate::base::time::Clock;
use crate::commands::demo::{LAST_WORDS, open, stage::Stage};
use crate::commands::fast::Method;
use crate::commands::score::{self, Billed, EventScore, TokenReceipt};
use crate::commands::trial::{Made, Tried, tries};
use crate::events::Observation;
use crate::shop::Shop;
use crate::sim::live::{Happened, Heard};
use crate::sim::play::Play;
use crate::sim::playback::STEP_US;
use crate::sim::render::views::equipped;
use crate::sim::render::{Goods, hung};
use crate::sim::shops::{self, Part};
use crate::sim::truth::{TruthLine, VisitTruth};
use crate::sim::{Gates, record, suite};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

pub const PROMISES: [Promise; 1] = [Promise { figure: "accuracy.pixels.f1", bar: Bar::AtLeast(0.93), unit: "" }];

const FLOOR_M2: f64 = 30.0;

/// Shops, of kinds that are held back from training; parties that tap in each, over so many minutes: one to five are inside, as in the
/// quiet hours of the day's suite.
fn sizes(length: Length) -> (u64, u32, f64) {
    match length {
        Length::Brief => (1, 3, 0.0),
        Length::Short => (4, 8, 2.5),
        Length::Long => (16, 20, 6.0),
    }
}

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    if !cfg!(all(feature = "cameras", feature = "onnx")) {
        return Err("built without cameras and models".into());
    }
    let (shops, parties, minutes) = sizes(how.length);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("starting a runtime: {error}"))?;
    let (mut tried, mut sending) = (Vec::new(), Vec::new());
    let (mut came, mut let_in) = (0, 0);
    for k in 0..shops {
        let shop = shops::sized(Part::HeldBack, how.seed * 100 + k, FLOOR_M2);
        let name = format!("pixels-{}", k + 1);
        let play = |shop: Shop| suite::crowd(name.clone(), Arc::new(shop), parties, minutes);
        let till = runtime.block_on(staged(&play(equipped(&shop, &hung(&shop, how.seed)))?, how))?;
        let prices = score::prices(&shop);
        let visits: Vec<VisitTruth> = till.truth.iter().filter_map(TruthLine::as_visit).cloned().collect();
        let receipts: Vec<TokenReceipt> = till.receipts.into_values().collect();
        let score = score::of(&visits, &receipts, Billed::Picker, &prices);
        (came, let_in) = (came + till.tap_tokens.len(), let_in + till.visit_tokens.len());
        sending.push(play(shop)?);
        tried.push(Tried { case: name, by_method: vec![Made { score, events: EventScore::default() }], ceiling: None });
    }
    let seen = Summary::of("pixels", &tried, |tried| &tried.by_method[0]);
    let told = tries(&sending, how.seed..how.seed + 1, &[Method::default()])?;
    let told = Summary::of("  cameras that send people", &told, |tried| &tried.by_method[0]);
    notes.push(format!(
        "pixels: {shops} shops of {FLOOR_M2} m2, {parties} parties each, seed {}; the gate let in {let_in} of {came} taps",
        how.seed
    ));
    for Summary { name, f1, exact, carts, .. } in [&seen, &told] {
        notes.push(format!("{name:<26} {f1:<20} {exact:<20} {carts} carts"));
    }
    notes.push(seen.selective());
    Ok(vec![PROMISES[0].measured(Some(seen.f1.value), seen.carts)])
}

async fn staged(play: &Play, how: Measure<'_>) -> Result<Till, String> {
    let kept = how.keep.map(|dir| dir.join(&play.name));
    let mut stage = Stage::rendering(Shop::clone(&play.told), kept.as_deref())?;
    let recording = kept.map(|_| stage.recording());
    let played = live(play, how.seed, &mut stage).await;
    // Children are stopped whatever happened.
    let stopped = stage.strike().await;
    let till = played?;
    stopped?;
    if let Some(dir) = recording {
        let receipts: Vec<&TokenReceipt> = till.receipts.values().collect();
        record::truth(&till.truth, &dir)
            .and_then(|()| record::write_lines(&dir.join(record::RECEIPTS), &receipts))
            .map_err(|error| format!("writing into {}: {error}", dir.display()))?;
    }
    Ok(till)
}

async fn live(play: &Play, seed: u64, stage: &mut Stage) -> Result<Till, String> {
    let goods = Arc::new(Goods::of(&play.told, seed));
    let mut live = open(stage, seed, &play.world, &goods).await?;
    let clock = Clock::anchored_after(ShopTime(0));
    let start_us = clock.now().0;
    let planned = play.plan(seed, start_us)?;
    let until_us = planned.until_us;
    let mut playback = play.playback(start_us, Gates::Asked, planned);
    playback.stock(goods);
    let mut till = Till::default();
    while playback.now_us() < until_us {
        let next_us = playback.now_us() + 1_000_000;
        live.play(&mut playback, &clock, next_us.min(until_us), |_, happened| till.hear(happened)).await;
        stage.daemon_lives()?;
    }
    let since = Instant::now();
    while since.elapsed() < LAST_WORDS && !till.is_settled() {
        let next_us = playback.now_us() + 10 * STEP_US;
        live.play(&mut playback, &clock, next_us, |_, happened| till.hear(happened)).await;
        stage.daemon_lives()?;
    }
    live.close().await;
    playback.finish();
    playback.truth().into_iter().for_each(|line| till.hear(Happened::Truth(line)));
    Ok(till)
}

/// What the gate, the daemon's events and the truth say of who came.
#[derive(Default)]
struct Till {
    /// What was shown at which tap.
    tap_tokens: BTreeMap<String, String>,
    /// Of visits that began.
    visit_tokens: BTreeMap<String, String>,
    closed: BTreeSet<String>,
    /// The latest of each visit.
    receipts: BTreeMap<String, TokenReceipt>,
    truth: Vec<TruthLine>,
}

impl Till {
    fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Device(Observation::Tap(tap)) => {
                self.tap_tokens.insert(tap.tap_id.to_string(), tap.credential.token);
            }
            Happened::Heard(Heard::Decision { decision, .. }) => {
                let token = self.tap_tokens.get(decision.tap_id.as_str()).filter(|_| decision.open);
                if let Some((visit, token)) = decision.visit_id.zip(token) {
                    self.visit_tokens.insert(visit.to_string(), token.clone());
                }
            }
            Happened::Heard(Heard::Event { kind, event }) => {
                let visit = event["subject"].as_str().unwrap_or_default().to_owned();
                let Some(token) = self.visit_tokens.get(&visit).cloned() else { return };
                match kind.as_str() {
                    "receipt.final" | "receipt.review" => {
                        if let Ok(receipt) = serde_json::from_value(event["data"].clone()) {
                            self.receipts.insert(visit, TokenReceipt { token, receipt });
                        }
                    }
                    "visit.closed" => drop(self.closed.insert(visit)),
                    _ => {}
                }
            }
            Happened::Truth(line) => self.truth.push(line),
            Happened::Device(_) | Happened::Heard(_) => {}
        }
    }

    /// Whether everybody who came in has gone.
    fn is_settled(&self) -> bool {
        self.visit_tokens.keys().all(|visit| self.closed.contains(visit))
    }
}
