//! Units, names, time and limits: the words every other room is written in.

pub mod ack;
pub mod boxes;
pub mod card;
pub mod counters;
pub mod geometry;
pub mod ids;
pub mod limits;
pub mod secret;
pub mod time;
pub mod units;

pub use ack::Ack;
pub use boxes::Box2;
pub use counters::Counters;
pub use geometry::{Point2, Point3};
pub use ids::*;
pub use secret::{SecretError, SecretFile};
pub use time::ShopTime;
pub use units::{Cents, Probability};
