//! `carryout doctor`: tries everything a shop needs, for real, and says what to do.
//!
//! It may run while the shop is open: it reads, comes to the broker under its own name, says only what nobody keeps,
//! takes no lock and leaves nothing behind. `check` looks at files and asks nobody; doctor asks everybody.

mod broker;
mod cameras;
mod certificates;
mod clock;
mod finding;
mod machine;
mod models;
mod state;
mod upstream;

use crate::base::SecretError;
use crate::commands::arguments::duration;
use crate::commands::check::{CheckArgs, look};
use crate::config::{CONFIG_FILE, Config};
use finding::Findings;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Try everything for real: disk, ledger, clock, broker, payment service, cameras, models; say what to do.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,
    /// How long to wait for every shelf and camera to speak
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub listen: Duration,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A failing exit code when something failed; warnings do not.
pub async fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut findings = Findings::new(args.json);
    crate::sync::install_tls_provider();
    let mut looked = look(&CheckArgs { config: Some(args.config.clone()), shop: None });
    if let Some(shop) = &mut looked.shop {
        crate::commands::credentials::cameras_readable_here(shop, &args.config);
    }

    findings.group("files");
    let errors = looked.problems.iter().filter(|problem| problem.is_error()).count();
    for problem in &looked.problems {
        match problem.is_error() {
            true => findings.failed("config", problem),
            false => findings.warning("config", problem),
        }
    }
    if errors == 0 {
        let shop = looked.summary.first().map_or("", String::as_str);
        findings.ok("config", format_args!("{} and {shop}", args.config.display()));
    }
    let config = looked.config.unwrap_or_default();
    secrets(&mut findings, &config);

    findings.group("state");
    let ledger = crate::ledger::file_in(&config.state.directory);
    let daemon = state::daemon_of(&ledger);
    state::directory(&mut findings, &config.state.directory, &args.config);
    state::ballast(&mut findings, &config.state.directory);
    state::ledger(&mut findings, &ledger, daemon);

    findings.group("clock");
    clock::look(&mut findings);

    findings.group("upstream");
    upstream::ask(&mut findings, &config.upstream, looked.shop.as_ref()).await;

    findings.group("broker");
    certificates::in_files(&mut findings, &config.mqtt);
    broker::listen(&mut findings, &config.mqtt, looked.shop.as_ref(), args.listen).await;

    findings.group("cameras");
    cameras::look(&mut findings, looked.shop.as_ref(), &config.vision, daemon.is_some()).await;

    findings.group("models");
    models::run(&mut findings, looked.shop.as_ref(), &config.vision, &looked.model_problems).await;

    findings.group("machine");
    machine::web(&mut findings, &config.web, daemon).await;
    machine::limits(&mut findings);

    Ok(if findings.sum_up() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The daemon refuses a shorter page token.
const TOKEN_CHARS: usize = 16;

/// Secrets as they can be read here: `look` has named them so.
fn secrets(findings: &mut Findings, config: &Config) {
    let Config { mqtt, web, upstream, .. } = config;
    for (check, secret, chars, without) in [
        ("page token", &web.token_file, TOKEN_CHARS, "nobody may write or see carts on the page; set token_file"),
        ("broker password", &mqtt.password_file, 1, ""),
        ("broker key", &mqtt.client_key_file, 1, ""),
        ("upstream token", &upstream.token_file, 1, ""),
    ] {
        let Some(secret) = secret else {
            if !without.is_empty() {
                findings.warning(check, format_args!("none: {without}"));
            }
            continue;
        };
        match secret.first_line() {
            // What systemd alone can read is no fault.
            Err(SecretError::NoDirectory(_)) => findings.skipped(
                check,
                format_args!("{secret} is handed to the service alone; run doctor as root to look at it"),
            ),
            // `check` has said what cannot be read.
            Err(_) => {}
            Ok(line) => match line.trim().chars().count() {
                found if found >= chars => findings.ok(check, format_args!("{secret} is readable")),
                found => findings.failed(
                    check,
                    format_args!("the first line of {secret} has {found} characters; write at least {chars}"),
                ),
            },
        }
    }
}

/// Milliseconds for a sentence: two digits that matter.
fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
