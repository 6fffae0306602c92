//! Figures and names as the page writes them.

use crate::commands::score::Estimate;

/// A text inside markup. What no page may hold (control characters) becomes a replacement character.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            c => safe.push(printable(c)),
        }
    }
    safe
}

/// The character, if XML may hold it.
pub fn printable(c: char) -> char {
    if c.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&c) { '\u{fffd}' } else { c }
}

/// A figure of the score under its name in `--json`, with its full value for programs.
pub fn data(name: &str, value: f64, told: fn(f64) -> String) -> String {
    format!("<data class=\"{name}\" value=\"{value}\">{}</data>", told(value))
}

pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Money is watched more closely.
pub fn percent_fine(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

pub fn points(share: f64) -> String {
    format!("{:.1} points", 100.0 * share)
}

pub fn seconds(s: f64) -> String {
    format!("{s:.1} s")
}

/// ` (95 % interval 90.1 to 94.2 %)`, or nothing where there is none.
pub fn between(estimate: &Estimate, name: &str) -> String {
    if estimate.low.is_nan() {
        return String::new();
    }
    let bare = |share: f64| format!("{:.1}", 100.0 * share);
    let low = data(&format!("{name}.low"), estimate.low, bare);
    format!(" (95 % interval {low} to {})", data(&format!("{name}.high"), estimate.high, percent))
}

/// `95.1 % (90.1 to 97.0)`.
pub fn intervals(estimate: &Estimate) -> String {
    let value = percent(estimate.value);
    if estimate.low.is_nan() {
        return value;
    }
    format!("{value} ({:.1} to {:.1})", 100.0 * estimate.low, 100.0 * estimate.high)
}

/// `1 cart`, `2 carts`.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        for (text, safe) in [
            ("Fish & \"chips\" <large>", "Fish &amp; &quot;chips&quot; &lt;large&gt;"),
            ("bell\u{7}\u{ffff}", "bell\u{fffd}\u{fffd}"),
            ("äöü 漢字", "äöü 漢字"),
        ] {
            assert_eq!(escaped(text), safe);
        }
    }

    #[test]
    fn an_interval_is_told_where_there_is_one() {
        let some = Estimate { value: 0.951, low: 0.9, high: 0.97 };
        assert_eq!(intervals(&some), "95.1 % (90.0 to 97.0)");
        assert_eq!(intervals(&Estimate { low: f64::NAN, ..some }), "95.1 %");
        assert_eq!(between(&Estimate { low: f64::NAN, ..some }, "f1"), "");
        assert!(
            between(&some, "f1").starts_with(" (95 % interval <data class=\"f1.low\" value=\"0.9\">90.0</data> to ")
        );
    }
}
