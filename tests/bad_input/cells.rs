//! The table: what every cell hands in, written as a change of the kind's good payload, and what must come of it.

mod answers;
mod devices;
mod files;
mod requests;

use crate::kinds::{Badness, Kind, SECRET};

pub struct Row {
    pub kind: Kind,
    /// Accepted as it is. `@now` and `@tomorrow` become times.
    pub good: &'static str,
    pub cells: Vec<(Badness, Cell)>,
}

pub struct Cell {
    how: How,
    /// A name; of a file, a part of the sentence; `ok`.
    pub wanted: &'static str,
    /// Why there is nothing to hand in.
    pub spared: Option<&'static str>,
}

enum How {
    Good,
    /// Something else altogether.
    Whole(String),
    Bytes(Vec<u8>),
    Swap(&'static str, String),
    /// Its last third is missing.
    Cut,
    /// From a device, or of a thing, that nobody declared.
    Elsewhere,
    Retained,
    /// A file that goes on for 33 MiB.
    Grown,
}

/// What is handed in. In CBOR the text is the JSON of the same shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    pub text: String,
    /// Instead of the text.
    pub bytes: Option<Vec<u8>>,
    pub cut: bool,
    pub elsewhere: bool,
    pub retained: bool,
    pub grown: bool,
}

impl Cell {
    pub fn good() -> Cell {
        cell(How::Good, "ok")
    }

    /// Whether the payload itself is another one, or only the way it comes.
    pub fn changes(&self) -> bool {
        !matches!(self.how, How::Good)
    }
}

impl Row {
    pub fn payload(&self, cell: &Cell) -> Payload {
        let mut payload = Payload {
            text: self.good.to_owned(),
            bytes: None,
            cut: matches!(cell.how, How::Cut),
            elsewhere: matches!(cell.how, How::Elsewhere),
            retained: matches!(cell.how, How::Retained),
            grown: matches!(cell.how, How::Grown),
        };
        match &cell.how {
            How::Whole(text) => payload.text = text.clone(),
            How::Bytes(bytes) => payload.bytes = Some(bytes.clone()),
            How::Swap(from, to) => {
                assert!(self.good.contains(from), "{:?}: {from:?} is not in the good payload", self.kind);
                payload.text = self.good.replacen(from, to, 1);
            }
            _ => {}
        }
        payload
    }
}

impl Payload {
    pub fn holds(&self, marker: &str) -> bool {
        let inside = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
        inside(self.bytes.as_deref().unwrap_or(self.text.as_bytes()))
    }
}

fn cell(how: How, wanted: &'static str) -> Cell {
    Cell { how, wanted, spared: None }
}

fn na(why: &'static str) -> Cell {
    Cell { spared: Some(why), ..cell(How::Good, "") }
}

fn whole(text: impl Into<String>, wanted: &'static str) -> Cell {
    cell(How::Whole(text.into()), wanted)
}

fn bytes(bytes: Vec<u8>, wanted: &'static str) -> Cell {
    cell(How::Bytes(bytes), wanted)
}

fn swap(from: &'static str, to: impl Into<String>, wanted: &'static str) -> Cell {
    cell(How::Swap(from, to.into()), wanted)
}

fn cut(wanted: &'static str) -> Cell {
    cell(How::Cut, wanted)
}

fn elsewhere(wanted: &'static str) -> Cell {
    cell(How::Elsewhere, wanted)
}

fn retained(wanted: &'static str) -> Cell {
    cell(How::Retained, wanted)
}

fn grown(wanted: &'static str) -> Cell {
    cell(How::Grown, wanted)
}

/// Not one kind's.
fn noise(wanted: &'static str) -> Cell {
    whole(format!("\u{1}~{SECRET} ]]}}{{;=\u{7f}\u{2028}"), wanted)
}

/// 300 000 more characters at this place.
fn long(at: &'static str, wanted: &'static str) -> Cell {
    swap(at, format!("{at}{}", "x".repeat(300_000)), wanted)
}

/// 100 000 lists in each other at this place.
fn deep(at: &'static str, wanted: &'static str) -> Cell {
    swap(at, "[".repeat(100_000), wanted)
}

const NO_BROKER: &str = "only a broker keeps messages";

/// Every row, in the order of the kinds.
pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        [devices::rows(), requests::rows(), files::rows(), answers::rows()].into_iter().flatten().collect();
    rows.sort_by_key(|row| row.kind as u8);
    rows
}

/// The three files of a shop that opens: kind, name, text.
pub fn files_of_a_shop() -> [(Kind, &'static str, &'static str); 3] {
    [
        (Kind::ShopToml, "shop.toml", files::SHOP),
        (Kind::Planogram, "planogram.csv", files::PLANOGRAM),
        (Kind::Catalogue, "catalogue.csv", files::CATALOGUE),
    ]
}
