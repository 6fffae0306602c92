//! The synthetic shop and the real floor together, without a network: who simulates and who explains must agree on what
//! a shop is.

use carryout::carts::PolicyOptions;
use carryout::commands::{fast, score};
use carryout::shop::Shop;
use carryout::shop::nanostore::{self, PlanogramByCase};
use carryout::sim::record::Arrivals;
use carryout::sim::shoppers::{Crowd, Mix, Style};
use carryout::sim::truth::{TruthLine, VisitTruth};
use carryout::sim::{Gates, Playback, Script, Setting, World};
use std::path::PathBuf;
use std::sync::Arc;

const START_US: i64 = 1_760_000_000_000_000;

fn visits(mut playback: Playback) -> Vec<VisitTruth> {
    playback.finish();
    let lines = playback.truth().into_iter();
    lines.filter_map(|line| if let TruthLine::Visit(visit) = line { Some(visit) } else { None }).collect()
}

#[test]
fn a_quiet_day_is_billed_as_it_happened() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");
    let shop = Arc::new(Shop::read(dir).expect("the demo shop is in order").0);
    let world = Arc::new(World::new(shop.clone()).unwrap());
    let (mut truth, mut receipts) = (Vec::new(), Vec::new());
    for seed in 0..4 {
        let mut crowd = Crowd::new(world.clone(), seed, &format!("day{seed}"), Mix::quick());
        let mut playback = Playback::new(world.clone(), Setting::new(seed, START_US, Gates::Assumed));
        let mut until_us = START_US;
        for (k, style) in [Style::Ordinary, Style::PutBack, Style::Group, Style::Empty, Style::Declined, Style::Staff]
            .into_iter()
            .enumerate()
        {
            let visit = crowd.come(style, START_US + 10_000_000 + k as i64 * 6_000_000);
            until_us = until_us.max(visit.left_us + 12_000_000);
            visit.people.into_iter().for_each(|person| playback.add(person));
        }
        receipts.extend(
            fast::run(
                shop.clone(),
                PolicyOptions::default(),
                Arrivals::new(&mut playback, seed, until_us),
                &fast::Method::default(),
            )
            .receipts,
        );
        truth.extend(visits(playback));
    }
    let score = score::of(&truth, &receipts, score::Billed::Picker, &score::Prices::new());
    println!("{}", serde_json::to_string_pretty(&score).unwrap());
    assert_eq!(score.visits, 4 * 4, "staff and the declined are nobody's visit");
    assert_eq!(score.receipts_of_nobody, Vec::<String>::new());
    // Four carts at a time in a small shop are easy; the hard ones are a suite of their own.
    assert!(score.exact_share >= 0.6, "only {:.0} % of carts are right", 100.0 * score.exact_share);
    assert!(score.f1_mean >= 0.75, "F1 {:.3}", score.f1_mean);
}

#[test]
fn a_real_shops_script_is_explained() {
    let Some(dir) = std::env::var_os("CARRYOUT_FIELD_DATA").map(|dir| PathBuf::from(dir).join("nanostore")) else {
        println!("SKIPPED: CARRYOUT_FIELD_DATA does not name the field data");
        return;
    };
    let base = nanostore::load(&dir).expect("the real shop is in order");
    let by_case = PlanogramByCase::read(&dir.join("shop_by_case.csv"), &base.layout).expect("cases are in order");
    let script = Script::read(&dir.join("events_practice.csv")).expect("the script reads");
    let (mut truth, mut receipts) = (Vec::new(), Vec::new());
    // Every third case, so that it is quick; the accuracy suite plays all of them, many times over.
    for case in script.cases.iter().step_by(3) {
        let mut shop = base.clone();
        shop.planogram = by_case.apply(&case.name, &base.planogram);
        let shop = Arc::new(shop);
        let world = Arc::new(World::new(shop.clone()).unwrap());
        let planned = case.plan(&world, 1, START_US).unwrap();
        let mut playback = Playback::new(world, Setting::new(planned.seed, START_US, Gates::Assumed));
        planned.people.into_iter().for_each(|person| playback.add(person));
        receipts.extend(
            fast::run(
                shop,
                PolicyOptions::default(),
                Arrivals::new(&mut playback, planned.seed, planned.until_us),
                &fast::Method::default(),
            )
            .receipts,
        );
        truth.extend(visits(playback));
    }
    let score = score::of(&truth, &receipts, score::Billed::Picker, &score::Prices::new());
    for case in &score.cases {
        println!("{:<22} F1 {:.2}", case.case, case.f1);
        for visit in case.visits.iter().filter(|visit| !visit.exact) {
            println!("    {} took {:?}\n    {} pays {:?}", visit.visit, visit.taken, visit.visit, visit.charged);
        }
    }
    println!("F1 {:.3}, exact {:.3} of {} visits", score.f1_mean, score.exact_share, score.visits);
    assert!(score.f1_mean >= 0.75, "F1 {:.3}", score.f1_mean);
}
