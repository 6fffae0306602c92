//! Certificates between us and the broker that end soon. Whoever renews them is seldom in the shop: a month's notice.

use super::clock::now_s;
use super::finding::Findings;
use crate::sensors::mqtt::MqttOptions;
use crate::sensors::mqtt::expiry::{self, Ending};

const DAY_S: i64 = 24 * 3600;
const NOTICE_DAYS: i64 = 30;

/// What the files of `[mqtt]` say. Without TLS there is nothing to say.
pub fn in_files(findings: &mut Findings, options: &MqttOptions) {
    if options.ca_file.is_none() {
        return;
    }
    match expiry::of_files(options, notice_s()) {
        Ok(ending) if ending.is_empty() => {
            findings.ok("certificate files", format_args!("good for {NOTICE_DAYS} days more, at least"));
        }
        Ok(ending) => ending.iter().for_each(|one| tell(findings, "certificate files", one)),
        // `check` has said what is wrong with them.
        Err(error) => findings.skipped("certificate files", error),
    }
}

/// What the broker shows, once it has let us in.
pub async fn of_broker(findings: &mut Findings, options: &MqttOptions) {
    if options.ca_file.is_none() {
        return;
    }
    let asked = options.clone();
    let answer = tokio::task::spawn_blocking(move || expiry::of_broker(&asked, notice_s())).await;
    match answer.expect("looking at a certificate does not panic") {
        Ok(None) => findings.ok("broker's certificate", format_args!("good for {NOTICE_DAYS} days more, at least")),
        Ok(Some(one)) => tell(findings, "broker's certificate", &one),
        Err(error) => findings.skipped("broker's certificate", error),
    }
}

fn notice_s() -> u64 {
    (now_s() + NOTICE_DAYS * DAY_S).max(0).unsigned_abs()
}

fn tell(findings: &mut Findings, check: &str, Ending { whose, not_after_s }: &Ending) {
    let last = i64::try_from(*not_after_s).unwrap_or(i64::MAX);
    let date = jiff::Timestamp::from_second(last).map_or_else(|_| "?".into(), |at| at.strftime("%Y-%m-%d").to_string());
    match (last - now_s()) / DAY_S {
        _ if last <= now_s() => {
            findings.failed(check, format_args!("{whose} ended on {date}: renew it (docs/broker.md)"));
        }
        days => findings.warning(
            check,
            format_args!("{whose} ends in {days} days, on {date}: renew it in time; nobody has to restart anything"),
        ),
    }
}
