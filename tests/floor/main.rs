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

/// A shelf without plates is there to stand goods on: the shop is well although it weighs nothing.
#[test]
fn a_shelf_without_plates_is_not_waited_for() {
    let mut shop = common::world::shop();
    let mut shelves = shop.layout.shelves.values_mut();
    let [weighed, bare] = [shelves.next(), shelves.next()].map(|shelf| shelf.expect("this shop has several"));
    bare.plates.clear();
    let (weighed, bare) = (weighed.id.clone(), bare.id.clone());
    let shop = Arc::new(shop);
    let mut floor = Floor::new(shop.clone(), FloorOptions::default(), Books::new(shop), Counters::default());
    floor.apply(Stamped { arrival: ShopTime(0), observation: Observation::Started { anchor_us: 0 } });
    floor.apply(Stamped { arrival: ShopTime(60_000_000), observation: Observation::Tick });
    let views = floor.snapshot().shelves;
    let view = |id| views.iter().find(|view| view.shelf == id).expect("a view of every shelf");
    assert_eq!(view(weighed).fault.as_deref(), Some("has not weighed anything yet"));
    assert_eq!((view(bare.clone()).fault.as_deref(), view(bare).online), (None, true));
}
