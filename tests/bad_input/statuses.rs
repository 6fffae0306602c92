//! The other half of an answer: its status, and how it comes. Every call times every way, after upstream did what it was
//! asked and, of money, after it did not; in the end everybody was charged once (`answers::try_out`).

use crate::answers::{self, Call, Effect, Then, Way};
use carryout::sim::upstream::{Upstream, UpstreamOptions};
use futures_util::StreamExt;

const CALLS: [Call; 5] = [Call::Charge, Call::LookUp, Call::Refund, Call::Release, Call::Events];

/// Ways at a time: most of one is waiting.
const AT_ONCE: usize = 3;

/// What comes of a kind of answer, by call, and a part of the sentence that the page then shows.
struct Class {
    wanted: [&'static str; 5],
    says: &'static str,
}

/// Nobody knows what upstream did.
const UNKNOWN: Class = Class { wanted: ["unknown"; 5], says: "" };

fn status(code: u16) -> Class {
    let says = match code {
        300..=399 => "set upstream.url to where it leads",
        401 | 403 => "check the token in upstream.token_file",
        _ => "",
    };
    let wanted = match code {
        // What a release or news is answered in 2xx is nobody's matter.
        200..=299 => ["unknown", "unknown", "unknown", "ok", "ok"],
        // The token: it is everybody's trouble.
        401 | 403 => ["refused"; 5],
        // Nobody pays for a question.
        402 => ["declined", "refused", "a person's", "unknown", "unknown"],
        // A look-up: never seen, so it is sent. A release: there is nothing to release.
        404 => ["refused", "ok", "a person's", "ok", "refused"],
        409 => ["refused"; 5],
        400 | 413 | 422 => ["refused", "refused", "a person's", "refused", "dropped"],
        408 | 425 | 429 => ["unknown"; 5],
        400..=499 => ["refused", "refused", "a person's", "refused", "refused"],
        _ => ["unknown"; 5],
    };
    Class { wanted, says }
}

/// A good answer in a bad coat, bad answers in good ones.
fn ways() -> Vec<(String, Way, Class)> {
    let codes = [101, 204, 299, 302, 304, 308, 400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 451];
    let codes = codes.into_iter().chain([500, 502, 503, 600, 999]);
    let reason = br#"{"reason":"of upstream's own"}"#;
    let mut ways: Vec<_> =
        codes.map(|code| (code.to_string(), Way::says(&format!("{code} Whatever"), reason), status(code))).collect();
    for after in ["soon", "-1", "99999999999999999999", "1e9", "Thu, 01 Jan 1970 00:00:00 GMT", ""] {
        let way = Way::with("429 Too Many", &format!("retry-after: {after}\r\ncontent-length: 0"), b"");
        ways.push((format!("429, retry-after {after:?}"), way, status(429)));
    }
    let to = |code: u16| Way::with(&format!("{code} Moved"), "location: http://127.0.0.1:1/\r\ncontent-length: 0", b"");
    ways.extend([301, 307].map(|code| (format!("{code} to where nobody is"), to(code), status(code))));
    let hangs_up = || Then::HangsUp;
    let half = r#"{"state":"captured","#;
    let whole = r#"{"state":"captured"}"#;
    for (story, way) in [
        ("nothing at all", Way::raw("", hangs_up())),
        ("silence", Way::raw("", Then::Stays)),
        ("half a status line", Way::raw("HTTP/1.1 20", hangs_up())),
        ("half a head", Way::raw("HTTP/1.1 201 Created\r\ncontent-le", Then::Stays)),
        ("another protocol", Way::raw("SSH-2.0-OpenSSH_9.2\r\n", hangs_up())),
        ("a status of two digits", Way::raw("HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n", hangs_up())),
        ("a head without end", Way::raw("HTTP/1.1 201 Created\r\nx: y\r\n", Then::GoesOn)),
        ("100 for ever", Way::raw("HTTP/1.1 100 Continue\r\n\r\n", Then::GoesOn)),
        ("shorter than it says", Way::with("201 Created", "content-length: 4000", half.as_bytes())),
        ("a length of -1", Way::with("201 Created", "content-length: -1", whole.as_bytes())),
        ("two lengths", Way::with("201 Created", "content-length: 20\r\ncontent-length: 5", whole.as_bytes())),
        ("chunks of nonsense", Way::with("201 Created", "transfer-encoding: chunked", b"zz\r\nnonsense\r\n")),
        ("a body that stops", Way::with("201 Created", "content-length: 4000", half.as_bytes()).and(Then::Stays)),
    ] {
        ways.push((story.into(), way, UNKNOWN));
    }
    let drip = Way::with("201 Created", "transfer-encoding: chunked", b"5\r\n[[[[[\r\n").and(Then::Stays);
    ways.push(("a body without end, slowly".into(), drip, UNKNOWN));
    ways
}

/// Whether it acted tells nothing about a release or news: those are tried once.
fn effects(call: Call) -> &'static [Effect] {
    match call {
        Call::Charge | Call::LookUp | Call::Refund => &[Effect::Had, Effect::None],
        Call::Release | Call::Events => &[Effect::Had],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_times_every_status_and_everybody_is_charged_once() {
    let tried = futures_util::stream::iter(ways()).map(every_call).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let tried = tried.concat();
    let wrong: Vec<String> = tried.iter().flatten().cloned().collect();
    println!("{} cells", tried.len());
    assert!(wrong.is_empty(), "{} cells of {}:\n{}", wrong.len(), tried.len(), wrong.join("\n"));
}

/// A cell each, with what is wrong with it.
async fn every_call((story, way, class): (String, Way, Class)) -> Vec<Option<String>> {
    let upstream = Upstream::start(UpstreamOptions::default()).expect("an upstream");
    let cells = CALLS.into_iter().zip(class.wanted);
    let cells = cells.flat_map(|(call, wanted)| effects(call).iter().map(move |effect| (call, *effect, wanted)));
    let outcomes = cells.map(async |(call, effect, wanted)| {
        let (name, detail) = answers::try_out(&upstream, &answers::customer(), call, way.clone(), effect).await;
        let told = name == "ok" || detail.contains(class.says) && !detail.trim().is_empty() && detail.len() < 500;
        let wrong = || format!("{call:?}, {story}, {effect:?}: wanted {wanted}, came {name}: {detail}");
        (name != wanted || !told).then(wrong)
    });
    futures_util::future::join_all(outcomes).await
}
