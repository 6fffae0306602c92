//! `carryout export receipts`: every receipt with its payer's token, one JSON object a line, for scoring and for books.

use crate::ledger::{self, Reader, ReceiptFilter};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    pub what: Export,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Export {
    /// Receipts as they now stand, oldest first. Holds payers' tokens: keep it to yourself.
    Receipts {
        /// The state directory of a running or stopped shop.
        #[arg(long, value_name = "DIR", default_value = "/var/lib/carryout")]
        state: PathBuf,
    },
}

pub fn run(args: &ExportArgs) -> Result<(), Box<dyn Error + Send + Sync>> {
    let Export::Receipts { state } = &args.what;
    let reader = Reader::open(&ledger::file_in(state))?;
    let mut receipts = reader.receipts(&ReceiptFilter { limit: usize::MAX, ..ReceiptFilter::default() })?;
    receipts.reverse();
    let mut out = std::io::stdout().lock();
    for receipt in receipts {
        let token = reader.credential_of(receipt.cart.visit_id)?.map(|credential| credential.token);
        let mut line = serde_json::to_value(&receipt)?;
        line["token"] = token.into();
        writeln!(out, "{line}")?;
    }
    Ok(())
}
