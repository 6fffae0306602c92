//! The model worker: weigh requests in, weighed answers back as observations. A slow or dying model never stops taps.

use crate::base::Counters;
use crate::base::time::Clock;
use crate::events::{Observation, Stamped, WeighRequest};
use crate::fusion::NearestAttributor;
use crate::sensors::Incoming;
use crate::shop::Shop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc as std_mpsc};
use tokio::sync::mpsc;

/// Answers until either side is gone. A panic costs one answer (the floor's rule stands in) and is counted.
pub fn run(
    requests: std_mpsc::Receiver<WeighRequest>,
    floor: mpsc::Sender<Incoming>,
    shop: Arc<Shop>,
    clock: Clock,
    counters: Counters,
) {
    let model = NearestAttributor::published();
    for request in requests {
        match catch_unwind(AssertUnwindSafe(|| model.weigh(&request, &shop.catalogue))) {
            Ok(weighed) => {
                let stamped = Stamped { arrival: clock.now(), observation: Observation::Weighed(weighed) };
                if floor.blocking_send(Incoming { stamped, ack: None }).is_err() {
                    return;
                }
            }
            Err(_) => {
                counters.count("model.panics");
                tracing::error!(batch = request.batch, "model panicked; the rule answers");
            }
        }
    }
}
