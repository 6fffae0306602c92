//! `carryout init`: a technician on a ladder answers a few questions, and there is a shop.
//!
//!     broker --listen--> heard (shelves, gates, cameras) --+
//!     network --ONVIF--> cameras --------------------------+--> first_plan --> household: files on disk --> check
//!     terminal, flags ---> interview ----------------------+
//!
//! The plan is a beginning: everything stands along the walls, and somebody measures. What was assumed is said.

mod cameras;
mod goods;
mod household;
mod interview;
mod listening;
mod tls;

use crate::base::{GateId, PlateNo, ShopId};
use crate::commands::arguments::duration;
use crate::commands::check::{CheckArgs, check};
use crate::config::CONFIG_FILE;
use crate::sensors::onvif::probe::EVERYBODY;
use crate::shop::first_plan::{self, Room, Things};
use crate::shop::{GateDirection, Layout, Planogram, Problem, Shop};
use household::{CONFIG, Household, Wanted};
use interview::{Interview, NoAnswer, Question, answers};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tls::Tls;

/// Set a shop up: listen for its shelves, gates and cameras, ask the rest, write config and shop files.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// Where config, secrets and shop files go
    #[arg(long, value_name = "DIR", default_value = "/etc/carryout")]
    pub dir: PathBuf,
    /// The message broker [default: 127.0.0.1:1883, or port 8883 with a CA]
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// Who we are to the broker; with a password file
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A file with the broker's password in its first line; it is copied into DIR/secrets
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// The CA of the broker's certificate, PEM: speak TLS; it is copied into DIR
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Our own certificate for a broker that wants one, PEM; it is copied into DIR
    #[arg(long, value_name = "FILE", requires_all = ["ca_file", "client_key_file"])]
    pub client_cert_file: Option<PathBuf>,
    /// Its private key, PEM; it is copied into DIR/secrets
    #[arg(long, value_name = "FILE", requires = "client_cert_file")]
    pub client_key_file: Option<PathBuf>,
    /// How long to listen at the broker, at most
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub listen: Duration,
    /// The shop's id in its devices' topics, when several are heard
    #[arg(long, value_name = "ID")]
    pub shop_id: Option<String>,
    /// The shop's name on receipts
    #[arg(long)]
    pub name: Option<String>,
    /// ISO 4217 code of the currency [default: EUR]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// IANA time zone of the receipts' dates [default: this machine's]
    #[arg(long, value_name = "NAME")]
    pub timezone: Option<String>,
    /// Tax classes and their rates, for instance "standard=19, reduced=7" [default: standard=0]
    #[arg(long, value_name = "CLASSES")]
    pub tax: Option<String>,
    /// Width and depth of the room in metres, the door in the wall below, for instance "6 x 5"
    #[arg(long, value_name = "W x D")]
    pub room: Option<String>,
    /// Middle of the door in metres from the left corner [default: middle of the wall]
    #[arg(long, value_name = "METRES")]
    pub door_at: Option<f64>,
    /// Width of the door in metres [default: 1.2]
    #[arg(long, value_name = "METRES")]
    pub door_width: Option<f64>,
    /// Width of one plate in metres [default: 0.1016]
    #[arg(long, value_name = "METRES")]
    pub plate_width: Option<f64>,
    /// Depth of a shelf in metres [default: 0.4064]
    #[arg(long, value_name = "METRES")]
    pub shelf_depth: Option<f64>,
    /// Plates of a shelf that is known by its status and sent no weights [default: as the others]
    #[arg(long, value_name = "N")]
    pub plates: Option<PlateNo>,
    /// A camera with pictures, as NAME=rtsp://…; may be given several times
    #[arg(long, value_name = "NAME=URL")]
    pub camera: Vec<String>,
    /// User of the ONVIF cameras; with a password file, or asked for
    #[arg(long, value_name = "NAME")]
    pub camera_user: Option<String>,
    /// A file with the cameras' password in its first line
    #[arg(long, value_name = "FILE", requires = "camera_user")]
    pub camera_password_file: Option<PathBuf>,
    /// Do not look for cameras on the network
    #[arg(long)]
    pub no_discovery: bool,
    /// Address of the network interface to look for cameras on [default: all]
    #[arg(long, value_name = "ADDRESS")]
    pub interface_address: Option<Ipv4Addr>,
    /// Where cameras listen for the question
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = EVERYBODY)]
    pub discovery_address: SocketAddrV4,
    /// How long cameras may take to answer
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = duration)]
    pub discover_for: Duration,
    /// Your products, as docs/shop-files.md describes catalogue.csv; without it, one placeholder a plate
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// Address of the payment service [default: none, the shop is offline]
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// A file with the payment service's token in its first line; it is copied into DIR/secrets
    #[arg(long, value_name = "FILE")]
    pub upstream_token_file: Option<PathBuf>,
    /// Where page and API listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub page: Option<String>,
    /// Where the ledger goes [default: /var/lib/carryout, or DIR/state for another DIR]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Write over an existing shop; its files are kept as .bak
    #[arg(long)]
    pub force: bool,
    /// Ask nothing: flags, what was heard, and defaults
    #[arg(long)]
    pub yes: bool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub async fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if let Some(obstacle) = household::obstacle(&args.dir, args.force) {
        return Err(obstacle.into());
    }
    crate::sync::install_tls_provider();
    let mut interview = Interview::new(args.yes);
    let (broker, password, heard) = listening::listen(args, &mut interview).await?;
    let (id, devices) = listening::which_shop(args, &mut interview, &heard)?;
    println!("Shop `{id}`:\n{}", devices.told());
    let shelves = listening::shelves(args, &mut interview, devices)?;
    if shelves.is_empty() {
        return Err(format!("no shelf of shop `{id}` was heard: {}", listening::NOTHING_HEARD).into());
    }

    let named = Question { note: false, ..Question::new("--name", "name of the shop", &args.name, &id) };
    let name = interview.ask(&named, answers::some_text)?;
    let currency = Question::new("--currency", "currency", &args.currency, "EUR");
    let currency = interview.ask(&currency, answers::currency)?;
    let timezone = Question::new("--timezone", "time zone", &args.timezone, &local_zone());
    let timezone = interview.ask(&timezone, answers::timezone)?;
    let taxes = Question::new("--tax", "tax classes, such as standard=19, reduced=7", &args.tax, "standard=0");
    let taxes = interview.ask(&taxes, answers::taxes)?;
    let eyes = cameras::find(args, &mut interview, devices.cameras.keys().cloned().collect()).await?;
    let mut things = Things { shelves, people: devices.cameras.keys().cloned().collect(), eyes, ..Things::default() };
    things.gates = devices.gates.keys().map(|id| (id.clone(), GateDirection::Both)).collect();
    if things.gates.is_empty() {
        interview.assumed.push("there is a gate `gate-1`, although none was heard".into());
        things.gates.push((GateId::new("gate-1"), GateDirection::Both));
    }
    let layout = room(args, &mut interview, &things)?;
    let (catalogue, rows) = goods::catalogue(args, &mut interview, &layout, &taxes, &currency)?;
    let upstream = Question::new("--upstream", "address of the payment service (none: offline)", &args.upstream, "");
    let upstream = interview.ask(&upstream, payment)?;
    let token_file = args.upstream_token_file.as_ref().map(|path| path.display().to_string());
    let upstream_token = match &upstream {
        Some(_) => {
            let what = "file with the payment service's token (none: no token)";
            interview.ask(&Question::new("--upstream-token-file", what, &token_file, ""), secret_in)?
        }
        None => None,
    };

    let packaged = Path::new(CONFIG_FILE).parent() == Some(&args.dir);
    let mut shop = Shop {
        id: ShopId::new(&id),
        name,
        currency,
        timezone,
        tax_included: true,
        layout,
        planogram: Planogram::default(),
        catalogue,
    };
    goods::stock(&mut shop);
    let tls = Tls::read(&broker)?;
    let wanted = Wanted {
        host: broker.host,
        port: broker.port,
        user: broker.user,
        password,
        tls,
        state: args.state.clone().or_else(|| (!packaged).then(|| "state".into())),
        page: args.page.clone(),
        upstream,
        upstream_token,
        systemd: packaged,
        assumed: interview.assumed.clone(),
        catalogue: rows,
    };
    let household = Household::draft(&args.dir, &wanted, &shop).map_err(|problems| listed(&problems))?;
    if !interview.confirm(&format!("Write all this into {}?", args.dir.display()), true)? {
        return Err(NoAnswer::BrokenOff.into());
    }
    println!("Written:");
    household.write()?.iter().for_each(|line| println!("  {line}"));
    if !interview.assumed.is_empty() {
        println!("Assumed, because nobody said:");
        interview.assumed.iter().for_each(|line| println!("  {line}"));
    }
    Ok(goodbye(args, packaged))
}

/// The plan in a room of the measures asked for; asked again while things do not fit.
fn room(args: &InitArgs, interview: &mut Interview, things: &Things) -> Result<Layout, Failure> {
    let usual = first_plan::room_for(things);
    let question = Question {
        flag: "--room",
        what: "room, width x depth in metres, the door below",
        given: args.room.as_deref(),
        default: format!("{} x {}", usual.width, usual.depth),
        note: true,
    };
    let drawn = interview.ask(&question, |text| {
        let (width, depth) = answers::room(text)?;
        let room = Room {
            width,
            depth,
            door_at: args.door_at.unwrap_or(width / 2.0),
            door_width: args.door_width.unwrap_or(usual.door_width),
            plate_width: args.plate_width.unwrap_or(usual.plate_width),
            shelf_depth: args.shelf_depth.unwrap_or(usual.shelf_depth),
            ..usual.clone()
        };
        first_plan::draw(&room, things)
    })?;
    interview.assumed.push("where things stand: bays along the walls, lower shelf numbers below; measure".into());
    Ok(drawn)
}

/// `None` for none.
fn payment(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let options = crate::sync::SyncOptions { url: Some(text.to_owned()), ..Default::default() };
    options.address().map(|_| Some(text.to_owned())).map_err(|error| error.to_string())
}

/// The first line of a file; `None` for no file.
fn secret_in(path: &str) -> Result<Option<String>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("reading {path}: {error}"))?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(format!("{path} is empty; the secret belongs into its first line")),
    }
}

/// This machine's time zone, when it has a name.
fn local_zone() -> String {
    jiff::tz::TimeZone::system().iana_name().map_or_else(|| "UTC".into(), str::to_owned)
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect();
    lines.join("\n")
}

/// The last word is `check`'s; then what to do next.
fn goodbye(args: &InitArgs, packaged: bool) -> ExitCode {
    let config = args.dir.join(CONFIG);
    let report = check(&CheckArgs { config: Some(config.clone()), shop: None });
    println!("\ncarryout check says:");
    report.text.lines().for_each(|line| println!("  {line}"));
    let config = config.display();
    let (option, run) = match packaged {
        true => (String::new(), "systemctl enable --now carryout".to_owned()),
        false => (format!(" --config {config}"), format!("carryout run --config {config}")),
    };
    println!("\nNext:");
    println!("  carryout check{option}     # after every edit of the files");
    println!("  carryout doctor{option}    # tries broker, payment service, cameras, disk");
    println!("  {run}");
    if report.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
