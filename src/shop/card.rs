//! Recognises what may be a payment card's number, so that it is refused at the door and quoted nowhere.
//!
//! A candidate has 13 to 19 digits, begins with 2 to 6 (the ranges of the card schemes) and satisfies the Luhn check.
//! People write it in groups, so single spaces and dashes between digits are looked through.

/// Digits of a card number, least and most (ISO/IEC 7812).
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether any part of `text` looks like a card number.
pub fn holds_card_number(text: &str) -> bool {
    // Too short a text is most texts.
    if text.len() < *DIGITS.start() {
        return false;
    }
    let mut groups: Vec<Vec<u8>> = Vec::new();
    let mut since_digit = 0;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            match groups.last_mut() {
                Some(group) if since_digit == 0 => group.push(digit as u8),
                _ => groups.push(vec![digit as u8]),
            }
            since_digit = 0;
        } else if matches!(c, ' ' | '-') && since_digit == 0 {
            since_digit = 1;
        } else if !groups.is_empty() {
            if any_run_is_card(&groups) {
                return true;
            }
            groups.clear();
            since_digit = 0;
        }
    }
    any_run_is_card(&groups)
}

/// Whether some neighbouring groups together make a number: `table 7 4111 1111 1111 1111` hides one behind the 7.
fn any_run_is_card(groups: &[Vec<u8>]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups[first..].iter().any(|group| {
            digits.extend_from_slice(group);
            digits.len() <= *DIGITS.end() && is_card_number(&digits)
        })
    })
}

fn is_card_number(digits: &[u8]) -> bool {
    DIGITS.contains(&digits.len()) && (2..=6).contains(&digits[0]) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &digit)| {
            let digit = u32::from(digit);
            if i % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen_however_they_are_written() {
        for (text, is_card) in [
            ("4111111111111111", true),
            ("cola 4111 1111 1111 1111 cold", true),
            ("5500-0000-0000-0004", true),
            ("ref340000000000009x", true),         // 15 digits
            ("table 7 4111 1111 1111 1111", true), // hidden behind another number
            ("4111 1111 1111 1111 12/29", true),   // with its expiry
            ("4111111111111112", false),           // Luhn says no
            ("1111111111111117", false),           // begins with 1
            ("4111  1111  1111  1111", false),     // two spaces: columns of a table
            ("41111111111", false),                // too short
            ("00000000000000000000000000", false),
            ("2025-11-21 to 2026-01-31", false),
            ("", false),
        ] {
            assert_eq!(holds_card_number(text), is_card, "{text}");
        }
    }
}
