//! The retailer's rules: what a tap holds, who may come in offline, when a human looks. Section `[policy]` of the config.

use crate::base::{Cents, Probability};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handoff {
    /// Who took it from the shelf pays.
    Picker,
    /// Who carries it out pays. Refused by the config until something sees hand-overs: no attribution model we ship does.
    Receiver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Whoever passes on one opening shops together.
    Opening,
    /// As many as the tap declared.
    Declared,
}

/// What a visit that was followed with a gap ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// A human looks before anything is charged.
    Review,
    /// Charged at once, without the lines in doubt.
    Favour,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyOptions {
    pub join: Join,
    pub handoff: Handoff,
    /// Minor units asked for at a tap.
    pub hold_amount: Cents,
    /// How long a gate stays open after a yes.
    pub valid_ms: i64,
    /// Minor units one credential may owe (open visits and charges not captured) while upstream is gone.
    pub offline_credential_cap: Cents,
    /// Minor units all credentials together may owe while upstream is gone.
    pub offline_shop_cap: Cents,
    /// Hours without upstream after which nobody new comes in.
    pub offline_max_h: i64,
    /// A visit open for longer goes to review.
    pub visit_max_min: i64,
    /// Daemon down for longer than this: every open visit is doubted.
    pub restart_grace_s: i64,
    /// A cart less sure than this goes to review. 0: never for that reason.
    pub review_below: Probability,
    /// A line less sure than this is named in `in_doubt`.
    pub line_doubt_below: Probability,
    pub doubt: Doubt,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        PolicyOptions {
            join: Join::Opening,
            handoff: Handoff::Picker,
            hold_amount: Cents(2_000),
            valid_ms: 3_000,
            offline_credential_cap: Cents(10_000),
            offline_shop_cap: Cents(1_000_000),
            offline_max_h: 72,
            visit_max_min: 90,
            restart_grace_s: 60,
            review_below: Probability::NEVER,
            line_doubt_below: Probability::from_f64(0.5),
            doubt: Doubt::Review,
        }
    }
}
