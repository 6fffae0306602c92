//! Every parser that meets the outside, fed valid examples with damage, and noise.
//!
//! The examples are the fuzzer's kept corpus (`fuzz/corpus/FAMILY`): `good-*` is accepted, the rest was once worth keeping.
//! `families` says what must hold; `./dev fuzz` asks the same of inputs nobody thought of.

mod families;
mod http;
#[path = "../web/sample.rs"]
#[allow(dead_code)]
mod sample;
#[path = "../common/small_shop.rs"]
mod small_shop;
#[path = "../web/stubs.rs"]
#[allow(dead_code)]
mod stubs;
mod upstream;

use families::FAMILIES;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

/// Damaged examples a family, and as many inputs of noise; `CARRYOUT_DAMAGED` asks for more.
const DAMAGED: u32 = 400;

fn cases() -> u32 {
    let asked = std::env::var("CARRYOUT_DAMAGED").ok();
    asked.map_or(DAMAGED, |n| n.parse().unwrap_or_else(|_| panic!("CARRYOUT_DAMAGED={n} is not a number")))
}

/// Pieces that parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"null",
    b"-1",
    b"0",
    b"1e308",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"NaN",
    b"inf",
    b"1.5",
    b"true",
    b"\"\"",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"\"x\":1,",
    b"4111 1111 1111 1111",
    b"4111111111111111",
    families::SECRET.as_bytes(),
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n",
    b",",
    b"\"",
    b"[",
    b"=",
    b"../../etc",
    b"\xf9\x7e\x00",
    b"\x9f\x9f\x9f",
    b"\xbf",
];

#[derive(Clone, Debug)]
enum Damage {
    CutOff(prop::sample::Index),
    Without(prop::sample::Index, usize),
    With(prop::sample::Index, prop::sample::Index),
    InsteadOfNumber(prop::sample::Index, prop::sample::Index),
    Twice(prop::sample::Index, usize),
    Byte(prop::sample::Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        1 => at().prop_map(Damage::CutOff),
        2 => (at(), 1..40usize).prop_map(|(at, n)| Damage::Without(at, n)),
        3 => (at(), at()).prop_map(|(at, piece)| Damage::With(at, piece)),
        4 => (at(), at()).prop_map(|(at, piece)| Damage::InsteadOfNumber(at, piece)),
        1 => (at(), 1..200usize).prop_map(|(at, n)| Damage::Twice(at, n)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
    ]
}

fn damaged(example: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = example.to_vec();
    for damage in damages.iter().filter(|_| !example.is_empty()) {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::CutOff(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Without(at, n) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + n).min(bytes.len()));
            }
            Damage::With(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, PIECES[piece.index(PIECES.len())].iter().copied());
            }
            Damage::InsteadOfNumber(at, piece) => {
                let starts = |i: &usize| bytes[*i].is_ascii_digit() && (*i == 0 || !bytes[i - 1].is_ascii_digit());
                let numbers: Vec<usize> = (0..bytes.len()).filter(starts).collect();
                let Some(from) = numbers.get(at.index(numbers.len().max(1))).copied() else { continue };
                let part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                let to = from + bytes[from..].iter().take_while(|byte| part(byte)).count();
                bytes.splice(from..to, PIECES[piece.index(PIECES.len())].iter().copied());
            }
            Damage::Twice(at, n) => {
                let at = at.index(bytes.len());
                let again = bytes[at..(at + n).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
    }
    bytes
}

/// Name and bytes of every kept input of a family.
fn kept(family: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(family);
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let file = file.expect("a readable directory");
        (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).expect("a kept input"))
    };
    let files = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut kept: Vec<_> = files.map(read).collect();
    kept.sort();
    kept
}

#[test]
fn what_was_kept_is_still_right() {
    for (family, holds) in FAMILIES {
        let kept = kept(family);
        let good = kept.iter().filter(|(name, _)| name.starts_with("good-"));
        assert!(good.count() > 0, "{family}: no example that is accepted");
        for (name, bytes) in &kept {
            let accepted = holds(bytes);
            assert!(accepted || !name.starts_with("good-"), "{family}/{name} is not accepted any more");
        }
    }
}

#[test]
fn damaged_examples_are_refused_in_words_or_taken_for_what_they_are() {
    for (family, holds) in FAMILIES {
        let kept = kept(family);
        let good: Vec<&[u8]> =
            kept.iter().filter(|(name, _)| name.starts_with("good-")).map(|(_, bytes)| &bytes[..]).collect();
        let input = (any::<prop::sample::Index>(), prop::collection::vec(damage(), 1..5));
        let mut runner = TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&input, |(example, damages)| {
            holds(&damaged(good[example.index(good.len())], &damages));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{family}: {failure}"));
        println!("{family}: {} damaged examples", cases());
    }
}

#[test]
fn noise_is_refused_in_words() {
    for (family, holds) in FAMILIES {
        // What messages, requests and answers begin with, so that noise gets past the first line.
        const BEGINNINGS: &[&str] = &[
            "",
            "shelf/1-1/weights\n",
            "gate/gate-1/tap\n",
            "camera/cam-1/people\n",
            "shelf/1-1/status\n",
            "POST /api/v1/session\n\n",
            "POST /api/v1/gates/entrance/taps\n\n",
            "authorization 200\n",
            "charge 200\n",
        ];
        let input = (prop::sample::select(BEGINNINGS), prop::collection::vec(any::<u8>(), 0..600));
        let mut runner = TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&input, |(beginning, noise)| {
            let accepted = holds(&[beginning.as_bytes(), &noise[..]].concat());
            prop_assert!(!accepted || *family == "config" || noise.len() < 40, "noise is accepted");
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{family}: {failure}"));
    }
}
