//! What devices say: shelves, scales, gates and cameras, over MQTT.

use super::*;
use crate::kinds::{Badness::*, CARD, Kind::*};

const WEIGHTS: &str =
    r#"{"boot":"tok_secret_7391","seq":8,"t0_us":@now,"dt_us":16667,"plates":{"1":[1.5,2],"2":[-3.25,null]}}"#;
const TAP: &str = r#"{"tap_id":"t-1","t_us":@now,"direction":"in","credential":{"kind":"card","token":"tok_secret_7391","last4":"4242"},"group_size":2}"#;
const PASSAGE: &str = r#"{"passage_id":"tok_secret_7391","t_us":@now,"direction":"out"}"#;
const GATE_STATUS: &str = r#"{"t_us":@now,"note":"tok_secret_7391"}"#;
const PEOPLE: &str =
    r#"{"boot":"c1","seq":9,"t_us":@now,"people":[{"track":"tok_secret_7391","confidence":0.93,"floor":[1,2]}]}"#;

/// A second before the year 2000, us.
const OLD: &str = "946684799000000";

/// Lists in each other, as CBOR says it.
fn deep_cbor() -> Vec<u8> {
    [&[0xa1, 0x61, b'x'][..], &[0x81; 100_000]].concat()
}

pub fn rows() -> Vec<Row> {
    vec![
        weights(WeightsJson),
        weights(WeightsCbor),
        shelf_status(),
        plain_scale(),
        tap(TapMqtt),
        tap(TapHttp),
        passage(),
        gate_status(),
        people(PeopleJson),
        people(PeopleCbor),
    ]
}

/// CBOR tells a number that is none from text that is none; JSON does not.
fn weights(kind: Kind) -> Row {
    let (no_number, nested) = if kind.is_cbor() {
        (swap("1.5", "\"@NaN\"", "weights.out_of_range"), bytes(deep_cbor(), "weights.malformed"))
    } else {
        (swap("1.5", "1e999", "weights.malformed"), deep("[1.5,2]", "weights.malformed"))
    };
    let cells = vec![
        (Empty, bytes(Vec::new(), "weights.malformed")),
        (Noise, bytes(format!("~{SECRET} ]]}}{{").into_bytes(), "weights.malformed")),
        (Truncated, cut("weights.malformed")),
        (WrongType, swap("1.5", "\"1.5\"", "weights.malformed")),
        (MissingKey, swap("dt_us", "elsewhere", "weights.malformed")),
        (Null, swap("8", "null", "weights.malformed")),
        (UnknownId, elsewhere("weights.unknown_id")),
        (Oversized, long(SECRET, "weights.oversized")),
        (OutOfRange, swap("1.5", "-1000000.5", "weights.out_of_range")),
        (NoNumber, no_number),
        (DeepNesting, nested),
        (DuplicateKey, swap("\"seq\":8", "\"@seq\":8,\"seq\":9", "weights.malformed")),
        (CardNumber, swap(SECRET, CARD, "weights.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "weights.malformed")),
        (Retained, retained("weights.retained")),
        (Future, swap("@now", "@tomorrow", "weights.future_dated")),
        (Before2000, swap("@now", OLD, "weights.out_of_range")),
        (ExtraKey, swap("\"seq\"", "\"firmware\":{\"v\":[1]},\"seq\"", "ok")),
    ];
    Row { kind, good: WEIGHTS, cells }
}

fn shelf_status() -> Row {
    let cells = vec![
        (Empty, whole("", "shelf_status.malformed")),
        (Noise, noise("shelf_status.malformed")),
        (Truncated, cut("shelf_status.malformed")),
        (WrongType, whole("true tok_secret_7391", "shelf_status.malformed")),
        (MissingKey, na("one word is all there is")),
        (Null, whole("null", "shelf_status.malformed")),
        (UnknownId, elsewhere("shelf_status.unknown_id")),
        (Oversized, long("online", "shelf_status.oversized")),
        (OutOfRange, na("it holds no number")),
        (NoNumber, whole("nan", "shelf_status.malformed")),
        (DeepNesting, deep("online", "shelf_status.malformed")),
        (DuplicateKey, whole("online online", "shelf_status.malformed")),
        (CardNumber, whole(CARD, "shelf_status.card_number")),
        (NotUtf8, whole("online@utf8", "shelf_status.malformed")),
        (Retained, retained("ok")),
        (Future, na("it holds no time")),
        (Before2000, na("it holds no time")),
        (ExtraKey, na("one word is all there is")),
    ];
    Row { kind: ShelfStatus, good: "online", cells }
}

fn plain_scale() -> Row {
    let cells = vec![
        (Empty, whole("", "scale.malformed")),
        (Noise, noise("scale.malformed")),
        (Truncated, whole("-", "scale.malformed")),
        (WrongType, whole("heavy tok_secret_7391", "scale.malformed")),
        (MissingKey, na("one number is all there is")),
        (Null, whole("null", "scale.malformed")),
        (UnknownId, elsewhere("scale.unknown_id")),
        (Oversized, long("1012.3", "scale.oversized")),
        (OutOfRange, whole("1000001", "scale.out_of_range")),
        (NoNumber, whole("1e999", "scale.malformed")),
        (DeepNesting, deep("1012.3", "scale.malformed")),
        (DuplicateKey, whole("1012.3 1012.3", "scale.malformed")),
        (CardNumber, whole(CARD, "scale.card_number")),
        (NotUtf8, whole("1012.3@utf8", "scale.malformed")),
        (Retained, retained("scale.retained")),
        (Future, na("it is stamped on arrival")),
        (Before2000, na("it is stamped on arrival")),
        (ExtraKey, na("one number is all there is")),
    ];
    Row { kind: PlainScale, good: "1012.3", cells }
}

/// The same over MQTT and HTTP; HTTP puts its status before the name.
fn tap(kind: Kind) -> Row {
    let http = kind == TapHttp;
    let of = |mqtt: &'static str, by_http: &'static str| if http { by_http } else { mqtt };
    let malformed = of("tap.malformed", "400 tap.malformed");
    let range = of("tap.out_of_range", "400 tap.out_of_range");
    let cells = vec![
        (Empty, whole("", malformed)),
        (Noise, noise(malformed)),
        (Truncated, cut(malformed)),
        (WrongType, swap("\"tok_secret_7391\"", "[\"tok_secret_7391\"]", malformed)),
        (MissingKey, swap("direction", "elsewhere", malformed)),
        (Null, swap("\"tok_secret_7391\"", "null", malformed)),
        (UnknownId, elsewhere(of("tap.unknown_id", "404 tap.unknown_id"))),
        (Oversized, long(SECRET, of("tap.oversized", "413 tap.oversized"))),
        (OutOfRange, swap(":2}", ":51}", range)),
        (NoNumber, swap(":2}", ":NaN}", malformed)),
        (DeepNesting, deep("\"tok_secret_7391\"", malformed)),
        (DuplicateKey, swap("\"token\"", "\"token\":\"tok_other\",\"token\"", malformed)),
        (CardNumber, swap(SECRET, CARD, of("tap.card_number", "400 tap.card_number"))),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", malformed)),
        (Retained, if http { na(NO_BROKER) } else { retained("tap.retained") }),
        (Future, swap("@now", "@tomorrow", of("tap.future_dated", "400 tap.future_dated"))),
        (Before2000, swap("@now", OLD, range)),
        (ExtraKey, swap("\"direction\"", "\"firmware\":{\"v\":[1]},\"direction\"", "ok")),
    ];
    Row { kind, good: TAP, cells }
}

fn passage() -> Row {
    let cells = vec![
        (Empty, whole("", "passage.malformed")),
        (Noise, noise("passage.malformed")),
        (Truncated, cut("passage.malformed")),
        (WrongType, swap("\"out\"", "1", "passage.malformed")),
        (MissingKey, swap("t_us", "elsewhere", "passage.malformed")),
        (Null, swap("\"out\"", "null", "passage.malformed")),
        (UnknownId, elsewhere("passage.unknown_id")),
        (Oversized, long(SECRET, "passage.oversized")),
        (OutOfRange, swap("@now", "-1", "passage.out_of_range")),
        (NoNumber, swap("@now", "1e999", "passage.malformed")),
        (DeepNesting, deep("\"out\"", "passage.malformed")),
        (DuplicateKey, swap("\"direction\"", "\"direction\":\"in\",\"direction\"", "passage.malformed")),
        (CardNumber, swap(SECRET, CARD, "passage.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "passage.malformed")),
        (Retained, retained("passage.retained")),
        (Future, swap("@now", "@tomorrow", "passage.future_dated")),
        (Before2000, swap("@now", OLD, "passage.out_of_range")),
        (ExtraKey, swap("\"direction\"", "\"beam\":[1],\"direction\"", "ok")),
    ];
    Row { kind: Passage, good: PASSAGE, cells }
}

fn gate_status() -> Row {
    let cells = vec![
        (Empty, whole("", "gate_status.malformed")),
        (Noise, noise("gate_status.malformed")),
        (Truncated, cut("gate_status.malformed")),
        (WrongType, swap("@now", "\"noon\"", "gate_status.malformed")),
        (MissingKey, swap("t_us", "elsewhere", "gate_status.malformed")),
        (Null, swap("@now", "null", "gate_status.malformed")),
        (UnknownId, elsewhere("gate_status.unknown_id")),
        (Oversized, long(SECRET, "gate_status.oversized")),
        (OutOfRange, swap("@now", "-1", "gate_status.out_of_range")),
        (NoNumber, swap("@now", "1e999", "gate_status.malformed")),
        (DeepNesting, deep("\"tok_secret_7391\"", "gate_status.malformed")),
        (DuplicateKey, swap("\"t_us\"", "\"t_us\":1,\"t_us\"", "gate_status.malformed")),
        (CardNumber, swap(SECRET, CARD, "gate_status.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "gate_status.malformed")),
        (Retained, retained("gate_status.retained")),
        (Future, swap("@now", "@tomorrow", "gate_status.future_dated")),
        (Before2000, swap("@now", OLD, "gate_status.out_of_range")),
        (ExtraKey, swap("\"note\"", "\"battery\":0.5,\"note\"", "ok")),
    ];
    Row { kind: GateStatus, good: GATE_STATUS, cells }
}

fn people(kind: Kind) -> Row {
    let (no_number, nested) = if kind.is_cbor() {
        (swap("0.93", "\"@NaN\"", "people.malformed"), bytes(deep_cbor(), "people.malformed"))
    } else {
        (swap("0.93", "1e999", "people.malformed"), deep("[1,2]", "people.malformed"))
    };
    let cells = vec![
        (Empty, bytes(Vec::new(), "people.malformed")),
        (Noise, bytes(format!("~{SECRET} ]]}}{{").into_bytes(), "people.malformed")),
        (Truncated, cut("people.malformed")),
        (WrongType, swap("\"tok_secret_7391\"", "[\"tok_secret_7391\"]", "people.malformed")),
        (MissingKey, swap("confidence", "elsewhere", "people.malformed")),
        (Null, swap("\"tok_secret_7391\"", "null", "people.malformed")),
        (UnknownId, elsewhere("people.unknown_id")),
        (Oversized, long(SECRET, "people.oversized")),
        (OutOfRange, swap("0.93", "1.01", "people.out_of_range")),
        (NoNumber, no_number),
        (DeepNesting, nested),
        (DuplicateKey, swap("\"floor\"", "\"@floor\":[3,3],\"floor\"", "people.malformed")),
        (CardNumber, swap(SECRET, CARD, "people.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "people.malformed")),
        (Retained, retained("people.retained")),
        (Future, swap("@now", "@tomorrow", "people.future_dated")),
        (Before2000, swap("@now", OLD, "people.out_of_range")),
        (ExtraKey, swap("\"floor\"", "\"mood\":{\"v\":[1]},\"floor\"", "ok")),
    ];
    Row { kind, good: PEOPLE, cells }
}
