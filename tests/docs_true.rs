//! What the documents say is so: links lead somewhere, figures and limits are the ones of the program, the ledger's book
//! names what is in it, the runbook quotes what the page says, and the README knows every verb.

use carryout::base::limits;
use carryout::ledger::SCHEMA;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// Every document of ours: what the top folder, docs/ and models/ hold.
fn documents() -> Vec<PathBuf> {
    let folders = [".", "docs", "docs/decisions", "models"].map(|folder| root().join(folder));
    let listed = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder of documents"));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "md"));
    files.sort();
    files
}

/// A document without its fenced and indented code.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Where the `](…)` of a document lead.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let ends = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link.to_owned()).collect()
}

/// A heading as a link names it: lower case, spaces to dashes, the rest of the punctuation gone.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    plain
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut followed, mut dead) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            followed += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { document.clone() } else { document.with_file_name(file) };
            let found = target.exists()
                && (heading.is_empty() || {
                    let text = fs::read_to_string(&target).unwrap_or_default();
                    prose(&text).lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
                });
            if !found {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(followed > 20, "only {followed} links: looking in the wrong place?");
    assert!(dead.is_empty(), "links to nowhere:\n{}", dead.join("\n"));
}

/// The README speaks of files without linking them.
#[test]
fn what_the_readme_points_at_exists() {
    let text = read("README.md");
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let places = quoted
        .iter()
        .filter(|word| ["docs/", "config/", "systemd/", ".ci/", "src/"].iter().any(|p| word.starts_with(p)));
    let missing: Vec<_> = places.filter(|place| !root().join(place).exists()).collect();
    assert!(missing.is_empty(), "README.md names what is not there: {missing:?}");
}

/// Figures every bench and document call by the same name.
const FIGURES: &[&str] = &[
    "accuracy.day.ece",
    "accuracy.day.overcharge",
    "accuracy.day.review_rate",
    "accuracy.day.undercharge",
    "accuracy.day.unreviewed_exact",
    "accuracy.family.NAME.ceiling",
    "accuracy.family.NAME.f1",
    "accuracy.family.NAME.wrong_reviewed",
    "accuracy.hard.exact",
    "accuracy.hard.f1",
    "accuracy.pixels.f1",
    "accuracy.practice.exact",
    "accuracy.practice.f1",
    "accuracy.rush30.exact",
    "accuracy.rush30.f1",
    "density.cameras",
    "density.cores",
    "density.looks_per_s",
    "density.p95_ms",
    "floor.cost_exponent.people",
    "floor.cost_exponent.shelves",
    "floor.samples_per_s_core",
    "floor.us_per_observation.30_people_120_shelves",
    "fusion.batch8_over_1",
    "fusion.ms_per_interaction",
    "fusion.ratio_to_python_runtime",
    "gate.decision.p99_ms.offline",
    "gate.decision.p99_ms.online",
    "kill.doubled",
    "kill.lost",
    "kill.rounds",
    "ledger.commit_ratio",
    "live.draft.p95_ms",
    "live.draft_retracted",
    "live.exit_to_receipt.p95_ms",
    "live.settled.p95_ms",
    "page.bytes",
    "page.first_view_ms",
    "page.floor_cpu_ratio",
    "sim.nearest.gain.planogram",
    "sim.nearest.gain.split",
    "sim.nearest.gain.split.hard",
    "sim.nearest.hard.exact",
    "sim.nearest.hard.f1",
    "sim.nearest.practice.f1",
    "sim.nearest.practice.product_right",
    "sim.nearest.practice.shopper_right",
    "sim.render.ms_per_picture",
    "sim.rush30.times_real_time",
    "soak.fd_growth",
    "soak.rss_slope_per_day",
    "vision.cmc1.error_cm",
    "vision.cmc1.mota",
    "vision.cmc2.error_cm",
    "vision.cmc2.idf1",
    "vision.cmc2.mota",
    "vision.cmc2.without_one.error_cm",
    "vision.cmc2.without_one.idf1",
    "vision.cmc2.without_one.mota",
    "vision.decode_ratio",
    "vision.evaluator.off",
    "vision.mot.below_rival",
    "vision.mot.mean_hota",
    "vision.sim.floor_error_m",
    "vision.sim.idf1_15",
    "vision.sim.idf1_5",
    "vision.sim.recall",
    "vision.walkers.boxes",
    "vision.walkers.drops",
];

/// Cells of a table's row, without backticks.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
    inside.replace("\\|", "\u{1}").split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

#[test]
fn the_spec_has_every_figure_with_a_bar_a_command_and_a_word_on_it() {
    let spec = read("docs/spec.md");
    let mut named = BTreeSet::new();
    for row in spec.lines().map(cells).filter(|row| row.len() == 4 && row[0].starts_with('`')) {
        let figure = row[0].trim_matches('`').to_owned();
        assert!(row.iter().all(|cell| !cell.is_empty()), "{figure}: figure, bar, command and last word, please");
        assert!(named.insert(figure.clone()), "{figure} stands twice");
    }
    let known: BTreeSet<String> = FIGURES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, known);
}

/// A test that is renamed must be renamed where it is promised.
#[test]
fn the_tests_that_the_spec_names_are_there() {
    let spec = read("docs/spec.md");
    let scenarios = read("tests/floor/scenarios.rs");
    let (mut checked, mut missing) = (0, Vec::new());
    for line in spec.lines().filter(|line| line.starts_with('|')) {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let files: Vec<&&str> = quoted.iter().filter(|word| word.ends_with(".rs")).collect();
        let text = match files.as_slice() {
            [] => scenarios.clone(),
            files => files.iter().map(|file| read(file)).collect(),
        };
        // A test's name is a sentence: at least two underscores and nothing but words.
        let sentence = |word: &&&str| {
            word.matches('_').count() >= 2
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        for name in quoted.iter().filter(sentence) {
            checked += 1;
            if !text.contains(&format!("fn {name}(")) {
                missing.push(format!("{name} in {files:?}"));
            }
        }
    }
    assert!(checked > 30, "only {checked} tests found in docs/spec.md");
    assert!(missing.is_empty(), "docs/spec.md promises by tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn the_limits_are_as_written() {
    let architecture = read("docs/architecture.md");
    for (name, value) in [
        ("FLOOR_QUEUE", limits::FLOOR_QUEUE.to_string()),
        ("LEDGER_QUEUE", limits::LEDGER_QUEUE.to_string()),
        ("MODEL_QUEUE", limits::MODEL_QUEUE.to_string()),
        ("PUBLISH_QUEUE", limits::PUBLISH_QUEUE.to_string()),
        ("PAYLOAD_BYTES", limits::PAYLOAD_BYTES.to_string()),
        ("BATCH_SAMPLES", limits::BATCH_SAMPLES.to_string()),
        ("PEOPLE_PER_MESSAGE", limits::PEOPLE_PER_MESSAGE.to_string()),
        ("ID_CHARS", limits::ID_CHARS.to_string()),
        ("TICK", format!("{} ms", limits::TICK.as_millis())),
        ("WEIGH_BUDGET_MS", limits::WEIGH_BUDGET_MS.to_string()),
        ("AUTHORISE_BUDGET_MS", limits::AUTHORISE_BUDGET_MS.to_string()),
        ("TAP_EXPIRES_MS", limits::TAP_EXPIRES_MS.to_string()),
        ("FUTURE_US", limits::FUTURE_US.to_string()),
        ("REMEMBER_US", limits::REMEMBER_US.to_string()),
        ("WATERMARK_MS", limits::WATERMARK_MS.to_string()),
        ("CAMERA_DEAD_MS", limits::CAMERA_DEAD_MS.to_string()),
    ] {
        let row = format!("| `{name}` | {value} |");
        assert!(architecture.lines().any(|line| line == row), "docs/architecture.md should have the line: {row}");
    }
    let constants = read("src/base/limits.rs").lines().filter(|line| line.starts_with("pub const ")).count();
    assert_eq!(constants, 16, "a new limit needs its line above and in docs/architecture.md");
}

/// (table, column or nothing, sentence) of everything in the schema.
fn told_by_the_schema() -> Vec<(String, Option<String>, String)> {
    let (mut told, mut table, mut sentence) = (Vec::new(), None, Vec::new());
    for line in SCHEMA.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["--", rest @ ..] => {
                sentence.push(rest.join(" "));
                continue;
            }
            ["CREATE", "TABLE", name, ..] => {
                table = Some((*name).to_owned());
                told.push(((*name).to_owned(), None, sentence.join(" ")));
            }
            [name, kind, ..] if ["TEXT", "BLOB", "INTEGER"].contains(&kind.trim_end_matches(',')) => {
                let table = table.clone().expect("a column is in a table");
                told.push((table, Some((*name).to_owned()), sentence.join(" ")));
            }
            _ => {}
        }
        sentence.clear();
    }
    told
}

#[test]
fn the_ledgers_book_names_every_table_and_column_in_the_schemas_words() {
    let book = read("docs/schema.md");
    let mut wrong = Vec::new();
    let told = told_by_the_schema();
    for (table, column, sentence) in &told {
        let chapter = book.split(&format!("\n## `{table}`\n")).nth(1).unwrap_or_default();
        let chapter = chapter.split("\n## ").next().unwrap_or_default();
        let found = match column {
            None => chapter.contains(sentence.as_str()),
            Some(column) => {
                chapter.lines().map(cells).any(|row| row[0] == format!("`{column}`") && row[3] == *sentence)
            }
        };
        if !found {
            wrong.push(format!("{table} {}: {sentence}", column.as_deref().unwrap_or("")));
        }
    }
    assert!(told.len() > 60, "only {} tables and columns", told.len());
    assert!(wrong.is_empty(), "docs/schema.md and src/ledger/schema.sql differ:\n{}", wrong.join("\n"));
    let named = book.lines().filter(|line| line.starts_with("## `")).count();
    assert_eq!(named, told.iter().filter(|(_, column, _)| column.is_none()).count(), "tables that are not there");
}

#[test]
fn the_ledgers_book_asks_questions_that_can_be_asked() {
    let db = rusqlite::Connection::open_in_memory().expect("a database in memory");
    db.execute_batch(SCHEMA).expect("the schema");
    let book = read("docs/schema.md");
    let questions: Vec<&str> =
        book.split("```sql\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(questions.len() >= 5);
    for question in questions {
        if let Err(error) = db.prepare(question) {
            panic!("docs/schema.md: {error}\n{question}");
        }
    }
}

#[test]
fn the_ledgers_book_knows_every_kind_of_entry() {
    let source = read("src/events/entry.rs");
    let facts = source.split("pub enum Fact {").nth(1).expect("the facts");
    let kinds = facts.lines().take_while(|line| *line != "}").filter_map(|line| {
        let name = line.strip_prefix("    ")?.trim_end_matches([' ', '{', ',']);
        name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| snake(name))
    });
    let kinds: BTreeSet<String> = kinds.collect();
    let book = read("docs/schema.md");
    let chapter =
        book.split("## Kinds of entries").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let written: BTreeSet<String> = chapter
        .lines()
        .map(cells)
        .filter(|row| row[0].starts_with('`'))
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    assert_eq!(written, kinds);
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[test]
fn the_runbook_quotes_what_the_page_says() {
    let rooms = [
        "floor/view.rs",
        "floor/shelves.rs",
        "web/health.rs",
        "ledger/disk.rs",
        "commands/run/closing.rs",
        "commands/run/prepare.rs",
        "commands/run/taster.rs",
    ];
    let sources = rooms.map(|file| read(&format!("src/{file}"))).join("\n");
    let runbook = read("docs/runbook.md");
    let table =
        runbook.split("## What a reason means").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or("");
    let rows = table.lines().map(cells).filter(|row| row.len() == 3);
    let quotes: Vec<String> =
        rows.flat_map(|row| row[0].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(quotes.len() >= 9, "{quotes:?}");
    for quote in quotes {
        assert!(sources.contains(&quote), "docs/runbook.md quotes `{quote}`, which nothing says");
    }
}

#[test]
fn the_readme_knows_every_verb() {
    let help = Command::new(env!("CARGO_BIN_EXE_carryout")).arg("--help").output().expect("the executable starts");
    let help = String::from_utf8(help.stdout).expect("help is text");
    let listed = help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of verbs");
    let verbs: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() >= 8, "{verbs:?}");
    let readme = read("README.md");
    for verb in verbs {
        assert!(readme.contains(&format!("| `carryout {verb}` |")), "README.md does not list `carryout {verb}`");
    }
}
