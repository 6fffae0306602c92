//! The step detector's figures on generated cells, printed and held to what it promises.

use carryout::fusion::DetectorKind;
use carryout::fusion::measure::{Crowd, SamplesBench, measure};
use std::time::Instant;

#[test]
fn figures() {
    for kind in [DetectorKind::Steps, DetectorKind::Published] {
        println!("{:?}", measure(kind, Crowd::Alone, 2000, 1));
        for (apart_s, plates) in [(0.0, 6), (0.3, 6), (1.5, 6), (0.6, 2), (1.2, 2), (1.5, 3), (1.5, 0), (2.5, 1)] {
            println!("{apart_s} s {plates} plates {:?}", measure(kind, Crowd::Pair { apart_s, plates }, 400, 2));
        }
    }
    let bench = SamplesBench::new(60, 3);
    let t = Instant::now();
    let (samples, steps) = bench.run();
    println!("{samples} samples, {steps} steps, {:.0} samples/s", samples as f64 / t.elapsed().as_secs_f64());
}
