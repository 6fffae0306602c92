//! Staff decide on the page what waits for them: a real ledger, the real daemon on it, a real browser, and money that the
//! reference upstream takes or gives back exactly as decided.

use crate::browser::Browser;
use crate::common::Stage;
use crate::daemon::{TOKEN, client};
use carryout::sim::upstream::{Upstream, UpstreamOptions};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ann and bob take wine, which is restricted; kim takes bread and will say later that she did not.
const STORY: &str = "0 ann taps in
     1 ann enters
     5 ann takes wine
     10 ann leaves
     20 bob taps in
     21 bob enters
     25 bob takes wine
     30 bob takes 2 cola
     36 bob leaves
     46 kim taps in
     47 kim enters
     51 kim takes bread
     56 kim leaves
     68 all waits";

/// `carryout run` as a child.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    /// Started, and so far that it said where its page is.
    fn start(config: &Path) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_carryout"))
            .args(["--log-json", "run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = Vec::new();
        let url = loop {
            let line = log.next().unwrap_or_else(|| panic!("the daemon ended: {said:#?}")).expect("a log in UTF-8");
            if let Some((_, page)) = line.split_once("http://127.0.0.1:")
                && line.contains("started")
            {
                let port: String = page.chars().take_while(char::is_ascii_digit).collect();
                break format!("http://127.0.0.1:{port}");
            }
            said.push(line);
        };
        // Its log is read to the end, so that it never waits for us.
        std::thread::spawn(move || log.for_each(drop));
        Running { child, url }
    }

    fn stop(mut self) {
        // SAFETY: a plain system call on our own child, which has not been waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        assert!(self.child.wait().expect("a child to wait for").success(), "an orderly stop");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_staff_decide_is_what_is_charged() {
    let Some(mut browser) = Browser::start() else { return };
    let mut stage = Stage::new().on_disk();
    stage.captures = false; // the daemon shall send the charges
    stage.play(STORY);
    assert_eq!(stage.outcomes(), ["review; 1 wine: 9.00", "review; 1 wine, 2 cola: 14.00", "charged; 1 bread: 3.00"]);
    stage.kill(1);

    let dir = tempfile::tempdir().expect("a directory for the daemon");
    let state = dir.path().join("state");
    std::fs::create_dir(&state).expect("a state directory");
    std::fs::copy(stage.ledger_path(), carryout::ledger::file_in(&state)).expect("the ledger, closed and whole");
    let upstream = Upstream::start(UpstreamOptions::default()).expect("a reference upstream");
    stage.world.shop.write(dir.path().join("shop")).expect("shop files");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a token file");
    // A port where nobody answers: this story needs no broker.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let config = format!(
        "[shop]\ndirectory = \"{dir}/shop\"\n[state]\ndirectory = \"{state}\"\n[mqtt]\nport = {nobody}\n\
         [web]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{dir}/token\"\n[upstream]\nurl = \"{url}\"\n",
        dir = dir.path().display(),
        state = state.display(),
        url = upstream.url(),
    );
    let file = dir.path().join("carryout.toml");
    std::fs::write(&file, config).expect("a config file");
    let daemon = Running::start(&file);

    // Kim contests what she was charged for.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let patience = Duration::from_secs(30);
    let taken = |total: i64, upstream: &Upstream| {
        let taken = runtime.block_on(upstream.until(patience, |records| {
            records.charges.iter().filter(|charge| charge.captured == 1).map(|charge| charge.total).sum::<i64>()
                == total
        }));
        taken.unwrap_or_else(|records| panic!("{total} were never taken: {records:#?}"))
    };
    taken(300, &upstream);
    let contested = runtime.block_on(async {
        let ask = |path: String| client().get(daemon.url.clone() + &path).bearer_auth(TOKEN).send();
        let receipts: serde_json::Value = ask("/api/v1/receipts".into()).await.unwrap().json().await.unwrap();
        let bread = receipts["receipts"].as_array().unwrap().iter().find(|receipt| receipt["total"] == 300).unwrap();
        let url = format!("{}/api/v1/receipts/{}/contest", daemon.url, bread["receipt_id"].as_str().unwrap());
        let says = json!({"lines": [{"product": "bread", "claimed": 0}]});
        client().post(url).bearer_auth(TOKEN).json(&says).send().await.unwrap().status()
    });
    assert_eq!(contested, 200);

    browser.window(1440, 900, false, false);
    browser.open(&format!("{}/#token={TOKEN}", daemon.url));
    browser.until("document.querySelectorAll('.review').length === 3");
    browser.until("[...document.querySelectorAll('.review')].every((card) => card.querySelector('.story .claimed'))");
    assert_eq!(browser.script("document.getElementById('n-review').textContent"), "3");
    let card = |browser: &mut Browser, n: u32| {
        browser.script(&format!("document.querySelector('.review:nth-child({n})').innerText")).to_string()
    };
    let ann = card(&mut browser, 1);
    for words in
        ["#1", "WINE is restricted", "What happened", "took 1 × WINE", "€9.00", "Charge this", "Charge nothing"]
    {
        assert!(ann.contains(words), "{words} is not on ann's card: {ann}");
    }
    let kim = card(&mut browser, 3);
    assert!(kim.contains("they did not take BREAD") && kim.contains("customer says 0"), "{kim}");
    browser.picture("reviews", false);
    browser.picture("reviews-whole", true);
    browser.window(390, 844, true, false);
    let over = browser.script("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, 0, "the cards are wider than a phone");
    browser.script("document.getElementById('reviews').scrollIntoView()");
    browser.picture("reviews-phone", false);
    browser.window(1440, 900, false, true);
    browser.picture("reviews-dark", false);

    // Bob was too young for the wine: with the keyboard alone one less, then charge the cola.
    let bob = "document.querySelector('.review:nth-child(2)')";
    browser.script(&format!("{bob}.querySelector('button[aria-label=\"One less of WINE\"]').focus()"));
    browser.press("Enter");
    assert_eq!(browser.script(&format!("{bob}.querySelector('.sums strong').textContent")), "€5.00");
    browser.script(&format!("{bob}.querySelector('.buttons button').focus()"));
    browser.press("Enter");
    browser.until(&format!("{bob}.innerText.includes('Decided: €5.00 is charged')"));
    // Ann is old enough, but changed her mind at the door and left the bottle there.
    browser.script("document.querySelector('.review:nth-child(1) .buttons .plain').click()");
    browser.until("document.querySelector('.review:nth-child(1)').innerText.includes('nothing is charged')");
    // Kim is right.
    let kim = "document.querySelector('.review:nth-child(3)')";
    browser.script(&format!("{kim}.querySelector('button[aria-label=\"One less of BREAD\"]').click()"));
    let leaving = browser.script(&format!("{kim}.querySelector('.sums').innerText"));
    assert!(leaving.as_str().unwrap().contains("€3.00 go back"), "{leaving}");
    browser.script(&format!("{kim}.querySelector('.buttons button').click()"));
    browser.until(&format!("{kim}.innerText.includes('€3.00 go back to the customer')"));
    assert_eq!(browser.script("document.getElementById('n-review').textContent"), "0");
    browser.picture("reviews-decided", false);

    let records = taken(800, &upstream);
    assert!(records.not_once().is_empty(), "every charge once: {records:#?}");
    let refunded = runtime.block_on(upstream.until(patience, |records| records.refunds.iter().any(|r| r.given == 1)));
    let refunded = refunded.unwrap_or_else(|records| panic!("kim waits for her money: {records:#?}"));
    assert_eq!(refunded.refunds.iter().map(|refund| refund.amount).collect::<Vec<_>>(), [300]);

    // What was decided goes from the list by itself, and the receipts say what came of it.
    browser.until("document.getElementById('reviews').hidden");
    for (number, says) in [(1, "not billed"), (2, "billed"), (3, "corrected")] {
        let found =
            format!("[...document.querySelectorAll('.receipt summary')].some((r) => r.innerText.includes('#{number}')");
        browser.until(&format!("{found} && r.querySelector('.status').textContent === '{says}')"));
    }
    assert!(browser.complaints.is_empty(), "the browser complains: {:#?}", browser.complaints);
    drop(browser); // its stream first: an orderly stop waits for open requests
    daemon.stop();
}
