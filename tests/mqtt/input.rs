//! Bad input, one row a story: what is refused, under which name, and that nothing stops.
//!
//! The same table is read twice: straight through the parsers, and over a real broker.

use carryout::base::time::Clock;
use carryout::base::{Counters, ShopTime};
use carryout::events::Observation;
use carryout::sensors::mqtt::{self, MqttOptions};
use carryout::sensors::topic::{self, Topic};
use rumqttc::{AsyncClient, Event, Outgoing, QoS};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const CARD: &str = "4111 1111 1111 1111";

struct Row {
    story: &'static str,
    topic: &'static str,
    payload: Vec<u8>,
    /// The counter, or `ok`.
    outcome: &'static str,
}

/// `T` stands for now, `T+1d2` for 25 hours ahead.
fn rows(now: ShopTime) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |story, topic, payload: &str, outcome| {
        let ahead = (now.0 + 25 * 3_600_000_000).to_string();
        let payload = payload.replace("T+25h", &ahead).replace("T", &now.0.to_string()).into_bytes();
        rows.push(Row { story, topic, payload, outcome });
    };

    let (topic, good) = (
        "shelf/1-1/weights",
        r#"{"boot":"b7","seq":8,"t0_us":T,"dt_us":16667,"plates":{"1":[1.5,2],"2":[-3.25,null]}}"#,
    );
    row("weights", topic, good, "ok");
    row("keys we do not know", topic, &good.replace("\"seq\"", "\"firmware\":{\"v\":[1]},\"seq\""), "ok");
    row("one plate of two", topic, &good.replace(r#""1":[1.5,2],"#, ""), "ok");
    row("a fraction like a card number", topic, &good.replace("1.5", "1.4111111111111111"), "ok");
    row("cut off", topic, &good[..40], "weights.malformed");
    row("no bytes at all", topic, "", "weights.malformed");
    row("not an object", topic, "[1,2]", "weights.malformed");
    row("not a number", topic, &good.replace("1.5", "NaN"), "weights.malformed");
    for key in ["boot", "seq", "t0_us", "dt_us", "plates"] {
        row("a key is missing", topic, &good.replace(key, "elsewhere"), "weights.malformed");
    }
    row("seq is text", topic, &good.replace("8", "\"8\""), "weights.malformed");
    row("seq is negative", topic, &good.replace(":8,", ":-8,"), "weights.malformed");
    row("boot is a number", topic, &good.replace("\"b7\"", "7"), "weights.malformed");
    row("boot is endless", topic, &good.replace("b7", &"b".repeat(65)), "weights.malformed");
    row("grams are text", topic, &good.replace("1.5", "\"1.5\""), "weights.malformed");
    row("a row is a number", topic, &good.replace("[1.5,2]", "1.5"), "weights.malformed");
    row("rows differ in length", topic, &good.replace("[1.5,2]", "[1.5,2,3]"), "weights.malformed");
    row("rows are empty", topic, &good.replace("[1.5,2]", "[]").replace("[-3.25,null]", "[]"), "weights.malformed");
    row("no rows", topic, r#"{"boot":"b7","seq":8,"t0_us":T,"dt_us":16667,"plates":{}}"#, "weights.malformed");
    row("a plate has a name", topic, &good.replace("\"1\"", "\"left\""), "weights.malformed");
    row("a plate comes twice", topic, &good.replace("\"2\"", "\"1\""), "weights.malformed");
    row("nested without end", topic, &"[".repeat(100_000), "weights.malformed");
    row("plate 3 of 2", topic, &good.replace("\"2\"", "\"3\""), "weights.unknown_id");
    row("plate 0", topic, &good.replace("\"2\"", "\"0\""), "weights.malformed");
    row("601 samples", topic, &good.replace("[1.5,2]", &format!("[{}1]", "1,".repeat(600))), "weights.oversized");
    row("over 256 KiB", topic, &good.replace("b7", &"b".repeat(300_000)), "weights.oversized");
    row("over what rumqttc lets in by itself", topic, &good.replace("b7", &"b".repeat(1_500_000)), "weights.oversized");
    row("tonnes", topic, &good.replace("1.5", "-1000000.5"), "weights.out_of_range");
    row("beyond any float", topic, &good.replace("1.5", "1e300"), "weights.out_of_range");
    row("time stands still", topic, &good.replace("16667", "0"), "weights.out_of_range");
    row("time runs backwards", topic, &good.replace("16667", "-16667"), "weights.out_of_range");
    row("1970", topic, &good.replace("T", "1000000"), "weights.out_of_range");
    row("tomorrow", topic, &good.replace("T", "T+25h"), "weights.future_dated");
    row("a shelf nobody built", "shelf/9-9/weights", good, "weights.unknown_id");
    row("a card number as boot", topic, &good.replace("b7", CARD), "weights.card_number");
    row(
        "a card number in a key we do not know",
        topic,
        &good.replace("\"seq\"", &format!("\"x\":[\"{CARD}\"],\"seq\"")),
        "weights.card_number",
    );

    row("online", "shelf/1-1/status", "online", "ok");
    row("offline", "shelf/1-2/status", "offline", "ok");
    row("neither", "shelf/1-1/status", "asleep", "shelf_status.malformed");
    row("a card number", "shelf/1-1/status", CARD, "shelf_status.card_number");
    row("a shelf nobody built", "shelf/9-9/status", "online", "shelf_status.unknown_id");

    let (topic, good) = (
        "gate/gate-1/tap",
        r#"{"tap_id":"6fa459ea-ee8a-4ca4-894e-db77e160355e","t_us":T,"direction":"in","credential":{"kind":"card","token":"tok_7","brand":"visa","last4":"4242"},"group_size":2}"#,
    );
    row("a tap", topic, good, "ok");
    row(
        "the least a tap may say",
        topic,
        r#"{"tap_id":"t","t_us":T,"direction":"out","credential":{"kind":"code","token":"x"}}"#,
        "ok",
    );
    row("cut off", topic, &good[..60], "tap.malformed");
    for key in ["tap_id", "t_us", "direction", "credential", "kind", "token"] {
        row("a key is missing", topic, &good.replace(&format!("\"{key}\""), "\"elsewhere\""), "tap.malformed");
    }
    row("sideways", topic, &good.replace("\"in\"", "\"up\""), "tap.malformed");
    row("a kind nobody takes", topic, &good.replace("\"card\"", "\"shell\""), "tap.malformed");
    row("an empty token", topic, &good.replace("tok_7", ""), "tap.malformed");
    row("a token like a novel", topic, &good.replace("tok_7", &"x".repeat(257)), "tap.malformed");
    row("an id like a novel", topic, &good.replace("6fa459ea", &"6".repeat(100)), "tap.malformed");
    row("an id with a line break", topic, &good.replace("6fa459ea-", "6fa459ea\\n"), "tap.malformed");
    row("last four of five", topic, &good.replace("4242", "42424"), "tap.malformed");
    row("the time is text", topic, &good.replace("T", "\"T\""), "tap.malformed");
    row("the time has a fraction", topic, &good.replace("T", "T.5"), "tap.malformed");
    row("a group of nobody", topic, &good.replace(":2}", ":0}"), "tap.out_of_range");
    row("a coach trip", topic, &good.replace(":2}", ":51}"), "tap.out_of_range");
    row("1999", topic, &good.replace("T", "946684799999999"), "tap.out_of_range");
    row("tomorrow", topic, &good.replace("T", "T+25h"), "tap.future_dated");
    row("over 256 KiB", topic, &good.replace("tok_7", &"x".repeat(300_000)), "tap.oversized");
    row("over what rumqttc lets in by itself", topic, &good.replace("tok_7", &"x".repeat(1_500_000)), "tap.oversized");
    row("a gate nobody built", "gate/back-door/tap", good, "tap.unknown_id");
    row("a card number as token", topic, &good.replace("tok_7", CARD), "tap.card_number");
    row("a card number as a number", topic, &good.replace("\"tok_7\"", "4111111111111111"), "tap.card_number");
    row(
        "a card number as tap id",
        topic,
        &good.replace("6fa459ea-ee8a-4ca4-894e-db77e160355e", "4111111111111111"),
        "tap.card_number",
    );
    row(
        "a card number beside",
        topic,
        &good.replace("\"brand\"", "\"pan\":\"5500-0000-0000-0004\",\"brand\""),
        "tap.card_number",
    );

    let (topic, good) = ("gate/gate-1/passage", r#"{"passage_id":"p-1","t_us":T,"direction":"out"}"#);
    row("a passage", topic, good, "ok");
    for key in ["passage_id", "t_us", "direction"] {
        row("a key is missing", topic, &good.replace(key, "elsewhere"), "passage.malformed");
    }
    row("not JSON", topic, "out", "passage.malformed");
    row("1970", topic, &good.replace("T", "0"), "passage.out_of_range");
    row("tomorrow", topic, &good.replace("T", "T+25h"), "passage.future_dated");
    row("over 256 KiB", topic, &good.replace("p-1", &"p".repeat(300_000)), "passage.oversized");
    row("a gate nobody built", "gate/back-door/passage", good, "passage.unknown_id");
    row("a card number", topic, &good.replace("p-1", CARD), "passage.card_number");

    let (topic, good) = ("gate/gate-1/status", r#"{"t_us":T,"battery":0.5}"#);
    row("a gate tells its clock", topic, good, "ok");
    row("a plain word", topic, "online", "gate_status.malformed");
    row("no time", topic, "{}", "gate_status.malformed");
    row("1970", topic, &good.replace("T", "5"), "gate_status.out_of_range");
    row("tomorrow", topic, &good.replace("T", "T+25h"), "gate_status.future_dated");
    row("a gate nobody built", "gate/back-door/status", good, "gate_status.unknown_id");
    row("a card number", topic, &good.replace("0.5", "4111111111111111"), "gate_status.card_number");

    let (topic, good) = (
        "camera/cam-1/people",
        r#"{"boot":"c1","seq":9,"t_us":T,"people":[{"track":"17","confidence":0.93,"box":[0.1,0.2,0.3,0.4],"floor":[1,2],"head":[1,2,1.7],"hands":[[1.1,2.2,1.2]],"appearance":{"space":"s","v":[0.1,0.2]},"in_hand":{"space":"h","v":[1]}}]}"#,
    );
    row("people", topic, good, "ok");
    row("looked, saw nobody", topic, r#"{"boot":"c1","seq":9,"t_us":T,"people":[]}"#, "ok");
    row(
        "the least a person may be",
        topic,
        r#"{"boot":"c1","seq":9,"t_us":T,"people":[{"track":"1","confidence":1,"floor":[1,2]}]}"#,
        "ok",
    );
    row("cut off", topic, &good[..60], "people.malformed");
    for key in ["boot", "seq", "t_us", "people", "track", "confidence", "space"] {
        row("a key is missing", topic, &good.replace(key, "elsewhere"), "people.malformed");
    }
    row("neither floor nor box", topic, &good.replace("floor", "f").replace("box", "b"), "people.malformed");
    row("a track that is a number", topic, &good.replace("\"17\"", "17"), "people.malformed");
    row("a person who is a list", topic, &good.replace("[{", "[[],{"), "people.malformed");
    row("a box of three", topic, &good.replace("0.3,0.4", "0.3"), "people.malformed");
    row("a floor point of words", topic, &good.replace("[1,2]", "[\"a\",2]"), "people.malformed");
    row("surer than sure", topic, &good.replace("0.93", "1.01"), "people.out_of_range");
    row("two kilometres away", topic, &good.replace("\"floor\":[1,2]", "\"floor\":[1,2000]"), "people.out_of_range");
    row("a hand in the clouds", topic, &good.replace("2.2", "2200"), "people.out_of_range");
    row("a box without width", topic, &good.replace("0.3,0.4", "0,0.4"), "people.out_of_range");
    row("a vector beyond floats", topic, &good.replace("0.1,0.2]}", "1e300,0]}"), "people.out_of_range");
    row("1970", topic, &good.replace("T", "5"), "people.out_of_range");
    row("tomorrow", topic, &good.replace("T", "T+25h"), "people.future_dated");
    let crowd = format!("[{}]", vec![r#"{"track":"1","confidence":1,"floor":[1,2]}"#; 201].join(","));
    row("201 people", topic, &format!(r#"{{"boot":"c1","seq":9,"t_us":T,"people":{crowd}}}"#), "people.oversized");
    row("over 256 KiB", topic, &good.replace("c1", &"c".repeat(300_000)), "people.oversized");
    row("a camera nobody hung", "camera/cam-9/people", good, "people.unknown_id");
    row("a card number as track", topic, &good.replace("\"17\"", &format!("\"{CARD}\"")), "people.card_number");
    rows
}

/// How often each outcome is expected, by counter name.
fn expected(rows: &[Row]) -> BTreeMap<String, u64> {
    let mut expected = BTreeMap::new();
    for row in rows {
        let what = Topic::of(row.topic).expect("a topic we know").what();
        let name = if row.outcome == "ok" { format!("{what}.received") } else { row.outcome.to_owned() };
        *expected.entry(name).or_default() += 1;
    }
    expected
}

#[test]
fn every_bad_input_has_a_name_and_a_sentence_without_its_content() {
    let (shop, now) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    for Row { story, topic, payload, outcome } in rows(now) {
        let read = topic::read(Topic::of(topic).unwrap(), false, &payload, now, &shop);
        let came = read.as_ref().map_or_else(|refusal| refusal.kind(), |_| "ok".to_owned());
        assert_eq!(came, outcome, "{topic}, {story}: {read:?}");
        if let Err(refusal) = read {
            let said = refusal.to_string();
            for private in ["4111", "0004", "tok_7", "1.5\"", "asleep", "elsewhere"] {
                assert!(!said.contains(private), "{topic}, {story}: quotes the payload: {said}");
            }
        }
    }
}

#[test]
fn a_refused_tap_can_be_answered_when_its_id_is_clean() {
    let (shop, now) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    for (story, payload, answered) in [
        ("no direction", r#"{"tap_id":"t-1"}"#, Some("t-1")),
        ("a card number as token", r#"{"tap_id":"t-1","credential":{"token":"4111111111111111"}}"#, Some("t-1")),
        ("a card number as id", r#"{"tap_id":"4111111111111111"}"#, None),
        ("no id", "{}", None),
        ("an id that is no text", r#"{"tap_id":7}"#, None),
        ("not JSON", "tap", None),
    ] {
        let refusal = topic::read(Topic::Tap("gate-1"), false, payload.as_bytes(), now, &shop).unwrap_err();
        assert_eq!(refusal.tap.as_ref().map(|tap| tap.as_str()), answered, "{story}");
    }
}

#[test]
fn what_a_broker_kept_is_only_believed_of_a_shelf_status() {
    let (shop, now) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    for Row { topic, payload, .. } in rows(now).into_iter().filter(|row| row.outcome == "ok") {
        let topic = Topic::of(topic).unwrap();
        let read = topic::read(topic, true, &payload, now, &shop);
        match topic {
            Topic::ShelfStatus(_) => assert!(read.is_ok()),
            _ => assert_eq!(read.unwrap_err().kind(), format!("{}.retained", topic.what())),
        }
    }
}

#[test]
fn cbor_of_the_same_shape_says_the_same() {
    let (shop, now) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    for Row { story, topic, payload, outcome } in rows(now) {
        let topic = Topic::of(topic).unwrap();
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&payload) else { continue };
        if !value.is_object() || !matches!(topic, Topic::Weights(_) | Topic::People(_)) {
            continue;
        }
        let mut cbor = Vec::new();
        ciborium::into_writer(&value, &mut cbor).unwrap();
        let read = |payload| topic::read(topic, false, payload, now, &shop).map_err(|refusal| refusal.kind());
        // A key that comes twice is lost on the way through the tree; it is in the table below.
        if story != "a plate comes twice" {
            assert_eq!(read(&cbor), read(&payload), "{story} ({outcome})");
        }
    }
}

/// What JSON has no words for, or a lenient reader would let pass.
#[test]
fn what_only_cbor_can_say_has_a_name_too() {
    use ciborium::Value as C;
    let (shop, now) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    let text = |text: &str| C::Text(text.to_owned());
    let number = |n: i64| C::Integer(n.into());
    let bytes = |value: &C| {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).expect("CBOR");
        bytes
    };
    let with = |base: &[(C, C)], key: &str, value: C| {
        let mut map = base.to_vec();
        map.retain(|(name, _)| *name != text(key));
        map.push((text(key), value));
        bytes(&C::Map(map))
    };
    let row = |samples: Vec<C>| C::Map(vec![(text("1"), C::Array(samples))]);
    let weights = vec![
        (text("boot"), text("b7")),
        (text("seq"), number(8)),
        (text("t0_us"), number(now.0)),
        (text("dt_us"), number(16_667)),
        (text("plates"), row(vec![C::Float(1.5), number(2), C::Null])),
    ];
    let person = vec![
        (text("track"), text("17")),
        (text("confidence"), C::Float(0.5)),
        (text("floor"), C::Array(vec![number(1), C::Float(2.5)])),
    ];
    let people = vec![
        (text("boot"), text("c1")),
        (text("seq"), number(9)),
        (text("t_us"), number(now.0)),
        (text("people"), C::Array(vec![C::Map(person.clone())])),
    ];
    let with_person = |key: &str, value: C| {
        let mut map = person.clone();
        map.retain(|(name, _)| *name != text(key));
        map.push((text(key), value));
        with(&people, "people", C::Array(vec![C::Map(map)]))
    };
    let (w, p) = ("shelf/1-1/weights", "camera/cam-1/people");
    let good = bytes(&C::Map(weights.clone()));
    let seen = bytes(&C::Map(people.clone()));
    let plus = |bytes: &[u8], more: &[u8]| [bytes, more].concat();
    // The same with every length left open: 0xbf … 0xff.
    let open = plus(&plus(&[0xbf], &good[1..]), &[0xff]);
    let endless = plus(&[0xa1, 0x61, b'x'], &[0x81; 100_000]);
    let card = C::Bytes(b"4111111111111111".to_vec());
    for (story, topic, payload, outcome) in [
        ("as in JSON", w, good.clone(), "ok"),
        ("as in JSON", p, seen.clone(), "ok"),
        ("says that it is CBOR", w, plus(&[0xd9, 0xd9, 0xf7], &good), "ok"),
        ("says that it is CBOR", p, plus(&[0xd9, 0xd9, 0xf7], &seen), "ok"),
        ("its length left open", w, open, "ok"),
        ("half floats", w, with(&weights, "plates", row(vec![C::Float(0.5)])), "ok"),
        ("no number", w, with(&weights, "plates", row(vec![C::Float(f64::NAN)])), "weights.out_of_range"),
        ("infinite", w, with(&weights, "plates", row(vec![C::Float(f64::INFINITY)])), "weights.out_of_range"),
        ("beyond any integer", w, with(&weights, "plates", row(vec![number(i64::MAX)])), "weights.out_of_range"),
        ("a sample of bytes", w, with(&weights, "plates", row(vec![C::Bytes(vec![1, 2])])), "weights.malformed"),
        (
            "a sample with a tag",
            w,
            with(&weights, "plates", row(vec![C::Tag(4, number(1).into())])),
            "weights.malformed",
        ),
        ("true", w, with(&weights, "plates", row(vec![C::Bool(true)])), "weights.malformed"),
        (
            "a row of bytes",
            w,
            with(&weights, "plates", C::Map(vec![(text("1"), C::Bytes(vec![0; 8]))])),
            "weights.malformed",
        ),
        (
            "a plate by number",
            w,
            with(&weights, "plates", C::Map(vec![(number(1), C::Array(vec![number(1)]))])),
            "weights.malformed",
        ),
        (
            "a plate comes twice",
            w,
            with(
                &weights,
                "plates",
                C::Map(vec![(text("1"), C::Array(vec![number(1)])), (text("1"), C::Array(vec![number(1)]))]),
            ),
            "weights.malformed",
        ),
        ("a time of floats", w, with(&weights, "t0_us", C::Float(now.0 as f64)), "weights.malformed"),
        ("a time beyond 2^63", w, with(&weights, "t0_us", C::Integer(u64::MAX.into())), "weights.malformed"),
        ("boot as bytes", w, with(&weights, "boot", C::Bytes(b"b7".to_vec())), "weights.malformed"),
        ("bytes in a key we do not know", w, with(&weights, "x", C::Bytes(vec![1])), "ok"),
        ("cut off", w, good[..good.len() - 3].to_vec(), "weights.malformed"),
        ("something follows", w, plus(&good, &[0x00]), "weights.malformed"),
        ("another one follows", p, plus(&seen, &seen), "people.malformed"),
        ("only the tag", w, vec![0xd9, 0xd9, 0xf7], "weights.malformed"),
        ("nested without end", w, endless.clone(), "weights.malformed"),
        ("nested without end", p, endless, "people.malformed"),
        // Announces 2^62 samples, and sends none.
        (
            "a promise of more than there is",
            w,
            plus(&[0xa1, 0x66], &plus(b"plates", &[0xa1, 0x61, b'1', 0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0])),
            "weights.malformed",
        ),
        (
            "a promise of more than there is",
            p,
            plus(&[0xa1, 0x64], &plus(b"boot", &[0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0])),
            "people.malformed",
        ),
        ("no number for confidence", p, with_person("confidence", C::Float(f64::NAN)), "people.malformed"),
        (
            "an infinite place",
            p,
            with_person("floor", C::Array(vec![C::Float(f64::INFINITY), number(1)])),
            "people.malformed",
        ),
        ("a track of bytes", p, with_person("track", C::Bytes(b"17".to_vec())), "people.malformed"),
        ("a card number in text", w, with(&weights, "x", text(CARD)), "weights.card_number"),
        ("a card number in text", p, with(&people, "x", text(CARD)), "people.card_number"),
        ("a card number as bytes", w, with(&weights, "x", card.clone()), "weights.malformed"),
        ("a card number as bytes", p, with(&people, "x", card), "people.malformed"),
    ] {
        let read = topic::read(Topic::of(topic).unwrap(), false, &payload, now, &shop);
        let came = read.as_ref().map_or_else(|refusal| refusal.kind(), |_| "ok".to_owned());
        assert_eq!(came, outcome, "{topic}, {story}: {read:?}");
        assert!(!format!("{read:?}").contains("4111"), "{topic}, {story}: quotes the payload: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_over_a_real_broker_is_counted_and_stops_nothing() {
    let Some(broker) = crate::mosquitto::Mosquitto::start() else { return };
    let clock = Clock::anchored_after(ShopTime(0));
    let counters = Counters::default();
    let (floor, mut queue) = mpsc::channel(4096);
    let (publish, outgoing) = mpsc::channel(16);
    let (stop, shutdown) = watch::channel(false);
    let options = MqttOptions { port: broker.port, ..MqttOptions::default() };
    let shop = Arc::new(crate::small_shop::small_shop());
    let daemon = tokio::spawn(mqtt::run(options, shop, floor, outgoing, clock, counters.clone(), shutdown));

    // Both connections are subscribed: the one says so to the floor, the other answers a publish.
    let patience = Duration::from_secs(30);
    let up = tokio::time::timeout(patience, queue.recv()).await.expect("a connection in time").unwrap();
    assert_eq!(up.stamped.observation, Observation::Broker { up: true, why: None });
    let mut options = rumqttc::MqttOptions::new("devices", "127.0.0.1", broker.port);
    options.set_max_packet_size(10_000_000, 10_000_000);
    let (client, mut eventloop) = AsyncClient::new(options, 400);
    let ready = carryout::sensors::publish::Publish {
        topic: "events".into(),
        payload: b"{}".to_vec(),
        qos: 1,
        retain: false,
        good_until: None,
    };
    client.subscribe("carryout/v1/corner/#", QoS::AtLeastOnce).await.unwrap();

    let mut rows = rows(clock.now());
    // One after the other on every path, so that when these have come everything before them has.
    let last = ["gate/gate-1/passage", "shelf/1-1/weights", "camera/cam-1/people"];
    for topic in last {
        let good = rows.iter().find(|row| row.topic == topic && row.outcome == "ok").unwrap();
        let payload = String::from_utf8(good.payload.clone()).unwrap();
        let payload = payload.replace("p-1", "last").replace("\"b7\"", "\"last\"").replace("\"c1\"", "\"last\"");
        rows.push(Row { story: "the last one", topic, payload: payload.into_bytes(), outcome: "ok" });
    }
    let expected = expected(&rows);
    let answered = rows.iter().filter(|row| row.topic == "gate/gate-1/tap" && row.outcome != "ok").count();

    // Devices: sends everything once the daemon is heard, and collects what it answers.
    let devices = tokio::spawn(async move {
        let mut malformed = 0;
        loop {
            match eventloop.poll().await.expect("the broker lives") {
                Event::Incoming(rumqttc::Packet::SubAck(_)) => publish.send(ready.clone()).await.unwrap(),
                Event::Incoming(rumqttc::Packet::Publish(message)) if message.topic.ends_with("/events") => {
                    for Row { topic, payload, .. } in &rows {
                        let qos = if topic.contains("people") { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                        let topic = format!("carryout/v1/corner/{topic}");
                        client.try_publish(topic, qos, false, payload.clone()).unwrap();
                    }
                }
                Event::Incoming(rumqttc::Packet::Publish(message)) if message.topic.ends_with("/decision") => {
                    let decision: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                    assert_eq!((&decision["open"], &decision["reason"]), (&false.into(), &"malformed".into()));
                    // Four digits alone may stand in any time of day.
                    assert!(!decision.to_string().contains(&CARD.replace(' ', "")[..12]), "{decision}");
                    malformed += 1;
                }
                Event::Outgoing(Outgoing::Disconnect) => return malformed,
                // Its last word. Our own shelf statuses come by too, without quotation marks.
                Event::Incoming(rumqttc::Packet::Publish(message))
                    if message.payload.windows(9).any(|w| w == b"\"offline\"") =>
                {
                    client.try_disconnect().unwrap();
                }
                _ => {}
            }
        }
    });

    let mut missing = last.len();
    while missing > 0 {
        let incoming = tokio::time::timeout(patience, queue.recv()).await.expect("nothing stops").unwrap();
        missing -= match &incoming.stamped.observation {
            Observation::Weights(weights) => usize::from(weights.boot == "last"),
            Observation::People(people) => usize::from(people.boot == "last"),
            Observation::Passage(passage) => usize::from(passage.passage_id.as_str() == "last"),
            _ => 0,
        };
        if let Some(ack) = incoming.ack {
            ack.done();
        }
    }
    let counted: BTreeMap<String, u64> =
        counters.all().into_iter().filter(|(name, _)| !name.starts_with("mqtt.")).collect();
    assert_eq!(counted, expected);

    stop.send(true).unwrap();
    daemon.await.unwrap();
    let malformed = tokio::time::timeout(patience, devices).await.expect("the daemon says it is gone").unwrap();
    // All but those whose id could not be read: cut off, oversized twice, no id, three odd ids.
    assert_eq!(malformed, answered - 7);
}
