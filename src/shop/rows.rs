//! A CSV file with a header, row by row, every problem noted with its line.
//!
//! Columns are found by name, in any order; `#` begins a comment line; cells are trimmed. Spreadsheets are forgiven a
//! byte order mark and told about semicolons.

use super::fields::{Lines, refuse_cards_in_comments};
use super::problems::{Problems, nearest, shown, told_by_parser};
use crate::base::card::looks_like_card_number;
use csv::{ReaderBuilder, Trim};
use std::collections::BTreeMap;

pub struct Columns {
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

pub struct Row {
    pub line: usize,
    cells: BTreeMap<&'static str, String>,
}

impl Row {
    /// The cell's text; empty when the column or the cell is.
    pub fn get(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// The cell's text, or a problem that says it is missing.
    pub fn need(&self, column: &str, problems: &mut Problems) -> Option<&str> {
        let text = self.get(column);
        if text.is_empty() {
            problems.error(self.line, format!("no {column} on this line"));
            return None;
        }
        Some(text)
    }

    /// Columns whose text holds what looks like a card number.
    pub fn card_columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.cells.iter().filter(|(_, text)| looks_like_card_number(text)).map(|(column, _)| *column)
    }
}

/// The rows that can be read. `problems` has an error if the header is unusable.
pub fn read(text: &str, columns: &Columns, problems: &mut Problems) -> Vec<Row> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_cards_in_comments(text, problems);
    let lines = Lines::of(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut header: Option<Vec<Option<&'static str>>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.error(None, format!("not CSV: {}", told_by_parser(&error.to_string())));
                break;
            }
        };
        let line = lines.at(first_byte(text, record.position().map_or(0, |position| position.byte() as usize)));
        let Some(header) = &header else {
            match read_header(&record, line, columns, problems) {
                Some(found) => header = Some(found),
                None => return rows,
            }
            continue;
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() > header.len() {
            problems
                .error(line, format!("{} columns, but the first line names {}", record.len(), header.len()))
                .try_this("put a text that holds a comma in \"quotes\"");
            continue;
        }
        let cells = header.iter().zip(record.iter()).filter_map(|(name, cell)| Some(((*name)?, cell.to_string())));
        rows.push(Row { line, cells: cells.collect() });
    }
    if header.is_none() && !problems.has_errors() {
        problems.error(None, "empty").try_this(format!("the first line names columns: {}", columns.required.join(",")));
    }
    rows
}

/// Where a record begins: its position, past blank lines and comments before it.
fn first_byte(text: &str, mut at: usize) -> usize {
    loop {
        match text.as_bytes().get(at) {
            Some(b'\r' | b'\n') => at += 1,
            Some(b'#') => at += text[at..].find('\n').unwrap_or(text.len() - at),
            _ => return at,
        }
    }
}

/// The known name of each column; `None` when the file cannot be read by it.
fn read_header(
    record: &csv::StringRecord,
    line: usize,
    columns: &Columns,
    problems: &mut Problems,
) -> Option<Vec<Option<&'static str>>> {
    let known = || columns.required.iter().chain(columns.optional).copied();
    if record.len() == 1 && record[0].contains(';') {
        problems.error(line, "columns are separated by semicolons").try_this("save the file with commas");
        return None;
    }
    let (mut found, mut all_known) = (Vec::new(), true);
    for name in record {
        let column = known().find(|column| column.eq_ignore_ascii_case(name));
        if column.is_some() && found.contains(&column) {
            problems.error(line, format!("column {} is there twice", shown(name)));
        }
        if column.is_none() {
            all_known = false;
            let problem = problems.error(line, format!("unknown column `{}`", shown(name)));
            match nearest(name, known()) {
                Some(near) => problem.try_this(format!("did you mean `{near}`?")),
                None => problem.try_this(format!("known: {}", known().collect::<Vec<_>>().join(", "))),
            }
        }
        found.push(column);
    }
    let missing: Vec<&str> = columns.required.iter().filter(|name| !found.contains(&Some(**name))).copied().collect();
    if !missing.is_empty() {
        problems
            .error(line, format!("no column {}", missing.join(", ")))
            .try_this(format!("the first line names columns: {}", columns.required.join(",")));
        return None;
    }
    // A misspelt column would read as empty on every line.
    all_known.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_knows_its_line_past_comments_blank_lines_and_quotes() {
        let text = "\u{feff}# stock\r\n\r\nproduct,name\r\nA,\"one\r\nline more\"\r\n# more\r\n\r\nB,two\r\n";
        let mut problems = Problems::of("x.csv");
        let columns = Columns { required: &["product", "name"], optional: &[] };
        let rows = read(text, &columns, &mut problems);
        let told: Vec<(usize, &str)> = rows.iter().map(|row| (row.line, row.get("product"))).collect();
        assert_eq!(told, [(4, "A"), (8, "B")]);
        assert!(problems.into_sorted().is_empty());
    }
}
