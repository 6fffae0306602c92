//! `carryout import`: brings a shop described elsewhere into shop files.

use crate::shop::read::SHOP_FILE;
use crate::shop::{Problem, nanostore};
use std::path::PathBuf;
use std::process::ExitCode;

/// Turn somebody else's description of a shop into shop.toml, planogram.csv and catalogue.csv.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    pub from: ImportFrom,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum ImportFrom {
    /// geometry.csv, planogram.csv and products.csv of the published five-bay shop.
    Nanostore {
        /// Directory of the three tables.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Directory to write; it must not hold a shop yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

/// Prints what was done or every problem; a failing exit code when nothing was written.
pub fn run(args: &ImportArgs) -> std::io::Result<ExitCode> {
    let ImportFrom::Nanostore { from, to } = &args.from;
    if to.join(SHOP_FILE).exists() {
        eprintln!("{} holds a shop already; choose another directory", to.display());
        return Ok(ExitCode::FAILURE);
    }
    let tell = |problems: &[Problem]| {
        for problem in problems {
            eprintln!("{} {problem}", if problem.is_error() { "error  " } else { "warning" });
        }
    };
    match nanostore::read(from) {
        Ok((shop, warnings)) => {
            tell(&warnings);
            shop.write(to).map_err(|error| {
                std::io::Error::new(error.kind(), format!("writing the shop to {}: {error}", to.display()))
            })?;
            println!("shop `{}` written to {}; `carryout check --shop` looks at it", shop.id, to.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            tell(&problems);
            Ok(ExitCode::FAILURE)
        }
    }
}
