//! The one owner of live state: bodies, scales, interactions, visits, carts. `apply(Observation) -> Effects`, no more.

mod snapshot;

pub use snapshot::{BodyView, CameraView, GateView, ShelfView, Snapshot, State, VisitView};
