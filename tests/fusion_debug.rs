use carryout::fusion::measure::*;
use carryout::fusion::*;
#[test]
fn debug() {
    let mut dice = Dice(77);
    for case in 0..40 {
        let d1 = if dice.within(0., 1.) < 0.25 { 1. } else { -1. }
            * (130.0 * libm::exp(0.9 * dice.normal())).clamp(25.0, 1500.0);
        let d2 = if dice.within(0., 1.) < 0.25 { 1. } else { -1. }
            * (130.0 * libm::exp(0.9 * dice.normal())).clamp(25.0, 1500.0);
        let (d1, d2) = (if d1 == 1. { 100. } else { d1 }, if d2 == 1. { 100. } else { d2 });
        let (a1, a2) =
            (if dice.within(0.0, 1.0) < 0.6 { 2 } else { 1 }, if dice.within(0.0, 1.0) < 0.6 { 2 } else { 1 });
        let deeds = vec![Deed::hand(&mut dice, 5.0, d1, 4, a1), Deed::hand(&mut dice, 6.2, d2, 6, a2)];
        let mut cells = Cells::new(12, case).with(deeds);
        let mut scale = Scale::new(DetectorKind::Steps, 12, StepOptions::default());
        let said = run(&mut cells, &mut scale, 20.0);
        let s: Vec<String> = said
            .iter()
            .map(|(t, e)| {
                let t = (t.0 - START.0) as f64 * 1e-6;
                match e {
                    StepEvent::Settled(s) => {
                        format!("S{}@{t:.1} {:.0} [{:.2}]", s.id, s.delta_g, (s.begin.0 - START.0) as f64 * 1e-6)
                    }
                    StepEvent::Draft(s) => format!("D{}@{t:.1} {:.0}", s.id, s.delta_g),
                    StepEvent::Withdrawn { id } => format!("W{id}@{t:.1}"),
                    StepEvent::Calm => format!("c@{t:.1}"),
                }
            })
            .collect();
        println!("{case} {d1:.0}/{a1} {d2:.0}/{a2}: {}", s.join(" | "));
    }
}
