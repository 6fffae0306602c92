//! The floor: stories of a small shop, and the same through crashes.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod model;
mod restart;
mod scenarios;

use carryout::base::{Counters, ShopTime};
use carryout::events::{Observation, Stamped};
use carryout::floor::{Books, Floor, FloorOptions};
use std::sync::Arc;

#[test]
fn staff_are_told_what_to_do_about_a_broker_that_is_away() {
    let shop = Arc::new(common::world::shop());
    let mut floor = Floor::new(shop.clone(), FloorOptions::default(), Books::new(shop), Counters::default());
    let away = "The message broker does not answer: shelves and gates are not heard.";
    let expired = "The certificate of broker.example has expired: renew it at the broker.";
    for (up, why, wanted) in [
        (true, None, vec![]),
        (false, None, vec![format!("{away} Check mosquitto.")]),
        (false, Some(expired), vec![format!("{away} {expired}")]),
        (true, None, vec![]),
    ] {
        let observation = Observation::Broker { up, why: why.map(str::to_owned) };
        floor.apply(Stamped { arrival: ShopTime(1_760_000_000_000_000), observation });
        let mut reasons = floor.snapshot().reasons;
        reasons.retain(|reason| reason.contains("broker"));
        assert_eq!(reasons, wanted);
    }
}
