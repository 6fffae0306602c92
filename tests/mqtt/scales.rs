//! Scales that publish plain numbers: what is read and what is refused, that a take and a put-back become the right steps
//! however unevenly readings arrive, and the same over a real broker.

use crate::device::{Device, PATIENCE};
use crate::mosquitto::Mosquitto;
use crate::small_shop::small_shop;
use carryout::base::time::Clock;
use carryout::base::{Counters, ShelfId, ShopTime};
use carryout::config::Config;
use carryout::events::{Observation, Weights};
use carryout::fusion::cells::{Cells, Deed, Dice, START};
use carryout::fusion::{ShelfScale, Step, StepEvent, StepOptions};
use carryout::sensors::mqtt::{self, MqttOptions, MqttVersion};
use carryout::sensors::scales::{ScaleOptions, Scales};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// As the config would have it.
fn scales(text: &str) -> Vec<ScaleOptions> {
    Config::parse("carryout.toml", text).unwrap_or_else(|problems| panic!("{problems:?}")).mqtt.scales
}

const SOME: &str = r#"
[[mqtt.scales]]
topic = "esphome/{shelf}/plate-{plate}/state"
unit = "g"
availability = "esphome/{shelf}/status"
[[mqtt.scales]]
topic = "tele/kitchen/SENSOR"
shelf = "1-2"
plate = 1
unit = "kg"
value = "/HX711/Weight"
availability = "tele/kitchen/LWT"
[[mqtt.scales]]
topic = "tele/kitchen/SENSOR"
shelf = "1-2"
plate = 2
unit = "g"
value = "/HX711/Weight2"
"#;

#[test]
fn readings_are_read_and_everything_else_has_a_name() {
    let good = "esphome/1-1/plate-2/state";
    let tasmota =
        r#"{"Time":"2026-03-01T12:00:00","HX711":{"WeightRaw":512,"Weight":1.25,"Weight2":-3},"TempUnit":"C"}"#;
    for (story, topic, payload, counted) in [
        ("a plain number", good, "1012.3", "scale.received"),
        ("a whole one with a line end", good, " -12\n", "scale.received"),
        ("a float as some firmwares print it", good, "411.11111111111110", "scale.received"),
        ("no value, says ESPHome", good, "nan", "scale.malformed"),
        ("infinite", good, "inf", "scale.malformed"),
        ("nothing", good, "", "scale.malformed"),
        ("a comma", good, "1012,3", "scale.malformed"),
        ("a unit", good, "1012.3 g", "scale.malformed"),
        ("not even text", good, "\u{fffd}", "scale.malformed"),
        ("a tonne", good, "1000001", "scale.out_of_range"),
        ("a card number", good, "4111111111111111", "scale.card_number"),
        ("a card number in words", good, "card 4111 1111 1111 1111", "scale.card_number"),
        ("a shelf nobody built", "esphome/9-9/plate-1/state", "1.0", "scale.unknown_id"),
        ("a plate nobody built", "esphome/1-1/plate-3/state", "1.0", "scale.unknown_id"),
        ("something else of that device", "esphome/1-1/wifi/state", "-60", ""),
        ("both plates in one object", "tele/kitchen/SENSOR", tasmota, "scale.received"),
        ("no JSON", "tele/kitchen/SENSOR", "1.25", "scale.malformed"),
        ("no weight in it", "tele/kitchen/SENSOR", r#"{"HX711":{}}"#, "scale.malformed"),
        (
            "a card number in it",
            "tele/kitchen/SENSOR",
            r#"{"HX711":{"Weight":1,"n":"4111111111111111"}}"#,
            "scale.card_number",
        ),
        ("a shelf comes", "esphome/1-1/status", "online", "shelf_status.received"),
        ("Tasmota's words", "tele/kitchen/LWT", "Offline", "shelf_status.received"),
        ("another word", "esphome/1-1/status", "asleep", "shelf_status.malformed"),
    ] {
        let counters = Counters::default();
        let mut all = Scales::new(&scales(SOME), Arc::new(small_shop()), counters.clone(), ShopTime(1));
        let said = all.heard(topic, false, payload.as_bytes(), ShopTime(1_760_000_000_000_000));
        let names: Vec<String> = counters.all().into_keys().collect();
        let wanted: Vec<&str> = Some(counted).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(names, wanted, "{story}: {said:?}");
    }
    let counters = Counters::default();
    let mut all = Scales::new(&scales(SOME), Arc::new(small_shop()), counters.clone(), ShopTime(1));
    all.heard(good, true, b"1012.3", ShopTime(1_760_000_000_000_000));
    assert_eq!(counters.get("scale.retained"), 1, "of unknown age");
    all.heard(good, false, b"1012.3", ShopTime(1_760_000_000_000_000));
    all.heard("tele/kitchen/SENSOR", false, tasmota.as_bytes(), ShopTime(1_760_000_000_010_000));
    let batches = all.close(ShopTime(1_760_000_000_100_000));
    let rows: Vec<_> = batches.iter().flat_map(|batch| &batch.plates).map(|row| (row.plate, row.grams[0])).collect();
    assert_eq!(rows, [(2, Some(1012.3)), (1, Some(1250.0)), (2, Some(-3.0))], "grams, whatever they were sent in");
}

/// A reading on its way: arrival, plate, text.
type Reading = (ShopTime, usize, String);

/// What cells of a shelf publish, each plate for itself: late by up to `late_ms`, one in a hundred lost.
fn published(cells: &mut Cells, dice: &mut Dice, for_s: f64, late_ms: f64) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    while cells.now_s() < for_s {
        let (t0, dt_us, rows) = cells.batch();
        for (i, row) in rows.iter().enumerate() {
            // Plates are not asked at the same moment, and a network is not even.
            let late_us = dt_us * i as i64 / 7 + (dice.within(0.0, late_ms) * 1e3) as i64;
            let grams = row.grams[0].expect("a reading");
            if dice.within(0.0, 1.0) > 0.01 {
                readings.push((ShopTime(t0.0 + dt_us + late_us), i + 1, format!("{grams:.1}")));
            }
        }
    }
    readings.sort();
    readings
}

/// Settled steps, and when each was said.
fn settled(entries: &[ScaleOptions], readings: &[Reading], plates: usize) -> Vec<(ShopTime, Step)> {
    let mut shop = small_shop();
    let shelf = shop.layout.shelves.get_mut(&ShelfId::new("1-1")).expect("it is there");
    shelf.plates = (1..=plates as u16).map(|no| carryout::shop::Plate { no, ..shelf.plates[0].clone() }).collect();
    let counters = Counters::default();
    let mut all = Scales::new(entries, Arc::new(shop), counters.clone(), START);
    let mut scale = ShelfScale::new(plates, StepOptions::default());
    let mut steps = Vec::new();
    let mut weigh = |batch: &Weights, now: ShopTime| {
        let mut said = scale.feed(ShopTime(batch.t0_us), batch.dt_us, &batch.plates);
        said.extend(scale.tick(now));
        steps.extend(said.into_iter().filter_map(|event| match event {
            StepEvent::Settled(step) => Some((now, step)),
            _ => None,
        }));
    };
    for (arrival, plate, text) in readings {
        while let Some(due) = all.due().filter(|due| due <= arrival) {
            all.close(due).iter().for_each(|batch| weigh(batch, due));
        }
        let said = all.heard(&format!("esphome/1-1/plate-{plate}/state"), false, text.as_bytes(), *arrival);
        assert!(said.is_empty(), "a batch is closed when it is due, not a reading later");
    }
    assert_eq!(counters.get("scale.received"), readings.len() as u64, "{:?}", counters.all());
    steps
}

/// One plate-by-plate entry at a rate.
fn at_rate(dt_us: i64) -> Vec<ScaleOptions> {
    scales(&format!(
        "[[mqtt.scales]]\ntopic = \"esphome/{{shelf}}/plate-{{plate}}/state\"\nunit = \"g\"\ninterval_ms = {}\n",
        dt_us / 1_000
    ))
}

/// docs/wire.md has this table.
#[test]
fn a_take_and_a_put_back_become_their_steps() {
    for (rate, dt_us, late_ms, take_s_max, put_s_max) in [
        ("10 Hz", 100_000, 60.0, 4.0, 4.0),
        ("5 Hz", 200_000, 120.0, 4.5, 4.5),
        ("2 Hz", 500_000, 150.0, 8.0, 10.5),
        ("1 Hz", 1_000_000, 150.0, 10.0, 12.0),
    ] {
        let (mut take_s, mut put_s): (f64, f64) = (0.0, 0.0);
        for seed in 1..=20 {
            let mut dice = Dice(seed);
            let deeds = vec![Deed::hand(&mut dice, 12.0, -250.0, 1, 1), Deed::hand(&mut dice, 30.0, 250.0, 1, 1)];
            let mut cells = Cells::new(4, seed).at_rate(dt_us, 1).with_noise(0.8).with(deeds);
            let steps = settled(&at_rate(dt_us), &published(&mut cells, &mut dice, 50.0, late_ms), 4);
            let s = |t: ShopTime| t.secs_since(START);
            let told: Vec<String> = steps
                .iter()
                .map(|(said, step)| format!("{:.1} s {:+.1} g, said {:.1} s", s(step.begin), step.delta_g, s(*said)))
                .collect();
            assert_eq!(steps.len(), 2, "{rate}, seed {seed}: {told:?}");
            for ((_, step), (at_s, grams)) in steps.iter().zip([(12.0, -250.0), (30.0, 250.0)]) {
                // Cells' gains are off by 4 % (one standard deviation); a step may begin a reading early or late.
                let apart_s = 0.6 + 2.0 * dt_us as f64 * 1e-6;
                let right = (step.delta_g - grams).abs() < 45.0 && (s(step.begin) - at_s).abs() < apart_s;
                assert!(right, "{rate}, seed {seed}: {told:?}");
            }
            (take_s, put_s) = (take_s.max(s(steps[0].0) - 12.0), put_s.max(s(steps[1].0) - 30.0));
        }
        println!("{rate}: a take is settled after {take_s:.1} s, a put-back after {put_s:.1} s");
        assert!(take_s < take_s_max && put_s < put_s_max, "{rate}: {take_s:.1} s and {put_s:.1} s");
    }
}

/// Two takes from one plate: how far apart they must be to be two steps. Closer ones are one step of both weights.
#[test]
fn two_takes_are_two_steps_if_the_scale_is_quick_enough() {
    for (rate, dt_us, apart_s, all) in [
        ("10 Hz", 100_000, 1.0, true),
        ("5 Hz", 200_000, 1.5, true),
        ("2 Hz", 500_000, 6.0, true),
        ("1 Hz", 1_000_000, 8.0, true),
        ("1 Hz", 1_000_000, 1.0, false),
    ] {
        let mut apart = 0;
        for seed in 1..=20 {
            let mut dice = Dice(seed);
            let take = |dice: &mut Dice, at_s: f64| Deed::hand(dice, at_s, -250.0, 1, 1);
            let deeds = vec![take(&mut dice, 12.0), take(&mut dice, 12.0 + apart_s)];
            let mut cells = Cells::new(4, seed).at_rate(dt_us, 1).with_noise(0.8).with(deeds);
            let steps = settled(&at_rate(dt_us), &published(&mut cells, &mut dice, 40.0, 60.0), 4);
            let total: f64 = steps.iter().map(|(_, step)| step.delta_g).sum();
            assert!((total + 500.0).abs() < 90.0, "{rate}, seed {seed}: the grams are right in any case: {total}");
            apart += usize::from(steps.len() == 2);
        }
        println!("{rate}, {apart_s} s apart: {apart} of 20 are two steps");
        assert!((apart == 20) == all, "{rate}, {apart_s} s apart: {apart} of 20 are two steps");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_numbers_over_a_real_broker_become_batches() {
    let Some(broker) = Mosquitto::start() else { return };
    let mut device = Device::connect(broker.port, "scales").await;
    // What a broker keeps from yesterday.
    device.publish("esphome/1-1/plate-1/state", true, "999.0").await;
    for version in [MqttVersion::V3, MqttVersion::V5] {
        let (to_floor, mut floor) = mpsc::channel(64);
        let (_publish, outgoing) = mpsc::channel(16);
        let (_stop, shutdown) = watch::channel(false);
        let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
        let options = MqttOptions { port: broker.port, version, scales: scales(SOME), ..MqttOptions::default() };
        let shop = Arc::new(small_shop());
        let daemon = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
        let mut next = async || {
            let incoming = tokio::time::timeout(PATIENCE, floor.recv()).await.expect("in time").expect("it runs");
            incoming.stamped
        };
        assert_eq!(next().await.observation, Observation::Broker { up: true, why: None });

        device.publish("esphome/1-1/status", false, "online").await;
        for (topic, payload) in [
            ("esphome/1-1/uptime/state", "17"),
            ("esphome/1-1/plate-1/state", "1012.3"),
            ("esphome/1-1/plate-2/state", "-7.5"),
            ("esphome/8-8/plate-2/state", "1.0"),
            ("tele/kitchen/SENSOR", r#"{"HX711":{"Weight":0.5,"Weight2":31}}"#),
        ] {
            device.publish(topic, false, payload).await;
        }
        let mut missing = BTreeMap::from([
            (("1-1".to_owned(), 1), 1012.3),
            (("1-1".to_owned(), 2), -7.5),
            (("1-2".to_owned(), 1), 500.0),
            (("1-2".to_owned(), 2), 31.0),
        ]);
        let mut online = false;
        while !missing.is_empty() || !online {
            let stamped = next().await;
            match stamped.observation {
                Observation::ShelfOnline { shelf, online: is } => online = is && shelf.as_str() == "1-1",
                Observation::Weights(batch) => {
                    assert_eq!(batch.dt_us, 100_000);
                    assert!(batch.end_us() <= stamped.arrival.0, "a slot is told when it is over");
                    for row in batch.plates {
                        let wanted = missing.remove(&(batch.shelf.to_string(), row.plate));
                        assert!(wanted.is_none_or(|grams| row.grams[0] == Some(grams)), "{row:?}");
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        let refused = ["scale.retained", "scale.unknown_id", "scale.received"].map(|name| counters.get(name));
        assert_eq!(refused, [1, 1, 4], "{version:?}: {:?}", counters.all());
        daemon.abort();
    }
}
