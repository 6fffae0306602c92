//! Outbox to upstream, authorisations, answers back.

use crate::base::ShopTime;
use serde::Serialize;

/// How far upstream has heard of us; the page and `status` show it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SyncStatus {
    /// `None`: not tried yet.
    pub reachable: Option<bool>,
    pub queue_rows: u64,
    pub queue_oldest_us: Option<ShopTime>,
    pub last_error: Option<String>,
}
