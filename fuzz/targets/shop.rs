//! `./dev fuzz shop`: tests/parsers/families.rs says what must hold.
#![no_main]

#[path = "families.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    shared::families::shop_files(data);
});
