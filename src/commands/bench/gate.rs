//! From the tap to the gate's decision, as the gate sees it: published by MQTT, heard by MQTT.
//!
//! Nothing is stood in for: a real mosquitto, `carryout run` as a child on a ledger on disk, the reference upstream over
//! HTTP. Every tap shows a new token, and nobody walks through: the visit closes empty. Meanwhile the demonstration
//! shop's shelves weigh and its camera looks. Taps come at moments of chance, so that they meet every phase of the
//! daemon's tick.
//!
//! Three upstreams: one that answers after 20 ms (`online`), one that is gone (connections are refused at once), one that
//! takes the call and never answers (the 400 ms rule). `offline` is the worse of the last two.

use super::figure::{Bar, Figure, Promise, quantile};
use super::{Length, Measure};
use crate::base::time::Clock;
use crate::base::{GateId, ShopTime, TapId};
use crate::commands::demo::stage::Stage;
use crate::commands::demo::{DemoArgs, wait_for_daemon};
use crate::events::{Credential, Direction, Observation, Reason, Tap};
use crate::sim::chance::Chance;
use crate::sim::live::{Broker, Heard, Live};
use crate::sim::playback::STEP_US;
use crate::sim::upstream::Faults;
use crate::sim::{Gates, Playback, Setting, World};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const PROMISES: [Promise; 6] = [
    Promise { figure: "gate.decision.p99_ms.online", bar: Bar::AtMost(100.0), unit: "ms" },
    Promise { figure: "gate.decision.p99_ms.offline", bar: Bar::AtMost(500.0), unit: "ms" },
    Promise { figure: "gate.decision.p50_ms.online", bar: Bar::None, unit: "ms" },
    Promise { figure: "gate.decision.p50_ms.offline", bar: Bar::None, unit: "ms" },
    Promise { figure: "gate.decision.p99_ms.offline.gone", bar: Bar::None, unit: "ms" },
    Promise { figure: "gate.decision.p99_ms.offline.hanging", bar: Bar::None, unit: "ms" },
];

const SEED: u64 = 1;
/// Upstream's answer in the online round, ms.
const ANSWERS_MS: u64 = 20;
/// The next tap comes this long after a decision, ms: two ticks, so that every phase is met.
const PAUSE_MS: f64 = 200.0;
/// A decision that takes longer than this is no figure but a fault.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let taps = if how.length == Length::Long { 2_000 } else { 200 };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("starting a runtime: {error}"))?;
    let mut rounds = runtime.block_on(measure_on_stage(taps))?;
    let n = taps as usize;
    let mut told = |round: usize, q| quantile(&mut rounds[round], q);
    let [online, gone, hanging] = [0, 1, 2].map(|round| (told(round, 0.5), told(round, 0.99)));
    let offline = if gone.1 > hanging.1 { gone } else { hanging };
    notes.push(format!(
        "{n} taps each, seed {SEED}: online (upstream answers in {ANSWERS_MS} ms), gone (refused), hanging (no answer)"
    ));
    notes.push(format!("ledger in {} (TMPDIR chooses)", std::env::temp_dir().display()));
    for (name, mut ms) in ["online", "gone", "hanging"].into_iter().zip(rounds) {
        let [p0, p50, p99, p100] = [0.0, 0.5, 0.99, 1.0].map(|q| quantile(&mut ms, q));
        notes.push(format!("  {name:<8} least {p0:.1} ms, p50 {p50:.1} ms, p99 {p99:.1} ms, most {p100:.1} ms"));
    }
    let values = [online.1, offline.1, online.0, offline.0, gone.1, hanging.1];
    Ok(PROMISES.iter().zip(values).map(|(promise, ms)| promise.measured(Some(ms), n)).collect())
}

/// Milliseconds of every tap: online, gone, hanging.
async fn measure_on_stage(taps: u32) -> Result<[Vec<f64>; 3], String> {
    let args = DemoArgs { seed: SEED, discs: true, ..DemoArgs::default() };
    let mut stage = Stage::set(&args)?;
    // Pictures are other figures' business: only cameras that send people.
    stage.close_eyes();
    let measured = every_round(&mut stage, taps).await;
    let stopped = stage.strike().await;
    let measured = measured?;
    stopped?;
    Ok(measured)
}

async fn every_round(stage: &mut Stage, taps: u32) -> Result<[Vec<f64>; 3], String> {
    let broker = Broker { host: "127.0.0.1".to_owned(), port: stage.broker.port };
    let mut live = Live::connect(&broker, &stage.shop).await.map_err(|error| error.to_string())?;
    stage.start_daemon()?;
    wait_for_daemon(&mut live, stage).await?;
    let clock = Clock::anchored_after(ShopTime(0));
    let world = Arc::new(World::new(stage.shop.clone())?);
    let gate = stage.shop.layout.gates.keys().next().cloned().ok_or("the shop has no gate")?;
    let mut door = Door {
        playback: Playback::new(world, Setting::new(SEED, clock.now().0, Gates::Asked)),
        chance: Chance::new(SEED, "taps"),
        live,
        clock,
        gate,
        taps: 0,
    };
    let answering = Faults { delay_ms: ANSWERS_MS, ..Faults::default() };
    let hanging = Faults { only: "POST /v1/authorizations".into(), hang_after: u32::MAX, ..Faults::default() };
    stage.upstream.set_faults(answering);
    // Clocks are learned, connections are made, caches are warm: not counted.
    door.round(20, stage).await?;
    let online = door.round(taps, stage).await?;
    stage.upstream.set_faults(hanging);
    let hanging = door.round(taps, stage).await?;
    stage.upstream.go_away();
    let gone = door.round(taps, stage).await?;
    door.live.close().await;
    Ok([online, gone, hanging])
}

/// A gate that people tap at and nobody walks through, in a shop whose devices go on talking.
struct Door {
    playback: Playback,
    chance: Chance,
    live: Live,
    clock: Clock,
    gate: GateId,
    taps: u32,
}

impl Door {
    async fn round(&mut self, taps: u32, stage: &mut Stage) -> Result<Vec<f64>, String> {
        let mut ms = Vec::new();
        for _ in 0..taps {
            stage.daemon_lives()?;
            ms.push(self.tap().await?);
            let pause = Duration::from_secs_f64(self.chance.between(0.0, PAUSE_MS) * 1e-3);
            let until = Instant::now() + pause;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                self.listen(left).await;
            }
        }
        Ok(ms)
    }

    /// One tap to its decision, ms.
    async fn tap(&mut self) -> Result<f64, String> {
        self.taps += 1;
        let tap_id = TapId::new(format!("bench-{}", self.taps));
        let credential = Credential {
            kind: "card".into(),
            token: format!("tok_bench_{}", self.taps),
            brand: Some("visa".into()),
            last4: Some("4242".into()),
        };
        let tap = Observation::Tap(Tap {
            gate: self.gate.clone(),
            tap_id: tap_id.clone(),
            t_us: self.clock.now().0,
            direction: Direction::In,
            credential,
            group_size: 1,
        });
        let began = Instant::now();
        self.live.publish(&tap).await;
        while began.elapsed() < PATIENCE {
            if let Some(Heard::Decision { decision, .. }) = self.listen(PATIENCE).await
                && decision.tap_id == tap_id
            {
                let took_ms = began.elapsed().as_secs_f64() * 1e3;
                let ok = decision.open && decision.reason == Reason::Ok;
                return if ok { Ok(took_ms) } else { Err(format!("the gate stayed shut: {:?}", decision.reason)) };
            }
        }
        Err(format!("no decision on a tap within {} s", PATIENCE.as_secs()))
    }

    /// What is heard next, at most until the devices have something to say (every 20 ms) or `wait` is over.
    async fn listen(&mut self, wait: Duration) -> Option<Heard> {
        while self.playback.now_us() + STEP_US <= self.clock.now().0 {
            for message in self.playback.step() {
                self.live.publish(&message.what).await;
            }
        }
        let next_us = (self.playback.now_us() + STEP_US - self.clock.now().0).max(0) as u64;
        self.live.hear(wait.min(Duration::from_micros(next_us))).await
    }
}
