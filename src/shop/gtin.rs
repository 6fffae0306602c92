//! Trade item numbers: GTIN-8, -12 (UPC), -13 (EAN) and -14, whose last digit checks the others (GS1 General
//! Specifications, section 7.9: weights 3 and 1 from the right, sum up to the next ten).

/// Lengths that a number of digits alone must be a GTIN at.
const LENGTHS: [usize; 4] = [8, 12, 13, 14];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A GTIN whose check digit is right.
    Gtin,
    /// As long as a GTIN, but the check digit is wrong; `right` is the number with the digit that fits.
    WrongCheckDigit { right: String },
    /// Not a GTIN: the shop's own code.
    Local,
}

/// What kind of product code this is, by its form alone.
pub fn code(text: &str) -> Code {
    if !LENGTHS.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Code::Local;
    }
    let (body, last) = text.split_at(text.len() - 1);
    let right = check_digit(body);
    if last == right.to_string() { Code::Gtin } else { Code::WrongCheckDigit { right: format!("{body}{right}") } }
}

/// The digit that belongs behind `body` (digits only).
fn check_digit(body: &str) -> u32 {
    let sum: u32 =
        body.bytes().rev().enumerate().map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 3 } else { 1 }).sum();
    (10 - sum % 10) % 10
}

/// The GTIN that a spreadsheet may have eaten the leading zeros of: ten or eleven digits that check once padded to 12.
pub fn lost_zeros(text: &str) -> Option<String> {
    let padded = format!("{text:0>12}");
    ((10..=11).contains(&text.len()) && code(&padded) == Code::Gtin).then_some(padded)
}

/// One number for one trade item: GTIN-12 `041…` and GTIN-13 `0041…` are the same thing. `None` for local codes.
pub fn as_gtin_14(text: &str) -> Option<String> {
    (code(text) == Code::Gtin).then(|| format!("{text:0>14}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        let wrong = |right: &str| Code::WrongCheckDigit { right: right.into() };
        for (text, is) in [
            ("4006381333931", Code::Gtin),  // EAN-13
            ("041508922487", Code::Gtin),   // UPC
            ("90162909", Code::Gtin),       // GTIN-8
            ("10614141543219", Code::Gtin), // GTIN-14
            ("4006381333932", wrong("4006381333931")),
            ("041508922480", wrong("041508922487")),
            ("X00032", Code::Local),
            ("496580", Code::Local),
            ("40063813339３1", Code::Local), // a wide digit is not a digit
            ("", Code::Local),
        ] {
            assert_eq!(code(text), is, "{text}");
        }
    }

    #[test]
    fn zeros_a_spreadsheet_ate() {
        assert_eq!(lost_zeros("41508922487").as_deref(), Some("041508922487"));
        assert_eq!(lost_zeros("41508922486"), None);
        assert_eq!(lost_zeros("496580"), None);
        assert_eq!(as_gtin_14("041508922487"), as_gtin_14("0041508922487"));
        assert_eq!(as_gtin_14("X1"), None);
    }
}
