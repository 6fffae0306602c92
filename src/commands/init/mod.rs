//! `carryout init`: a technician on a ladder answers a few questions, and there is a shop.
//!
//!     broker --listen--> heard (shelves, gates, cameras) --+
//!     network --ONVIF--> cameras --------------------------+--> first_plan --> household: files on disk --> check
//!     terminal, flags ---> interview ----------------------+
//!
//! The plan is a beginning: everything stands along the walls, and somebody measures. What was assumed is said.

mod cameras;
mod household;
mod interview;

use crate::base::time::Clock;
use crate::base::{Cents, GateId, PlateNo, ProductId, ShopId, ShopTime};
use crate::commands::check::{CheckArgs, check};
use crate::commands::demo::duration;
use crate::commands::heard::{Devices, EVERYTHING, Heard, ShelfHeard};
use crate::config::CONFIG_FILE;
use crate::sensors::ear::{Ear, EarError};
use crate::sensors::mqtt::MqttOptions;
use crate::sensors::onvif::probe::EVERYBODY;
use crate::shop::first_plan::{self, Room, Things};
use crate::shop::{Catalogue, GateDirection, Layout, Planogram, Problem, Product, Shop, TaxClass, default_tolerance_g};
use household::{CONFIG, Household, Wanted};
use indicatif::{ProgressBar, ProgressStyle};
use interview::{Interview, NoAnswer, Question, answers};
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Set a shop up: listen for its shelves, gates and cameras, ask the rest, write config and shop files.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// Where config, secrets and shop files go
    #[arg(long, value_name = "DIR", default_value = "/etc/carryout")]
    pub dir: PathBuf,
    /// The message broker [default: 127.0.0.1:1883]
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<String>,
    /// Who we are to the broker; with a password file
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A file with the broker's password in its first line; it is copied into DIR/secrets
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
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

/// A gate says its clock every 10 s: who listens for less may miss one. After so long without anything new, all is known.
const QUIET: Duration = Duration::from_secs(11);

/// What a placeholder weighs, grams: any weight that a scale notices will do until somebody weighs the real thing.
const PLACEHOLDER_G: f64 = 250.0;

pub async fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if let Some(obstacle) = household::obstacle(&args.dir, args.force) {
        return Err(obstacle.into());
    }
    crate::sync::install_tls_provider();
    let mut interview = Interview::new(args.yes);
    let (broker, password, heard) = listen(args, &mut interview).await?;
    let (id, devices) = which_shop(args, &mut interview, &heard)?;
    println!("Shop `{id}`:\n{}", devices.told());
    let shelves = shelves(args, &mut interview, devices)?;
    if shelves.is_empty() {
        return Err(format!("no shelf of shop `{id}` was heard: {NOTHING_HEARD}").into());
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
    let (catalogue, rows) = catalogue(args, &mut interview, &layout, &taxes, &currency)?;
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
    stock(&mut shop);
    let wanted = Wanted {
        host: broker.host,
        port: broker.port,
        user: broker.user,
        password,
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

const NOTHING_HEARD: &str = "are the shelves powered, and do they publish to this broker under carryout/v1/{shop}/…? \
     `--listen 60s` listens longer; `mosquitto_sub -t '#' -v` shows everything there is";

/// Connects, with a password when the broker wants one, and listens.
async fn listen(args: &InitArgs, interview: &mut Interview) -> Result<(MqttOptions, Option<String>, Heard), Failure> {
    let topics = [EVERYTHING.to_owned()];
    let client_id = format!("carryout-init-{}", std::process::id());
    let given = args.password_file.as_ref().map(|path| secret_in(&path.display().to_string())).transpose();
    let mut password = given.map_err(|why| format!("--password-file: {why}"))?.flatten();
    let mut user = args.user.clone();
    if user.is_some() && password.is_none() {
        password = Some(interview.secret("The broker's password")?);
    }
    let mut address = args.broker.clone();
    loop {
        let question = Question {
            flag: "--broker",
            what: "message broker, HOST:PORT",
            given: address.as_deref(),
            default: "127.0.0.1:1883".into(),
            note: true,
        };
        let (host, port) = interview.ask(&question, answers::address)?;
        let options = MqttOptions { host, port, user: user.clone(), ..MqttOptions::default() };
        let mut ear = match Ear::open(&options, password.as_deref(), &client_id, &topics).await {
            Ok(ear) => ear,
            Err(error @ EarError::Refused { .. }) if interview.is_asking() => {
                println!("  {error}: it wants a user and a password.");
                address = Some(format!("{}:{port}", options.host));
                let question =
                    Question { flag: "--user", what: "user", given: None, default: String::new(), note: false };
                user = Some(interview.ask(&question, answers::some_text)?);
                password = Some(interview.secret("Password")?);
                continue;
            }
            Err(error @ EarError::Refused { .. }) => {
                return Err(format!("{error}; give --user and --password-file as the broker knows them").into());
            }
            Err(error @ EarError::NoBroker { .. }) if interview.is_asking() => {
                println!("  {error}.");
                address = None;
                continue;
            }
            Err(error @ EarError::NoBroker { .. }) => {
                let hint = "start it (systemctl start mosquitto), or say --broker HOST:PORT";
                return Err(format!("{error}; {hint}").into());
            }
            Err(error) => return Err(format!("{error}; check the broker's access rules (ACL) for us").into()),
        };
        loop {
            let heard = hear(&mut ear, args.listen, interview).await?;
            if !heard.shops.is_empty() {
                ear.close().await;
                return Ok((options, password, heard));
            }
            let what = format!("nothing was heard at {}:{port} in {} s", options.host, args.listen.as_secs_f64());
            if !interview.is_asking() {
                return Err(format!("{what}: {NOTHING_HEARD}").into());
            }
            println!("  {what}: {NOTHING_HEARD}.");
            if !interview.confirm("Listen again?", true)? {
                return Err(NoAnswer::BrokenOff.into());
            }
        }
    }
}

/// Until `time` is over, nothing new comes any more, or somebody presses Enter.
async fn hear(ear: &mut Ear, time: Duration, interview: &Interview) -> Result<Heard, Failure> {
    let (clock, began) = (Clock::anchored_after(ShopTime(0)), Instant::now());
    let (mut heard, mut newest) = (Heard::default(), began);
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{spinner} listening {elapsed}: {msg}").expect("a template"));
    let enough = if interview.is_asking() { "; Enter: enough" } else { "" };
    loop {
        let left = time.saturating_sub(began.elapsed());
        let is_quiet = newest.elapsed() > QUIET && !heard.shops.is_empty();
        if left.is_zero() || is_quiet || interview.enter_pressed() {
            break;
        }
        if let Some(message) = ear.next(left.min(Duration::from_millis(100))).await?
            && heard.take(&message, clock.now())
        {
            newest = Instant::now();
        }
        bar.set_message(format!("{}{enough}", heard.counts()));
        bar.tick();
    }
    bar.finish_and_clear();
    println!("Heard {} messages in {:.0} s.", heard.messages, began.elapsed().as_secs_f64());
    Ok(heard)
}

fn which_shop<'h>(
    args: &InitArgs,
    interview: &mut Interview,
    heard: &'h Heard,
) -> Result<(String, &'h Devices), Failure> {
    let shops = heard.by_size();
    let names: Vec<&str> = shops.iter().map(|(id, _)| *id).collect();
    let known = |text: &str| {
        let heard = names.contains(&text).then(|| text.to_owned());
        heard.ok_or_else(|| format!("no device speaks for shop `{text}`; heard were: {}", names.join(", ")))
    };
    // One shop is no question. Of several none is more likely meant than another, unless somebody says so.
    let (given, default) = match (&args.shop_id, names.as_slice()) {
        (None, [only]) => (Some(*only), String::new()),
        (None, several) if interview.is_asking() => (None, several[0].to_owned()),
        (given, _) => (given.as_deref(), String::new()),
    };
    let what = format!("id of the shop (heard: {})", names.join(", "));
    let id = interview.ask(&Question { flag: "--shop-id", what: &what, given, default, note: false }, known)?;
    let devices = &heard.shops[&id];
    Ok((id, devices))
}

/// Shelves and their plates; one that sent no weights has as many as most others, until somebody says otherwise.
fn shelves(
    args: &InitArgs,
    interview: &mut Interview,
    devices: &Devices,
) -> Result<Vec<(crate::base::ShelfId, PlateNo)>, Failure> {
    let mut counts: Vec<PlateNo> = devices.shelves.values().map(ShelfHeard::plate_count).collect();
    counts.retain(|count| *count > 0);
    counts.sort_unstable();
    let usual = counts.get(counts.len() / 2).copied().unwrap_or(12);
    let given = args.plates.map(|plates| plates.to_string());
    let mut shelves = Vec::new();
    for (id, shelf) in &devices.shelves {
        let mut plates = shelf.plate_count();
        if plates == 0 {
            let what = format!("plates of shelf {id}, which sends no weights");
            let question = Question {
                flag: "--plates",
                what: &what,
                given: given.as_deref(),
                default: usual.to_string(),
                note: true,
            };
            let whole = |text: &str| match text.parse::<PlateNo>() {
                Ok(plates @ 1..=512) => Ok(plates),
                _ => Err("a shelf has 1 to 512 plates".to_owned()),
            };
            plates = interview.ask(&question, whole)?;
        }
        shelves.push((id.clone(), plates));
    }
    Ok(shelves)
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

/// Products: somebody's own, or a placeholder a plate. Own rows are kept as they are written.
fn catalogue(
    args: &InitArgs,
    interview: &mut Interview,
    layout: &Layout,
    taxes: &[TaxClass],
    currency: &str,
) -> Result<(Catalogue, Option<String>), Failure> {
    let given = args.catalogue.as_ref().map(|path| path.display().to_string());
    let question = Question {
        flag: "--catalogue",
        what: "your catalogue.csv (none: a placeholder a plate)",
        given: given.as_deref(),
        default: String::new(),
        note: true,
    };
    // A shop with nothing but this catalogue: what is wrong with the catalogue is then said line by line.
    let mut bare = Shop {
        id: ShopId::new("shop"),
        name: String::new(),
        currency: currency.to_owned(),
        timezone: "UTC".into(),
        tax_included: true,
        layout: layout.clone(),
        planogram: Planogram::default(),
        catalogue: Catalogue::default(),
    };
    taxes.iter().for_each(|class| bare.catalogue.insert_tax_class(class.clone()));
    let shop_toml = bare.shop_toml();
    let own = interview.ask(&question, |text| {
        if text.is_empty() {
            return Ok(None);
        }
        let rows = std::fs::read_to_string(text).map_err(|error| format!("reading {text}: {error}"))?;
        let (read, _) = Shop::parse(&shop_toml, "shelf,plate,product\n", &rows).map_err(|found| listed(&found))?;
        Ok(Some((read.catalogue, Some(rows))))
    })?;
    if let Some(own) = own {
        return Ok(own);
    }
    let mut catalogue = bare.catalogue;
    let plates = layout.shelves.values().flat_map(|shelf| shelf.plates.iter().map(move |plate| (shelf, plate)));
    for (n, (shelf, plate)) in plates.enumerate() {
        catalogue.insert(Product {
            id: ProductId::new(format!("PLACEHOLDER-{:04}", n + 1)),
            name: format!("Placeholder, shelf {} plate {}", shelf.id, plate.no),
            // Nobody pays for what nobody has named.
            price: Cents(0),
            tax: taxes[0].clone(),
            deposit: Cents(0),
            weight_g: PLACEHOLDER_G,
            weight_tolerance_g: default_tolerance_g(PLACEHOLDER_G),
            restricted: false,
        });
    }
    interview.assumed.push(format!("products: placeholders that cost nothing and weigh {PLACEHOLDER_G} g"));
    Ok((catalogue, None))
}

/// One product a plate, shelf by shelf, until one of them runs out.
fn stock(shop: &mut Shop) {
    let plates = shop.layout.shelves.values().flat_map(|shelf| shelf.plates.iter().map(|plate| (&shelf.id, plate.no)));
    let plates: Vec<_> = plates.map(|(id, no)| (id.clone(), no)).collect();
    for ((shelf, plate), product) in plates.into_iter().zip(shop.catalogue.iter().filter(|p| p.weight_g > 0.0)) {
        shop.planogram.put(shelf, plate, product.id.clone());
    }
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
