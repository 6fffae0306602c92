//! A daemon whose broker wants a certificate, whose key is a credential, and whose CA file is wrong at first: the page says
//! so, and putting the file right is all it takes.

use crate::mosquitto::Mosquitto;
use crate::pki::Ca;
use crate::shop::LiveShop;
use std::net::TcpListener;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_which_certificate_is_wrong_and_forgets_it_when_it_is_right() {
    let (ca, stranger) = (Ca::new("shop"), Ca::new("stranger"));
    let (certificate, key) = ca.issues("broker", &["127.0.0.1"], false);
    let tls_port = std::cell::Cell::new(0);
    // Devices speak in the open to the first listener, the daemon over TLS to the second.
    let started = Mosquitto::start_with(|dir| {
        for (name, text) in [("ca.crt", &ca.pem), ("broker.crt", &certificate), ("broker.key", &key)] {
            std::fs::write(dir.join(name), text).expect("a file of the broker's");
        }
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
        tls_port.set(port);
        let dir = dir.display();
        format!(
            "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/broker.crt\n\
             keyfile {dir}/broker.key\nrequire_certificate true\n"
        )
    });
    let Some(broker) = started else { return };
    let plain_port = broker.port;
    let Some(mut shop) = LiveShop::build_around(broker).await else { return };

    let (certificate, key) = ca.issues("carryout", &[], false);
    let credentials = shop.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(format!("{credentials}/mqtt-key"), &key).unwrap();
    std::fs::write(shop.path("own.crt"), &certificate).unwrap();
    std::fs::write(shop.path("ca.crt"), &stranger.pem).unwrap();
    let config = std::fs::read_to_string(shop.home.config()).unwrap();
    let tls = "ca_file = \"ca.crt\"\nclient_cert_file = \"own.crt\"\nclient_key_file = \"credential:mqtt-key\"";
    let port = |port: u16| format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
    assert!(config.contains(&port(plain_port)), "{config}");
    let config = config.replace(&port(plain_port), &format!("{}{tls}\n", port(tls_port.get())));
    std::fs::write(shop.home.config(), config).unwrap();

    let mut carryout = Command::new(env!("CARGO_BIN_EXE_carryout"));
    carryout.env("CREDENTIALS_DIRECTORY", &credentials);
    shop.launch(carryout, &[]).await;
    let reasons = async |shop: &LiveShop| shop.get("/api/v1/health").await.1["reasons"].to_string();
    shop.until("the page names the CA", async |shop| {
        let said = reasons(shop).await;
        let wanted = "The message broker does not answer: shelves and gates are not heard. The certificate of 127.0.0.1 is \
                      of another CA than the `ca_file` of [mqtt]";
        said.contains(wanted).then_some(())
    })
    .await;
    assert!(shop.counter("mqtt.broker_certificate").await > 0);

    std::fs::write(shop.path("ca.crt"), &ca.pem).unwrap();
    shop.until("health is well", async |shop| (reasons(shop).await == "[]").then_some(())).await;
    // The other connection, which hears taps, may be an attempt behind; it speaks once it has subscribed.
    shop.until("the daemon speaks", async |shop| shop.everything_heard().contains("(\"status\"").then_some(())).await;
    shop.comes_in("ann").await;
    shop.takes("ann", "bread").await;
    shop.leaves("ann").await;
    shop.upstream_has("ann's charge", |records| records.charges.len() == 1).await;
    assert!(shop.stop().await.success());
}
