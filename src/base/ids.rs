//! Names of things. A `ShelfId` is never a `GateId`; a visit's and a charge's id are derived, never drawn.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Self {
                $name(Arc::from(text.as_ref()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", stringify!($name), &self.0)
            }
        }
    )*};
}

text_ids! {
    /// The shop, as shop.toml names it; part of every topic.
    ShopId,
    /// A bay (gondola) of shelves.
    BayId,
    /// A shelf with one or more plates.
    ShelfId,
    /// A gate: reader, door and, where there is one, beam.
    GateId,
    CameraId,
    /// A catalogue item: GTIN or local code.
    ProductId,
    /// A tap, named by the reader; the same tap sent twice has the same id.
    TapId,
    /// A beam passage, named by the gate.
    PassageId,
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", stringify!($name), self.0)
            }
        }
    )*};
}

uuid_ids! {
    /// One or more bodies shopping together, first step in to last step out.
    VisitId,
    ChargeId,
    ReceiptId,
    RefundId,
}

/// Root of every derived id; drawn once for this project and never changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x5d0c_8f1e_3b6a_5c47_9e21_7a44_c0de_ca27);

impl VisitId {
    /// uuid v5 of the shop and the observation that began the visit: a repeated tap finds the same visit.
    pub fn begun_by(shop: &ShopId, observation: &str) -> VisitId {
        VisitId(Uuid::new_v5(&NAMESPACE, format!("visit/{shop}/{observation}").as_bytes()))
    }
}

impl ChargeId {
    /// uuid v5 of (visit, n): n = 0 the settlement, 1.. supplements.
    pub fn of(visit: VisitId, n: u32) -> ChargeId {
        ChargeId(Uuid::new_v5(&visit.0, format!("charge/{n}").as_bytes()))
    }
}

impl ReceiptId {
    pub fn of(visit: VisitId) -> ReceiptId {
        ReceiptId(Uuid::new_v5(&visit.0, b"receipt"))
    }
}

impl RefundId {
    pub fn of(visit: VisitId, n: u32) -> RefundId {
        RefundId(Uuid::new_v5(&visit.0, format!("refund/{n}").as_bytes()))
    }

    /// Asked for under a key of the asker's choice: the same key on the same charge is the same refund, for ever.
    pub fn keyed(charge: ChargeId, key: &str) -> RefundId {
        RefundId(Uuid::new_v5(&charge.0, format!("refund-key/{key}").as_bytes()))
    }
}

/// A tracked human shape on the floor. Counts up for the life of a ledger; has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BodyId(pub u64);

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// Plates count from 1 along the shelf.
pub type PlateNo = u16;
