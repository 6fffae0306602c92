//! The page in a real browser: it logs in, draws the floor, follows it, and says when the daemon is gone.

use crate::browser::Browser;
use crate::daemon::*;
use carryout::base::{Point2, ShelfId};
use carryout::events::{Entry, Fact, Observation};
use carryout::floor::Snapshot;
use std::sync::Arc;

#[test]
fn staff_watch_the_shop_in_a_browser() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let daemon = runtime.block_on(Daemon::start());
    browser.window(1440, 900, false, false);

    // A stranger sees whether the shop is up and why not, and nothing about anybody.
    browser.open(&daemon.url("/"));
    browser.until(
        "!document.getElementById('log-in').hidden && document.getElementById('state').dataset.state === 'degraded'",
    );
    let text = browser.script("document.body.innerText").to_string();
    assert!(text.contains("Camera ceiling-west is dark") && !text.contains("4242"), "{text}");
    browser.picture("log-in", false);
    browser
        .script("document.getElementById('token').value = 'wrong'; document.querySelector('#log-in button').click()");
    browser.until("document.getElementById('log-in-error').textContent.includes('not the daemon')");

    // The printed address logs in and keeps no token in the address bar.
    browser.complaints.clear(); // the browser itself notes every 401
    browser.open(&daemon.url(&format!("/#token={TOKEN}")));
    browser.until("document.body.dataset.live === 'yes'");
    assert_eq!(browser.script("location.href"), daemon.url("/"));
    assert_eq!(browser.script("document.cookie"), "", "scripts see no session");
    browser.until("performance.getEntriesByName('first-view').length");
    let drawn_ms = browser.script("performance.getEntriesByName('first-view')[0].startTime").as_f64().unwrap();
    println!("page.first_view_ms {drawn_ms:.0} (from opening the address to the live floor, login included)");
    println!("page.bytes {}", carryout::web::page_bytes());

    // Somebody without a visit gets a moment to have one before the page worries.
    browser.until("document.querySelector('#plan .body.nobody')");
    for (what, count) in [
        ("#plan .body", 7),
        ("#plan .hand", 6),
        ("#plan .body.nobody", 1),
        ("#plan .body.staff", 1),
        ("#plan .shelf", 25),
        ("#plan .shelf.ringing", 2),
        ("#plan .gate.open", 1),
        (".visit", 4),
        (".visit .lines li.draft", 1),
        (".visit .doubts:not([hidden])", 1),
        (".receipt", 8),
        (".shelf-tile", 25),
        (".shelf-tile.fault", 2),
        ("#cameras li", 3),
        ("#gates li", 2),
    ] {
        assert_eq!(browser.script(&format!("document.querySelectorAll('{what}').length")), count, "{what}");
    }
    let ann = browser.script("[...document.querySelectorAll('.visit')].pop().innerText").to_string();
    assert!(ann.contains("Visa ·· 4242") && ann.contains("weighing") && ann.contains("€3.83"), "{ann}");

    // A receipt opens on a click and stays open while pictures come in.
    browser.script("document.querySelector('.receipt summary').click()");
    move_body(&daemon, 3.9, "Cola <img src=x onerror=alert(1)> & \"co\"");
    browser.until("document.querySelector('.visit:nth-child(2)').innerText.includes('<img src=x')");
    assert_eq!(browser.script("document.querySelectorAll('.visit img').length"), 0, "a name became markup");
    browser.until("document.querySelector('#plan .body').style.transform.includes('390')");
    let open = "document.querySelector('.receipt details').open && document.querySelector('.receipt').innerText";
    assert!(browser.script(open).as_str().unwrap().contains("Cheese sandwich"));

    // Nothing hangs over the edge, wide or narrow, light or dark.
    browser.script("document.getElementById('coverage').click()");
    move_body(&daemon, 3.4, "Cola 0.33 l");
    browser.until("document.querySelector('.visit:nth-child(2)').innerText.includes('Cola 0.33 l')");
    for (name, width, height, phone, dark) in [
        ("wide-light", 1440, 900, false, false),
        ("wide-dark", 1440, 900, false, true),
        ("phone-light", 390, 844, true, false),
        ("phone-dark", 390, 844, true, true),
    ] {
        browser.window(width, height, phone, dark);
        let over = browser.script("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{name}: the page is wider than its window");
        browser.picture(name, false);
        browser.picture(&format!("{name}-whole"), true);
        for part in ["visits", "receipts", "shelves"] {
            browser.script(&format!("document.querySelector('section.{part}').scrollIntoView()"));
            browser.picture(&format!("{name}-{part}"), false);
        }
        browser.script("scrollTo(0, 0)");
    }
    assert!(browser.complaints.is_empty(), "the browser complains: {:#?}", browser.complaints);

    // The daemon goes: the page says so and since when.
    runtime.block_on(daemon.stop()).expect("an orderly stop");
    browser.until("!document.getElementById('lost').hidden");
    let lost = browser.script("document.getElementById('lost').innerText").to_string();
    assert!(lost.contains("No connection to the daemon since"), "{lost}");
    browser.picture("lost", false);
}

/// Somebody took something from shelf 1-2 while the shop was blind, and bob was there: staff add what he admits to.
#[test]
fn staff_add_what_a_dark_shelf_may_have_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let daemon = runtime.block_on(Daemon::start());
    let bob = visit(CHECKED_VISIT);
    let dark =
        Fact::Doubted { why: "shelf 1-2 changed while the shop was blind".into(), shelf: Some(ShelfId::new("1-2")) };
    let entry = Entry { t: daemon.clock.now(), visit: Some(bob), fact: dark, subject: None };
    daemon.books.entries.lock().unwrap().entry(bob).or_default().push(entry);

    browser.window(1440, 900, false, false);
    browser.open(&daemon.url(&format!("/#token={TOKEN}")));
    browser.until("document.querySelectorAll('.review').length === 1");
    let why = browser.script("document.querySelector('.review .why').innerText").to_string();
    assert!(why.contains("one of several who could have done it") && why.contains("Only 74 % sure"), "{why}");
    let offered =
        browser.script("[...document.querySelectorAll('.review option')].map((o) => o.textContent).join('; ')");
    assert_eq!(offered, "Add …; Salted crisps, €2.19; Oat drink, €1.99; Apple, €0.60");
    browser.script(
        "const pick = document.querySelector('.review select'); pick.selectedIndex = 1;
         pick.dispatchEvent(new Event('change'))",
    );
    assert_eq!(browser.script("document.querySelector('.review .sums strong').textContent"), "€10.96");
    browser.picture("dark-shelf", false);
    browser.script("document.querySelector('.review .buttons button').click()");
    browser.until("document.querySelector('.review').classList.contains('decided')");
    let Some(Observation::Reviewed { visit, lines }) = daemon.last_told() else { panic!("the floor was not told") };
    let lines: Vec<(&str, i64)> = lines.iter().map(|(product, n)| (product.as_str(), *n)).collect();
    assert_eq!((visit, lines), (bob, vec![("4001724819806", 1), ("4337185400100", 1), ("7622210449283", 2)]));
    assert!(browser.complaints.is_empty(), "the browser complains: {:#?}", browser.complaints);
}

/// Ann walks to x, and the second visit's first line gets another name.
fn move_body(daemon: &Daemon, x: f64, name: &str) {
    let mut snapshot: Snapshot = (**daemon.snapshot.borrow()).clone();
    snapshot.bodies[0].floor = Point2::new(x, 2.3);
    snapshot.visits[1].cart.lines[0].name = name.to_owned();
    daemon.snapshot.send_replace(Arc::new(snapshot));
}
