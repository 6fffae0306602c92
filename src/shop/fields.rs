//! Reads a TOML table key by key, noting every problem with its line instead of stopping at the first.
//!
//! A [`Fields`] is one table. Each reader asks it for keys by name; what was asked for is known, so [`Fields::finish`]
//! can name the keys nobody asked for. A reader gets `None` for a missing or wrong value and carries on: the problem is
//! noted, and a file with an error is never used.

use super::problems::{Problem, Problems, nearest, shown, told_by_parser};
use crate::base::card::looks_like_card_number;
use crate::base::{Point2, Point3};
use std::cell::{RefCell, RefMut};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// From byte offsets to lines, counted from 1.
pub struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    pub fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

/// One TOML file being read, and what is wrong with it so far.
pub struct Document<'t> {
    lines: Lines,
    root: Spanned<DeTable<'t>>,
    is_toml: bool,
    problems: RefCell<Problems>,
}

impl<'t> Document<'t> {
    pub fn parse(file: &str, text: &'t str) -> Document<'t> {
        let lines = Lines::of(text);
        let mut problems = Problems::of(file);
        let (root, errors) = DeTable::parse_recoverable(text);
        let is_toml = errors.is_empty();
        for error in errors {
            let line = error.span().map(|span| lines.at(span.start));
            problems.error(line, format!("not TOML: {}", told_by_parser(error.message())));
        }
        refuse_cards(text, root.get_ref(), &lines, &mut problems);
        Document { lines, root, is_toml, problems: RefCell::new(problems) }
    }

    /// Without a syntax error.
    pub fn is_toml(&self) -> bool {
        self.is_toml
    }

    pub fn fields(&self) -> Fields<'_> {
        self.table("the file", self.root.get_ref(), None)
    }

    /// Where checks note what they find once the tables are read.
    pub fn problems(&self) -> RefMut<'_, Problems> {
        self.problems.borrow_mut()
    }

    pub fn into_problems(self) -> Problems {
        self.problems.into_inner()
    }

    fn table<'d>(&'d self, place: &str, table: &'d DeTable<'d>, line: Option<usize>) -> Fields<'d> {
        Fields { document: self, place: place.into(), table, line, asked: RefCell::default() }
    }

    fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        self.lines.at(spanned.span().start)
    }
}

/// Card numbers anywhere in a file of ours.
pub fn refuse_cards(text: &str, root: &DeTable<'_>, lines: &Lines, problems: &mut Problems) {
    refuse_cards_in_comments(text, problems);
    refuse_cards_in(root, lines, problems);
}

/// Comments are free text too. A `#` within a string only means that the string is looked at twice.
pub(super) fn refuse_cards_in_comments(text: &str, problems: &mut Problems) {
    for (i, line) in text.lines().enumerate() {
        if line.split_once('#').is_some_and(|(_, comment)| looks_like_card_number(comment)) {
            refuse_card(problems, i + 1, "a comment");
        }
    }
}

pub(super) fn refuse_card(problems: &mut Problems, line: usize, place: &str) {
    problems.error(line, format!("{place} holds what looks like a card number")).try_this("take it out");
}

fn refuse_cards_in(table: &DeTable<'_>, lines: &Lines, problems: &mut Problems) {
    fn look(value: &Spanned<DeValue<'_>>, name: &str, lines: &Lines, problems: &mut Problems) {
        match value.get_ref() {
            DeValue::String(text) if looks_like_card_number(text) => {
                refuse_card(problems, lines.at(value.span().start), &format!("`{name}`"));
            }
            DeValue::Array(items) => items.iter().for_each(|item| look(item, name, lines, problems)),
            DeValue::Table(inner) => refuse_cards_in(inner, lines, problems),
            _ => {}
        }
    }
    for (key, value) in table.iter() {
        if looks_like_card_number(key.get_ref()) {
            refuse_card(problems, lines.at(key.span().start), "a key");
        }
        look(value, &shown(key.get_ref()), lines, problems);
    }
}

/// One table of the file.
pub struct Fields<'d> {
    document: &'d Document<'d>,
    /// How a problem names this table: `[floor]`, `shelf 1-2`.
    place: String,
    table: &'d DeTable<'d>,
    /// `None` for the whole file.
    line: Option<usize>,
    asked: RefCell<Vec<&'static str>>,
}

type Value<'d> = &'d Spanned<DeValue<'d>>;

impl<'d> Fields<'d> {
    /// Renames the table in problems to come, once its id is known.
    pub fn named(mut self, place: impl Into<String>) -> Fields<'d> {
        self.place = place.into();
        self
    }

    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The line of a key, or else of the table.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(k, _)| self.document.line_of(k)).or(self.line)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(k, _)| k.get_ref() == key)
    }

    /// Every key with its line, for tables whose keys are names (`[tax]`).
    pub fn entries(&self) -> impl Iterator<Item = (&'d str, usize, Value<'d>)> + '_ {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), self.document.line_of(key), value))
    }

    /// Notes a problem with a key of this table.
    pub fn error(&self, key: &str, what: impl Into<String>) -> RefMut<'_, Problem> {
        let line = self.line_of(key);
        RefMut::map(self.document.problems(), |problems| problems.error(line, what))
    }

    pub fn warning(&self, key: &str, what: impl Into<String>) -> RefMut<'_, Problem> {
        let line = self.line_of(key);
        RefMut::map(self.document.problems(), |problems| problems.warning(line, what))
    }

    /// Names the keys nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, line, _) in self.entries().filter(|(key, ..)| !asked.contains(key)) {
            let mut problems = self.document.problems();
            let problem = problems.error(line, format!("unknown key `{}` in {}", shown(key), self.place));
            match nearest(key, asked.iter().copied()) {
                Some(near) => problem.try_this(format!("did you mean `{near}`?")),
                None => problem.try_this(format!("known here: {}", asked.join(", "))),
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<Value<'d>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, value)| value)
    }

    /// The value of a key that must be there.
    fn needed(&self, key: &'static str) -> Option<Value<'d>> {
        let value = self.value(key);
        if value.is_none() {
            self.error(key, format!("{} has no `{key}`", self.place));
        }
        value
    }

    fn is_not(&self, key: &str, wanted: &str) {
        self.error(key, format!("`{key}` of {} is not {wanted}", self.place));
    }

    pub fn text(&self, key: &'static str) -> Option<String> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(text.to_string()),
            _ => {
                self.is_not(key, "a text in quotes");
                None
            }
        }
    }

    pub fn need_text(&self, key: &'static str) -> Option<String> {
        self.needed(key).and_then(|_| self.text(key))
    }

    pub fn truth(&self, key: &'static str) -> Option<bool> {
        match self.value(key)?.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.is_not(key, "true or false");
                None
            }
        }
    }

    /// A whole number within a range.
    pub fn whole(&self, key: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        match integer(self.value(key)?).filter(|n| range.contains(n)) {
            Some(n) => Some(n),
            None => {
                self.is_not(key, &format!("a whole number from {} to {}", range.start(), range.end()));
                None
            }
        }
    }

    pub fn need_whole(&self, key: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.needed(key).and_then(|_| self.whole(key, range))
    }

    /// A finite number; `2` is as good as `2.0`.
    pub fn number(&self, key: &'static str) -> Option<f64> {
        let number = number(self.value(key)?);
        if number.is_none() {
            self.is_not(key, "a finite number");
        }
        number
    }

    pub fn need_number(&self, key: &'static str) -> Option<f64> {
        self.needed(key).and_then(|_| self.number(key))
    }

    /// A list of `N` finite numbers.
    pub fn numbers<const N: usize>(&self, key: &'static str) -> Option<[f64; N]> {
        let found = list::<N>(self.value(key)?);
        if found.is_none() {
            self.is_not(key, &format!("a list of {N} finite numbers"));
        }
        found
    }

    pub fn need_numbers<const N: usize>(&self, key: &'static str) -> Option<[f64; N]> {
        self.needed(key).and_then(|_| self.numbers(key))
    }

    /// Width and depth, and a height where one is wanted; all above zero.
    pub fn need_size<const N: usize>(&self, key: &'static str) -> Option<[f64; N]> {
        let size = self.need_numbers::<N>(key)?;
        if size.iter().all(|side| *side > 0.0) {
            return Some(size);
        }
        self.is_not(key, "above zero on every side");
        None
    }

    pub fn point(&self, key: &'static str) -> Option<Point3> {
        self.numbers(key).map(Point3::from)
    }

    pub fn need_floor_point(&self, key: &'static str) -> Option<Point2> {
        self.need_numbers(key).map(Point2::from)
    }

    /// At least three floor points `[x, y]`; their order is checked elsewhere.
    pub fn need_polygon(&self, key: &'static str) -> Option<Vec<Point2>> {
        let points: Option<Vec<Point2>> = match self.needed(key)?.get_ref() {
            DeValue::Array(points) => points.iter().map(|point| list(point).map(Point2::from)).collect(),
            _ => None,
        };
        match points {
            None => self.is_not(key, "a list of points [x, y] with finite numbers"),
            Some(points) if points.len() < 3 => {
                let what = format!("`{key}` of {} has {} points", self.place, points.len());
                self.error(key, what).try_this("an area needs at least 3");
            }
            points => return points,
        }
        None
    }

    /// Rows of a 3x4 matrix.
    pub fn matrix(&self, key: &'static str) -> Option<[[f64; 4]; 3]> {
        let rows = match self.value(key)?.get_ref() {
            DeValue::Array(rows) => rows.iter().map(list::<4>).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let matrix = rows.and_then(|rows| <[[f64; 4]; 3]>::try_from(rows).ok());
        if matrix.is_none() {
            self.is_not(key, "3 rows of 4 finite numbers");
        }
        matrix
    }

    pub fn table(&self, key: &'static str, place: &str) -> Option<Fields<'d>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.document.table(place, table, self.line_of(key))),
            _ => {
                self.is_not(key, "a table");
                None
            }
        }
    }

    pub fn need_table(&self, key: &'static str, place: &str) -> Option<Fields<'d>> {
        self.needed(key).and_then(|_| self.table(key, place))
    }

    /// Whether a key holds one table, `key = { .. }`, rather than a list of them.
    pub fn is_table(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// The tables of `[[key]]`; none when the key is absent.
    pub fn tables(&self, key: &'static str, place: &str) -> Vec<Fields<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.is_not(key, &format!("a list of tables; write [[{key}]] before each"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let place = format!("{place} {}", i + 1);
            match item.get_ref() {
                DeValue::Table(table) => {
                    tables.push(self.document.table(&place, table, Some(self.document.line_of(item))));
                }
                _ => self.is_not(key, &format!("a list of tables: {place} is something else")),
            }
        }
        tables
    }
}

pub fn integer(value: Value<'_>) -> Option<i64> {
    match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    }
}

/// No metre, pixel or angle of a shop is larger; products of three such numbers are still finite.
const NUMBER_MAX: f64 = 1e9;

/// NaN and infinity are no numbers here.
fn number(value: Value<'_>) -> Option<f64> {
    match value.get_ref() {
        DeValue::Integer(_) => integer(value).map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok(),
        _ => None,
    }
    .filter(|n: &f64| n.abs() <= NUMBER_MAX)
}

fn list<const N: usize>(value: Value<'_>) -> Option<[f64; N]> {
    match value.get_ref() {
        DeValue::Array(items) => {
            items.iter().map(number).collect::<Option<Vec<_>>>().and_then(|numbers| numbers.try_into().ok())
        }
        _ => None,
    }
}
