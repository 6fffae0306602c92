//! `carryout bench`: the figures of docs/spec.md, measured on this machine.
//!
//! A group measures several figures at once and says beforehand which. A missed bar is a figure like any other: printed,
//! `"ok":false`, exit code 0; so is one that could not be measured (`null`, and a sentence on standard error). Ratios and
//! slopes are medians of five interleaved rounds, `null` when the rounds lie more than 15 % apart: then the machine was
//! busy with something else. Sizes and seeds are printed above the table; `--json` prints figures only.

mod accuracy;
mod crowd;
mod density;
mod figure;
mod floor;
mod gate;
mod kill;
mod ledger;
mod pixels;
mod processor;
mod sim;
mod summary;
mod vision;

use figure::{Bar, Figure, Promise};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measure what docs/spec.md promises.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Groups of figures: accuracy, density, floor, gate, kill, ledger, sim, vision; all of them if none is named. And accuracy.pixels,
    /// of accuracy that part alone
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object a line and nothing else
    #[arg(long)]
    json: bool,
    /// Ten times as much of everything: for a quiet machine and figures to publish
    #[arg(long, conflicts_with = "brief")]
    long: bool,
    /// Of what takes minutes only so much as shows that it works
    #[arg(long)]
    brief: bool,
    /// What is left to chance, is left to this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep what shops of accuracy.pixels recorded, with the truth and the receipts, in this new directory: for `carryout replay`
    /// and `carryout score`
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Brief,
    Short,
    Long,
}

/// How much is to be measured.
#[derive(Clone, Copy, Debug)]
struct Measure<'a> {
    length: Length,
    seed: u64,
    keep: Option<&'a Path>,
}

struct Group {
    name: &'static str,
    promises: &'static [Promise],
    /// What is measured must be promised; sizes and seeds go to `notes`.
    measure: fn(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String>,
}

const GROUPS: [Group; 8] = [
    Group { name: "accuracy", promises: &accuracy::PROMISES, measure: accuracy::measure },
    Group { name: "density", promises: &density::PROMISES, measure: density::measure },
    Group { name: "floor", promises: &floor::PROMISES, measure: floor::measure },
    Group { name: "gate", promises: &gate::PROMISES, measure: gate::measure },
    Group { name: "kill", promises: &kill::PROMISES, measure: kill::measure },
    Group { name: "ledger", promises: &ledger::PROMISES, measure: ledger::measure },
    Group { name: "sim", promises: &sim::PROMISES, measure: sim::measure },
    Group { name: "vision", promises: &vision::PROMISES, measure: vision::measure },
];

/// Of other groups, what can be asked for alone.
const PARTS: [Group; 1] = [Group { name: "accuracy.pixels", promises: &pixels::PROMISES, measure: pixels::measure }];

/// Prints figures as they are measured. Fails on a name that is no group, and on nothing else.
pub fn run(args: &BenchArgs) -> Result<(), String> {
    let length = match (args.brief, args.long) {
        (true, _) => Length::Brief,
        (_, true) => Length::Long,
        _ => Length::Short,
    };
    let how = Measure { length, seed: args.seed, keep: args.keep.as_deref() };
    for group in chosen(&args.names)? {
        let began = Instant::now();
        let mut notes = Vec::new();
        let figures = (group.measure)(how, &mut notes).unwrap_or_else(|why| {
            eprintln!("carryout bench {}: not measured: {why}", group.name);
            group.promises.iter().map(|promise| promise.measured(None, 0)).collect()
        });
        let took_s = began.elapsed().as_secs_f64();
        let text = if args.json { lines(&figures) } else { table(group, &figures, &notes, took_s) };
        // A closed pipe is the reader's decision.
        let _ = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Group>, String> {
    if names.is_empty() {
        return Ok(GROUPS.iter().collect());
    }
    let find = |name: &String| {
        GROUPS.iter().chain(&PARTS).find(|group| group.name == name).ok_or_else(|| {
            let known: Vec<&str> = GROUPS.iter().chain(&PARTS).map(|group| group.name).collect();
            format!("there is no group of figures called `{name}`; there are {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}

fn lines(figures: &[Figure]) -> String {
    figures.iter().map(|figure| serde_json::to_string(figure).expect("a figure is JSON") + "\n").collect()
}

fn table(group: &Group, figures: &[Figure], notes: &[String], took_s: f64) -> String {
    let mode = if cfg!(debug_assertions) { "; A DEBUG BUILD: nothing here means anything" } else { "" };
    let mut text = format!("{} (in {took_s:.0} s{mode})\n", group.name);
    notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
    for figure in figures {
        let value = figure.value.map_or("not measured".to_owned(), |value| value.to_string());
        let (bar, verdict) = match figure.bar {
            Bar::AtLeast(bar) => (format!(">= {bar}"), if figure.ok { "ok" } else { "MISSED" }),
            Bar::AtMost(bar) => (format!("<= {bar}"), if figure.ok { "ok" } else { "MISSED" }),
            Bar::Within(low, high) => (format!("{low} to {high}"), if figure.ok { "ok" } else { "MISSED" }),
            Bar::None => (String::new(), ""),
        };
        let Figure { figure, unit, n, .. } = figure;
        text.push_str(&format!("  {figure:<55} {value:>12} {unit:<14} {bar:>13}  {verdict:<6} n={n}\n"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&names).map(|groups| groups.iter().map(|group| group.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["accuracy", "density", "floor", "gate", "kill", "ledger", "sim", "vision"]);
        assert_eq!(names(&["ledger", "gate"]).unwrap(), ["ledger", "gate"]);
        let refused = names(&["floor", "speed"]).unwrap_err();
        assert_eq!(
            refused,
            "there is no group of figures called `speed`; there are accuracy, density, floor, gate, kill, ledger, sim, vision, \
             accuracy.pixels"
        );
    }

    #[test]
    fn every_figure_has_one_name_that_begins_with_its_groups() {
        let mut known = std::collections::BTreeSet::new();
        for group in &GROUPS {
            for promise in group.promises {
                assert!(promise.figure.starts_with(&format!("{}.", group.name)), "{}", promise.figure);
                assert!(known.insert(promise.figure), "{} is promised twice", promise.figure);
            }
        }
    }
}
