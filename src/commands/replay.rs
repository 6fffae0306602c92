//! `carryout replay DIR`: puts a recording through the floor again. Same observations, same entries, byte for byte.
//!
//! DIR is what `carryout run --record DIR` wrote. With `--again MODEL` every weighing is asked anew and what would differ is
//! told; the recorded answers still decide the replay.

use crate::base::Counters;
use crate::carts::PolicyOptions;
use crate::events::{Effect, Entry, Observation, Stamped, Weighed};
use crate::floor::{DeviceClocks, Floor, FloorOptions};
use crate::fusion::{NearestAttributor, StepOptions};
use crate::shop::{Problem, Shop};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// File names within a recording.
pub use crate::sim::record::OBSERVATIONS;
pub const ENTRIES: &str = "entries.jsonl";
pub const BEFORE: &str = "before.cbor";
pub const RECORDING: &str = "recording.json";

/// What a floor starts with beside its shop and the entries known before: the rules, and the numbers in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beginning {
    pub policy: PolicyOptions,
    pub steps: StepOptions,
    pub device_clocks: DeviceClocks,
    /// Last entry of the ledger: bodies and interactions are numbered above it.
    pub last_seq: u64,
    pub next_receipt: u64,
}

impl Default for Beginning {
    /// A new shop with everything as it comes.
    fn default() -> Beginning {
        Beginning {
            policy: PolicyOptions::default(),
            steps: StepOptions::default(),
            device_clocks: DeviceClocks::default(),
            last_seq: 0,
            next_receipt: 1,
        }
    }
}

/// Put a recording through the floor again and compare.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// A directory written by `carryout run --record`.
    pub recording: PathBuf,
    /// Ask this model anew and tell what would differ. Known: nearest.
    #[arg(long, value_name = "MODEL")]
    pub again: Option<String>,
    /// Write the entries here, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub entries: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

pub fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    if let Some(model) = args.again.as_deref().filter(|model| *model != "nearest") {
        return Err(format!("--again {model}: unknown model; known: nearest").into());
    }
    let dir = &args.recording;
    let shop = match Shop::read(&dir.join("shop") as &Path) {
        Ok((shop, _)) => Arc::new(shop),
        Err(problems) => {
            problems.iter().for_each(|problem: &Problem| eprintln!("{problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let beginning: Beginning = match File::open(dir.join(RECORDING)) {
        Ok(file) => {
            serde_json::from_reader(file).map_err(|e| format!("reading {}: {e}", dir.join(RECORDING).display()))?
        }
        // Recordings of `carryout simulate` are of a new shop.
        Err(error) if error.kind() == ErrorKind::NotFound => Beginning::default(),
        Err(error) => return Err(error.into()),
    };
    let before: Vec<Entry> = if dir.join(BEFORE).exists() { all(&dir.join(BEFORE))? } else { Vec::new() };
    let observations: Vec<Stamped> = all(&dir.join(OBSERVATIONS))?;
    let replayed = replay(shop, beginning, before, observations, args.again.is_some());

    let mut lines = Vec::new();
    for entry in &replayed.entries {
        serde_json::to_writer(&mut lines, entry)?;
        lines.push(b'\n');
    }
    if let Some(file) = &args.entries {
        std::fs::write(file, &lines)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} observations, {} entries", replayed.observations, replayed.entries.len())?;
    if args.again.is_some() {
        writeln!(out, "asked again: {} of {} weighings would differ", replayed.differ.len(), replayed.asked)?;
        for told in &replayed.differ {
            writeln!(out, "  {told}")?;
        }
    }
    match File::open(dir.join(ENTRIES)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            writeln!(out, "the recording has no entries to compare with")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
        Ok(recorded) => match first_difference(BufReader::new(recorded), &lines)? {
            None => {
                writeln!(out, "the same entries, byte for byte")?;
                Ok(ExitCode::SUCCESS)
            }
            Some(told) => {
                writeln!(out, "different: {told}")?;
                Ok(ExitCode::FAILURE)
            }
        },
    }
}

pub struct Replayed {
    pub observations: usize,
    pub entries: Vec<Entry>,
    /// Weighings asked anew.
    pub asked: usize,
    pub differ: Vec<String>,
}

/// Puts observations through a floor that starts as the recorded one did, so that a recording begun in the middle of a
/// ledger replays to the same numbers.
pub fn replay(
    shop: Arc<Shop>,
    beginning: Beginning,
    before: Vec<Entry>,
    observations: Vec<Stamped>,
    again: bool,
) -> Replayed {
    let Beginning { policy, steps, device_clocks, last_seq, next_receipt } = beginning;
    let books = Floor::recover(shop.clone(), before, last_seq, next_receipt);
    let options = FloorOptions { policy, steps, device_clocks, ..FloorOptions::default() };
    let mut floor = Floor::new(shop.clone(), options, books, Counters::default());
    let rule = NearestAttributor::published();
    let (mut anew, mut asked, mut differ) = (BTreeMap::<u64, Weighed>::new(), 0, Vec::new());
    let mut entries = Vec::new();
    let count = observations.len();
    for stamped in observations {
        if let Observation::Weighed(recorded) = &stamped.observation
            && let Some(mine) = anew.remove(&recorded.batch)
        {
            asked += 1;
            let first = |weighed: &Weighed| -> Vec<_> {
                weighed.guesses.iter().flatten().map(|guess| guess.alternatives.first().cloned()).collect()
            };
            if first(recorded) != first(&mine) {
                let (batch, model) = (recorded.batch, &recorded.model);
                differ.push(format!(
                    "batch {batch}: {model} said {:?}, asked again {:?}",
                    first(recorded),
                    first(&mine)
                ));
            }
        }
        let effects = floor.apply(stamped);
        entries.extend(effects.entries);
        for effect in effects.now {
            if let (Effect::Weigh(request), true) = (effect, again) {
                anew.insert(request.batch, rule.weigh(&request, &shop.catalogue));
            }
        }
    }
    Replayed { observations: count, entries, asked, differ }
}

/// Every CBOR item of a file. One cut off at the end (a crash while recording) is left out.
pub fn all<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>, Failure> {
    let mut reader = BufReader::new(File::open(file).map_err(|error| format!("reading {}: {error}", file.display()))?);
    let mut items = Vec::new();
    while !reader.fill_buf()?.is_empty() {
        match ciborium::from_reader::<T, _>(&mut reader) {
            Ok(item) => items.push(item),
            Err(ciborium::de::Error::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(format!("reading {} item {}: {error}", file.display(), items.len() + 1).into()),
        }
    }
    Ok(items)
}

/// Where two texts part, as a sentence. The recorded one may be shorter by what a crash cut off.
fn first_difference(mut recorded: impl Read, replayed: &[u8]) -> std::io::Result<Option<String>> {
    let mut text = Vec::new();
    recorded.read_to_end(&mut text)?;
    let lines = |bytes: &[u8]| bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (old, new) = (lines(&text), lines(replayed));
    let differs = old.iter().zip(&new).position(|(a, b)| a != b && !a.is_empty());
    if let Some(i) = differs {
        let show = |line: &[u8]| String::from_utf8_lossy(line).chars().take(300).collect::<String>();
        return Ok(Some(format!("entry {}\n  recorded {}\n  replayed {}", i + 1, show(&old[i]), show(&new[i]))));
    }
    Ok((old.len() > new.len()).then(|| format!("{} entries recorded, {} replayed", old.len() - 1, new.len() - 1)))
}
