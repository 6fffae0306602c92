//! Suites and training sets: what they are made of, and that everything asked for can be played.

use carryout::commands::simulate::{SimulateArgs, simulate};
use carryout::events::Observation;
use carryout::sim::faults::Fault;
use carryout::sim::play::Play;
use carryout::sim::record::Arrivals;
use carryout::sim::shops::{Part, sized};
use carryout::sim::{Gates, suite};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};

const START_US: i64 = 1_760_000_000_000_000;

/// What comes of a case with these faults.
fn heard(play: &mut Play, faults: &[Fault]) -> Vec<(i64, Observation)> {
    play.conditions.faults = faults.iter().copied().collect();
    let planned = play.plan(3, START_US).expect("a plan");
    let (seed, until_us) = (planned.seed, planned.until_us);
    let mut playback = play.playback(START_US, Gates::Assumed, planned);
    let all = Arrivals::new(&mut playback, seed, until_us);
    all.map(|stamped| (stamped.arrival.0, stamped.observation)).collect()
}

#[test]
fn every_suite_plans_in_shops_of_both_parts() {
    // That every family plays is a test beside the families; these are the plain one, the mixed one and the odd one.
    for name in ["take", "hard", "sparse"] {
        let plays = suite::drawn(name, 1, 16).unwrap_or_else(|err| panic!("{name}: {err}"));
        assert_eq!(plays.len(), 16, "{name}");
        let parts: BTreeMap<char, usize> = plays.iter().fold(BTreeMap::new(), |mut parts, play| {
            *parts.entry(play.told.id.as_str().chars().next().expect("a name")).or_default() += 1;
            parts
        });
        assert_eq!(parts, BTreeMap::from([('h', 8), ('t', 8)]), "{name}: half of the cases are held back");
        let kind = |play: &Play| play.told.id.as_str().rsplit_once('-').expect("a number at the end").0.to_owned();
        let kinds: BTreeSet<String> = plays.iter().map(kind).collect();
        assert_eq!(kinds.len(), 8, "{name}: every kind of shop there is: {kinds:?}");
        let plan = |play: &Play| play.plan(1, START_US).map(drop);
        plays.iter().step_by(7).try_for_each(plan).unwrap_or_else(|err| panic!("{name}: {err}"));
    }
    for plays in [suite::day(1, 40).unwrap(), suite::rush(1, 30, 2).unwrap()] {
        for play in &plays {
            let planned = play.plan(1, START_US).unwrap_or_else(|err| panic!("{}: {err}", play.name));
            assert!(planned.people.len() >= 8, "{}: {} people", play.name, planned.people.len());
        }
    }
}

#[test]
fn every_fault_can_be_heard() {
    // A small shop, because physics take time, in which things break soon.
    let shop = sized(Part::Training, 3, 20.0);
    let soon = "[faults]\nafter_s = 4.0".parse().expect("figures");
    let mut play = suite::family("take", &shop, 3, 1..=1, &soon).expect("a family").remove(0);
    let whole = heard(&mut play, &[]);
    let batches = |of: &[(i64, Observation)]| {
        let mut seqs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (_, what) in of {
            if let Observation::Weights(weights) = what {
                seqs.entry(weights.shelf.to_string()).or_default().push(weights.seq);
            }
        }
        seqs
    };
    let count = |of: &[(i64, Observation)]| batches(of).values().map(Vec::len).sum::<usize>();
    let late_us = |of: &[(i64, Observation)]| {
        let late = of.iter().filter_map(|(at_us, what)| match what {
            Observation::Weights(weights) => Some(at_us - weights.end_us()),
            _ => None,
        });
        late.max().expect("something weighs")
    };
    let constant = |of: &[(i64, Observation)]| {
        // The last 5 s of each plate: those that say one thing only.
        let end_us = of.last().expect("something").0;
        let mut last: BTreeMap<(String, u16), BTreeSet<u32>> = BTreeMap::new();
        for (at_us, what) in of {
            let Observation::Weights(weights) = what else { continue };
            for plate in weights.plates.iter().filter(|_| end_us - at_us < 5_000_000) {
                let said = last.entry((weights.shelf.to_string(), plate.plate)).or_default();
                said.extend(plate.grams.iter().flatten().map(|grams| grams.to_bits()));
            }
        }
        last.values().filter(|said| said.len() == 1).count()
    };
    let looks = |of: &[(i64, Observation)]| {
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for (at_us, what) in of {
            if let Observation::People(people) = what {
                last.insert(people.camera.to_string(), *at_us);
            }
        }
        last
    };
    let end_us = whole.last().unwrap().0;
    assert_eq!(constant(&whole), 0, "plates that work have noise");
    assert!(late_us(&whole) < 60_000, "{}", late_us(&whole));
    for &fault in Fault::value_variants() {
        let (name, of) = (format!("{fault:?}"), heard(&mut play, &[fault]));
        match fault {
            Fault::PlateDead | Fault::PlateStuck => assert!(constant(&of) > 0, "{name}"),
            Fault::PlateNoisy | Fault::PlateDrifting => assert_ne!(of, whole, "{name}"),
            Fault::CameraDead => {
                let dead = looks(&of).values().filter(|last_us| end_us - **last_us > 2_000_000).count();
                assert_eq!(dead, 1, "{name}: one camera stops");
            }
            Fault::Light => {
                let seen = |of: &[(i64, Observation)]| {
                    let people = of.iter().filter_map(|(_, what)| match what {
                        Observation::People(people) => Some(people.people.len()),
                        _ => None,
                    });
                    people.sum::<usize>()
                };
                assert!(seen(&of) < seen(&whole), "{name}: less is seen");
            }
            Fault::Lost => assert!(count(&of) < count(&whole), "{name}"),
            Fault::Doubled => assert!(count(&of) > count(&whole), "{name}"),
            Fault::Late => assert!(late_us(&of) > 300_000, "{name}: {} us", late_us(&of)),
            Fault::Reordered => {
                let turned = |seqs: &Vec<u64>| seqs.windows(2).any(|pair| pair[1] < pair[0]);
                assert!(batches(&of).values().any(turned), "{name}");
            }
            Fault::ClockDrift | Fault::ClockJump => {
                let stamps =
                    |of: &[(i64, Observation)]| of.iter().filter_map(|(_, what)| what.sent_us()).collect::<Vec<_>>();
                assert_eq!(count(&of), count(&whole), "{name} loses nothing");
                assert_ne!(stamps(&of), stamps(&whole), "{name}");
            }
        }
    }
}

fn args(drawn: &str, more: &[&str]) -> SimulateArgs {
    crate::typed(&[&["--drawn", drawn, "--seed", "5"], more].concat())
}

/// Fields of one map of a CBOR sequence.
fn fields(reader: &mut &[u8]) -> BTreeMap<String, ciborium::Value> {
    let value: ciborium::Value = ciborium::from_reader(reader).expect("one after the other");
    let map = value.into_map().expect("a map").into_iter();
    map.map(|(key, value)| (key.into_text().expect("a name"), value)).collect()
}

#[tokio::test]
async fn a_training_set_says_what_was_asked_seen_and_true() {
    let out = tempfile::tempdir().unwrap();
    let export = ["--family", "take", "--cases", "2", "--export", out.path().to_str().expect("a path")];
    let refused = simulate(&args("held-back", &export)).await;
    assert!(refused.unwrap_err().contains("--drawn training"), "what is held back is not learned from");
    let report = simulate(&args("training", &export)).await.unwrap();
    assert!(report.contains("interactions"), "{report}");
    let bytes = std::fs::read(out.path().join("lessons.cbor")).unwrap();
    let (mut reader, mut lessons, mut taught) = (bytes.as_slice(), 0, 0);
    while !reader.is_empty() {
        let lesson = fields(&mut reader);
        let names: Vec<&str> = lesson.keys().map(String::as_str).collect();
        assert_eq!(names, ["actors", "asked", "case", "happened", "looks", "shop"]);
        assert!(!lesson["looks"].as_array().unwrap().is_empty(), "somebody looked");
        lessons += 1;
        taught += usize::from(!lesson["happened"].as_array().unwrap().is_empty());
    }
    assert!(lessons >= 6 && taught * 4 >= lessons * 3, "{taught} of {lessons} interactions are of something");
    let bytes = std::fs::read(out.path().join("galleries.cbor")).unwrap();
    let known = fields(&mut bytes.as_slice());
    assert!(known["shop"].as_text().unwrap().starts_with("t-"), "a shop one may train on");
}

#[tokio::test]
async fn what_cannot_be_simulated_is_said_before_anything_is_written() {
    let out = tempfile::tempdir().unwrap();
    let path = |name: &str| out.path().join(name).to_str().expect("a path").to_owned();
    let (day, parameters, none) = (path("day"), path("parameters.toml"), path("none.toml"));
    std::fs::write(&parameters, "[sight]\nreach_seen = 7").unwrap();
    for (words, says) in [
        (["--family", "holding"].as_slice(), "there is no family holding; there are both-hands"),
        (&["--shoppers", "2", "--mix", "rude"], "nobody behaves as \"rude\"; there are ordinary, quick"),
        (&["--parameters", &parameters], "sight.reach_seen is 7; it must lie within 0..=1"),
        (&["--parameters", &none], "reading parameters"),
    ] {
        let args = args("training", &[words, &["--record", &day]].concat());
        let refused = simulate(&args).await.expect_err(says);
        assert!(refused.contains(says), "{refused}");
        assert!(!out.path().join("day").exists(), "{says}: nothing was written");
    }
}
