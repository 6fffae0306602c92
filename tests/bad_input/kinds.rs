//! The rows and the columns of the matrix.

/// What stands in every payload where somebody's token may stand: nobody may repeat it.
pub const SECRET: &str = "tok_secret_7391";

/// A number that passes the cards' check, as printed on them.
pub const CARD: &str = "4111 1111 1111 1111";

/// A payload from outside, by the door it comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    WeightsJson,
    WeightsCbor,
    ShelfStatus,
    /// A scale that says `1012.3`.
    PlainScale,
    TapMqtt,
    TapHttp,
    Passage,
    GateStatus,
    PeopleJson,
    PeopleCbor,
    Payer,
    Contest,
    Review,
    Refund,
    Config,
    ShopToml,
    Planogram,
    Catalogue,
    Script,
    Manifest,
    /// What upstream answers to an authorisation, through the real client.
    HoldAnswer,
    /// What it answers to the rest, through the real client, sync and ledger.
    ChargeAnswer,
    LookUpAnswer,
    RefundAnswer,
    EventsAnswer,
}

use Kind::*;

pub const KINDS: [Kind; 25] = [
    WeightsJson,
    WeightsCbor,
    ShelfStatus,
    PlainScale,
    TapMqtt,
    TapHttp,
    Passage,
    GateStatus,
    PeopleJson,
    PeopleCbor,
    Payer,
    Contest,
    Review,
    Refund,
    Config,
    ShopToml,
    Planogram,
    Catalogue,
    Script,
    Manifest,
    HoldAnswer,
    ChargeAnswer,
    LookUpAnswer,
    RefundAnswer,
    EventsAnswer,
];

impl Kind {
    pub fn is_cbor(self) -> bool {
        matches!(self, WeightsCbor | PeopleCbor)
    }

    /// Written by the shop's own hand: its refusal is a sentence, which may quote what is wrong but no card number.
    pub fn is_file(self) -> bool {
        matches!(self, Config | ShopToml | Planogram | Catalogue | Script | Manifest)
    }
}

/// A way to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badness {
    Empty,
    Noise,
    Truncated,
    WrongType,
    MissingKey,
    Null,
    UnknownId,
    Oversized,
    OutOfRange,
    NoNumber,
    DeepNesting,
    DuplicateKey,
    CardNumber,
    NotUtf8,
    Retained,
    Future,
    Before2000,
    ExtraKey,
}

pub const BADNESS: [Badness; 18] = [
    Badness::Empty,
    Badness::Noise,
    Badness::Truncated,
    Badness::WrongType,
    Badness::MissingKey,
    Badness::Null,
    Badness::UnknownId,
    Badness::Oversized,
    Badness::OutOfRange,
    Badness::NoNumber,
    Badness::DeepNesting,
    Badness::DuplicateKey,
    Badness::CardNumber,
    Badness::NotUtf8,
    Badness::Retained,
    Badness::Future,
    Badness::Before2000,
    Badness::ExtraKey,
];
