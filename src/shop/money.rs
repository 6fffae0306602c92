//! Amounts as the shop writes them: `250` minor units or `2.50`, never through a float.

use crate::base::Cents;

/// Digits after the dot (ISO 4217, amendment 176); every other currency has two.
pub fn minor_digits(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// An amount, or what to write instead. A sign is understood, so that the caller can refuse it by name.
pub fn parse_amount(text: &str, currency: &str) -> Result<Cents, String> {
    let digits = minor_digits(currency);
    let example = match digits {
        0 => "write 250".to_string(),
        _ => format!("write 250 for minor units, or 2.{:0<digits$}", 5),
    };
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if unsigned.contains(',') {
        return Err(format!("{example}: a dot, not a comma"));
    }
    let (whole, part) = match unsigned.split_once('.') {
        Some((_, part)) if part.len() != digits || digits == 0 => {
            return Err(match digits {
                0 => format!("{currency} has no digits after the dot"),
                _ => format!("{currency} has {digits} digits after the dot"),
            });
        }
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(example);
    }
    let amount: i64 = format!("{whole}{part}").parse().map_err(|_| "it is more than any shop sells".to_string())?;
    // A billion minor units: ten million euros for one item is a slip of the keyboard.
    if amount > 1_000_000_000 {
        return Err("it is more than any shop sells".into());
    }
    Ok(Cents(if negative { -amount } else { amount }))
}

/// The amount with its dot, as [`parse_amount`] reads it.
pub fn format_amount(amount: Cents, currency: &str) -> String {
    let digits = minor_digits(currency);
    let sign = if amount < Cents::ZERO { "-" } else { "" };
    let minor = amount.0.unsigned_abs();
    match 10u64.pow(digits as u32) {
        1 => format!("{sign}{minor}"),
        unit => format!("{sign}{}.{:0>digits$}", minor / unit, minor % unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        for (text, currency, read) in [
            ("250", "EUR", Ok(250)),
            ("2.50", "EUR", Ok(250)),
            ("0.05", "EUR", Ok(5)),
            ("-1.00", "EUR", Ok(-100)),
            ("0.29", "EUR", Ok(29)), // 0.29 * 100 is 28.999… in floats
            ("1.250", "KWD", Ok(1250)),
            ("250", "JPY", Ok(250)),
            ("2.5", "EUR", Err("EUR has 2 digits after the dot")),
            ("2.50", "JPY", Err("JPY has no digits after the dot")),
            ("2,50", "EUR", Err("write 250 for minor units, or 2.50: a dot, not a comma")),
            ("two", "EUR", Err("write 250 for minor units, or 2.50")),
            (".50", "EUR", Err("write 250 for minor units, or 2.50")),
            ("NaN", "EUR", Err("write 250 for minor units, or 2.50")),
            ("99999999999999999999", "EUR", Err("it is more than any shop sells")),
        ] {
            assert_eq!(parse_amount(text, currency), read.map(Cents).map_err(String::from), "{text} {currency}");
        }
        for (amount, currency, text) in
            [(250, "EUR", "2.50"), (5, "EUR", "0.05"), (7, "JPY", "7"), (-3, "KWD", "-0.003")]
        {
            assert_eq!(format_amount(Cents(amount), currency), text);
            assert_eq!(parse_amount(text, currency), Ok(Cents(amount)));
        }
    }
}
