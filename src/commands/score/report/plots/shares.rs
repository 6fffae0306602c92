//! Drawings of shares: by family, by crowding, certainty against what came true, review against exactness.

use super::*;
use crate::commands::score::certainty::WANTED;
use crate::commands::score::report::words::{counted, printable};
use crate::commands::score::{Bin, Crowd, Estimate, Family, ReviewPoint};

/// A family's name is cut after so many letters; the table below the drawing has it whole.
const NAME_LETTERS: usize = 24;

/// A dot a family for F1, a square for exactness, each with its interval; in the order given, from the top.
pub fn families(families: &[&Family]) -> String {
    let lowest = families.iter().flat_map(|f| [f.f1.value, f.f1.low, f.exact.value, f.exact.low]);
    let (from, rows) = (floor_of(lowest), families.len() as f64);
    let height = 90 + 40 * families.len() as u32;
    drawing("F1 and share of exact carts of every family, with 95 % intervals", height, |area| {
        let axes = Axes {
            x: from..1.0,
            y: rows..0.0,
            x_told: "",
            y_told: "",
            x_label: Some(&percent),
            y_label: None,
            left: 190,
            below: 30,
        };
        let chart = axes.draw(area)?;
        for (k, family) in families.iter().enumerate() {
            let middle = k as f64 + 0.5;
            words(&chart, (from, middle), (-12, -8), HPos::Right, &INK, &shortened(&family.family))?;
            let counts = format!("{}, {}", counted(family.cases, "case"), counted(family.carts, "cart"));
            words(&chart, (from, middle), (-12, 8), HPos::Right, &QUIET, &counts)?;
            let (above, below) = (middle - 0.18, middle + 0.18);
            lying(&chart, family.f1, above, GREEN)?;
            dot(&chart, (family.f1.value, above), 5, GREEN)?;
            lying(&chart, family.exact, below, BLUE)?;
            square(&chart, (family.exact.value, below), BLUE)?;
        }
        Ok(())
    })
}

/// Whiskers from left to right.
fn lying(chart: &Chart<'_, '_>, of: Estimate, y: f64, colour: RGBColor) -> Drawn {
    if of.low.is_nan() { Ok(()) } else { line(chart, vec![(of.low, y), (of.high, y)], colour, 2) }
}

/// A dot a crowd, from few to many.
pub fn crowding(crowds: &[Crowd]) -> String {
    let from = floor_of(crowds.iter().flat_map(|crowd| [crowd.exact.value, crowd.exact.low]));
    drawing("share of exact carts by how many visits were inside at once, with 95 % intervals", 340, |area| {
        let axes = Axes {
            x: 0.0..crowds.len().max(1) as f64,
            y: from..1.0,
            x_told: "",
            y_told: "exact carts",
            x_label: None,
            y_label: Some(&percent),
            left: 70,
            below: 50,
        };
        let chart = axes.draw(area)?;
        for (k, crowd) in crowds.iter().enumerate() {
            let middle = k as f64 + 0.5;
            let inside = if crowd.inside == "1" { "alone".to_owned() } else { format!("{} inside", crowd.inside) };
            words(&chart, (middle, from), (0, 14), HPos::Center, &INK, &inside)?;
            words(&chart, (middle, from), (0, 32), HPos::Center, &QUIET, &counted(crowd.carts, "cart"))?;
            if !crowd.exact.low.is_nan() {
                line(&chart, vec![(middle, crowd.exact.low), (middle, crowd.exact.high)], BLUE, 2)?;
            }
            square(&chart, (middle, crowd.exact.value), BLUE)?;
            words(&chart, (middle, crowd.exact.value), (12, 0), HPos::Left, &INK, &percent(&crowd.exact.value))?;
        }
        Ok(())
    })
}

/// A dot a bin, larger with more carts; on the dashed line where certainty is what it says.
pub fn calibration(bins: &[Bin]) -> String {
    let most = bins.iter().map(|bin| bin.carts).max().unwrap_or(0).max(1) as f64;
    drawing("how sure the system was of carts against how many of them were right", 460, |area| {
        let axes = Axes {
            x: 0.0..1.0,
            y: 0.0..1.0,
            x_told: "how sure the system was",
            y_told: "how often it was right",
            x_label: Some(&percent),
            y_label: Some(&percent),
            left: 70,
            below: 50,
        };
        let chart = axes.draw(area)?;
        dashes(&chart, (0.0, 0.0), (1.0, 1.0), QUIET)?;
        for bin in bins.iter().filter(|bin| bin.carts > 0) {
            // The area says how many there are.
            let radius = 4 + (12.0 * (bin.carts as f64 / most).sqrt()) as i32;
            let at = (bin.certainty, bin.exact);
            dot(&chart, at, radius, GREEN)?;
            // Beside the dot, on the side where the axis leaves room.
            let (side, dx) = if bin.certainty > 0.8 { (HPos::Right, -6 - radius) } else { (HPos::Left, 6 + radius) };
            words(&chart, at, (dx, 0), side, &INK, &bin.carts.to_string())?;
        }
        Ok(())
    })
}

/// Review against exactness of the rest; `really` is what the system's own decisions come to.
pub fn review(curve: &[ReviewPoint], needed: Option<ReviewPoint>, really: Option<(f64, f64)>) -> String {
    let shares = curve.iter().map(|point| point.unreviewed_exact).chain(really.map(|(_, exact)| exact));
    let from = floor_of(shares);
    drawing("share of carts a human looks at against the exactness of the others", 380, |area| {
        let axes = Axes {
            x: 0.0..1.0,
            y: from..1.0,
            x_told: "carts that a human looks at",
            y_told: "exact among the others",
            x_label: Some(&percent),
            y_label: Some(&percent),
            left: 70,
            below: 50,
        };
        let chart = axes.draw(area)?;
        dashes(&chart, (0.0, WANTED), (1.0, WANTED), RED)?;
        words(&chart, (1.0, WANTED), (-6, 10), HPos::Right, &RED, &percent(&WANTED))?;
        line(&chart, curve.iter().map(|point| (point.review_rate, point.unreviewed_exact)).collect(), GREEN, 2)?;
        if let Some(needed) = needed {
            dashes(&chart, (needed.review_rate, from), (needed.review_rate, needed.unreviewed_exact), GREEN)?;
        }
        if let Some(at) = really {
            square(&chart, at, BLUE)?;
            let (side, dx) = if at.0 > 0.7 { (HPos::Right, -10) } else { (HPos::Left, 10) };
            words(&chart, at, (dx, 12), side, &BLUE, "where the system is")?;
        }
        Ok(())
    })
}

fn shortened(name: &str) -> String {
    let letters = name.chars().map(printable);
    let shown: String = letters.clone().take(NAME_LETTERS).collect();
    if letters.count() > NAME_LETTERS { shown + "…" } else { shown }
}
