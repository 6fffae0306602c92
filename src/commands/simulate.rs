//! `carryout simulate`: plays a script or a crowd in a synthetic shop, into a recording or live over a broker.
//!
//!     carryout simulate --script F --geometry G --planogram P --products Q [--planogram-by-case R] --seed N --record DIR
//!     carryout simulate --shop DIR --family crossing --cases 40 --seed N --record DIR
//!     carryout simulate --shop DIR --shoppers 30 --minutes 10 --seed N --publish mqtt://127.0.0.1:1883
//!
//! A recording of one case lies in DIR; of several, each in a directory named after it, and DIR has the truth of all.
//! Beside `observations.cbor` and `truth.jsonl` lies `shop/`: the shop files as the system is told them; with
//! `--receipts` also what the core makes of it, for `carryout score`.

use super::fast::{self, Method};
use crate::base::ShopTime;
use crate::base::time::Clock;
use crate::shop::nanostore::{self, PlanogramByCase, Tables};
use crate::shop::{Problem, Shop};
use crate::sim::live::{Broker, Happened, Heard, Live};
use crate::sim::play::{self, Plan, Play};
use crate::sim::record::{Arrivals, RECEIPTS, TRUTH, record};
use crate::sim::{Gates, Script, TruthLine, World, suite};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When recorded days begin: 2025-10-09, for ever the same.
pub const RECORDED_START_US: i64 = 1_760_000_000_000_000;

#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("who").required(true).args(["script", "shop"]))]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true).args(["record", "publish"]))]
pub struct SimulateArgs {
    /// Script to play (case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper)
    #[arg(long, requires_all = ["geometry", "planogram", "products"])]
    pub script: Option<PathBuf>,
    /// Where gondolas, shelves and plates stand
    #[arg(long)]
    pub geometry: Option<PathBuf>,
    /// What stands on which plates
    #[arg(long)]
    pub planogram: Option<PathBuf>,
    /// Names and weights
    #[arg(long)]
    pub products: Option<PathBuf>,
    /// What stands on other plates at the start of a case
    #[arg(long)]
    pub planogram_by_case: Option<PathBuf>,
    /// Tell the system only the base planogram
    #[arg(long, requires = "planogram_by_case")]
    pub planogram_stale: bool,
    /// Play only this case
    #[arg(long, requires = "script")]
    pub case: Option<String>,
    /// Directory of shop.toml, planogram.csv and catalogue.csv: a random crowd instead of a script
    #[arg(long, conflicts_with_all = ["geometry", "planogram", "products", "planogram_by_case"])]
    pub shop: Option<PathBuf>,
    /// Generated cases of this family instead of a crowd: take, put-back, crossing, hand-off, hard ...
    #[arg(long, value_name = "NAME", requires = "shop", conflicts_with_all = ["shoppers", "minutes"])]
    pub family: Option<String>,
    /// How many of them
    #[arg(long, default_value_t = 10, requires = "family")]
    pub cases: usize,
    /// How many parties come
    #[arg(long, default_value_t = 20, requires = "shop")]
    pub shoppers: u32,
    /// Over how many minutes they come
    #[arg(long, default_value_t = 10.0, requires = "shop")]
    pub minutes: f64,
    /// The same seed plays the same day
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write observations.cbor and truth.jsonl into this directory
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Beside the recording: play it straight into the core, too, and write the receipts it makes
    #[arg(long, requires = "record")]
    pub receipts: bool,
    /// Play in real time over this broker: mqtt://host:port
    #[arg(long)]
    pub publish: Option<String>,
}

/// Plays everything asked for; answers with what was written or played, one line each.
pub async fn simulate(args: &SimulateArgs) -> Result<String, String> {
    let plays = plays(args)?;
    let mut report = String::new();
    if let Some(dir) = &args.record {
        let bar = ProgressBar::new(plays.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}").expect("a template"));
        let whole = (plays.len() > 1).then_some(dir);
        for name in [TRUTH, RECEIPTS] {
            // Of an earlier run; most often there is none.
            let _ = std::fs::remove_file(dir.join(name));
        }
        for play in &plays {
            bar.set_message(play.name.clone());
            let dir = if plays.len() == 1 { dir.clone() } else { dir.join(file_name(&play.name)) };
            let planned = play.plan(args.seed, RECORDED_START_US)?;
            let (seed, until_us) = (planned.seed, planned.until_us);
            let mut again = args.receipts.then(|| play.playback(RECORDED_START_US, Gates::Assumed, planned.clone()));
            let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
            let failed = |err| format!("recording {} into {}: {err}", play.name, dir.display());
            record(&mut playback, seed, until_us, &dir).map_err(failed)?;
            if let Some(playback) = &mut again {
                let receipts =
                    fast::run(play.told.clone(), Arrivals::new(playback, seed, until_us), &Method::default()).receipts;
                write_lines(&dir.join(RECEIPTS), &receipts).map_err(failed)?;
            }
            if let Some(whole) = whole {
                let names = [TRUTH].into_iter().chain(args.receipts.then_some(RECEIPTS));
                names.into_iter().try_for_each(|name| append(&dir, whole, name)).map_err(failed)?;
            }
            play.told.write(dir.join("shop")).map_err(|err| format!("writing {}: {err}", dir.display()))?;
            let seconds = (until_us - RECORDED_START_US) / 1_000_000;
            report += &format!("{}: {seconds} s of shop in {}\n", play.name, dir.display());
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    if let Some(url) = &args.publish {
        let broker = broker(url)?;
        for (k, play) in plays.iter().enumerate() {
            if k > 0 {
                eprintln!(
                    "the next case is an independent one: a daemon that still listens needs a fresh start and state"
                );
            }
            report += &live(play, &broker, args.seed).await?;
        }
    }
    Ok(report)
}

fn plays(args: &SimulateArgs) -> Result<Vec<Play>, String> {
    if let Some(dir) = &args.shop {
        let (told, _) = Shop::read(dir).map_err(|problems| listed(dir, &problems))?;
        if let Some(name) = &args.family {
            return suite::family(name, &told, args.seed, args.cases);
        }
        let world = Arc::new(World::new(Arc::new(told.clone()))?);
        let plan = Plan::Crowd { shoppers: args.shoppers, minutes: args.minutes };
        return Ok(vec![Play { name: "crowd".to_owned(), told: Arc::new(told), world, plan }]);
    }
    let (Some(script), Some(geometry), Some(planogram), Some(products)) =
        (&args.script, &args.geometry, &args.planogram, &args.products)
    else {
        return Err("a script needs --geometry, --planogram and --products".to_owned());
    };
    let tables = Tables { geometry: geometry.clone(), planogram: planogram.clone(), products: products.clone() };
    let base = nanostore::load(tables).map_err(|problems| listed(geometry, &problems))?;
    let by_case = match &args.planogram_by_case {
        Some(path) => PlanogramByCase::read(path, &base.layout).map_err(|problems| listed(path, &problems))?,
        None => PlanogramByCase::default(),
    };
    let parsed = Script::read(script).map_err(|err| format!("{}: {err}", script.display()))?;
    let plays = play::of_script(&Arc::new(parsed), &base, &by_case, args.planogram_stale)?;
    let wanted = |play: &Play| args.case.as_ref().is_none_or(|wanted| *wanted == play.name);
    let plays: Vec<Play> = plays.into_iter().filter(wanted).collect();
    // Everything is planned before anything is played: an impossible last case is said at once.
    for play in &plays {
        play.plan(args.seed, RECORDED_START_US).map_err(|err| format!("{}: {err}", script.display()))?;
    }
    match (&args.case, plays.is_empty()) {
        (Some(case), true) => Err(format!("{} has no case {case}", script.display())),
        (None, true) => Err(format!("{} has no rows", script.display())),
        _ => Ok(plays),
    }
}

/// Plays one case in real time and prints a diary of it; truth goes to standard output at the end of each visit.
async fn live(play: &Play, broker: &Broker, seed: u64) -> Result<String, String> {
    let mut devices = Live::connect(broker, &play.told).await.map_err(|err| err.to_string())?;
    let clock = Clock::anchored_after(ShopTime(0));
    let start_us = clock.now().0;
    let planned = play.plan(seed, start_us)?;
    let until_us = planned.until_us;
    let mut playback = play.playback(start_us, Gates::Asked, planned);
    let (mut visits, mut receipts) = (0, 0);
    devices
        .play(&mut playback, &clock, until_us, |playback, happened| {
            let at_s = (playback.now_us() - start_us) as f64 * 1e-6;
            match happened {
                Happened::Truth(line @ (TruthLine::Visit(_) | TruthLine::Event(_))) => {
                    visits += i32::from(matches!(line, TruthLine::Visit(_)));
                    let line = serde_json::to_string(&line).expect("truth is JSON");
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
                Happened::Heard(Heard::Event { kind, event }) => {
                    receipts += i32::from(kind == "receipt.final");
                    eprintln!("{at_s:7.1}  {kind} {}", event["subject"].as_str().unwrap_or(""));
                }
                Happened::Heard(Heard::Decision { gate, decision }) => {
                    eprintln!("{at_s:7.1}  {gate} {}", if decision.open { "opens" } else { "stays shut" });
                }
                _ => {}
            }
        })
        .await;
    playback.finish();
    devices.close().await;
    Ok(format!("{}: {visits} visits played live, {receipts} receipts heard\n", play.name))
}

/// `mqtt://host:port`; the port may be left out.
pub fn broker(url: &str) -> Result<Broker, String> {
    let wrong = || format!("\"{url}\" is not a broker's address; write mqtt://127.0.0.1:1883");
    let rest = url.strip_prefix("mqtt://").ok_or_else(wrong)?.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (rest, 1883),
    };
    if host.is_empty() { Err(wrong()) } else { Ok(Broker { host: host.to_owned(), port }) }
}

fn write_lines<T: serde::Serialize>(path: &Path, items: &[T]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    for item in items {
        writeln!(file, "{}", serde_json::to_string(item)?)?;
    }
    file.flush()
}

/// A case's lines after those of the other cases, so that all are scored at once.
fn append(case: &Path, whole: &Path, name: &str) -> io::Result<()> {
    let mut all = File::options().create(true).append(true).open(whole.join(name))?;
    io::copy(&mut File::open(case.join(name))?, &mut all).map(drop)
}

/// A case's name as a directory's.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

fn listed(path: &Path, problems: &[Problem]) -> String {
    let mut text = format!("{} cannot be played:", path.display());
    for problem in problems {
        text += &format!("\n  {problem}");
    }
    text
}
