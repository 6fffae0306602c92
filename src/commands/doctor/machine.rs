//! The rest of the machine: the page's port, and how many files may be open.

use super::finding::Findings;
use crate::config::WebOptions;
use std::time::Duration;

/// The unit asks for 16384; connections of a page, cameras and upstream are some hundreds.
const FILES: u64 = 1024;

pub async fn web(findings: &mut Findings, options: &WebOptions, daemon: Option<u32>) {
    let at = options.listen;
    if at.port() == 0 {
        return findings.skipped("page", "its port is chosen at every start; the daemon's log names it");
    }
    if daemon.is_none() {
        match tokio::net::TcpListener::bind(at).await {
            Ok(_) => findings.ok("page", format_args!("{at} is free")),
            Err(error) => findings.failed(
                "page",
                format_args!(
                    "{at} cannot be had: {error}; `ss -ltnp` shows who has it: stop that, or set `listen` of [web]"
                ),
            ),
        }
        return;
    }
    match health(at).await {
        Ok((state, reasons)) if state == "up" && reasons.is_empty() => {
            findings.ok("page", format_args!("the daemon at {at} says it is up"));
        }
        Ok((state, reasons)) => {
            findings.warning("page", format_args!("the daemon at {at} says `{state}`: {}", reasons.join(" ")));
        }
        Err(why) => findings.failed(
            "page",
            format_args!("the daemon runs and does not answer at {at}: {why}; was `listen` changed since its start?"),
        ),
    }
}

async fn health(at: std::net::SocketAddr) -> Result<(String, Vec<String>), String> {
    let plain = |error: reqwest::Error| error.without_url().to_string();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build().map_err(plain)?;
    let answer = http.get(format!("http://{at}/api/v1/health")).send().await.map_err(plain)?;
    let health: serde_json::Value = answer.json().await.map_err(plain)?;
    let state = health["state"].as_str().ok_or("what answers is not carryout")?.to_owned();
    let reasons = health["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason.as_str());
    Ok((state, reasons.map(str::to_owned).collect()))
}

pub fn limits(findings: &mut Findings) {
    // SAFETY: the record is ours and is written whole when the call answers 0.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        (libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0).then_some(limit.rlim_cur)
    };
    match limit {
        Some(files @ FILES..) => findings.ok("open files", format_args!("{files} here; the unit asks for 16384")),
        Some(files) => findings.warning(
            "open files",
            format_args!("only {files} here; the unit asks for 16384, by hand it is `ulimit -n 16384`"),
        ),
        None => findings.skipped("open files", std::io::Error::last_os_error()),
    }
}
