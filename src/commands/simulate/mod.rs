//! `carryout simulate`: plays a script or a crowd in a synthetic shop, into a recording, live over a broker, or into a
//! training set.
//!
//!     carryout simulate --script F --geometry G --planogram P --products Q [--planogram-by-case R] --seed N --record DIR
//!     carryout simulate --shop DIR --family crossing --cases 40 --seed N --record DIR
//!     carryout simulate --drawn held-back --family hard --cases 40 --faults plate-dead,lost --record DIR --receipts
//!     carryout simulate --shop DIR --shoppers 30 --minutes 10 --seed N --publish mqtt://127.0.0.1:1883
//!     carryout simulate --drawn training --cases 2000 --seed N --export DIR
//!     carryout simulate --drawn training --cases 50 --seed N --frames DIR --frames-per-second 0.1
//!
//! A recording of one case lies in DIR; of several, each in a directory named after it, and DIR has the truth of all.
//! Beside `observations.cbor` and `truth.jsonl` lie `shop/`, the shop files as the system is told them, and `gallery.json`,
//! the looks of its products; with `--receipts` also what the core makes of it and what anybody could have made of it at best,
//! for `carryout score`.

mod frames;
mod lessons;

use super::cores;
use super::fast::{self, Method};
use super::score::TokenCart;
use super::trial::Recorded;
use crate::base::ShopTime;
use crate::base::time::Clock;
use crate::shop::nanostore::{self, PlanogramByCase, Tables};
use crate::shop::{Problem, Shop};
use crate::sim::faults::Fault;
use crate::sim::live::{Broker, Happened, Heard, Live};
use crate::sim::looks::Gallery;
use crate::sim::oracle;
use crate::sim::parameters::Parameters;
use crate::sim::play::{self, Conditions, Plan, Play};
use crate::sim::record::{self, CEILING, GALLERY, RECEIPTS, TRUTH, write_lines};
use crate::sim::shops::{self, Part};
use crate::sim::{Gates, Script, TruthLine, World, suite};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When recorded days begin: 2025-10-09, for ever the same.
pub const RECORDED_START_US: i64 = 1_760_000_000_000_000;

#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["script", "shop", "drawn"]))]
#[command(group = clap::ArgGroup::new("cases of").multiple(true).args(["family", "export", "frames"]))]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true).args(["record", "publish", "export", "frames"]))]
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
    /// A shop drawn from the seed instead: of the kinds one may train on, or of those held back
    #[arg(long, value_enum, conflicts_with_all = ["geometry", "planogram", "products", "planogram_by_case"])]
    pub drawn: Option<Drawn>,
    /// Generated cases of this family instead of a crowd: take, put-back, crossing, hand-off, hard ...
    #[arg(long, value_name = "NAME", conflicts_with_all = ["script", "shoppers", "minutes", "mix"])]
    pub family: Option<String>,
    /// How many of them
    #[arg(long, default_value_t = 10, requires = "cases of")]
    pub cases: usize,
    /// How many parties come
    #[arg(long, default_value_t = 20, conflicts_with = "script")]
    pub shoppers: u32,
    /// Over how many minutes they come
    #[arg(long, default_value_t = 10.0, conflicts_with = "script")]
    pub minutes: f64,
    /// How they behave: a mix of the parameters
    #[arg(long, default_value = "ordinary", conflicts_with = "script")]
    pub mix: String,
    /// What goes wrong with devices: plate-dead, camera-dead, light, lost, late, clock-jump ..., with commas between them
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// Figures of physics, sight and behaviour that are to be others: src/sim/parameters.toml has them all
    #[arg(long, value_name = "FILE")]
    pub parameters: Option<PathBuf>,
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
    /// Write a training set into this directory: interactions with what really happened. Of shops drawn for training only
    #[arg(long, value_name = "DIR", conflicts_with_all = ["record", "publish", "shoppers", "minutes", "mix", "faults", "parameters"])]
    pub export: Option<PathBuf>,
    /// Write pictures with labels into this directory: what cameras would see of the cases, of any shop
    #[arg(long, value_name = "DIR", conflicts_with_all = ["record", "publish", "export", "shoppers", "minutes", "mix", "faults", "parameters"])]
    pub frames: Option<PathBuf>,
    /// Pictures of each camera a second, at moments drawn by chance
    #[arg(long, value_name = "F", default_value_t = 2.0, requires = "frames")]
    pub frames_per_second: f64,
    /// Where the shop says nothing of its cameras, they hang where they show most of the floor, not at random
    #[arg(long, requires = "frames")]
    pub hung: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Drawn {
    Training,
    HeldBack,
}

impl Drawn {
    fn part(self) -> Part {
        if self == Drawn::Training { Part::Training } else { Part::HeldBack }
    }
}

/// Plays everything asked for; answers with what was written or played, one line each.
pub async fn simulate(args: &SimulateArgs) -> Result<String, String> {
    if let Some(dir) = &args.export {
        if args.drawn != Some(Drawn::Training) {
            return Err(
                "a training set is of shops one may train on: --drawn training, not a shop of your own".to_owned()
            );
        }
        return lessons::write(dir, args.family.as_deref(), args.cases, args.seed);
    }
    if let Some(dir) = &args.frames {
        return frames::write(dir, &frames::plays(args)?, args);
    }
    let plays = plays(args)?;
    let mut report = String::new();
    if let Some(dir) = &args.record {
        let failed = |err| format!("recording into {}: {err}", dir.display());
        let whole = (plays.len() > 1).then_some(dir);
        let names = [TRUTH].into_iter().chain([RECEIPTS, CEILING].into_iter().filter(|_| args.receipts));
        for name in [TRUTH, RECEIPTS, CEILING] {
            // Of an earlier run; most often there is none.
            let _ = std::fs::remove_file(dir.join(name));
        }
        let place = |play: &Play| if whole.is_some() { dir.join(file_name(&play.name)) } else { dir.clone() };
        for written in cores::each(&plays, |play| write(play, args.seed, args.receipts, &place(play))) {
            report += &written?;
        }
        // In the order of the cases, whoever was done first.
        for play in plays.iter().filter(|_| whole.is_some()) {
            names.clone().try_for_each(|name| append(&place(play), dir, name)).map_err(failed)?;
        }
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

/// Plays one case into `dir`; with `receipts` also what the core makes of it and what anybody could have. Answers with a line
/// for the report.
fn write(play: &Play, seed: u64, receipts: bool, dir: &Path) -> Result<String, String> {
    let failed = |err: io::Error| format!("recording {} into {}: {err}", play.name, dir.display());
    let gallery = Gallery::of(&play.told.catalogue, &play.world.parameters.looks);
    let until_us = if receipts {
        let recorded = Recorded::of(play, seed)?;
        record::observations(recorded.arrivals.iter(), dir).map_err(failed)?;
        record::truth(&recorded.truth, dir).map_err(failed)?;
        let carts = oracle::carts(&recorded.truth, &recorded.at_best(play, &gallery));
        let carts: Vec<TokenCart> = carts.into_iter().map(|(token, cart)| TokenCart { token, cart }).collect();
        write_lines(&dir.join(CEILING), &carts).map_err(failed)?;
        let arrivals = recorded.arrivals.into_iter();
        let made = fast::run(play.told.clone(), play.policy(), arrivals, &Method::default());
        write_lines(&dir.join(RECEIPTS), &made.receipts).map_err(failed)?;
        recorded.until_us
    } else {
        // A long day is written as it is played, and never held in memory.
        let planned = play.plan(seed, RECORDED_START_US)?;
        let (seed, until_us) = (planned.seed, planned.until_us);
        let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
        record::record(&mut playback, seed, until_us, dir).map_err(failed)?;
        until_us
    };
    write_lines(&dir.join(GALLERY), &[gallery]).map_err(failed)?;
    play.told.write(dir.join("shop")).map_err(|err| format!("writing {}: {err}", dir.display()))?;
    let seconds = (until_us - RECORDED_START_US) / 1_000_000;
    Ok(format!("{}: {seconds} s of shop in {}\n", play.name, dir.display()))
}

fn plays(args: &SimulateArgs) -> Result<Vec<Play>, String> {
    let changes = args.parameters.as_deref().map_or(Ok(toml::Table::new()), Parameters::read)?;
    let mut plays = match (&args.shop, args.drawn) {
        (Some(dir), _) => of_shop(args, Shop::read(dir).map_err(|problems| listed(dir, &problems))?.0, &changes)?,
        (None, Some(drawn)) => of_shop(args, shops::shop(drawn.part(), args.seed), &changes)?,
        (None, None) => of_script(args, &changes)?,
    };
    plays.iter_mut().for_each(|play| play.conditions.faults.extend(&args.faults));
    // Everything is planned before anything is played: an impossible last case is said at once.
    for play in &plays {
        let of = args.script.as_ref().map_or(String::new(), |script| format!("{}: ", script.display()));
        play.plan(args.seed, RECORDED_START_US).map_err(|err| format!("{of}{err}"))?;
    }
    Ok(plays)
}

/// A family's cases or a crowd.
fn of_shop(args: &SimulateArgs, shop: Shop, changes: &toml::Table) -> Result<Vec<Play>, String> {
    if let Some(name) = &args.family {
        return suite::family(name, &shop, args.seed, 1..=args.cases, changes);
    }
    let parameters = Parameters::shipped_but(&[changes])?;
    parameters.mix(&args.mix)?;
    let shop = Arc::new(shop);
    let world = Arc::new(World::behaving(shop.clone(), Arc::new(parameters))?);
    let plan = Plan::Crowd { shoppers: args.shoppers, minutes: args.minutes, mix: args.mix.clone() };
    Ok(vec![Play { name: "crowd".to_owned(), told: shop, world, plan, conditions: Conditions::default() }])
}

fn of_script(args: &SimulateArgs, changes: &toml::Table) -> Result<Vec<Play>, String> {
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
    let parameters = Arc::new(Parameters::shipped_but(&[changes])?);
    let mut plays = play::of_script(&Arc::new(parsed), &base, &by_case, args.planogram_stale, &parameters)?;
    plays.retain(|play| args.case.as_ref().is_none_or(|wanted| *wanted == play.name));
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
