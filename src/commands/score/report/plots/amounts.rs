//! Drawings of amounts: money by which carts are wrong, and seconds until the receipt is there.

use super::*;
use crate::base::Cents;
use crate::commands::score::{Latency, Wrong, latency::BAR_S};
use crate::shop::money::format_amount;

/// Bars to the right for charged and not taken, to the left for taken and not charged. What a human puts right is hollow.
pub fn money(wrong: &Wrong, currency: &str) -> String {
    let step = wrong.step as f64;
    let all = |bars: &[crate::commands::score::Bar]| bars.iter().map(|bar| bar.reviewed + bar.unreviewed).max();
    let highest = all(&wrong.over).max(all(&wrong.under)).unwrap_or(0).max(1) as f64;
    let label = |value: &f64| format_amount(Cents(value.round() as i64), currency);
    let count = |value: &f64| if value.fract() == 0.0 { format!("{value:.0}") } else { String::new() };
    drawing("carts by how much too little or too much they charge", 340, |area| {
        let axes = Axes {
            x: -step * wrong.under.len().max(1) as f64..step * wrong.over.len().max(1) as f64,
            y: 0.0..1.1 * highest,
            x_told: currency,
            y_told: "carts",
            x_label: Some(&label),
            y_label: Some(&count),
            left: 70,
            below: 50,
        };
        let chart = axes.draw(area)?;
        for (bars, side, colour) in [(&wrong.over, 1.0, RED), (&wrong.under, -1.0, BLUE)] {
            for (k, bar) in bars.iter().enumerate() {
                let (near, far) = (side * step * (k as f64 + 0.08), side * step * (k as f64 + 0.92));
                let (unseen, all) = (bar.unreviewed as f64, (bar.unreviewed + bar.reviewed) as f64);
                if bar.unreviewed > 0 {
                    chart.plotting_area().draw(&Rectangle::new([(near, 0.0), (far, unseen)], colour.filled()))?;
                }
                if bar.reviewed > 0 {
                    let hollow = Rectangle::new([(near, unseen), (far, all)], colour.stroke_width(2));
                    chart.plotting_area().draw(&hollow)?;
                }
            }
        }
        let top = (0.0, 1.1 * highest);
        words(&chart, top, (-12, -12), HPos::Right, &BLUE, "charged too little")?;
        words(&chart, top, (12, -12), HPos::Left, &RED, "charged too much")?;
        line(&chart, vec![(0.0, 0.0), top], INK, 1)
    })
}

/// Which share of receipts is there after so many seconds. `until_s` is where the drawing ends.
pub fn waits(waits_s: &[f64], latency: &Latency, until_s: f64) -> String {
    let seconds = |value: &f64| format!("{value} s");
    drawing("share of receipts that are there after so many seconds", 360, |area| {
        let axes = Axes {
            x: 0.0..until_s,
            y: 0.0..1.0,
            x_told: "after leaving",
            y_told: "receipts that are there",
            x_label: Some(&seconds),
            y_label: Some(&percent),
            left: 70,
            below: 50,
        };
        let chart = axes.draw(area)?;
        let share = |n: usize| n as f64 / waits_s.len().max(1) as f64;
        let mut steps = vec![(0.0, 0.0)];
        for (n, wait_s) in waits_s.iter().enumerate().take_while(|(_, wait_s)| **wait_s <= until_s) {
            steps.extend([(*wait_s, share(n)), (*wait_s, share(n + 1))]);
        }
        let reached = steps.last().map_or(0.0, |(_, share)| *share);
        steps.push((until_s, reached));
        dashes(&chart, (BAR_S, 0.0), (BAR_S, 1.0), RED)?;
        words(&chart, (BAR_S, 0.0), (6, -10), HPos::Left, &RED, &format!("bar for p95: {BAR_S} s"))?;
        line(&chart, steps, GREEN, 2)?;
        for (name, value_s, share) in
            [("p50", latency.p50_s, 0.5), ("p95", latency.p95_s, 0.95), ("p99", latency.p99_s, 0.99)]
        {
            if value_s <= until_s {
                dot(&chart, (value_s, share), 4, GREEN)?;
                // p95 and p99 are near each other: one is written below its dot, the other above.
                let (dy, side, dx) = if name == "p99" { (-12, HPos::Right, -2) } else { (10, HPos::Left, 8) };
                words(&chart, (value_s, share), (dx, dy), side, &INK, &format!("{name} {value_s:.1} s"))?;
            }
        }
        Ok(())
    })
}
