//! The families of tests/parsers, for the fuzzer: one story for both.

#[path = "../../tests/parsers/families.rs"]
#[allow(dead_code)]
pub mod families;
#[path = "../../tests/parsers/http.rs"]
pub mod http;
#[path = "../../tests/web/sample.rs"]
#[allow(dead_code)]
mod sample;
#[path = "../../tests/common/small_shop.rs"]
mod small_shop;
#[path = "../../tests/web/stubs.rs"]
#[allow(dead_code)]
mod stubs;
#[path = "../../tests/parsers/upstream.rs"]
pub mod upstream;
