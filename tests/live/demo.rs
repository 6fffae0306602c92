//! `./dev demo` as people start it, for a quarter of a minute.

use crate::simulator::broker;
use std::process::{Command, Stdio};

/// The demonstration as people start it: the executable, a real broker, a real daemon, a real upstream.
#[test]
fn three_parties_shop_and_are_charged_once() {
    let Some((here, _)) = broker() else { return };
    let shown = Command::new(env!("CARGO_BIN_EXE_carryout"))
        // Pictures are painted fast enough only by an optimised build.
        .args(["demo", "--discs", "--for", "60s", "--shoppers", "3", "--seed", "4", "--keep"])
        .arg(here.path().join("demo"))
        .stdin(Stdio::null())
        .output()
        .expect("the executable starts");
    let (out, err) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success(), "{}\n{out}\n{err}", shown.status);
    assert!(out.contains("The page: http://127.0.0.1:"), "{out}");
    assert!(out.contains("3 visits, ") && out.contains("3 of 3 charges captured exactly once"), "{out}");
    assert!(out.contains("captured once"), "every receipt says whether it is paid: {out}");
    assert!(here.path().join("demo/state").is_dir(), "what was to be kept is kept");
}
