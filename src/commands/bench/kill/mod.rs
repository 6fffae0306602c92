//! Kills a running shop with `kill -9` again and again and asks an outsider what was lost.
//!
//!     shoppers, shelves, gates --MQTT--> carryout run (a child)  <-- kill -9, start, kill -9, start …
//!          |        staff --HTTP--> ---^          |
//!          |                                      v HTTP
//!       [witness] <---- what was said ---- upstream that fails in all its ways
//!
//! Nothing is stood in for: a real mosquitto, a ledger on disk, the reference upstream over HTTP. The witness lives in this
//! process, believes only what it heard the daemon say (an open gate, a receipt, a 200) and what upstream booked, and knows
//! what people really took. After every kill the ledger must verify; at the end, with everybody out and upstream well
//! again, everything promised must be there, and nothing twice. `rounds` plays, `staff` asks for money back through all
//! of it, `witness` judges; `week` is the other long test of patience: upstream gone for seven days.

mod rounds;
mod staff;
mod week;
mod witness;

use super::figure::{Bar, Figure, Promise, quantile};
use super::{Length, Measure};

pub const PROMISES: [Promise; 13] = [
    Promise { figure: "kill.rounds", bar: Bar::AtLeast(200.0), unit: "kills" },
    Promise { figure: "kill.lost", bar: Bar::AtMost(0.0), unit: "" },
    Promise { figure: "kill.doubled", bar: Bar::AtMost(0.0), unit: "" },
    Promise { figure: "kill.verify_findings", bar: Bar::AtMost(0.0), unit: "" },
    Promise { figure: "kill.visits", bar: Bar::None, unit: "" },
    Promise { figure: "kill.visits.right", bar: Bar::None, unit: "of visits" },
    Promise { figure: "kill.visits.reviewed", bar: Bar::None, unit: "of visits" },
    Promise { figure: "kill.visits.overcharged", bar: Bar::None, unit: "of visits" },
    Promise { figure: "kill.visits.undercharged", bar: Bar::None, unit: "of visits" },
    Promise { figure: "kill.up_again.p99_ms", bar: Bar::None, unit: "ms" },
    Promise { figure: "kill.week.charges", bar: Bar::AtLeast(1.0), unit: "" },
    Promise { figure: "kill.week.lost", bar: Bar::AtMost(0.0), unit: "" },
    Promise { figure: "kill.week.doubled", bar: Bar::AtMost(0.0), unit: "" },
];

/// Wrong carts that are listed: enough to look for a cause.
const WRONG: usize = 20;

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let (kills, visits_a_day) = match how.length {
        Length::Brief => (8, 20),
        Length::Short => (200, 200),
        Length::Long => (2_000, 1_000),
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("starting a runtime: {error}"))?;
    crate::sync::install_tls_provider();
    let mut told = runtime.block_on(rounds::campaign(kills, how.seed))?;
    let week = runtime.block_on(week::offline(visits_a_day, how.seed))?;
    notes.push(format!("seed {}, ledger in {} (TMPDIR chooses)", how.seed, std::env::temp_dir().display()));
    notes.push(format!("{} refunds, {} contests and {} reviews by staff", told.refunds, told.contests, told.reviews));
    notes.push(format!("killed: {}", told.moments.join(", ")));
    notes.extend(told.lost.iter().map(|what| format!("LOST: {what}")));
    notes.extend(told.doubled.iter().map(|what| format!("DOUBLED: {what}")));
    notes.extend(told.findings.iter().map(|what| format!("VERIFY: {what}")));
    notes.extend(told.wrong.iter().take(WRONG).map(|what| format!("wrong: {what}")));
    if !week.unpaid.is_empty() {
        notes.push(format!("of the week's {} took goods unnoticed: {}", week.unpaid.len(), week.unpaid.join(", ")));
    }
    notes.extend(week.faults().map(|what| format!("WEEK: {what}")));
    let visits = told.visits as usize;
    let share = |n: u32| f64::from(n) / f64::from(told.visits.max(1));
    let up_ms = quantile(&mut told.up_ms, 0.99);
    let values = [
        (f64::from(told.kills), told.kills as usize),
        (told.lost.len() as f64, visits),
        (told.doubled.len() as f64, visits),
        (told.findings.len() as f64, told.kills as usize),
        (f64::from(told.visits), visits),
        (share(told.right), visits),
        (share(told.reviewed), visits),
        (share(told.over), visits),
        (share(told.under), visits),
        (up_ms, told.up_ms.len()),
        (week.charges as f64, week.charges),
        (week.lost.len() as f64, week.charges),
        (week.doubled.len() as f64, week.charges),
    ];
    Ok(PROMISES.iter().zip(values).map(|(promise, (value, n))| promise.measured(Some(value), n)).collect())
}
