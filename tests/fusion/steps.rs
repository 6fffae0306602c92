//! What a shelf says about what was done to it: stories on generated load cells.

use carryout::base::ShopTime;
use carryout::events::PlateSamples;
use carryout::fusion::cells::{Batch, Cells, Deed, Dice, START};
use carryout::fusion::{Fault, ShelfScale, Step, StepEvent, StepOptions};

const PLATES: usize = 12;

/// What was said, with the arrival of the message that brought it.
#[derive(Default)]
struct Said(Vec<(ShopTime, StepEvent)>);

impl Said {
    fn settled(&self) -> Vec<&Step> {
        self.0
            .iter()
            .filter_map(|(_, event)| if let StepEvent::Settled(step) = event { Some(step) } else { None })
            .collect()
    }

    /// Every draft must end as a settled step or be withdrawn.
    fn open_drafts(&self) -> Vec<u64> {
        let mut open = Vec::new();
        for (_, event) in &self.0 {
            match event {
                StepEvent::Draft(step) => open.push(step.id),
                StepEvent::Settled(Step { id, .. }) | StepEvent::Withdrawn { id } => open.retain(|open| open != id),
                StepEvent::Calm => {}
            }
        }
        open
    }
}

fn shelf() -> ShelfScale {
    ShelfScale::new(PLATES, StepOptions::default())
}

fn feed(scale: &mut ShelfScale, (t0, dt_us, rows): &Batch, said: &mut Said) {
    let arrival = ShopTime(t0.0 + dt_us * rows[0].grams.len() as i64).plus_ms(20);
    said.0.extend(scale.feed(*t0, *dt_us, rows).into_iter().map(|event| (arrival, event)));
    said.0.extend(scale.tick(arrival).into_iter().map(|event| (arrival, event)));
}

fn play(cells: &mut Cells, scale: &mut ShelfScale, for_s: f64) -> Said {
    let mut said = Said::default();
    play_on(cells, scale, for_s, &mut said);
    said
}

fn play_on(cells: &mut Cells, scale: &mut ShelfScale, until_s: f64, said: &mut Said) {
    loop {
        let batch = cells.batch();
        let end_s = batch.0.secs_since(START);
        feed(scale, &batch, said);
        if end_s >= until_s {
            return;
        }
    }
}

fn at(step: &Step) -> f64 {
    ShopTime((step.begin.0 + step.end.0) / 2).secs_since(START)
}

fn told(steps: &[&Step]) -> String {
    let told: Vec<String> = steps.iter().map(|step| format!("{:.2} s {:+.1} g", at(step), step.delta_g)).collect();
    format!("[{}]", told.join(", "))
}

/// Want: seconds, grams, plate (from 1) that changed most.
fn check(story: &str, said: &Said, want: &[(f64, f64, usize)]) {
    let steps = said.settled();
    assert_eq!(steps.len(), want.len(), "{story}: settled {}, wanted {want:?}", told(&steps));
    let mut steps = steps;
    steps.sort_by_key(|step| step.begin);
    for (step, &(at_s, delta_g, plate)) in steps.iter().zip(want) {
        // Gains are off by 4 %, one standard deviation.
        let tolerance_g = 10.0 + 0.12 * delta_g.abs();
        assert!((step.delta_g - delta_g).abs() < tolerance_g, "{story}: {} for {want:?}", told(&said.settled()));
        assert!((at(step) - at_s).abs() < 0.5, "{story}: {} for {want:?}", told(&said.settled()));
        let most = step.profile_g.iter().map(|g| g.abs()).fold(0.0, f64::max);
        let peak = step.profile_g.iter().position(|g| g.abs() == most).unwrap() + 1;
        assert!(peak.abs_diff(plate) <= 1, "{story}: mostly on plate {peak}, not {plate}");
        let sum_g: f64 = step.profile_g.iter().sum();
        assert!((sum_g - step.delta_g).abs() < 1e-6, "{story}: the profile is the whole step");
        assert_eq!(step.profile_g.len(), PLATES);
    }
    assert_eq!(said.open_drafts(), Vec::<u64>::new(), "{story}: drafts left open");
}

#[test]
fn what_hands_do_becomes_steps() {
    // (story, what is done: (s, g, plate from 1, plates it stands across), what is told)
    type Row = (&'static str, &'static [(f64, f64, usize, usize)], &'static [(f64, f64, usize)]);
    let table: &[Row] = &[
        ("a 20 g sachet", &[(5.0, -20.0, 6, 1)], &[(5.0, -20.0, 6)]),
        ("a 36 g roll over two plates", &[(5.0, -36.0, 6, 2)], &[(5.0, -36.0, 6)]),
        ("a 105.5 g bag over two plates", &[(5.0, -105.5, 5, 2)], &[(5.0, -105.5, 5)]),
        ("a 538 g bottle", &[(5.0, -538.0, 10, 1)], &[(5.0, -538.0, 10)]),
        ("1.5 kg at the end of the shelf", &[(5.0, -1_500.0, 1, 2)], &[(5.0, -1_500.0, 1)]),
        ("three cans in one grip", &[(5.0, -990.0, 4, 1)], &[(5.0, -990.0, 4)]),
        ("put back", &[(5.0, 330.0, 4, 1)], &[(5.0, 330.0, 4)]),
        ("a light thing put back", &[(5.0, 30.0, 4, 2)], &[(5.0, 30.0, 4)]),
        (
            "two people 0.3 s apart, far plates",
            &[(5.0, -200.0, 2, 2), (5.3, -90.0, 10, 2)],
            &[(5.0, -200.0, 2), (5.3, -90.0, 10)],
        ),
        (
            "two people 1.5 s apart, far plates",
            &[(5.0, -60.0, 2, 1), (6.5, -800.0, 10, 2)],
            &[(5.0, -60.0, 2), (6.5, -800.0, 10)],
        ),
        (
            "two people 1.2 s apart, neighbouring plates",
            &[(5.0, -250.0, 4, 2), (6.2, -150.0, 6, 2)],
            &[(5.0, -250.0, 4), (6.2, -150.0, 6)],
        ),
        (
            "one takes, one puts back beside",
            &[(5.0, -250.0, 4, 1), (6.0, 150.0, 6, 1)],
            &[(5.0, -250.0, 4), (6.0, 150.0, 6)],
        ),
        (
            "two of a kind one after the other",
            &[(5.0, -300.0, 4, 1), (6.5, -300.0, 4, 1)],
            &[(5.0, -300.0, 4), (6.5, -300.0, 4)],
        ),
        ("taken and thought better of, in one breath", &[(5.0, -300.0, 4, 1), (6.0, 300.0, 4, 1)], &[]),
        (
            "moved from one end to the other",
            &[(5.0, -300.0, 2, 1), (7.0, 300.0, 10, 1)],
            &[(5.0, -300.0, 2), (7.0, 300.0, 10)],
        ),
        ("a crumb of 6 g", &[(5.0, -6.0, 4, 1)], &[]),
    ];
    for seed in 1..=5 {
        for (story, done, want) in table {
            let mut dice = Dice(seed * 77);
            let deeds: Vec<Deed> =
                done.iter().map(|&(s, g, plate, across)| Deed::hand(&mut dice, s, g, plate - 1, across)).collect();
            let mut cells = Cells::new(PLATES, seed).with_noise(0.8).with(deeds);
            let mut scale = shelf();
            check(&format!("{story}, seed {seed}"), &play(&mut cells, &mut scale, 16.0), want);
            assert!(!scale.is_ringing(), "{story}, seed {seed}: still ringing ten seconds later");
        }
    }
}

#[test]
fn a_draft_comes_at_once_and_the_settled_step_keeps_its_id() {
    let mut dice = Dice(5);
    let mut cells = Cells::new(PLATES, 5).with(vec![Deed::hand(&mut dice, 5.0, -330.0, 4, 1)]);
    let said = play(&mut cells, &mut shelf(), 12.0);
    let when = |kind: fn(&StepEvent) -> Option<u64>| {
        said.0.iter().find_map(|(arrival, event)| Some((arrival.secs_since(START) - 5.1, kind(event)?)))
    };
    let (draft_s, draft_id) =
        when(|event| if let StepEvent::Draft(step) = event { Some(step.id) } else { None }).unwrap();
    let (settled_s, id) =
        when(|event| if let StepEvent::Settled(step) = event { Some(step.id) } else { None }).unwrap();
    assert_eq!(draft_id, id);
    assert!(draft_s <= 0.8, "draft after {draft_s} s");
    assert!(settled_s <= 3.5, "settled after {settled_s} s");
}

#[test]
fn footsteps_and_doors_are_no_steps() {
    let mut dice = Dice(9);
    let shakes = (0..200).map(|i| Deed::shake(&mut dice, 3.0 * f64::from(i) + 2.0, PLATES)).collect();
    let mut cells = Cells::new(PLATES, 9).with(shakes);
    let said = play(&mut cells, &mut shelf(), 600.0);
    check("ten minutes of shakes, one every 3 s", &said, &[]);
}

#[test]
fn leaning_is_no_put_back() {
    for (seed, press_g, first, plates, lasts_s) in
        [(1, 120.0, 3, 3, 3.0), (2, 400.0, 2, 6, 4.0), (3, 60.0, 8, 2, 2.0), (4, 900.0, 0, 12, 5.0)]
    {
        let lean = Deed::Lean { at_s: 5.0, lasts_s, press_g, first, plates };
        let mut cells = Cells::new(PLATES, seed).with(vec![lean]);
        let mut scale = shelf();
        let said = play(&mut cells, &mut scale, 20.0);
        check(&format!("{press_g} g on {plates} plates for {lasts_s} s"), &said, &[]);
        assert!(!scale.is_ringing());
    }
}

#[test]
fn drift_is_followed_and_reported() {
    let mut cells = Cells::new(PLATES, 4).with_drift(20.0 / 600.0);
    let mut scale = shelf();
    let said = play(&mut cells, &mut scale, 600.0);
    check("20 g in ten minutes", &said, &[]);
    let calm = said.0.iter().filter(|(_, event)| *event == StepEvent::Calm).count();
    assert!((4..20).contains(&calm), "drifted levels are worth a journal entry now and then: {calm}");
    assert_eq!(scale.faults(), vec![], "2 g a minute is ordinary");

    let mut cells = Cells::new(PLATES, 4).with_drift(0.2);
    let mut scale = shelf();
    check("12 g a minute", &play(&mut cells, &mut scale, 400.0), &[]);
    assert_eq!(scale.faults().len(), PLATES, "12 g a minute is a fault: {:?}", scale.faults());
    assert!(scale.faults().iter().all(|(_, fault)| *fault == Fault::Drifting));
}

#[test]
fn lost_late_and_doubled_batches_lose_no_step() {
    let take = |seed: u64| {
        let mut dice = Dice(seed);
        Cells::new(PLATES, seed).with(vec![Deed::hand(&mut dice, 5.0, -250.0, 4, 2)])
    };
    for seed in 1..=4 {
        for (story, lost_s, gap) in
            [("0.6 s lost", 4.8..5.4, false), ("4 s lost", 3.0..7.0, true), ("30 s lost", 3.0..33.0, true)]
        {
            let (mut cells, mut scale, mut said) = (take(seed), shelf(), Said::default());
            for _ in 0..200 {
                let batch = cells.batch();
                let t_s = batch.0.secs_since(START);
                if lost_s.contains(&t_s) {
                    let now = ShopTime(batch.0.0 + 200_000);
                    said.0.extend(scale.tick(now).into_iter().map(|event| (now, event)));
                } else {
                    feed(&mut scale, &batch, &mut said);
                }
            }
            let steps = said.settled();
            assert_eq!(steps.len(), 1, "{story}, seed {seed}: {}", told(&steps));
            assert!((steps[0].delta_g + 250.0).abs() < 40.0, "{story}, seed {seed}: {}", told(&steps));
            assert_eq!(steps[0].gap, gap, "{story}, seed {seed}");
            let (begin_s, end_s) = (steps[0].begin.secs_since(START), steps[0].end.secs_since(START));
            assert!(begin_s <= 5.1 && end_s >= 5.0, "{story}, seed {seed}: from {begin_s} to {end_s}");
            assert!(begin_s > lost_s.start - 0.6 && end_s < lost_s.end + 0.8, "{story}: from {begin_s} to {end_s}");
            assert_eq!(said.open_drafts(), Vec::<u64>::new(), "{story}");
        }

        let (mut straight, mut swapped) = (shelf(), shelf());
        let (mut cells, mut in_order, mut out_of_order) = (take(seed), Said::default(), Said::default());
        for _ in 0..30 {
            let (a, b) = (cells.batch(), cells.batch());
            for batch in [&a, &b] {
                feed(&mut straight, batch, &mut in_order);
            }
            // The second overtakes the first; both come twice.
            for batch in [&b, &a, &b, &a] {
                feed(&mut swapped, batch, &mut out_of_order);
            }
        }
        let facts = |said: &Said| -> Vec<(i64, i64)> {
            said.settled().iter().map(|step| (step.begin.0, step.delta_g.round() as i64)).collect()
        };
        assert_eq!(facts(&out_of_order), facts(&in_order), "overtaken and doubled, seed {seed}");
        assert_eq!(facts(&in_order).len(), 1);
        assert!(swapped.late_batches() >= 58, "repeats are counted: {}", swapped.late_batches());
    }
}

#[test]
fn a_shelf_that_falls_silent_does_not_ring_for_ever() {
    let mut dice = Dice(1);
    let mut cells = Cells::new(PLATES, 1).with(vec![Deed::hand(&mut dice, 5.0, -250.0, 4, 2)]);
    let mut scale = shelf();
    let mut said = play(&mut cells, &mut scale, 5.5);
    assert!(scale.is_ringing());
    let now = START.plus_ms(12_000);
    said.0.extend(scale.tick(now).into_iter().map(|event| (now, event)));
    assert!(!scale.is_ringing(), "given up after 3 s");
    assert_eq!(said.open_drafts(), Vec::<u64>::new());
    // It speaks again ten seconds later: the shelf itself is the memory.
    for _ in 0..50 {
        cells.batch();
    }
    play_on(&mut cells, &mut scale, 25.0, &mut said);
    let delta_g: f64 = said.settled().iter().map(|step| step.delta_g).sum();
    assert!((delta_g + 250.0).abs() < 40.0, "{}", told(&said.settled()));
}

#[test]
fn after_a_restart_the_shelf_is_the_memory() {
    let seen = ShopTime(START.0 - 40_000_000);
    for (story, missing_g, want) in [
        ("nothing happened", 0.0, 0),
        ("a bottle is gone", 500.0, 1),
        ("a sachet is gone", 25.0, 1),
        ("5 g of drift", 5.0, 0),
    ] {
        for seed in 1..=5 {
            let mut before = shelf();
            play(&mut Cells::new(PLATES, seed), &mut before, 5.0);
            let mut levels_g = before.levels();
            levels_g[5] = levels_g[5].map(|g| g + missing_g);

            let mut scale = shelf();
            scale.restore(&levels_g, seen);
            assert_eq!(scale.levels(), levels_g, "until it has settled the journal's levels stand");
            let said = play(&mut Cells::new(PLATES, seed), &mut scale, 5.0);
            let steps = said.settled();
            assert_eq!(steps.len(), want, "{story}, seed {seed}: {}", told(&steps));
            if let Some(step) = steps.first() {
                assert!(step.gap && step.begin == seen, "{story}, seed {seed}: {step:?}");
                assert!((step.delta_g + missing_g).abs() < 8.0, "{story}, seed {seed}: {}", told(&steps));
                assert!(step.end.secs_since(START) < 2.0);
            }
        }
    }
}

#[test]
fn a_failing_plate_is_a_fault_and_no_sale() {
    type Break = fn(f32) -> Option<f32>;
    let table: [(&str, Break, Option<Fault>); 5] = [
        ("reads zero", |_| Some(0.0), Some(Fault::Dead)),
        ("falls silent", |_| None, Some(Fault::Dead)),
        ("sticks far off", |_| Some(812.4), Some(Fault::Stuck)),
        ("not a number", |_| Some(f32::NAN), Some(Fault::Dead)),
        ("tons", |_| Some(5e6), Some(Fault::Dead)),
    ];
    for (story, broken, fault) in table {
        let mut dice = Dice(3);
        let mut cells = Cells::new(PLATES, 3).with(vec![Deed::hand(&mut dice, 60.0, -200.0, 9, 2)]);
        let mut scale = shelf();
        let mut said = Said::default();
        for _ in 0..350 {
            let mut batch = cells.batch();
            if batch.0.secs_since(START) > 10.0 {
                batch.2[3].grams = batch.2[3].grams.iter().map(|grams| grams.and_then(broken)).collect();
            }
            feed(&mut scale, &batch, &mut said);
        }
        check(&format!("plate 4 {story}; plate 10 sells on"), &said, &[(60.0, -200.0, 10)]);
        assert_eq!(scale.faults(), fault.map(|fault| (4, fault)).into_iter().collect::<Vec<_>>(), "{story}");
    }

    // A plate nobody built, and samples no cell can give, are counted.
    let mut scale = shelf();
    let rows = [
        PlateSamples { plate: 13, grams: vec![Some(1.0); 12] },
        PlateSamples { plate: 0, grams: vec![Some(1.0); 12] },
        PlateSamples { plate: 1, grams: vec![Some(f32::INFINITY); 12] },
    ];
    assert_eq!(scale.feed(START, 16_667, &rows), vec![]);
    assert_eq!(scale.bad_samples(), 36);
}

#[test]
fn a_healthy_shelf_has_no_faults() {
    for seed in 1..=3 {
        let mut scale = shelf();
        play(&mut Cells::new(PLATES, seed).with_noise(0.47), &mut scale, 120.0);
        assert_eq!(scale.faults(), vec![], "seed {seed}");
    }
    // Whole grams on a quiet kitchen scale repeat for minutes: slow, not stuck.
    let mut scale = ShelfScale::new(2, StepOptions::default());
    for second in 0..300 {
        let rows = [1, 2].map(|plate| PlateSamples { plate, grams: vec![Some(1_000.0)] });
        scale.feed(START.plus_ms(second * 1_000), 1_000_000, &rows);
    }
    assert_eq!(scale.faults(), vec![]);
}

#[test]
fn slow_scales_tell_steps_too() {
    for seed in 1..=5 {
        for (story, dt_us, batch) in
            [("10 Hz, 5 a message", 100_000, 5), ("5 Hz, one by one", 200_000, 1), ("1 Hz", 1_000_000, 1)]
        {
            let mut dice = Dice(seed);
            let deeds = vec![Deed::hand(&mut dice, 10.0, -250.0, 4, 1), Deed::hand(&mut dice, 25.0, 120.0, 8, 1)];
            let mut cells = Cells::new(PLATES, seed).at_rate(dt_us, batch).with_noise(0.8).with(deeds);
            let said = play(&mut cells, &mut shelf(), 40.0);
            let steps = said.settled();
            let grams: Vec<i64> = steps.iter().map(|step| step.delta_g.round() as i64).collect();
            assert!(
                steps.len() == 2 && (grams[0] + 250).abs() < 45 && (grams[1] - 120).abs() < 30,
                "{story}, seed {seed}: {}",
                told(&steps)
            );
        }
    }
}

#[test]
fn one_topic_a_plate_is_a_shelf_as_well() {
    let mut dice = Dice(2);
    let mut cells =
        Cells::new(3, 2).at_rate(1_000_000, 1).with_noise(0.5).with(vec![Deed::hand(&mut dice, 10.0, -250.0, 1, 1)]);
    let mut scale = ShelfScale::new(3, StepOptions::default());
    let mut said = Said::default();
    for _ in 0..25 {
        let (t0, dt_us, rows) = cells.batch();
        for (i, row) in rows.into_iter().enumerate() {
            feed(&mut scale, &(t0.plus_ms(150 * i as i64), dt_us, vec![row]), &mut said);
        }
    }
    let steps = said.settled();
    assert!(steps.len() == 1 && (steps[0].delta_g + 250.0).abs() < 40.0, "{}", told(&steps));
}

#[test]
fn the_same_readings_say_the_same() {
    let say = || {
        let mut dice = Dice(6);
        let mut deeds: Vec<Deed> =
            (0..8).map(|i| Deed::hand(&mut dice, 4.0 + 1.3 * f64::from(i), -120.0, 2 + i as usize, 2)).collect();
        deeds.extend((0..6).map(|i| Deed::shake(&mut dice, 3.0 * f64::from(i), PLATES)));
        play(&mut Cells::new(PLATES, 6).with(deeds), &mut shelf(), 25.0).0
    };
    assert_eq!(say(), say());
}

#[test]
fn a_long_message_is_judged_like_many_short_ones() {
    let mut dice = Dice(8);
    let deeds = vec![Deed::hand(&mut dice, 5.0, -150.0, 3, 2), Deed::hand(&mut dice, 12.0, -80.0, 8, 1)];
    let mut cells = Cells::new(PLATES, 8).at_rate(16_667, 600).with(deeds);
    check("10 s a message", &play(&mut cells, &mut shelf(), 22.0), &[(5.0, -150.0, 3), (12.0, -80.0, 9)]);
}

#[test]
fn whatever_a_device_sends_the_shelf_goes_on() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut scale = ShelfScale::new(4, StepOptions::default());
        let mut t0 = START;
        for _ in 0..400 {
            let dt_us = [16_667, 16_667, 16_667, 0, -5, 100_000, 1_000_000, i64::MAX][(dice.draw() % 8) as usize];
            let jump_us = [200_000, 200_000, 0, -300_000, 5_000_000, -60_000_000, 3_600_000_000];
            t0 = ShopTime(t0.0 + jump_us[(dice.draw() % 7) as usize]);
            let rows: Vec<PlateSamples> = (0..dice.draw() % 6)
                .map(|_| {
                    let samples = dice.draw() % 30;
                    let plate = (dice.draw() % 7) as u16;
                    let odd = [Some(0.0), None, Some(f32::NAN), Some(1e30), Some(-5e4), Some(3_000.0)];
                    let mut sample = || match dice.draw() % 12 {
                        i @ 0..6 => odd[i as usize],
                        _ => Some(dice.within(900.0, 1_100.0) as f32),
                    };
                    PlateSamples { plate, grams: (0..samples).map(|_| sample()).collect() }
                })
                .collect();
            scale.feed(t0, dt_us, &rows);
            scale.tick(t0.plus_ms(500));
            scale.faults();
        }
        assert!(scale.bad_samples() > 0);
        // A good device after all that is believed again, as a fresh shelf believes it.
        let mut good = Cells::new(4, seed).with(vec![Deed::hand(&mut dice, 40.0, -300.0, 2, 1)]);
        let later_us = t0.0 - START.0 + 100_000_000;
        let mut fresh = ShelfScale::new(4, StepOptions::default());
        let (mut said, mut said_fresh) = (Said::default(), Said::default());
        for _ in 0..300 {
            let (t, dt_us, rows) = good.batch();
            let batch = (ShopTime(t.0 + later_us), dt_us, rows);
            feed(&mut scale, &batch, &mut said);
            feed(&mut fresh, &batch, &mut said_fresh);
        }
        let (steps, want) = (said.settled(), said_fresh.settled());
        assert_eq!(want.len(), 1, "seed {seed}: {}", told(&want));
        let told_too = steps.last().is_some_and(|step| {
            (step.delta_g - want[0].delta_g).abs() < 8.0 && (step.begin.0 - want[0].begin.0).abs() < 300_000
        });
        assert!(told_too && !scale.is_ringing(), "seed {seed}: {}, not {}", told(&steps), told(&want));
    }
}
