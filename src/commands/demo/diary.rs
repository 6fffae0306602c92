//! Listens to the demonstration: a line for what a visitor of the shop would notice, and at the end every receipt beside
//! the truth. It believes the daemon's messages and upstream's records, never the daemon's insides.

use crate::base::{Cents, ChargeId, ProductId};
use crate::carts::Receipt;
use crate::events::{Direction, Observation};
use crate::shop::Shop;
use crate::sim::live::{Happened, Heard};
use crate::sim::shoppers::{Style, Visit};
use crate::sim::truth::{EventTruth, Taken, TruthLine};
use crate::sim::upstream::Records;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

pub struct Diary {
    shop: Arc<Shop>,
    start_us: i64,
    /// By the name the truth gives them: s1, s2, …
    shoppers: BTreeMap<String, Shopper>,
    /// Who made which tap, and which visit that became.
    taps: BTreeMap<String, String>,
    visits: BTreeMap<String, String>,
    now_us: i64,
    /// Who leaves later is not judged.
    last_call_us: i64,
}

struct Shopper {
    n: u64,
    style: Style,
    token: String,
    left_us: Option<i64>,
    took: Option<Vec<Taken>>,
    /// Why the gate stayed shut.
    refused: Option<String>,
    receipt: Option<(Receipt, i64)>,
    review: bool,
    closed: bool,
}

impl Diary {
    pub fn new(shop: Arc<Shop>, start_us: i64) -> Diary {
        Diary {
            shop,
            start_us,
            shoppers: BTreeMap::new(),
            taps: BTreeMap::new(),
            visits: BTreeMap::new(),
            now_us: start_us,
            last_call_us: i64::MAX,
        }
    }

    /// Only who has left by then is waited for and judged.
    pub fn last_call(&mut self, us: i64) {
        self.last_call_us = us;
    }

    /// Somebody is going to come.
    pub fn expect(&mut self, visit: &Visit) {
        let token = visit.party.credential.as_ref().map_or(String::new(), |credential| credential.token.clone());
        let shopper = Shopper {
            n: self.shoppers.len() as u64 + 1,
            style: visit.style,
            token,
            left_us: None,
            took: None,
            refused: None,
            receipt: None,
            review: false,
            closed: false,
        };
        self.shoppers.insert(visit.party.visit.clone(), shopper);
    }

    /// Something happened that nobody said.
    #[cfg(feature = "cameras")]
    pub fn note(&mut self, us: i64, what: &str) {
        self.now_us = us;
        self.say("", what);
    }

    pub fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Device(Observation::Tap(tap)) => {
                self.now_us = tap.t_us;
                let of = |(_, shopper): &(&String, &Shopper)| shopper.token == tap.credential.token;
                let Some((who, style)) =
                    self.shoppers.iter().find(of).map(|(who, shopper)| (who.clone(), shopper.style))
                else {
                    return;
                };
                let card = tap.credential.last4.as_deref().map_or(String::new(), |last4| format!(" with …{last4}"));
                let more = if tap.group_size > 1 { format!(", {} people", tap.group_size) } else { String::new() };
                let staff = if style == Style::Staff { " (staff)" } else { "" };
                self.say(&who, format!("taps in{card}{more}{staff}"));
                self.taps.insert(tap.tap_id.to_string(), who);
            }
            Happened::Device(Observation::Passage(passage)) => {
                self.now_us = passage.t_us;
                let way = if passage.direction == Direction::In { "in" } else { "out" };
                self.say("", format!("somebody walks {way} through {}", passage.gate));
            }
            Happened::Device(_) => {}
            Happened::Truth(TruthLine::Event(event)) => {
                self.now_us = event.t_us;
                let what = self.event(&event);
                self.say(&event.visit, what);
            }
            Happened::Truth(TruthLine::Visit(visit)) => {
                if let Some(shopper) = self.shoppers.get_mut(&visit.visit) {
                    shopper.left_us = visit.left_us;
                    shopper.took = Some(visit.cart);
                }
            }
            Happened::Truth(TruthLine::Body { t_us, .. }) => self.now_us = t_us,
            Happened::Heard(Heard::Decision { gate, decision }) => {
                let Some(who) = self.taps.get(decision.tap_id.as_str()).cloned() else { return };
                match (decision.open, decision.visit_id) {
                    (true, visit) => {
                        visit.map(|visit| self.visits.insert(visit.to_string(), who.clone()));
                        self.say(&who, format!("{gate} opens"));
                    }
                    (false, _) => {
                        let why = serde_json::to_value(decision.reason).expect("a reason is a word");
                        let why = why.as_str().unwrap_or("no reason").replace('_', " ");
                        self.say(&who, format!("{gate} stays shut: {why}"));
                        self.shoppers.get_mut(&who).expect("every tap is somebody's").refused = Some(why);
                    }
                }
            }
            Happened::Heard(Heard::Event { kind, event }) => self.event_heard(&kind, &event),
            Happened::Heard(Heard::Cart { .. } | Heard::Status(_)) => {}
        }
    }

    fn event_heard(&mut self, kind: &str, event: &serde_json::Value) {
        let Some(who) = event["subject"].as_str().and_then(|visit| self.visits.get(visit)).cloned() else { return };
        let at_us = self.now_us;
        match kind {
            "receipt.final" | "receipt.review" => {
                let Ok(receipt) = serde_json::from_value::<Receipt>(event["data"].clone()) else {
                    return self.say(&who, format!("{kind}: not a receipt as wire.md has them"));
                };
                let shopper = self.shoppers.get_mut(&who).expect("every visit is somebody's");
                shopper.review = kind == "receipt.review";
                let after = shopper
                    .left_us
                    .map_or(String::new(), |left| format!(", {:.1} s after leaving", (at_us - left) as f64 * 1e-6));
                let (lines, total) = (self.lines(&receipt), money(receipt.cart.total, &receipt.cart.currency));
                let what = if kind == "receipt.review" { "receipt to be looked at" } else { "receipt" };
                self.say(&who, format!("{what}: {lines}, {total}{after}"));
                let shopper = self.shoppers.get_mut(&who).expect("every visit is somebody's");
                // A later revision replaces what it says, not when the first one came.
                let first_us = shopper.receipt.as_ref().map_or(at_us, |(_, first_us)| *first_us);
                shopper.receipt = Some((receipt, first_us));
            }
            "visit.closed" => {
                self.shoppers.get_mut(&who).expect("every visit is somebody's").closed = true;
            }
            "charge.captured" => self.say(&who, "the charge is captured"),
            "charge.declined" => self.say(&who, "the charge is declined"),
            "loss.recorded" => self.say(&who, "goods left with nobody to pay"),
            _ => {}
        }
    }

    fn say(&self, who: &str, what: impl std::fmt::Display) {
        let at_s = (self.now_us - self.start_us) as f64 * 1e-6;
        println!("{at_s:6.1}  {who:<5} {what}");
    }

    fn event(&self, event: &EventTruth) -> String {
        let goods = self.goods(&event.product, event.quantity);
        match event.action.as_str() {
            "take" => format!("takes {goods}"),
            "put" => format!("puts back {goods} on shelf {}-{}", event.gondola, event.shelf),
            "restock" => format!("restocks {goods}"),
            other => format!("{other} {goods}"),
        }
    }

    fn goods(&self, product: &str, quantity: i64) -> String {
        let known = self.shop.catalogue.get(&ProductId::new(product));
        format!("{quantity} x {}", known.map_or(product, |known| known.name.as_str()))
    }

    fn lines(&self, receipt: &Receipt) -> String {
        list(receipt.cart.lines.iter().map(|line| self.goods(line.product.as_str(), line.quantity)))
    }

    /// Whether everybody who left has what they are owed: a receipt, and its charges captured.
    pub fn is_settled(&self, records: &Records) -> bool {
        let captured = |id: &ChargeId| records.charge(id).is_some_and(|charge| charge.captured > 0);
        self.shoppers.values().filter(|shopper| self.has_left(shopper)).all(|shopper| match &shopper.receipt {
            Some((receipt, _)) => shopper.review || receipt.charge_ids.iter().all(captured),
            None => shopper.closed || shopper.style == Style::Staff,
        })
    }

    fn has_left(&self, shopper: &Shopper) -> bool {
        shopper.took.is_some() && shopper.left_us.is_some_and(|left_us| left_us <= self.last_call_us)
    }

    /// Everything side by side; `Err` when a charge was captured twice or never.
    pub fn verdict(&self, records: &Records) -> Result<String, String> {
        let mut text = String::from("\nReceipts beside the truth\n");
        let (mut visits, mut exact, mut once) = (0, 0, 0);
        let mut faults: Vec<String> = Vec::new();
        let mut rows: Vec<(&String, &Shopper)> = self.shoppers.iter().collect();
        rows.sort_by_key(|(_, shopper)| shopper.n);
        for (who, shopper) in rows {
            if let Some(why) = &shopper.refused {
                let _ = writeln!(text, "{who:<5} the gate stayed shut: {why}");
                continue;
            }
            let Some(took) = shopper.took.as_ref().filter(|_| self.has_left(shopper)) else { continue };
            let took_text = list(took.iter().map(|taken| self.goods(&taken.product, taken.quantity)));
            if shopper.style == Style::Staff {
                let pays = if shopper.receipt.is_some() { "BUT GOT A RECEIPT" } else { "no receipt" };
                let _ = writeln!(text, "{who:<5} staff: {pays}");
                continue;
            }
            visits += 1;
            let mut state = "nothing to charge".to_owned();
            let (mut paid, mut total, mut seconds) = (BTreeMap::new(), String::new(), String::new());
            if let Some((receipt, at_us)) = &shopper.receipt {
                for line in &receipt.cart.lines {
                    *paid.entry(line.product.to_string()).or_insert(0) += line.quantity;
                }
                total = money(receipt.cart.total, &receipt.cart.currency);
                if let Some(left_us) = shopper.left_us {
                    seconds = format!("{:.1} s", (at_us - left_us) as f64 * 1e-6);
                }
                let times = |id: &ChargeId| records.charge(id).map_or(0, |charge| charge.captured);
                let captured: Vec<u32> = receipt.charge_ids.iter().map(times).collect();
                state = if captured.iter().all(|n| *n == 1) && !captured.is_empty() {
                    once += captured.len();
                    "captured once".to_owned()
                } else if shopper.review {
                    "waits for a human".to_owned()
                } else if receipt.cart.total == Cents::ZERO {
                    "nothing to charge".to_owned()
                } else {
                    faults.push(format!("{who}: captured {captured:?} times instead of once"));
                    format!("CAPTURED {captured:?} TIMES")
                };
            } else if !took.is_empty() {
                state = "NO RECEIPT".to_owned();
                if !shopper.closed {
                    faults.push(format!("{who} left with goods and has no receipt"));
                }
            }
            let truth: BTreeMap<String, i64> = took.iter().map(|t| (t.product.clone(), t.quantity)).collect();
            let right = truth == paid;
            exact += usize::from(right);
            let pays = match &shopper.receipt {
                Some((receipt, _)) => self.lines(receipt),
                None => "no receipt".to_owned(),
            };
            let mark = if right { "=" } else { "≠" };
            let _ = writeln!(text, "{who:<5} took {took_text}\n    {mark} {pays}   {total}  {state}  {seconds}");
        }
        for charge in &records.charges {
            if charge.captured > 1 {
                faults.push(format!("charge {} was captured {} times", charge.charge_id, charge.captured));
            }
            let whose = self.visits.get(&charge.visit_id).and_then(|who| self.shoppers.get(who));
            if whose.is_none_or(|shopper| self.has_left(shopper) && shopper.receipt.is_none()) {
                faults.push(format!("charge {} belongs to no receipt we heard of", charge.charge_id));
            }
        }
        let _ = writeln!(
            text,
            "\n{visits} visits, {exact} carts exactly right, {once} of {} charges captured exactly once",
            records.charges.len()
        );
        print!("{text}");
        if faults.is_empty() {
            Ok("Everybody was charged exactly once for what is on their receipt.".to_owned())
        } else {
            Err(format!("the demonstration went wrong:\n  {}", faults.join("\n  ")))
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

fn money(amount: Cents, currency: &str) -> String {
    format!("{amount} {currency}")
}
