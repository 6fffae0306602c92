//! Every bound of the program, each with what happens when it is reached.

use std::time::Duration;

/// Observations waiting for the floor. Full: readers and perception wait; of weights the newest batch of every shelf is
/// kept.
pub const FLOOR_QUEUE: usize = 4096;

/// Batches waiting for the ledger. Full: the floor waits and an alarm shows (integrity before availability).
pub const LEDGER_QUEUE: usize = 256;

/// Weigh requests waiting for the model. Full: the request is dropped, and the floor uses the rule after
/// [`WEIGH_BUDGET_MS`].
pub const MODEL_QUEUE: usize = 64;

/// Messages waiting for the broker. Full: dropped and counted; saying must not slow selling.
pub const PUBLISH_QUEUE: usize = 1024;

/// Bytes of one MQTT or HTTP payload. Larger: refused as `oversized`, counted.
pub const PAYLOAD_BYTES: usize = 256 * 1024;

/// Samples in one plate's batch. More: refused as `oversized`. 600 is ten seconds at 60 Hz.
pub const BATCH_SAMPLES: usize = 600;

/// People in one camera's message. More: refused as `oversized`.
pub const PEOPLE_PER_MESSAGE: usize = 200;

/// Characters of an id on the wire (tap, passage, track, boot). Longer: refused as `malformed`.
pub const ID_CHARS: usize = 64;

/// The floor's tick. Half the 100 ms between an authorisation's budget (400 ms) and the slowest answer a gate may give
/// (500 ms): the offline rule decides at 450 ms at the latest.
pub const TICK: Duration = Duration::from_millis(50);

/// The model's time to answer a weigh request, ms. Later: the rule's answer stands, marked.
pub const WEIGH_BUDGET_MS: i64 = 1_000;

/// Upstream's time to answer an authorisation, ms. Later: the offline rule decides.
pub const AUTHORISE_BUDGET_MS: i64 = 400;

/// Age of a tap at which it is `expired`, ms.
pub const TAP_EXPIRES_MS: i64 = 5_000;

/// How far ahead of its learned line a device time may be before it is `malformed`, us.
pub const FUTURE_US: i64 = 5_000_000;

/// How long tap and passage ids are remembered, us (24 h).
pub const REMEMBER_US: i64 = 24 * 3600 * 1_000_000;

/// Slowest live camera the floor waits for, ms behind arrival.
pub const WATERMARK_MS: i64 = 700;

/// A camera silent for this long is left out of the watermark, ms.
pub const CAMERA_DEAD_MS: i64 = 1_000;
