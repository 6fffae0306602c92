//! The families of tests/parsers, for the fuzzer: one story for both.

#[path = "../../tests/parsers/families.rs"]
#[allow(dead_code)]
pub mod families;
#[path = "../../tests/common/small_shop.rs"]
mod small_shop;
