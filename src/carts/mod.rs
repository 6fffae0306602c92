//! What a visit holds and what it costs: cart, prices, tax, deposits, receipt, charge. Pure functions of their arguments.

pub mod bill;
pub mod cart;
pub mod policy;
pub mod pricing;

pub use bill::{Charge, ChargeLine, ChargeState, Receipt, ReceiptStatus, Refund, RefundState};
pub use cart::{Cart, CartState, Line, Payer};
pub use policy::PolicyOptions;
