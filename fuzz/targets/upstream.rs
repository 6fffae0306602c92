//! `./dev fuzz upstream`: tests/parsers/upstream.rs says what must hold.
#![no_main]

#[path = "families.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    shared::upstream::upstream(data);
});
