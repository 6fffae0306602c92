//! The payment service: is it there, does it know us, is it fast enough for a gate, and does its clock agree with ours?

use super::clock::now_s;
use super::finding::Findings;
use super::ms;
use crate::base::limits::AUTHORISE_BUDGET_MS;
use crate::shop::Shop;
use crate::sync::{Answered, Client, SyncOptions, Unanswered};
use std::time::Duration;

/// The daemon waits longer; somebody at a terminal wants to know.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clocks further apart than this, seconds, confuse whoever compares receipts with charges.
const APART_S: i64 = 5;

pub async fn ask(findings: &mut Findings, options: &SyncOptions, shop: Option<&Shop>) {
    let Some(shop) = shop else { return findings.skipped("payment service", "the shop files come first") };
    let client = match Client::new(options, shop.id.clone(), &shop.currency) {
        Ok(Some(client)) => client,
        Ok(None) => {
            return findings.warning(
                "payment service",
                "none: the shop is offline, and charges wait in the ledger; set `url` of [upstream]",
            );
        }
        Err(error) => return findings.failed("payment service", error),
    };
    let url = options.url.as_deref().unwrap_or_default();
    match client.probe(PATIENCE.min(Duration::from_millis(options.timeout_ms))).await {
        Ok(answered) => judge(findings, url, &answered),
        Err(Unanswered::NoConnection(why)) => findings.failed(
            "payment service",
            format_args!("no connection to {url}: {why}; look at its address, the line, DNS, the certificate"),
        ),
        Err(Unanswered::Silent(why)) => findings.failed(
            "payment service",
            format_args!("{url} takes the connection and says nothing: {why}; taps go by the offline rule meanwhile"),
        ),
    }
}

fn judge(findings: &mut Findings, url: &str, answered: &Answered) {
    let Answered { status, date_s, first, second } = answered;
    match status {
        // The charge we asked for never was.
        404 | 200 => findings.ok("payment service", format_args!("{url} answers and knows our token")),
        401 | 403 => findings.failed(
            "payment service",
            format_args!("{url} answers {status}: the token is wrong; put the right one into token_file of [upstream]"),
        ),
        500.. => findings.failed(
            "payment service",
            format_args!(
                "{url} answers {status}: it is ill; taps go by the offline rule, charges wait; call its owner"
            ),
        ),
        _ => findings.warning(
            "payment service",
            format_args!("{url} answers {status} to a question after a charge; is `url` of [upstream] the right one?"),
        ),
    }
    let times = format!("{} on an open connection, {} from scratch", ms(*second), ms(*first));
    match second.as_millis() as i64 {
        0..=AUTHORISE_BUDGET_MS => {
            findings.ok("latency", format_args!("{times}; the gate waits {AUTHORISE_BUDGET_MS} ms"));
        }
        _ => findings.warning(
            "latency",
            format_args!("{times}; the gate waits {AUTHORISE_BUDGET_MS} ms and then goes by the offline rule"),
        ),
    }
    let Some(theirs) = date_s else { return findings.skipped("its clock", "it sends no Date") };
    match now_s() - theirs {
        apart if apart.abs() <= APART_S => findings.ok("its clock", format_args!("{apart} s from ours")),
        apart => findings.warning(
            "its clock",
            format_args!("ours is {apart} s ahead of it; one of the two is wrong: timedatectl shows ours"),
        ),
    }
}
