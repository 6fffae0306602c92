//! Parse arguments, set up logging, dispatch, exit codes. Everything else is in the library.

use carryout::commands::{
    bench, calibrate, check, demo, doctor, export, import, init, models, perceive, replay, run, score, simulate,
    verify, watch,
};
use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Autonomous checkout for one shop: carry it out, don't check it out.
#[derive(Parser)]
#[command(version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Logs as JSON, one object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Perceive(perceive::PerceiveArgs),
    Watch(watch::WatchArgs),
    Calibrate(Box<calibrate::CalibrateArgs>),
    Check(check::CheckArgs),
    Init(Box<init::InitArgs>),
    Doctor(doctor::DoctorArgs),
    /// Look through a ledger: does everything add up?
    Verify {
        #[arg(long, value_name = "DIR", default_value = "/var/lib/carryout")]
        state: PathBuf,
    },
    Replay(replay::ReplayArgs),
    /// Write down what the ledger holds.
    Export(export::ExportArgs),
    /// Turn other people's shop descriptions into shop files.
    Import(import::ImportArgs),
    /// Play people and shelves, into a recording or over a broker.
    Simulate(Box<simulate::SimulateArgs>),
    Demo(demo::DemoArgs),
    /// Compare receipts with the truth.
    Score(score::ScoreArgs),
    Models(models::ModelsArgs),
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.log_json);
    match dispatch(cli.verb) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(%error, "carryout ended");
            eprintln!("carryout: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: Verb) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    Ok(match verb {
        Verb::Run(args) => run::run(&args)?,
        Verb::Perceive(args) => runtime()?.block_on(perceive::run(&args))?,
        Verb::Watch(args) => runtime()?.block_on(watch::run(&args))?,
        Verb::Calibrate(args) => runtime()?.block_on(calibrate::run(&args))?,
        Verb::Check(args) => check::run(&args)?,
        Verb::Doctor(args) => runtime()?.block_on(doctor::run(&args))?,
        Verb::Init(args) => runtime()?.block_on(init::run(&args))?,
        Verb::Verify { state } => match verify::verify(&state) {
            Ok(told) => {
                print!("{told}");
                ExitCode::SUCCESS
            }
            Err(told) => {
                eprint!("{told}");
                ExitCode::FAILURE
            }
        },
        Verb::Replay(args) => replay::run(&args)?,
        Verb::Export(args) => {
            export::run(&args)?;
            ExitCode::SUCCESS
        }
        Verb::Import(args) => import::run(&args)?,
        Verb::Simulate(args) => {
            print!("{}", runtime()?.block_on(simulate::simulate(&args))?);
            ExitCode::SUCCESS
        }
        Verb::Demo(args) => {
            println!("{}", runtime()?.block_on(demo::demo(&args))?);
            ExitCode::SUCCESS
        }
        Verb::Score(args) => {
            // Whoever reads may have read enough (`| head`): an error then, and no panic.
            std::io::stdout().write_all(score::score(&args)?.as_bytes())?;
            ExitCode::SUCCESS
        }
        Verb::Models(args) => runtime()?.block_on(models::run(&args))?,
        Verb::Bench(args) => {
            bench::run(&args)?;
            ExitCode::SUCCESS
        }
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Logs go to standard error: a diary for the journal, `CARRYOUT_LOG` says how much of it (default: info). ONNX Runtime tells of every step in
/// which it readies a model, 170 lines at each start: of that only what is wrong, unless somebody asks for `ort=info`.
fn log(json: bool) {
    let asked = std::env::var("CARRYOUT_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = |asked: &str| tracing_subscriber::EnvFilter::try_new(format!("ort=warn,{asked}"));
    let filter = filter(&asked).or_else(|_| filter("info")).expect("what we wrote ourselves");
    // Colours are for a terminal; in the journal and in files they are noise.
    let colours = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if json { builder.json().init() } else { builder.with_target(false).init() }
}
