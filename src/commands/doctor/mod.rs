//! `carryout doctor`: tries everything a shop needs, for real, and says what to do.
//!
//! It may run while the shop is open: it reads, comes to the broker under its own name, says only what nobody keeps,
//! takes no lock and leaves nothing behind. `check` looks at files and asks nobody; doctor asks everybody.

mod broker;
mod cameras;
mod clock;
mod finding;
mod machine;
mod models;
mod state;
mod upstream;

use crate::commands::check::{CheckArgs, look};
use crate::commands::credentials::{is_handed_over, readable_here};
use crate::commands::demo::duration;
use crate::config::{CONFIG_FILE, Config};
use finding::Findings;
use std::path::{Path, PathBuf};
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
    let looked = look(&CheckArgs { config: Some(args.config.clone()), shop: None });

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
    let mut config = looked.config.unwrap_or_default();
    secrets(&mut findings, &mut config, &args.config);

    findings.group("state");
    let ledger = crate::ledger::file_in(&config.state.directory);
    let daemon = state::daemon_of(&ledger);
    state::directory(&mut findings, &config.state.directory, &args.config);
    state::ledger(&mut findings, &ledger, daemon);

    findings.group("clock");
    clock::look(&mut findings);

    findings.group("upstream");
    upstream::ask(&mut findings, &config.upstream, looked.shop.as_ref()).await;

    findings.group("broker");
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

/// Secrets, read from where they can be read here; from then on the config names those places.
fn secrets(findings: &mut Findings, config: &mut Config, file: &Path) {
    let Config { mqtt, web, upstream, .. } = config;
    for (check, path, chars, without) in [
        ("page token", &mut web.token_file, TOKEN_CHARS, "nobody may write or see carts on the page; set token_file"),
        ("broker password", &mut mqtt.password_file, 1, ""),
        ("upstream token", &mut upstream.token_file, 1, ""),
    ] {
        let Some(named) = path else {
            if !without.is_empty() {
                findings.warning(check, format_args!("none: {without}"));
            }
            continue;
        };
        let here = readable_here(named, file);
        let shown = here.display().to_string();
        match std::fs::read_to_string(&here) {
            // `check` has said what cannot be read; what systemd alone can read is no fault.
            Err(error) if is_handed_over(named) => findings.skipped(
                check,
                format_args!("{shown} cannot be read here ({error}); run doctor as root where the unit's secrets are"),
            ),
            Err(_) => {}
            Ok(text) => {
                let found = text.lines().next().unwrap_or_default().trim().chars().count();
                match found >= chars {
                    true => findings.ok(check, format_args!("{shown} is readable")),
                    false => findings.failed(
                        check,
                        format_args!("the first line of {shown} has {found} characters; write at least {chars}"),
                    ),
                }
            }
        }
        *named = here;
    }
}

/// Milliseconds for a sentence: two digits that matter.
fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
