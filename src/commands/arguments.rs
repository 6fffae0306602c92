//! Arguments that several verbs read alike.

use std::time::Duration;

/// `60s`, `2m`, `1h` or plain seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("\"{text}\" is not a time; write 60s, 2m or 1h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("\"{text}\" is not a time; write 60s, 2m or 1h"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("\"{text}\" is not a time to wait"))
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in
            [("60s", Some(60)), ("2m", Some(120)), ("90", Some(90)), ("1h", Some(3600)), ("x", None), ("-3s", None)]
        {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
