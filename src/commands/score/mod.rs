//! `carryout score --truth T --receipts R`: how right carts are, for anybody's receipts.
//!
//! Visits are matched by token only. Per case: micro F1 over (visit, product, unit); a visit that took nothing and is
//! charged nothing scores 1, one that took nothing and is charged scores 0. Then the mean over cases, the share of
//! carts exactly right, how many a human must look at, and what was charged too much and too little (docs/accuracy.md).

mod carts;
mod certainty;
mod events;
mod groups;
mod interval;
mod latency;
mod money;
mod read;
mod report;
mod table;
#[cfg(test)]
mod tests;

pub use carts::{CaseScore, Ceiling, Prices, Score, VisitScore, of, of_carts};
pub use certainty::{Bin, ReviewPoint, calibration, calibration_error, review_curve, review_needed};
pub use events::{ClaimedEvent, EventScore, score as score_events};
pub use groups::{Crowd, Family, by_crowding, by_family, family};
pub use interval::{Estimate, bootstrap};
pub use latency::{Latency, latency, waits_s};
pub use money::{Bar, Wrong, wrong};

use crate::carts::Receipt;
use crate::shop::Shop;
use crate::sim::truth::Taken;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct ScoreArgs {
    /// truth.jsonl of what really happened
    #[arg(long)]
    pub truth: PathBuf,
    /// receipts.jsonl: receipts with their token, one a line
    #[arg(long)]
    pub receipts: PathBuf,
    /// Who pays for what is handed over
    #[arg(long, value_enum, default_value_t = Billed::Picker)]
    pub handoff: Billed,
    /// Directory of the shop's files: prices of what was taken and never charged, and names for the report
    #[arg(long, value_name = "DIR")]
    pub shop: Option<PathBuf>,
    /// ceiling.jsonl of a generated recording: what anybody could have known at best
    #[arg(long, value_name = "FILE")]
    pub ceiling: Option<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// Also write a page to read and print: plots by family, crowding, certainty, money and time
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Billed {
    Picker,
    Receiver,
}

/// A line of receipts.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenReceipt {
    pub token: String,
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// A line of ceiling.jsonl: the cart of who pays with this token, as an oracle has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenCart {
    pub token: String,
    pub cart: Vec<Taken>,
}

/// Reads both files and scores, writes the report if asked to; the text is ready to print.
pub fn score(args: &ScoreArgs) -> Result<String, String> {
    let visits = read::truth(&args.truth)?;
    let receipts = read::receipts(&args.receipts)?;
    let both = || format!("{} and {}", args.truth.display(), args.receipts.display());
    read::belong_together(&visits, &receipts).map_err(|what| format!("{}: {what}", both()))?;
    let shop = args.shop.as_deref().map(shop).transpose()?;
    if let (Some(shop), Some(receipt)) = (&shop, receipts.first())
        && shop.currency != receipt.receipt.cart.currency
    {
        let (paid, priced) = (&receipt.receipt.cart.currency, &shop.currency);
        return Err(format!("receipts are in {paid} and the shop's prices in {priced}; is --shop another shop?"));
    }
    let prices = shop.as_ref().map(prices).unwrap_or_default();
    let mut score = of(&visits, &receipts, args.handoff, &prices);
    if let Some(path) = &args.ceiling {
        let carts = read::ceiling(path, &visits)?;
        score.ceiling = Some(Ceiling::of(of_carts(&visits, &carts, args.handoff, &prices)));
    }
    let mut told = match args.json {
        true => serde_json::to_string(&score).expect("a score is JSON") + "\n",
        false => table::table(&score),
    };
    if let Some(path) = &args.report {
        let names = shop.iter().flat_map(|shop| shop.catalogue.iter());
        let about = report::About {
            truth: args.truth.display().to_string(),
            receipts: args.receipts.display().to_string(),
            names: names.map(|product| (product.id.to_string(), product.name.clone())).collect(),
        };
        let written = std::fs::write(path, report::page(&score, &about));
        written.map_err(|err| format!("writing {}: {err}", path.display()))?;
        if !args.json {
            told += &format!("the report is in {}\n", path.display());
        }
    }
    Ok(told)
}

fn shop(dir: &Path) -> Result<Shop, String> {
    let (shop, _) = Shop::read(dir).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        format!("{}: {first}; carryout check --shop lists every problem", dir.display())
    })?;
    Ok(shop)
}

/// What a shop's products cost.
pub fn prices(shop: &Shop) -> Prices {
    shop.catalogue.iter().map(|product| (product.id.to_string(), product.price.0)).collect()
}
