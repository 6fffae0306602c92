//! The synthetic shop: its physics, its people, its scripts, its suites.

mod core;
mod floor;
mod report;
mod script;
mod suites;

use carryout::commands::simulate::SimulateArgs;

/// What somebody typed after `carryout simulate`.
fn typed(words: &[&str]) -> SimulateArgs {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }
    let line: Line = clap::Parser::parse_from([&["simulate"], words].concat());
    line.args
}
