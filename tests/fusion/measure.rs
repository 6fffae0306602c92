//! The detectors' figures on generated cells: a quick run of what `carryout bench floor` prints, held to what we promise.

use carryout::fusion::DetectorKind;
use carryout::fusion::measure::{Crowd, SamplesBench, measure};

#[test]
fn steps_are_found_once_soon_and_rightly() {
    let figures = measure(DetectorKind::Steps, Crowd::Alone, 300, 11);
    println!("{figures:?}");
    assert!(figures.found * 1000 >= figures.steps * 995, "missed: {figures:?}");
    assert!(figures.invented * 1000 <= figures.steps * 5, "invented: {figures:?}");
    assert!(figures.wrong_size * 100 <= figures.steps * 2, "wrong size: {figures:?}");
    assert!(figures.withdrawn * 100 <= figures.drafts * 15, "drafts withdrawn: {figures:?}");
    assert!(figures.draft_p95_ms <= 800 && figures.settled_p95_ms <= 3_500, "late: {figures:?}");
    assert!(figures.time_error_p95_ms <= 200, "told for the wrong time: {figures:?}");
}

#[test]
fn two_at_one_shelf_are_two() {
    for (crowd, least_percent) in [
        (Crowd::Pair { apart_s: 0.0, plates: 6 }, 99),
        (Crowd::Pair { apart_s: 0.3, plates: 6 }, 99),
        (Crowd::Pair { apart_s: 1.5, plates: 3 }, 90),
        (Crowd::Pair { apart_s: 1.2, plates: 2 }, 80), // light items beside heavy ones are lost in the ringing
        (Crowd::Pair { apart_s: 1.5, plates: 0 }, 70), // the same plate: take and put-back may cancel
        (Crowd::Busy { every_s: 2.0 }, 82),
    ] {
        let figures = measure(DetectorKind::Steps, crowd, 160, 12);
        println!("{crowd:?} {figures:?}");
        let right = figures.found - figures.wrong_size;
        assert!(right * 100 >= figures.steps * least_percent, "{crowd:?}: {right} right of {figures:?}");
        assert!(figures.invented * 100 <= figures.steps * 3, "{crowd:?} invented: {figures:?}");
    }
}

#[test]
fn the_published_detector_is_as_good_as_it_was() {
    let alone = measure(DetectorKind::Published, Crowd::Alone, 200, 13);
    println!("{alone:?}");
    assert!(alone.found * 100 >= alone.steps * 95, "single items are its strength: {alone:?}");
    let pair = measure(DetectorKind::Published, Crowd::Pair { apart_s: 0.6, plates: 2 }, 80, 13);
    println!("{pair:?}");
    assert!(pair.found * 100 <= pair.steps * 60, "it makes one event of two within a second: {pair:?}");
}

#[test]
fn the_bench_has_work_in_it() {
    let (samples, settled) = SamplesBench::new(30, 3).run();
    assert_eq!(samples, 12 * 12 * 150);
    assert!((3..=5).contains(&settled), "four touches in 30 s: {settled}");
}
