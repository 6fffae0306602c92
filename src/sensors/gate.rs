//! Gates: `gate/{gate}/tap`, `gate/{gate}/passage`, `gate/{gate}/status`.
//!
//! A tap is money or a door, so its reader learns about a malformed one: the refusal carries the tap's id when that
//! could be read, and the gate is answered `malformed`. The HTTP tap comes through the same parser.

use super::wire::{self, Fields, Origin, Refusal, Why};
use crate::base::card;
use crate::base::{GateId, PassageId, ShopTime, TapId};
use crate::events::{Credential, Direction, Passage, Tap};
use crate::shop::Shop;
use serde_json::{Map, Value};
use uuid::Uuid;

/// People one tap may bring in. More is a reader gone mad, not a family.
const GROUP_SIZE: u64 = 50;

/// Characters of a token: long enough for any vendor's opaque reference, short enough for a row.
const TOKEN_CHARS: usize = 256;

const KINDS: [&str; 5] = ["card", "wallet", "code", "staff", "external"];

/// `gate/{gate}/tap`.
pub fn tap(gate: &str, payload: &[u8], arrival: ShopTime, shop: &Shop) -> Result<Tap, Refusal> {
    let from = Origin { what: "tap", device: "gate", id: gate };
    let gate = known(from, shop)?;
    let map = wire::object(from, payload)?;
    read_tap(from, gate, &map, arrival).map_err(|refusal| Refusal { tap: readable_tap_id(from, &map), ..refusal })
}

fn read_tap(from: Origin, gate: GateId, map: &Map<String, Value>, arrival: ShopTime) -> Result<Tap, Refusal> {
    wire::refuse_cards(from, map)?;
    let fields = Fields::of(from, map);
    let group_size = match fields.optional("group_size") {
        None => 1,
        Some(_) => fields.count("group_size")?,
    };
    if !(1..=GROUP_SIZE).contains(&group_size) {
        return Err(fields.refuse(Why::OutOfRange, "group_size", &format!("is not within 1 to {GROUP_SIZE}")));
    }
    Ok(Tap {
        gate,
        tap_id: TapId::new(fields.id("tap_id")?),
        t_us: fields.time("t_us", arrival)?,
        direction: direction(&fields)?,
        credential: credential(&fields.object("credential")?)?,
        group_size: group_size as u32,
    })
}

/// Checks a credential: a known kind and an opaque token.
pub fn credential(fields: &Fields) -> Result<Credential, Refusal> {
    let kind = fields.text("kind", 16)?;
    if !KINDS.contains(&kind) {
        return Err(fields.refuse(Why::Malformed, "kind", "is not one of card, wallet, code, staff, external"));
    }
    let last4 = fields.optional_text("last4", 4)?;
    if last4.is_some_and(|digits| digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit())) {
        return Err(fields.refuse(Why::Malformed, "last4", "is not four digits"));
    }
    Ok(Credential {
        kind: kind.to_owned(),
        token: fields.text("token", TOKEN_CHARS)?.to_owned(),
        brand: fields.optional_text("brand", 32)?.map(str::to_owned),
        last4: last4.map(str::to_owned),
    })
}

/// `gate/{gate}/passage`.
pub fn passage(gate: &str, payload: &[u8], arrival: ShopTime, shop: &Shop) -> Result<Passage, Refusal> {
    let from = Origin { what: "passage", device: "gate", id: gate };
    let gate = known(from, shop)?;
    let map = wire::object(from, payload)?;
    wire::refuse_cards(from, &map)?;
    let fields = Fields::of(from, &map);
    Ok(Passage {
        gate,
        passage_id: PassageId::new(fields.id("passage_id")?),
        t_us: fields.time("t_us", arrival)?,
        direction: direction(&fields)?,
    })
}

/// `gate/{gate}/status`: the gate tells its clock.
pub fn status(gate: &str, payload: &[u8], arrival: ShopTime, shop: &Shop) -> Result<(GateId, i64), Refusal> {
    let from = Origin { what: "gate_status", device: "gate", id: gate };
    let gate = known(from, shop)?;
    let map = wire::object(from, payload)?;
    wire::refuse_cards(from, &map)?;
    Ok((gate, Fields::of(from, &map).time("t_us", arrival)?))
}

fn known(from: Origin, shop: &Shop) -> Result<GateId, Refusal> {
    let id = GateId::new(from.id);
    if shop.layout.gates.contains_key(&id) { Ok(id) } else { Err(from.unknown()) }
}

fn direction(fields: &Fields) -> Result<Direction, Refusal> {
    match fields.text("direction", 8)? {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(fields.refuse(Why::Malformed, "direction", "is neither in nor out")),
    }
}

fn readable_tap_id(from: Origin, map: &Map<String, Value>) -> Option<TapId> {
    let id = Fields::of(from, map).id("tap_id").ok()?;
    let clean = Uuid::try_parse(id).is_ok() || !card::looks_like_card_number(id);
    clean.then(|| TapId::new(id))
}
