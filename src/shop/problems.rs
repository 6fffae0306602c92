//! What is wrong with a file the shop wrote by hand, said so that it can be mended without us.
//!
//! A reader collects every problem before it gives up: nobody should mend nine lines in nine rounds. A problem names
//! the file, the line, the deed or the thing, and what would be right. It never quotes anything that looks like a card
//! number ([`shown`]), because problems end up in logs and on pages.

use crate::base::card::looks_like_card_number;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The shop cannot open with this.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// `planogram.csv line 14: unknown product 0731…; did you mean 0732…?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File name without its directory.
    pub file: String,
    /// Counted from 1; `None` when the problem is the whole file's or something missing from it.
    pub line: Option<usize>,
    pub severity: Severity,
    pub what: String,
    /// What to do, as the end of the sentence.
    pub suggestion: Option<String>,
}

impl Problem {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Ends the sentence with what to do.
    pub fn try_this(&mut self, suggestion: impl Into<String>) {
        self.suggestion = Some(suggestion.into());
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {}", self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// The problems of one file, as they are found.
#[derive(Debug)]
pub struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    pub fn of(file: impl Into<String>) -> Problems {
        Problems { file: file.into(), found: Vec::new() }
    }

    pub fn error(&mut self, line: impl Into<Option<usize>>, what: impl Into<String>) -> &mut Problem {
        self.add(line.into(), Severity::Error, what.into())
    }

    pub fn warning(&mut self, line: impl Into<Option<usize>>, what: impl Into<String>) -> &mut Problem {
        self.add(line.into(), Severity::Warning, what.into())
    }

    fn add(&mut self, line: Option<usize>, severity: Severity, what: String) -> &mut Problem {
        let file = self.file.clone();
        self.found.push(Problem { file, line, severity, what, suggestion: None });
        self.found.last_mut().expect("just pushed")
    }

    pub fn has_errors(&self) -> bool {
        self.found.iter().any(Problem::is_error)
    }

    /// In the order of the file; what belongs to no line comes first. One sentence about one line is said once, however
    /// often the parser stumbled there.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found;
        found.sort_by_key(|problem| problem.line);
        found.dedup();
        found
    }
}

/// Characters of a foreign value that a problem quotes; a longer one is cut.
const SHOWN_CHARS: usize = 60;

/// A value as a problem may quote it: cut when long, printable, and never a card number.
pub fn shown(value: &str) -> String {
    shown_within(value, SHOWN_CHARS)
}

/// The same for a parser's own sentence, which may quote a value.
pub fn told_by_parser(message: &str) -> String {
    shown_within(message.lines().next().unwrap_or_default(), 4 * SHOWN_CHARS)
}

/// The same, cut at so many characters.
pub fn shown_within(value: &str, chars: usize) -> String {
    let clean = |c: char| if c.is_control() { '?' } else { c };
    let shown: String = if value.chars().count() <= chars {
        value.chars().map(clean).collect()
    } else {
        value.chars().take(chars - 1).map(clean).chain(['…']).collect()
    };
    // More digits than a card has may be cut down to as many as it has.
    if looks_like_card_number(value) || looks_like_card_number(&shown) {
        return "(hidden: it looks like a card number)".into();
    }
    shown
}

/// The known word nearest to what was written, if one is near enough to be worth naming: a quarter of its letters, or
/// two slips in a short word.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 4).max(2).min(written.chars().count().saturating_sub(1));
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .filter(|(slips, _)| *slips <= allowed)
        .min()
        .map(|(_, word)| word)
}

/// "did you mean x?" for the nearest known word.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|word| format!("did you mean {word}?"))
}

/// A list for a sentence: the first few, and how many more.
pub fn some(names: &[&str]) -> String {
    match names.len() {
        0..=5 => names.join(", "),
        n => format!("{} and {} more", names[..4].join(", "), n - 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_a_sentence() {
        let mut problems = Problems::of("planogram.csv");
        problems.error(14, "unknown product 0731").try_this("did you mean 0732?");
        problems.warning(None, "no plate holds anything");
        let told: Vec<String> = problems.into_sorted().iter().map(Problem::to_string).collect();
        assert_eq!(
            told,
            [
                "planogram.csv: no plate holds anything",
                "planogram.csv line 14: unknown product 0731; did you mean 0732?"
            ]
        );
    }

    #[test]
    fn a_value_is_shown_short_printable_and_never_as_a_card_number() {
        let hidden = "(hidden: it looks like a card number)";
        for (value, chars, shown) in [
            ("0731", 10, "0731"),
            ("two\nlines", 10, "two?lines"),
            ("a long word", 10, "a long wo…"),
            ("4111 1111 1111 1111", 20, hidden),
            ("4111 1111 1111 1111", 10, hidden),
            // 25 digits are no card number; the first 17 of these are.
            ("4444444444444444444444444", 18, hidden),
        ] {
            assert_eq!(shown_within(value, chars), shown, "{value} within {chars}");
        }
    }

    #[test]
    fn a_near_word_is_named_and_a_far_one_is_not() {
        for (written, near) in [
            ("outlien", Some("outline")),
            ("gate", Some("gates")),
            ("x", None),
            ("refrigerator", None),
            ("camreas", Some("cameras")),
        ] {
            assert_eq!(nearest(written, ["outline", "gates", "cameras"]), near, "{written}");
        }
    }

    #[test]
    fn a_long_or_odd_value_is_cut_and_cleaned() {
        assert_eq!(shown("a\tb\u{7}"), "a?b?");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), SHOWN_CHARS);
        assert!(!shown("pay 4111 1111 1111 1111").contains("4111"));
    }
}
