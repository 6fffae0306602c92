//! Card numbers stay out: what looks like one is refused at the door, never logged, never stored.
//!
//! A reader that is set up wrongly sends the number printed on the card instead of a token. We look for 13 to 19
//! digits that begin with 2..6 (the payment networks' ranges) and pass the Luhn check (ISO/IEC 7812-1 annex B), alone
//! or grouped as printed on cards, anywhere in a text. One in twenty random 16-digit tokens looks like that too: a
//! token must not be a plain number.
//!
//! Three things look similar and are let through: times (`*_us` numbers), UUIDs, and 13 digits with a valid GTIN check
//! digit (a product's bar code; cards of 13 digits are no longer issued).

use serde_json::Value;
use uuid::Uuid;

/// Digits in a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Groups as printed on cards, separated by one space or dash each.
const GROUPINGS: [&[usize]; 6] =
    [&[4, 4, 4, 4], &[4, 4, 4, 4, 1], &[4, 4, 4, 4, 2], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4]];

/// Most groups a grouping has.
const GROUPS: usize = 5;

/// Whether a card number stands anywhere in `text`.
pub fn looks_like_card_number(text: &str) -> bool {
    holds_digits_of_a_card(text.as_bytes())
}

/// Whether a card number stands anywhere in `value`: in texts, keys and whole numbers.
pub fn holds_card_number(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(n), _, _) => looks_like_card_number(&n.to_string()),
            (_, Some(n), _) => looks_like_card_number(&n.unsigned_abs().to_string()),
            // 1e12 has 13 digits. A float of that size holds a whole number exactly up to 9e15.
            (_, _, Some(x)) if x.abs() >= 1e12 && x.fract() == 0.0 => {
                looks_like_card_number(&format!("{:.0}", x.abs()))
            }
            _ => false,
        },
        Value::String(text) => text_holds(text),
        Value::Array(values) => values.iter().any(holds_card_number),
        Value::Object(map) => map.iter().any(|(key, value)| {
            let a_time = key.ends_with("_us") && value.is_number();
            text_holds(key) || (!a_time && holds_card_number(value))
        }),
    }
}

fn text_holds(text: &str) -> bool {
    looks_like_card_number(text) && Uuid::try_parse(text).is_err()
}

/// The scan itself, over bytes: cheap enough for every weights message (one pass, no allocation), where it only says
/// that a closer look is due (fractions of grams and times may look like cards in raw JSON).
pub(crate) fn holds_digits_of_a_card(bytes: &[u8]) -> bool {
    // The last groups of a chain of digit groups with single separators, newest last.
    let mut chain = [(0usize, 0usize); GROUPS];
    let mut chained = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let follows = chained > 0 && {
            let (_, last_end) = chain[GROUPS - 1];
            last_end + 1 == start && matches!(bytes[last_end], b' ' | b'-')
        };
        chained = if follows { (chained + 1).min(GROUPS) } else { 1 };
        chain.rotate_left(1);
        chain[GROUPS - 1] = (start, at);

        if DIGITS.contains(&(at - start)) && !is_hex_token(bytes, start, at) && is_card(bytes[start..at].iter()) {
            return true;
        }
        for grouping in GROUPINGS {
            if grouping.len() <= chained {
                let groups = &chain[GROUPS - grouping.len()..];
                let sizes_fit = groups.iter().zip(grouping).all(|((start, end), size)| end - start == *size);
                if sizes_fit && is_card(groups.iter().flat_map(|(start, end)| &bytes[*start..*end])) {
                    return true;
                }
            }
        }
    }
    false
}

/// Whether the digits stand in a word of hexadecimal digits with at least three letters: a random token has that many,
/// a magnetic stripe's `B` before the number does not.
fn is_hex_token(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = bytes[..start].iter().rev().take_while(|b| b.is_ascii_alphanumeric());
    let after = bytes[end..].iter().take_while(|b| b.is_ascii_alphanumeric());
    let mut letters = 0;
    for b in before.chain(after) {
        if !b.is_ascii_hexdigit() {
            return false;
        }
        letters += usize::from(b.is_ascii_alphabetic());
    }
    letters >= 3
}

fn is_card<'a>(digits: impl DoubleEndedIterator<Item = &'a u8> + Clone) -> bool {
    let first = digits.clone().next().map_or(0, |b| b - b'0');
    (2..=6).contains(&first) && luhn(digits.clone()) && !is_gtin13(digits)
}

/// ISO/IEC 7812-1 annex B: every second digit from the right counts double, its digits summed.
fn luhn<'a>(digits: impl DoubleEndedIterator<Item = &'a u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(n, b)| {
            let digit = u32::from(b - b'0');
            match (n % 2, digit) {
                (0, d) => d,
                (_, d) if d >= 5 => 2 * d - 9,
                (_, d) => 2 * d,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// GS1 check digit: weights 1 and 3 in turn from the right.
fn is_gtin13<'a>(digits: impl DoubleEndedIterator<Item = &'a u8> + Clone) -> bool {
    let sum: u32 =
        digits.clone().rev().enumerate().map(|(n, b)| u32::from(b - b'0') * if n % 2 == 0 { 1 } else { 3 }).sum();
    digits.count() == 13 && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn card_numbers_are_seen_however_they_are_written() {
        for (text, card) in [
            ("4111111111111111", true),
            ("4111 1111 1111 1111", true),
            ("5500-0000-0000-0004", true),
            ("3782 822463 10005", true),   // 4-6-5
            ("3056-930902-5904", true),    // 4-6-4
            ("30569309025904", true),      // 14 digits
            ("6304000000000000000", true), // 19 digits
            ("6304 0000 0000 0000 000", true),
            ("4222222222222", true), // 13 digits and no bar code
            ("2223003122003222", true),
            ("tok_4111111111111111", true), // a token that is not one
            ("pan=4111111111111111;", true),
            (";4111111111111111=25121010000", true),   // magnetic stripe, track 2
            ("%B4111111111111111^DOE/ANN^2512", true), // track 1
            ("card 4111 1111 1111 1111 visa", true),
            ("on 2024 4111 1111 1111 1111", true),
            ("4111111111111112", false), // Luhn
            ("1111111111111117", false), // begins with 1: no network
            ("9111111111111111", false),
            ("411111111111", false),         // 12 digits
            ("41111111111111111111", false), // 20 digits
            ("4111  1111 1111 1111", false), // two spaces
            ("41111 111 1111 1111", false),
            ("tok_9f8e7d6c5b4a", false),
            ("a3f4111111111111111c0b", false), // inside a hexadecimal token
            ("4006381333931", false),          // a bar code (GTIN-13)
            ("2026-05-06 12:00:00", false),
            ("", false),
        ] {
            assert_eq!(looks_like_card_number(text), card, "{text}");
        }
    }

    #[test]
    fn card_numbers_are_seen_wherever_they_are_in_a_message() {
        for (message, card) in [
            (json!({"token": "tok_1", "pan": "4111111111111111"}), true),
            (json!({"deep": [{"er": ["4111-1111-1111-1111"]}]}), true),
            (json!({"n": 4111111111111111u64}), true),
            (json!({"n": -4111111111111111i64}), true),
            (json!({"n": 4111111111111111.0}), true),
            (json!({"4111111111111111": 1}), true),
            (json!({"t_us": "4111111111111111"}), true), // a time is a number
            (json!({"t_us": 4111111111111111i64}), false),
            (json!({"x": 0.4111111111111111}), false),
            (json!({"tap_id": "41111111-1111-4111-8111-111111111111"}), false),
            (json!({"seq": 17, "boot": "b7", "t_us": 1760000000000000i64}), false),
            (json!(null), false),
        ] {
            assert_eq!(holds_card_number(&message), card, "{message}");
        }
    }
}
