//! Named counts of what happened and what was refused; the page, `/metrics` and the log read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Shared by every task; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Mutex<BTreeMap<String, Count>>>);

#[derive(Debug, Default)]
struct Count {
    n: u64,
    logged: Option<Instant>,
}

/// A refusal of one kind is logged at most this often; it is counted always.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl Counters {
    pub fn count(&self, name: &str) {
        self.add(name, 1);
    }

    pub fn add(&self, name: &str, n: u64) {
        self.with(name, |count| count.n = count.n.saturating_add(n));
    }

    /// Counts a refused input under `kind` (`weights.malformed`) and logs `detail`, which names the thing and what to
    /// do and never quotes the payload, at most once a minute a kind.
    pub fn refuse(&self, kind: &str, detail: impl std::fmt::Display) {
        let (n, log) = self.with(kind, |count| {
            count.n += 1;
            let due = count.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY);
            if due {
                count.logged = Some(Instant::now());
            }
            (count.n, due)
        });
        if log {
            tracing::warn!(kind, count = n, %detail, "input refused");
        }
    }

    pub fn get(&self, name: &str) -> u64 {
        self.0.lock().expect("counters").get(name).map_or(0, |count| count.n)
    }

    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().expect("counters").iter().map(|(name, count)| (name.clone(), count.n)).collect()
    }

    fn with<T>(&self, name: &str, change: impl FnOnce(&mut Count) -> T) -> T {
        let mut counts = self.0.lock().expect("counters");
        if !counts.contains_key(name) {
            counts.insert(name.to_owned(), Count::default());
        }
        change(counts.get_mut(name).expect("just inserted"))
    }
}
