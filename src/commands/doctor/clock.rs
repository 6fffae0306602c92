//! The machine's clock: is it set, and does somebody keep it set? Receipts carry its dates, and certificates their days.

use super::finding::Findings;
use std::time::{SystemTime, UNIX_EPOCH};

/// Before this release was written, and after it is of any use: 2025 and 2100.
const SANE_S: std::ops::Range<i64> = 1_735_689_600..4_102_444_800;

pub fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

pub fn look(findings: &mut Findings) {
    let now_s = now_s();
    let shown = jiff::Timestamp::from_second(now_s).map_or_else(|_| now_s.to_string(), |t| t.to_string());
    match SANE_S.contains(&now_s) {
        true => findings.ok("date", shown),
        false => findings.failed("date", format_args!("it is {shown} here; set the clock: timedatectl set-ntp true")),
    }
    // SAFETY: with `modes` zero nothing is set; the record is ours and is written by the call.
    let (answer, state) = unsafe {
        let mut state: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut state), state)
    };
    let hint = "let the machine keep time: apt-get install systemd-timesyncd (or chrony), timedatectl set-ntp true";
    match answer {
        -1 => findings.skipped("synchronised", std::io::Error::last_os_error()),
        _ if answer == libc::TIME_ERROR || state.status & libc::STA_UNSYNC != 0 => {
            findings.warning("synchronised", format_args!("the kernel says that nobody keeps the clock; {hint}"));
        }
        _ => findings.ok("synchronised", format_args!("within {} ms, says the kernel", state.maxerror / 1000 + 1)),
    }
}
