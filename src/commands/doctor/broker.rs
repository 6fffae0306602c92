//! The broker and who speaks there: in with our password, a message there and back, and every declared device heard.

use super::certificates;
use super::finding::Findings;
use super::ms;
use crate::base::time::Clock;
use crate::base::{Counters, ShopTime};
use crate::commands::check::counted;
use crate::commands::heard::{Devices, Heard};
use crate::sensors::ear::{Ear, EarError};
use crate::sensors::mqtt::MqttOptions;
use crate::sensors::scales::Scales;
use crate::sensors::topic;
use crate::shop::problems::some;
use crate::shop::{CameraKind, Shop};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub async fn listen(findings: &mut Findings, options: &MqttOptions, shop: Option<&Shop>, time: Duration) {
    let Some(shop) = shop else { return findings.skipped("connection", "the shop files come first") };
    let base = topic::base(&shop.id);
    let own = format!("{base}/doctor");
    let mut topics = Scales::filters(&options.scales);
    topics.push(format!("{base}/#"));
    // Beside a running daemon and another doctor.
    let me = format!("carryout-doctor-{}", std::process::id());
    let began = Instant::now();
    let mut ear = match Ear::open(options, None, &me, &topics).await {
        Ok(ear) => ear,
        Err(error) => return findings.failed("connection", format_args!("{error}{}", advice(&error))),
    };
    findings.ok("connection", format_args!("{}:{} lets us in, in {}", options.host, options.port, ms(began.elapsed())));
    certificates::of_broker(findings, options).await;
    let counters = Counters::default();
    let scales = Scales::new(&options.scales, Arc::new(shop.clone()), counters.clone(), ShopTime(0));
    match hear(&mut ear, shop, scales, time, &own, &me).await {
        Ok((heard, back)) => {
            match back {
                Some(time) => findings.ok("round trip", format_args!("{} over {own}", ms(time))),
                None => findings.warning(
                    "round trip",
                    format_args!(
                        "what we say on {own} does not come back; let us read and write below {base} in the broker's access rules"
                    ),
                ),
            }
            judge(findings, shop, heard.shops.get(shop.id.as_str()), time);
            // The docs' name and a number; whose it was the daemon's log says.
            for (kind, count) in counters.all() {
                if !kind.ends_with(".received") && kind != "scale.late" {
                    findings.warning("scales", format_args!("{count} x {kind}; look at [[mqtt.scales]]"));
                }
            }
        }
        Err(error) => findings.failed("round trip", format_args!("{error}; look into its log")),
    }
    ear.close().await;
}

/// Goes on from the error; nothing when that says already what to do.
fn advice(error: &EarError) -> &'static str {
    match error {
        EarError::NoBroker { .. } => "; is it running (systemctl status mosquitto), and is [mqtt] its address?",
        EarError::Refused { .. } => {
            "; put user and password as the broker knows them into [mqtt] and its password_file"
        }
        EarError::NotCalled { .. } => "; run doctor as root, or mend [mqtt]",
        EarError::HungUp { .. } | EarError::Tls { .. } => " (docs/broker.md)",
        EarError::Deaf { .. } => "; let us read below carryout/v1 in its access rules (ACL)",
        EarError::Lost { .. } => "; look into its log",
    }
}

/// Until every declared device has spoken and our own word has come back, or `time` is over.
async fn hear(
    ear: &mut Ear,
    shop: &Shop,
    mut scales: Scales,
    time: Duration,
    own: &str,
    me: &str,
) -> Result<(Heard, Option<Duration>), EarError> {
    let (clock, began) = (Clock::anchored_after(ShopTime(0)), Instant::now());
    let (mut heard, mut back) = (Heard::default(), None);
    ear.say(own, me)?;
    let quiet_gates = |heard: Option<&Devices>| {
        shop.layout.gates.keys().filter(|id| heard.is_none_or(|h| !h.gates.contains_key(*id))).count()
    };
    let mut missing = silent(shop, None).len() + quiet_gates(None);
    while began.elapsed() < time && (missing > 0 || back.is_none()) {
        let Some(message) = ear.next(time.saturating_sub(began.elapsed())).await? else { break };
        if message.topic == own {
            let is_ours = message.payload == me.as_bytes();
            back = back.or_else(|| is_ours.then(|| began.elapsed()));
            continue;
        }
        let mut is_new = heard.take(&message, clock.now());
        for said in scales.heard(&message.topic, message.retained, &message.payload, clock.now()) {
            is_new |= heard.note(&shop.id, said);
        }
        if is_new {
            let devices = heard.shops.get(shop.id.as_str());
            missing = silent(shop, devices).len() + quiet_gates(devices);
        }
    }
    Ok((heard, back))
}

/// Declared shelves that sent no weights and people cameras that sent no look.
fn silent(shop: &Shop, heard: Option<&Devices>) -> Vec<String> {
    let weighs = |id| heard.and_then(|h| h.shelves.get(id)).is_some_and(|shelf| shelf.rate_hz.is_some());
    let looks = |id| heard.is_some_and(|h| h.cameras.contains_key(id));
    let shelves = shop.layout.shelves.keys().filter(|id| !weighs(*id)).map(|id| format!("shelf {id}"));
    let people = shop.layout.cameras.values().filter(|camera| camera.kind == CameraKind::People);
    let cameras = people.filter(|camera| !looks(&camera.id)).map(|camera| format!("camera {}", camera.id));
    shelves.chain(cameras).collect()
}

fn judge(findings: &mut Findings, shop: &Shop, heard: Option<&Devices>, time: Duration) {
    let layout = &shop.layout;
    let missing = silent(shop, heard);
    for device in &missing {
        let status = device
            .strip_prefix("shelf ")
            .and_then(|id| heard?.shelves.get(&crate::base::ShelfId::new(id))?.online)
            .map_or(
                "",
                |online| if online { ", although its status says online" } else { ", and its status says offline" },
            );
        let what = format_args!(
            "nothing within {} s{status}; check its power and network, and the ids in its topic",
            time.as_secs()
        );
        findings.failed(device, what);
    }
    let people = layout.cameras.values().filter(|camera| camera.kind == CameraKind::People).count();
    if missing.is_empty() {
        let (shelves, cameras) = (counted(layout.shelves.len(), "shelf"), counted(people, "people camera"));
        findings.ok("devices", format_args!("{shelves} and {cameras} heard, all that shop.toml declares"));
    }
    for gate in layout.gates.keys() {
        match heard.is_some_and(|heard| heard.gates.contains_key(gate)) {
            true => findings.ok(&format!("gate {gate}"), "heard"),
            false => findings.skipped(
                &format!("gate {gate}"),
                "not heard; it speaks when somebody taps, and may say its clock every 10 s (--listen 11s)",
            ),
        }
    }
    let Some(heard) = heard else { return };
    let strange: BTreeSet<String> = (heard.shelves.keys().filter(|id| !layout.shelves.contains_key(*id)))
        .map(|id| format!("shelf {id}"))
        .chain(heard.gates.keys().filter(|id| !layout.gates.contains_key(*id)).map(|id| format!("gate {id}")))
        .chain(heard.cameras.keys().filter(|id| !layout.cameras.contains_key(*id)).map(|id| format!("camera {id}")))
        .collect();
    if !strange.is_empty() {
        let names: Vec<&str> = strange.iter().map(String::as_str).collect();
        let what = format_args!("{} speak and are not in shop.toml; declare them, or switch them off", some(&names));
        findings.warning("strangers", what);
    }
    for (id, shelf) in &heard.shelves {
        let declared = layout.shelves.get(id).map(|shelf| shelf.plates.len());
        if let Some(declared) = declared.filter(|declared| usize::from(shelf.plate_count()) > *declared) {
            let what = format_args!(
                "it sends {} plates, shop.toml declares {declared}: every message of it is refused; mend shop.toml",
                shelf.plate_count()
            );
            findings.failed(&format!("shelf {id}"), what);
        }
    }
    for (kind, (count, detail)) in &heard.refused {
        findings.warning("messages", format_args!("{count} x {kind}, for instance: {detail}"));
    }
}
