//! Outbox to upstream, authorisations, answers back.
//!
//!     ledger's outbox --> [SyncTask] --HTTPS--> upstream
//!                            |<--- answers ---
//!                            +--> Observation::Charged, Refunded --> floor --> entry --> ledger: the row is gone
//!     floor's Effect::Authorise --> [Client] --> Observation::Authorised --> floor
//!
//! The outbox is the truth. Data flows one way round: an answer becomes an observation, the floor makes it an entry, and
//! the transaction of that entry takes the row away; until then it is there, and whatever is asked twice gives the same
//! answer. Sync writes nothing itself but notes on its rows, and those through the ledger's one writer. It restarts for
//! ever; what it was doing when it died is asked for, not repeated.
//!
//! Reading on: `options.rs` what can be set, `client.rs` the calls of wire.md, `body.rs` what they carry, `answer.rs`
//! what comes back, `worker.rs` what goes out when, `call.rs` one row's way, `probe.rs` a question that changes nothing.

pub mod answer;
pub mod body;
mod call;
mod client;
mod options;
mod probe;
mod worker;

pub use client::Client;
pub use options::{SyncError, SyncOptions, install_tls_provider};
pub use probe::{Answered, Unanswered};
pub use worker::SyncTask;

use crate::base::ShopTime;
use serde::Serialize;

/// How far upstream has heard of us; the page and `status` show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SyncStatus {
    /// Whether the last call got a sensible answer; `None`: not tried yet.
    pub reachable: Option<bool>,
    pub queue_rows: u64,
    pub queue_oldest_us: Option<ShopTime>,
    pub last_error: Option<String>,
}
