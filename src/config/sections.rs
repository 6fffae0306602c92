//! Reads a TOML file section by section into option structs, noting every wrong key with its line.
//!
//! serde stops at the first thing it does not like. So each key is tried by itself over the defaults, and the section is
//! made of those that fit: one round names them all.

use crate::shop::fields::{Lines, refuse_cards};
use crate::shop::problems::{Problem, Problems, did_you_mean, shown, told_by_parser};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

pub struct Sections {
    /// Sections by name; `[vision.cameras]` is one of its own.
    root: Table,
    /// Lines of `[section]` (under an empty key) and of its keys.
    lines: BTreeMap<(String, String), usize>,
    known: Vec<&'static str>,
    problems: Problems,
}

impl Sections {
    pub fn parse(file: &str, text: &str) -> Sections {
        let at = Lines::of(text);
        let (spanned, errors) = DeTable::parse_recoverable(text);
        let mut problems = Problems::of(file);
        for error in &errors {
            problems.error(
                error.span().map(|span| at.at(span.start)),
                format!("not TOML: {}", told_by_parser(error.message())),
            );
        }
        refuse_cards(text, spanned.get_ref(), &at, &mut problems);
        let mut lines = BTreeMap::new();
        note_lines("", spanned.get_ref(), &at, &mut lines);
        let written: Table = if errors.is_empty() { toml::from_str(text).unwrap_or_default() } else { Table::new() };
        let mut root = Table::new();
        for (name, value) in written {
            match value {
                Value::Table(table) => flatten(name, table, &mut root),
                other => _ = root.insert(name, other),
            }
        }
        Sections { root, lines, known: Vec::new(), problems }
    }

    /// The section's options: what is written and fits, defaults for the rest.
    pub fn read<T: DeserializeOwned + Default>(&mut self, section: &'static str) -> T {
        self.known.push(section);
        let written = match self.root.get(section) {
            None => return T::default(),
            Some(Value::Table(table)) => table.clone(),
            Some(_) => {
                self.error(section, "", format!("`{section}` is not a section")).try_this(format!("write [{section}]"));
                return T::default();
            }
        };
        let known = keys_of::<T>();
        let mut fits = Table::new();
        for (key, value) in written {
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            match alone.try_into::<T>() {
                Ok(_) => _ = fits.insert(key, value),
                Err(_) if !known.is_empty() && !known.contains(&key.as_str()) => {
                    let near = did_you_mean(&key, known.iter().copied());
                    let known = || format!("known here: {}", known.join(", "));
                    self.error(section, &key, format!("unknown key `{}` in [{section}]", shown(&key)))
                        .try_this(near.unwrap_or_else(known));
                }
                Err(error) => {
                    let why = told_by_parser(error.message());
                    let problem = self.error(section, &key, format!("`{key}` of [{section}]: {why}"));
                    if let Some(near) = nearest_expected(&why) {
                        problem.try_this(near);
                    }
                }
            }
        }
        fits.try_into().unwrap_or_default()
    }

    pub fn error(&mut self, section: &str, key: &str, what: impl Into<String>) -> &mut Problem {
        let line = self.lines.get(&(section.to_string(), key.to_string()));
        let line = line.or_else(|| self.lines.get(&(section.to_string(), String::new())));
        let line = line.or_else(|| self.lines.get(&(String::new(), section.to_string())));
        self.problems.error(line.copied(), what)
    }

    /// Names the sections nobody read.
    pub fn finish(mut self) -> Problems {
        let unknown: Vec<String> =
            self.root.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for name in unknown {
            let near = did_you_mean(&name, self.known.iter().copied());
            let known = format!("known: {}", self.known.join(", "));
            self.error(&name, "", format!("unknown section [{}]", shown(&name))).try_this(near.unwrap_or(known));
        }
        self.problems
    }
}

/// Makes a table within a section a section of its own, `[vision.cameras]`.
fn flatten(name: String, table: Table, root: &mut Table) {
    let mut own = Table::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => flatten(format!("{name}.{key}"), inner, root),
            other => _ = own.insert(key, other),
        }
    }
    root.insert(name, Value::Table(own));
}

fn note_lines(section: &str, table: &DeTable<'_>, at: &Lines, lines: &mut BTreeMap<(String, String), usize>) {
    for (key, value) in table.iter() {
        let (name, line) = (key.get_ref().to_string(), at.at(key.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            lines.insert((path.clone(), String::new()), line);
            note_lines(&path, inner, at, lines);
        }
        lines.insert((section.to_string(), name), line);
    }
}

/// serde's "unknown variant `x`, expected `a` or `b`" names what it knows: the nearest of it.
fn nearest_expected(why: &str) -> Option<String> {
    let (found, expected) = why.strip_prefix("unknown ")?.split_once(", expected")?;
    let found = found.split('`').nth(1)?;
    did_you_mean(found, expected.split('`').skip(1).step_by(2))
}

/// The keys a struct is read from, by its serde name; empty for what takes any key.
pub fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    let _ = T::deserialize(Probe(&mut keys));
    keys
}

/// A deserialiser that holds nothing and only listens to what it is asked for.
struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = keys;
        Err(Self::Error::custom("only asking"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("only asking"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
