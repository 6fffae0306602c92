//! Scripts: what is refused and why, when things are really played, whose cart it ends in; and a real shop's script.

use carryout::commands::score::{Billed, ScoreArgs, score};
use carryout::commands::simulate::simulate;
use carryout::shop::Shop;
use carryout::shop::nanostore::{self, PlanogramByCase};
use carryout::sim::truth::{EventTruth, Taken, TruthLine, VisitTruth};
use carryout::sim::{Gates, Playback, Script, Setting, World};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const START_US: i64 = 1_760_000_000_000_000;
const HEADER: &str = "case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper\n";
const COLA: &str = "2000000001487";
const CRISPS: &str = "2000000004440";

fn demo_world() -> Arc<World> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");
    let (shop, _) = Shop::read(dir).expect("the demo shop is in order");
    Arc::new(World::new(Arc::new(shop)).expect("the demo shop has a door"))
}

/// The shop as it is told without a scale: where people go and what they do is the same, twenty times as fast.
fn nothing_weighs(world: &World) -> Arc<Shop> {
    let mut told = Shop::clone(&world.shop);
    told.layout.shelves.clear();
    Arc::new(told)
}

/// Plays every case of a script: visits and events, or why not.
fn play(world: &Arc<World>, text: &str, seed: u64) -> Result<(Vec<VisitTruth>, Vec<EventTruth>), String> {
    let script = Script::parse(text).map_err(|err| err.to_string())?;
    let (mut visits, mut events) = (Vec::new(), Vec::new());
    for case in &script.cases {
        let planned = case.plan(world, seed, START_US).map_err(|err| err.to_string())?;
        let setting = Setting { told: Some(nothing_weighs(world)), ..Setting::new(seed, START_US, Gates::Assumed) };
        let mut playback = Playback::new(world.clone(), setting);
        planned.people.into_iter().for_each(|person| playback.add(person));
        while playback.next(planned.until_us).is_some() {}
        assert_eq!(playback.people(), 0, "case {}: everybody left", case.name);
        playback.finish();
        for line in playback.truth() {
            match line {
                TruthLine::Visit(visit) => visits.push(visit),
                TruthLine::Event(event) => events.push(event),
                TruthLine::Body { .. } => {}
            }
        }
    }
    Ok((visits, events))
}

#[test]
fn what_cannot_happen_is_refused_with_case_line_and_reason() {
    let world = demo_world();
    for (story, rows, refusal) in [
        (
            "an unknown action",
            "c1,0,steal,1,2,1,2000000001487,1,348,1",
            "script line 2, case c1: unknown action \"steal\"; it may be take, slow-take, put, restock, \
             handoff:<shopper>, drop, lean, enter, exit, with:<shopper>, child:<shopper>, tailgate:<shopper>, no-tap, \
             pays-at-exit or staff",
        ),
        (
            "a shelf that is not there",
            "c1,0,take,9,2,1,2000000001487,1,348,1",
            "script line 2, case c1: there is no shelf 2 in gondola 9",
        ),
        (
            "a plate that is not there",
            "c1,0,take,1,2,12 13,2000000001487,1,348,1",
            "script line 2, case c1: shelf 1-2 has plates 1 to 12, not \"12 13\"",
        ),
        (
            "a plate that is no number",
            "c1,0,take,1,2,left,2000000001487,1,348,1",
            "script line 2, case c1: plates \"left\" are not numbers",
        ),
        (
            "no plate at all",
            "c1,0,take,1,2,,2000000001487,1,348,1",
            "script line 2, case c1: shelf 1-2 has plates 1 to 12, not \"\"",
        ),
        (
            "a put of a thing not held",
            "c1,0,take,1,2,1,2000000001487,1,348,1\nc1,5,put,2,1,1,2000000004440,1,192,1",
            "script line 3, case c1: shopper 1 holds 0 of 2000000004440, not 1; take it first",
        ),
        (
            "a put of more than is held",
            "c1,0,take,1,2,1,2000000001487,1,348,1\nc1,5,put,1,2,1,2000000001487,2,348,1",
            "script line 3, case c1: shopper 1 holds 1 of 2000000001487, not 2; take it first",
        ),
        (
            "a put in another case than the take",
            "c1,0,take,1,2,1,2000000001487,1,348,1\nc2,0,put,1,2,1,2000000001487,1,348,1",
            "script line 3, case c2: shopper 1 holds 0 of 2000000001487, not 1; take it first",
        ),
        (
            "a hand-off of a thing not held",
            "c1,0,handoff:2,,,,2000000001487,1,,1",
            "script line 2, case c1: shopper 1 holds 0 of 2000000001487, not 1; take it first",
        ),
        (
            "a hand-off to oneself",
            "c1,0,handoff:1,,,,2000000001487,1,,1",
            "script line 2, case c1: shopper 1 hands over to nobody else",
        ),
        (
            "a drop of a thing not held",
            "c1,0,drop,,,,2000000001487,1,,1",
            "script line 2, case c1: shopper 1 holds 0 of 2000000001487, not 1; take it first",
        ),
        (
            "an act after leaving",
            "c1,0,enter,,,,,,,1\nc1,5,exit,,,,,,,1\nc1,9,take,1,2,1,2000000001487,1,348,1",
            "script line 4, case c1: shopper 1 has left the shop on line 3",
        ),
        (
            "entering twice",
            "c1,0,take,1,2,1,2000000001487,1,348,1\nc1,5,enter,,,,,,,1",
            "script line 3, case c1: shopper 1 is inside already",
        ),
        (
            "a time that is none",
            "c1,soon,take,1,2,1,2000000001487,1,348,1",
            "script line 2, case c1: t_s \"soon\" is not a number from 0 up",
        ),
        (
            "no unit at all",
            "c1,0,take,1,2,1,2000000001487,0,348,1",
            "script line 2, case c1: quantity \"0\" is not a whole number from 1 to 50",
        ),
        (
            "an unlabelled item of unknown weight",
            "c1,0,take,1,2,1,MYSTERY,1,,1",
            "script line 2, case c1: product MYSTERY is not in the catalogue, so weight_g must say what it weighs",
        ),
        (
            "filling a shelf without being staff",
            "c1,0,restock,1,2,1,2000000001487,1,348,1",
            "script line 2, case c1: shopper 1 fills a shelf and is no staff; say so first",
        ),
        (
            "being somebody after having done something",
            "c1,0,take,1,2,1,2000000001487,1,348,1\nc1,5,staff,,,,,,,1",
            "script line 3, case c1: who shopper 1 is must be said once, and first",
        ),
        (
            "being two people",
            "c1,0,staff,,,,,,,1\nc1,0,no-tap,,,,,,,1",
            "script line 3, case c1: who shopper 1 is must be said once, and first",
        ),
        (
            "coming with nobody",
            "c1,0,with:2,,,,,,,1",
            "script line 2, case c1: shopper 2 does not come in by themselves, so nobody comes in with them",
        ),
        (
            "coming with who comes with somebody",
            "c1,0,enter,,,,,,,1\nc1,0,with:1,,,,,,,2\nc1,0,tailgate:2,,,,,,,3",
            "script line 4, case c1: shopper 2 does not come in by themselves, so nobody comes in with them",
        ),
        (
            "entering a second time with another",
            "c1,0,enter,,,,,,,1\nc1,0,with:1,,,,,,,2\nc1,5,enter,,,,,,,2",
            "script line 4, case c1: shopper 2 comes in with another, so enters with them",
        ),
        (
            "a child at the highest shelf",
            "c1,0,enter,,,,,,,1\nc1,0,child:1,,,,,,,2\nc1,5,take,1,3,1,2000000001487,1,348,2",
            "script line 4, case c1: shopper 2 is a child and does not reach up to 1.30 m",
        ),
        ("nobody", "c1,0,take,1,2,1,2000000001487,1,348,", "script line 2, case c1: shopper is empty"),
    ] {
        let refused = play(&world, &format!("{HEADER}{rows}\n"), 1).err();
        assert_eq!(refused.as_deref(), Some(refusal), "{story}");
    }
    let headless = Script::parse("case,t_s,action\n").unwrap_err();
    assert!(headless.reason.starts_with("column gondola is missing"), "{headless}");
}

#[test]
fn carts_are_what_the_script_says() {
    let world = demo_world();
    let one = |product: &str, quantity| vec![Taken { product: product.to_owned(), quantity }];
    type Carts<'a> = Vec<(&'a str, Vec<Taken>, Option<Vec<Taken>>)>;
    let stories: Vec<(&str, &str, Carts)> = vec![
        ("two of one", "c,0,take,1,2,1 2,2000000001487,2,348,1", vec![("s1", one(COLA, 2), None)]),
        (
            "put back elsewhere",
            "c,0,take,1,2,1,2000000001487,1,348,1\nc,6,put,2,1,1,2000000001487,1,348,1",
            vec![("s1", vec![], None)],
        ),
        (
            "dropped and left: billed",
            "c,0,take,1,2,1,2000000001487,1,348,1\nc,6,drop,,,,2000000001487,1,,1",
            vec![("s1", one(COLA, 1), None)],
        ),
        (
            "handed over: billed to the picker, and to the receiver where that is the policy",
            "c,0,take,1,2,1,2000000001487,1,348,1\nc,0,take,2,1,1,2000000004440,1,192,2\nc,9,handoff:2,,,,2000000001487,1,,1",
            vec![
                ("s1", one(COLA, 1), Some(vec![])),
                ("s2", one(CRISPS, 1), Some([one(COLA, 1), one(CRISPS, 1)].concat())),
            ],
        ),
        (
            "handed over and put back by the receiver: nobody's",
            "c,0,take,1,2,1,2000000001487,1,348,1\nc,9,handoff:2,,,,2000000001487,1,,1\nc,20,put,1,2,1,2000000001487,1,348,2",
            vec![("s1", vec![], None), ("s2", vec![], None)],
        ),
        (
            "an unlabelled item happens and is not scored",
            "c,0,take,1,2,1,MYSTERY,1,120,1\nc,6,take,1,2,1,2000000001487,1,348,1",
            vec![("s1", one(COLA, 1), None)],
        ),
        ("comes and goes", "c,0,enter,,,,,,,1\nc,9,exit,,,,,,,1", vec![("s1", vec![], None)]),
    ];
    for (story, rows, carts) in stories {
        let (mut visits, _) =
            play(&world, &format!("{HEADER}{rows}\n"), 1).unwrap_or_else(|err| panic!("{story}: {err}"));
        visits.sort_by(|a, b| a.visit.cmp(&b.visit));
        let got: Carts = visits.iter().map(|v| (v.visit.as_str(), v.cart.clone(), v.cart_receiver.clone())).collect();
        assert_eq!(got, carts, "{story}");
        assert!(visits.iter().all(|visit| visit.payer && visit.token.is_some()), "{story}");
    }
}

#[test]
fn script_time_is_order_and_nobody_flies() {
    let world = demo_world();
    let rows = "c,0,take,1,2,1,2000000001487,1,348,1\n\
                c,0,take,2,1,1,2000000004440,1,192,2\n\
                c,1,take,2,2,4,2000000005928,1,105.5,1\n\
                c,1,take,2,1,2,2000000004440,1,192,2\n\
                c,1,put,2,1,2,2000000004440,1,192,2\n\
                c,30,take,3,1,1,2000000007403,1,1046,1\n\
                c,30,take,3,3,5,2000000010366,1,255,2\n";
    for seed in 0..10 {
        let (visits, events) = play(&world, &format!("{HEADER}{rows}"), seed).unwrap();
        let order: Vec<&str> = events.iter().map(|event| event.visit.as_str()).collect();
        let t_s: Vec<f64> = events.iter().map(|event| (event.t_us - START_US) as f64 * 1e-6).collect();
        assert_eq!(order, ["s1", "s2", "s1", "s2", "s2", "s1", "s2"], "seed {seed}: rows keep their order");
        assert!(t_s[0] >= 10.0, "seed {seed}: ten seconds of quiet, first event at {:.2}", t_s[0]);
        assert!((t_s[1] - t_s[0]).abs() < 1e-3, "seed {seed}: the same second, at once: {t_s:?}");
        // From bay 1 to bay 2 are 3.6 m, 2.8 s on foot, not one.
        assert!(t_s[2] - t_s[0] > 2.5, "seed {seed}: shopper 1 walks: {t_s:?}");
        assert!(t_s[4] - t_s[3] >= 1.2 - 1e-6, "seed {seed}: 1.2 s between a shopper's events: {t_s:?}");
        assert!((t_s[5] - t_s[0] - 30.0).abs() < 0.01, "seed {seed}: later rows are on time again: {t_s:?}");
        assert!((t_s[6] - t_s[5]).abs() < 1e-3, "seed {seed}: at once: {t_s:?}");
        for visit in &visits {
            let first = events.iter().find(|event| event.visit == visit.visit).unwrap();
            let walked_s = (first.t_us - visit.entered_us) as f64 * 1e-6;
            assert!((1.5..30.0).contains(&walked_s), "seed {seed}: {} enters {walked_s} s before", visit.visit);
        }
    }
}

#[test]
fn who_somebody_is_decides_how_they_come_and_who_pays() {
    let world = demo_world();
    let cola = |shopper: &str, t_s: u32| format!("c,{t_s},take,1,2,{shopper},2000000001487,1,348,{shopper}\n");
    // Who, beside shopper 1 with a card: whose cart shopper 2's cola is in, and whether anybody pays for it.
    for (role, carts, pays) in [
        ("with:1", vec![("s1", 2)], vec![true]),
        ("child:1", vec![("s1", 2)], vec![true]),
        ("tailgate:1", vec![("s1", 1), ("s2", 1)], vec![true, false]),
        ("no-tap", vec![("s1", 1), ("s2", 1)], vec![true, false]),
        ("pays-at-exit", vec![("s1", 1), ("s2", 1)], vec![true, true]),
        ("staff", vec![("s1", 1), ("s2", 0)], vec![true, false]),
    ] {
        let rows = format!("{HEADER}c,0,{role},,,,,,,2\n{}{}", cola("1", 0), cola("2", 4));
        let (mut visits, events) = play(&world, &rows, 3).unwrap_or_else(|err| panic!("{role}: {err}"));
        visits.sort_by(|a, b| a.visit.cmp(&b.visit));
        let units = |visit: &VisitTruth| visit.cart.iter().map(|taken| taken.quantity).sum::<i64>();
        let got: Vec<(&str, i64)> = visits.iter().map(|visit| (visit.visit.as_str(), units(visit))).collect();
        assert_eq!(got, carts, "{role}");
        assert_eq!(visits.iter().map(|visit| visit.payer).collect::<Vec<_>>(), pays, "{role}");
        assert_eq!(events.iter().filter(|event| event.scored).count(), if role == "staff" { 1 } else { 2 }, "{role}");
        if role == "tailgate:1" {
            let behind_s = (visits[1].entered_us - visits[0].entered_us) as f64 * 1e-6;
            assert!((0.3..1.7).contains(&behind_s), "{behind_s} s behind, through one opening");
        }
    }
    let staff = format!("{HEADER}c,0,staff,,,,,,,2\n{}c,4,restock,1,2,2,2000000001487,3,348,2\n", cola("1", 0));
    let (_, events) = play(&world, &staff, 3).unwrap();
    let filled = events.iter().find(|event| event.action == "restock").expect("somebody fills a shelf");
    assert_eq!((filled.quantity, filled.scored), (3, false));
}

fn field_data() -> Option<PathBuf> {
    let dir = std::env::var_os("CARRYOUT_FIELD_DATA").map(PathBuf::from).filter(|dir| dir.join("nanostore").exists());
    if dir.is_none() {
        println!("SKIPPED: CARRYOUT_FIELD_DATA does not name the field data");
    }
    dir.map(|dir| dir.join("nanostore"))
}

#[test]
fn a_real_shops_script_plays() {
    let Some(dir) = field_data() else { return };
    let base = nanostore::load(&dir).expect("the real shop is in order");
    let by_case = PlanogramByCase::read(&dir.join("shop_by_case.csv"), &base.layout).expect("cases are in order");
    let text = std::fs::read_to_string(dir.join("events_practice.csv")).unwrap();
    let script = Script::parse(&text).expect("the script reads");
    let rows = text.lines().count() - 1;
    let mut played = 0;
    for case in &script.cases {
        let mut shop = base.clone();
        shop.planogram = by_case.apply(&case.name, &base.planogram);
        let world = Arc::new(World::new(Arc::new(shop)).unwrap());
        let mut alone = HEADER.to_owned();
        let own = text.lines().filter(|line| line.split(',').next() == Some(&case.name));
        let own: Vec<&str> = own.collect();
        alone += &(own.join("\n") + "\n");
        let (visits, events) = play(&world, &alone, 1).unwrap_or_else(|err| panic!("{err}"));
        assert_eq!(events.len(), own.len(), "case {}: every row happens", case.name);
        played += events.len();
        let mut carts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for row in &own {
            let cells: Vec<&str> = row.split(',').collect();
            let n: i64 = cells[7].parse().unwrap();
            *carts.entry((cells[9], cells[6])).or_default() += if cells[2] == "take" { n } else { -n };
        }
        for visit in &visits {
            let expected: Vec<Taken> = carts
                .iter()
                .filter(|((shopper, _), n)| format!("s{shopper}") == visit.visit && **n != 0)
                .map(|((_, product), n)| Taken { product: (*product).to_owned(), quantity: *n })
                .collect();
            assert_eq!(visit.cart, expected, "case {}, {}", case.name, visit.visit);
        }
    }
    assert_eq!(played, rows);
}

#[tokio::test]
async fn the_command_records_every_case_beside_the_shop_as_told() {
    let Some(dir) = field_data() else { return };
    let out = tempfile::tempdir().unwrap();
    let script = out.path().join("script.csv");
    let text = std::fs::read_to_string(dir.join("events_practice.csv")).unwrap();
    let two: Vec<&str> =
        text.lines().filter(|l| ["case", "cps-test-4", "TEAM-8-1"].contains(&l.split(',').next().unwrap())).collect();
    std::fs::write(&script, two.join("\n")).unwrap();
    let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let words = [
        ("--script", path(&script)),
        ("--geometry", path(&dir.join("geometry.csv"))),
        ("--planogram", path(&dir.join("planogram.csv"))),
        ("--products", path(&dir.join("products.csv"))),
        ("--planogram-by-case", path(&dir.join("shop_by_case.csv"))),
        ("--seed", "7".to_owned()),
        ("--record", path(&out.path().join("day"))),
    ];
    let words: Vec<&str> = words.iter().flat_map(|(key, value)| [*key, value.as_str()]).chain(["--receipts"]).collect();
    let args = crate::typed(&words);
    let report = simulate(&args).await.unwrap();
    assert_eq!(report.lines().count(), 2, "{report}");
    let case = out.path().join("day/cps-test-4");
    let truth = std::fs::read_to_string(case.join("truth.jsonl")).unwrap();
    assert_eq!(truth.lines().filter(|line| line.contains(r#""kind":"visit""#)).count(), 1);
    assert!(std::fs::metadata(case.join("observations.cbor")).unwrap().len() > 100_000);
    let (told, _) = Shop::read(case.join("shop")).unwrap();
    let shelf = carryout::base::ShelfId::new("3-2");
    let on_plate: Vec<String> = told.planogram.on_plate(&shelf, 9).map(ToString::to_string).collect();
    assert_eq!(on_plate, ["078907916342"], "the system is told the shop as it stood that day");
    let scored = score(&ScoreArgs {
        shop: None,
        truth: out.path().join("day/truth.jsonl"),
        receipts: out.path().join("day/receipts.jsonl"),
        handoff: Billed::Picker,
        ceiling: None,
        json: false,
        report: None,
    });
    let table = scored.unwrap();
    assert!(table.contains("3 visits in 2 cases"), "{table}");
}
