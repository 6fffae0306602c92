//! Telling the floor what staff or a gate want, and waiting until it is on disk.

use super::{FLOOR_BUDGET, Problem, Web};
use crate::base::{Ack, VisitId};
use crate::events::{Observation, Stamped};
use crate::sensors::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it caused is on disk.
    Durable,
    /// The floor has it; the ledger has not confirmed within the budget.
    Pending,
}

/// Sends without waiting for an answer. Refused with 503 when the floor's queue stays full or the daemon stops.
pub async fn send(web: &Web, observation: Observation, ack: Option<Ack>) -> Result<(), Problem> {
    let incoming = Incoming { stamped: Stamped { arrival: web.given.clock.now(), observation }, ack };
    match timeout(FLOOR_BUDGET, web.given.floor.send(incoming)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Problem::busy("The daemon is stopping. Nothing was changed; send it again in a moment.")),
        Err(_) => {
            web.given.counters.count("web.floor_full");
            Err(Problem::busy("The floor is behind with its work. Nothing was changed; send it again in a moment."))
        }
    }
}

/// Sends what somebody wants of a visit and waits until what it caused is durable. The floor forgets closed visits after a
/// day, so it is reminded of this one first.
pub async fn tell(web: &Web, visit: VisitId, observation: Observation) -> Result<Told, Problem> {
    let entries = web.books(move |books| books.visit_entries(visit)).await?;
    send(web, Observation::Recalled { visit, entries }, None).await?;
    let (done, durable) = oneshot::channel();
    let ack = Ack::new(move || {
        let _ = done.send(());
    });
    send(web, observation, Some(ack)).await?;
    match timeout(FLOOR_BUDGET, durable).await {
        Ok(Ok(())) => Ok(Told::Durable),
        Ok(Err(_)) => Err(Problem::busy(
            "The daemon stopped before this was on disk. Look whether it happened, then send it again.",
        )),
        Err(_) => Ok(Told::Pending),
    }
}
