//! The short form of `./dev bench kill`: a few kills of a busy shop and a week offline, judged by the same witness. The
//! whole campaign takes ten minutes and is nobody's test.

use crate::mosquitto::Mosquitto;
use serde_json::Value;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn a_few_kills_lose_nothing_and_double_nothing() {
    if Mosquitto::start().is_none() {
        return;
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_carryout"));
    command.args(["bench", "kill", "--brief", "--json"]).env("CARRYOUT_LOG", "error").kill_on_drop(true);
    let output = command.output().await.expect("running carryout");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: BTreeMap<String, f64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter_map(|figure| Some((figure["figure"].as_str()?.to_owned(), figure["value"].as_f64()?)))
        .collect();
    let said = String::from_utf8_lossy(&output.stderr);
    for (figure, wanted) in [
        ("kill.rounds", 8.0),
        ("kill.lost", 0.0),
        ("kill.doubled", 0.0),
        ("kill.verify_findings", 0.0),
        ("kill.week.lost", 0.0),
        ("kill.week.doubled", 0.0),
    ] {
        assert_eq!(figures.get(figure), Some(&wanted), "{figure}; all: {figures:?}\n{said}");
    }
    assert!(figures["kill.visits"] >= 1.0 && figures["kill.week.charges"] >= 20.0, "{figures:?}\n{said}");
}
