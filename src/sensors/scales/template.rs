//! Topics with holes: `esphome/{shelf}/plate-{plate}/state`.
//!
//! Written by hand in the config, so everything a hand can get wrong is said there and then. `{shelf}` stands for a shelf's
//! id within one level, `{plate}` for a plate's number; what stands around them is literal. The broker is asked for whole
//! levels (`esphome/+/+/state`), and what it sends beside is told apart here.

use crate::base::{PlateNo, limits};
use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Shelf,
    Plate,
}

/// What stood in the holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found<'a> {
    pub shelf: Option<&'a str>,
    pub plate: Option<PlateNo>,
}

/// Longer topics are no device's.
const MOST_BYTES: usize = 256;

impl Template {
    pub fn parse(text: &str) -> Result<Template, String> {
        if text.is_empty() || text.len() > MOST_BYTES || text.chars().any(char::is_control) {
            return Err(format!("a topic is 1 to {MOST_BYTES} printable characters"));
        }
        if text.contains(['+', '#']) {
            return Err("`+` and `#` are the broker's: write {shelf} and {plate} where ids stand".into());
        }
        if text.starts_with('$') {
            return Err("topics that begin with `$` are the broker's own".into());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, hole) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some((name, after)) = hole.strip_prefix('{').and_then(|hole| hole.split_once('}')) else {
                return Err("its braces do not match".into());
            };
            let piece = match name {
                "shelf" => Piece::Shelf,
                "plate" => Piece::Plate,
                _ => return Err(format!("`{{{name}}}` is unknown: there are {{shelf}} and {{plate}}")),
            };
            if pieces.contains(&piece) {
                return Err(format!("{{{name}}} stands in it twice"));
            }
            if matches!(pieces.last(), Some(Piece::Shelf | Piece::Plate)) {
                return Err("{shelf} and {plate} need something between them".into());
            }
            pieces.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let template = Template { text: text.to_owned(), pieces };
        if template.may_be_ours() {
            return Err("topics under carryout/v1/ are this wire's own (docs/wire.md)".into());
        }
        Ok(template)
    }

    pub fn has_shelf(&self) -> bool {
        self.pieces.contains(&Piece::Shelf)
    }

    pub fn has_plate(&self) -> bool {
        self.pieces.contains(&Piece::Plate)
    }

    /// What the broker is asked for.
    pub fn filter(&self) -> String {
        let level = |level: &str| if level.contains('{') { "+".to_owned() } else { level.to_owned() };
        self.text.split('/').map(level).collect::<Vec<_>>().join("/")
    }

    /// What stands in the holes of a topic; `None`: it is another topic.
    pub fn find<'a>(&self, topic: &'a str) -> Option<Found<'a>> {
        find(&self.pieces, topic)
    }

    /// Whether it fits a topic under `carryout/v1/`.
    fn may_be_ours(&self) -> bool {
        let mut levels = self.text.split('/');
        let mut fits = |name: &str| {
            let level = levels.next().unwrap_or_default();
            match level.find('{') {
                None => level == name,
                // A plate's number is never all of these words; a shelf may be called anything.
                Some(at) => {
                    let end = level.rfind('}').map_or("", |end| &level[end + 1..]);
                    level != "{plate}" && name.starts_with(&level[..at]) && name.ends_with(end)
                }
            }
        };
        fits("carryout") && fits("v1") && levels.next().is_some()
    }
}

/// The longest shelf that fits is taken: in `{shelf}-{plate}` the last number is the plate.
fn find<'a>(pieces: &[Piece], topic: &'a str) -> Option<Found<'a>> {
    let Some((piece, rest)) = pieces.split_first() else { return topic.is_empty().then(Found::default) };
    match piece {
        Piece::Text(text) => find(rest, topic.strip_prefix(text.as_str())?),
        Piece::Shelf => {
            let level = &topic[..topic.find('/').unwrap_or(topic.len())];
            let ends = level.char_indices().map(|(at, c)| at + c.len_utf8()).filter(|end| *end <= limits::ID_CHARS);
            let ends: Vec<usize> = ends.collect();
            ends.into_iter().rev().find_map(|end| {
                let found = find(rest, &topic[end..])?;
                Some(Found { shelf: Some(&topic[..end]), ..found })
            })
        }
        Piece::Plate => {
            let digits = topic.bytes().take_while(u8::is_ascii_digit).count();
            let plate = topic[..digits].parse().ok().filter(|_| !topic.starts_with('0'))?;
            let found = find(rest, &topic[digits..])?;
            Some(Found { plate: Some(plate), ..found })
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Template, D::Error> {
        let text = String::deserialize(deserializer)?;
        Template::parse(&text).map_err(|why| D::Error::custom(format_args!("topic `{text}`: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_found_and_other_topics_left_alone() {
        for (template, filter, topic, wanted) in [
            ("esphome/{shelf}/plate-{plate}/state", "esphome/+/+/state", "esphome/1-2/plate-3/state", Some(("1-2", 3))),
            ("esphome/{shelf}/plate-{plate}/state", "", "esphome/1-2/wifi/state", None),
            ("esphome/{shelf}/plate-{plate}/state", "", "esphome/1-2/plate-x/state", None),
            ("esphome/{shelf}/plate-{plate}/state", "", "esphome/1-2/plate-03/state", None),
            ("esphome/{shelf}/plate-{plate}/state", "", "esphome/1-2/plate-3/state/more", None),
            ("esphome/{shelf}/plate-{plate}/state", "", "esphome//plate-3/state", None),
            ("{shelf}-{plate}/kg", "+/kg", "1-2-13/kg", Some(("1-2", 13))),
            ("s/shelf_{shelf}_plate_{plate}", "s/+", "s/shelf_a_plate_b_plate_7", Some(("a_plate_b", 7))),
            ("scales/{plate}/{shelf}", "scales/+/+", "scales/4/ä", Some(("ä", 4))),
            ("scales/{plate}/{shelf}", "", "scales/99999/a", None),
        ] {
            let read = Template::parse(template).unwrap();
            assert!(filter.is_empty() || read.filter() == filter, "{template}: {}", read.filter());
            let found = read.find(topic).map(|found| (found.shelf.unwrap(), found.plate.unwrap()));
            assert_eq!(found, wanted, "{template} on {topic}");
        }
        let fixed = Template::parse("tele/kitchen/SENSOR").unwrap();
        assert_eq!(fixed.find("tele/kitchen/SENSOR"), Some(Found::default()));
        assert_eq!(fixed.filter(), "tele/kitchen/SENSOR");
    }

    #[test]
    fn templates_that_cannot_be() {
        for (text, why) in [
            ("", "1 to 256 printable characters"),
            ("a\nb", "1 to 256 printable characters"),
            ("a/+/b", "`+` and `#` are the broker's"),
            ("a/#", "`+` and `#` are the broker's"),
            ("$SYS/{shelf}", "begin with `$`"),
            ("a/{shelf", "braces do not match"),
            ("a/}{shelf}", "braces do not match"),
            ("a/{bay}/{plate}", "`{bay}` is unknown: there are {shelf} and {plate}"),
            ("a/{}", "`{}` is unknown"),
            ("a/{shelf}/{shelf}", "{shelf} stands in it twice"),
            ("a/{shelf}{plate}", "need something between them"),
            ("carryout/v1/corner/shelf/{shelf}/weights", "this wire's own"),
            ("{shelf}/v1/x", "this wire's own"),
            ("carry{shelf}/v{plate}/x", "this wire's own"),
        ] {
            let told = Template::parse(text).expect_err(text);
            assert!(told.contains(why), "{text:?}: {told}");
        }
        for text in ["carryout/v2/{shelf}/{plate}", "carryout/v1", "{shelf}/{plate}/state", "{plate}/v1/{shelf}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
    }
}
