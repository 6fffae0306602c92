//! Why a visit was charged what it was: its ledger entries as sentences, for staff and for a customer who asks.
//!
//! Tokens and whereabouts never leave here, and an event in which several people took part shows only this visit's
//! part of it.

use crate::base::{Cents, ChargeId, ShopTime, VisitId};
use crate::carts::{ChargeState, Payer};
use crate::events::{Claim, Entry, Fact, InteractionKind, Opening, Outcome, Reason, Subject};
use crate::shop::Shop;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Evidence {
    pub t_us: ShopTime,
    /// One sentence.
    pub what: String,
    /// Whose credential it was, never its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<Payer>,
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChargeView {
    pub charge_id: ChargeId,
    pub sequence: u32,
    pub total: Cents,
    pub state: ChargeState,
    pub reason: Option<String>,
    /// Given back so far, failed attempts not counted.
    pub refunded: Cents,
}

pub fn of(entry: &Entry, visit: VisitId, shop: &Shop) -> Evidence {
    let mut fact = entry.fact.clone();
    if let Fact::Claimed { claims, .. } = &mut fact {
        claims.retain(|claim| claim.visit == Some(visit));
    }
    let payer = match &entry.subject {
        Some(Subject::Credential(credential)) => Some(Payer {
            kind: credential.kind.clone(),
            brand: credential.brand.clone(),
            last4: credential.last4.clone(),
        }),
        Some(Subject::Whereabouts(_)) | None => None,
    };
    Evidence { t_us: entry.t, what: sentence(&fact, shop), payer, fact }
}

/// The charges of a visit with the newest word on each.
pub fn charges(entries: &[Entry]) -> Vec<ChargeView> {
    let mut views: Vec<ChargeView> = Vec::new();
    let mut refunds = Vec::new();
    for entry in entries {
        match &entry.fact {
            Fact::ChargeQueued { charge } => views.push(ChargeView {
                charge_id: charge.charge_id,
                sequence: charge.sequence,
                total: charge.total,
                state: ChargeState::Queued,
                reason: None,
                refunded: Cents::ZERO,
            }),
            Fact::ChargeAnswered { charge_id, state, reason } => {
                for view in views.iter_mut().filter(|view| view.charge_id == *charge_id) {
                    view.state = *state;
                    view.reason.clone_from(reason);
                }
            }
            Fact::RefundQueued { refund } => refunds.push(refund.clone()),
            Fact::RefundAnswered { refund_id, done: false } => refunds.retain(|refund| refund.refund_id != *refund_id),
            _ => {}
        }
    }
    for view in &mut views {
        view.refunded = refunds.iter().filter(|r| r.charge_id == view.charge_id).map(|r| r.amount).sum();
    }
    views
}

fn sentence(fact: &Fact, shop: &Shop) -> String {
    let money = |amount: Cents| format!("{amount} {}", shop.currency);
    match fact {
        Fact::Started { version, .. } => format!("Carryout {version} started."),
        Fact::Asked { gate, amount, .. } => {
            format!("Tapped at {gate}; the payment service was asked to keep {} ready.", money(*amount))
        }
        Fact::Decided { gate, open: true, offline, .. } => {
            format!("{gate} opened{}.", if *offline { " by the offline rule" } else { "" })
        }
        Fact::Decided { gate, reason, .. } => format!("{gate} stayed shut: {}.", why_shut(*reason)),
        Fact::VisitOpened { by, gate } => {
            let place = gate.as_ref().map_or(String::new(), |gate| format!(" through {gate}"));
            match by {
                Opening::Tap => format!("Came in{place} after a tap."),
                Opening::Tailgate => format!("Came in{place} without a tap."),
                Opening::Staff => format!("Came in{place} as staff."),
            }
        }
        Fact::PayerBound { tap_id: Some(_), .. } => "The tap pays for this visit.".to_owned(),
        Fact::PayerBound { tap_id: None, .. } => "Staff bound a payer to this visit.".to_owned(),
        Fact::HoldAdopted { hold, .. } => {
            format!("The payment service's late answer keeps {} ready.", money(hold.amount))
        }
        Fact::HoldReleased { why, .. } => format!("The money kept ready was released: {why}."),
        Fact::Joined { body } => format!("Body {body} joined."),
        Fact::Left { body } => format!("Body {body} left."),
        Fact::Mistaken { body, is } => format!("Who joined as body {body} is body {is}."),
        Fact::Passed { gate, .. } => format!("The beam of {gate} counted somebody."),
        Fact::Blind { .. } => "Shelves and people were not heard for a while.".to_owned(),
        Fact::GateClock { gate, .. } => format!("The clock of {gate} was noted."),
        Fact::Reviewed { .. } => "Staff decided what is on the receipt.".to_owned(),
        Fact::Contested { .. } => "The customer contests the receipt.".to_owned(),
        Fact::Levels { shelf, .. } => format!("The levels of shelf {shelf} were noted."),
        Fact::Whereabouts => "Where the visit's bodies are was noted.".to_owned(),
        Fact::Claimed { shelf, how, delta_g, model, claims, .. } => {
            let parts: Vec<String> = claims.iter().map(|claim| part(claim, shop)).collect();
            let what = if parts.is_empty() { "nobody of this visit".to_owned() } else { parts.join(", ") };
            let weight = if *delta_g < 0.0 { "lighter" } else { "heavier" };
            let seen = match how {
                InteractionKind::Step => "",
                InteractionKind::Gap => ", noticed after a gap",
                InteractionKind::Correction => ", noticed after closing",
            };
            format!("Shelf {shelf} became {:.0} g {weight}{seen}: {what} (by {model}).", delta_g.abs())
        }
        Fact::Doubted { why, .. } => format!("A human should look: {why}."),
        Fact::VisitClosed { outcome, .. } => match outcome {
            Outcome::Charged => "Left; the cart is charged.",
            Outcome::Empty => "Left with nothing; nothing is charged.",
            Outcome::Review => "Left; a human decides before anything is charged.",
            Outcome::Loss => "Left with goods and without a payer.",
            Outcome::Staff => "Left as staff; nothing is charged.",
        }
        .to_owned(),
        Fact::Receipt { receipt } => format!("Receipt {} over {}.", receipt.number, money(receipt.cart.total)),
        Fact::ChargeQueued { charge } => format!("A charge of {} was queued.", money(charge.total)),
        Fact::ChargeAnswered { state, reason, .. } => {
            let word = match state {
                ChargeState::Queued => "will be sent again",
                ChargeState::Sent => "was sent",
                ChargeState::Captured => "was captured",
                ChargeState::Declined => "was declined",
                ChargeState::Unknown => "has no answer yet; the payment service is asked for it",
                ChargeState::WrittenOff => "was written off",
            };
            format!("The charge {word}{}.", reason.as_ref().map_or(String::new(), |why| format!(" ({why})")))
        }
        Fact::RefundQueued { refund } => format!("A refund of {} was queued: {}.", money(refund.amount), refund.reason),
        Fact::RefundAnswered { done: true, .. } => "The refund was paid out.".to_owned(),
        Fact::RefundAnswered { done: false, .. } => "The payment service refused the refund.".to_owned(),
        Fact::Loss { total } => format!("Goods for {} left with no payer.", money(*total)),
        Fact::Erased { why } => format!("The personal parts of this visit were erased: {why}."),
    }
}

fn part(claim: &Claim, shop: &Shop) -> String {
    let name = match &claim.product {
        Some(id) => shop.catalogue.get(id).map_or_else(|| id.to_string(), |product| product.name.clone()),
        None => "something unknown".to_owned(),
    };
    let verb = if claim.count < 0 { "put back" } else { "took" };
    format!("{verb} {} × {name}, {:.0} % sure", claim.count.abs(), claim.probability.get() * 100.0)
}

fn why_shut(reason: Reason) -> &'static str {
    match reason {
        Reason::Ok => "no reason was given",
        Reason::Declined => "the payment was declined",
        Reason::Expired => "the tap was too old",
        Reason::AlreadyUsed => "the code was already used",
        Reason::UnknownCode => "the code is not known",
        Reason::ShopClosed => "the shop is closed",
        Reason::OfflineLimit => "the payment service does not answer and the limit for that is reached",
        Reason::Malformed => "the tap could not be read",
        Reason::Restricted => "not allowed here",
    }
}
