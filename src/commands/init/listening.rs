//! Listening at the broker: in, with a password when it wants one; what is heard, while somebody watches; which shop it
//! is, and how many plates its shelves have.

use super::interview::{Interview, NoAnswer, Question, answers};
use super::{Failure, InitArgs, secret_in};
use crate::base::time::Clock;
use crate::base::{PlateNo, SecretFile, ShelfId, ShopTime};
use crate::commands::heard::{Devices, EVERYTHING, Heard, ShelfHeard};
use crate::sensors::ear::{Ear, EarError};
use crate::sensors::mqtt::MqttOptions;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A gate says its clock every 10 s: who listens for less may miss one. After so long without anything new, all is known.
const QUIET: Duration = Duration::from_secs(11);

pub const NOTHING_HEARD: &str = "are the shelves powered, and do they publish to this broker under carryout/v1/{shop}/…? \
     `--listen 60s` listens longer; `mosquitto_sub -t '#' -v` shows everything there is";

/// Connects, with a password when the broker wants one, and listens.
pub async fn listen(
    args: &InitArgs,
    interview: &mut Interview,
) -> Result<(MqttOptions, Option<String>, Heard), Failure> {
    let topics = [EVERYTHING.to_owned()];
    let client_id = format!("carryout-init-{}", std::process::id());
    let given = args.password_file.as_ref().map(|path| secret_in(&path.display().to_string())).transpose();
    let mut password = given.map_err(|why| format!("--password-file: {why}"))?.flatten();
    let mut options = MqttOptions {
        user: args.user.clone(),
        ca_file: args.ca_file.clone(),
        client_cert_file: args.client_cert_file.clone(),
        client_key_file: args.client_key_file.clone().map(SecretFile::File),
        ..MqttOptions::default()
    };
    if options.user.is_some() && password.is_none() {
        password = Some(interview.secret("The broker's password")?);
    }
    let mut address = args.broker.clone();
    loop {
        // Where brokers listen for TLS, and where for everybody.
        let usual_port = if options.ca_file.is_some() { 8883 } else { 1883 };
        let question = Question {
            flag: "--broker",
            what: "message broker, HOST:PORT",
            given: address.as_deref(),
            default: format!("127.0.0.1:{usual_port}"),
            note: true,
        };
        (options.host, options.port) = interview.ask(&question, |text| answers::address(text, usual_port))?;
        let mut ear = match Ear::open(&options, password.as_deref(), &client_id, &topics).await {
            Ok(ear) => ear,
            Err(error) => {
                address = again(interview, error, &mut options, &mut password)?;
                continue;
            }
        };
        loop {
            let heard = hear(&mut ear, args.listen, interview).await?;
            if !heard.shops.is_empty() {
                ear.close().await;
                return Ok((options, password, heard));
            }
            let what =
                format!("nothing was heard at {}:{} in {} s", options.host, options.port, args.listen.as_secs_f64());
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

/// The broker does not let us in: what somebody at a terminal can say to that, and where to try next (`None`: ask). Without
/// anybody, the error and the flag that mends it.
fn again(
    interview: &mut Interview,
    error: EarError,
    options: &mut MqttOptions,
    password: &mut Option<String>,
) -> Result<Option<String>, Failure> {
    let address = |options: &MqttOptions| match options.host.contains(':') {
        true => format!("[{}]:{}", options.host, options.port),
        false => format!("{}:{}", options.host, options.port),
    };
    let hint = match &error {
        EarError::NoBroker { .. } => "start it (systemctl start mosquitto), or say --broker HOST:PORT",
        EarError::Refused { .. } => "give --user and --password-file as the broker knows them",
        EarError::HungUp { .. } => "that is --ca-file",
        EarError::NotCalled { .. } | EarError::Tls { .. } => {
            "the flags are --broker, --ca-file, --client-cert-file, --client-key-file"
        }
        EarError::Deaf { .. } | EarError::Lost { .. } => "check the broker's access rules (ACL) for us",
    };
    match &error {
        EarError::Refused { .. } if interview.is_asking() => {
            println!("  {error}: it wants a user and a password.");
            let question = Question { flag: "--user", what: "user", given: None, default: String::new(), note: false };
            options.user = Some(interview.ask(&question, answers::some_text)?);
            *password = Some(interview.secret("Password")?);
            Ok(Some(address(options)))
        }
        EarError::HungUp { .. } if interview.is_asking() => {
            println!("  {error}.");
            let what = "file with the CA of its certificate (none: another broker)";
            let question = Question { flag: "--ca-file", what, given: None, default: String::new(), note: false };
            options.ca_file = interview.ask(&question, |path| match path {
                "" => Ok(None),
                path if Path::new(path).is_file() => Ok(Some(PathBuf::from(path))),
                path => Err(format!("there is no file {path}")),
            })?;
            Ok(options.ca_file.is_some().then(|| address(options)))
        }
        EarError::NoBroker { .. } if interview.is_asking() => {
            println!("  {error}.");
            Ok(None)
        }
        _ => Err(format!("{error}; {hint}").into()),
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

pub fn which_shop<'h>(
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
pub fn shelves(
    args: &InitArgs,
    interview: &mut Interview,
    devices: &Devices,
) -> Result<Vec<(ShelfId, PlateNo)>, Failure> {
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
