//! A camera's streams, asked for with user and password (ONVIF Media, ver10): GetSystemDateAndTime, GetCapabilities,
//! GetProfiles, GetStreamUri.
//!
//! The password itself is never sent: a digest of it, of a random number and of the camera's own time proves that it is
//! known (WS-Security UsernameToken, sha1, as ONVIF asks for). A stream that is said to be at another host is refused:
//! the password would follow it there.

use super::xml::{MOST_BYTES, Node, escaped};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use sha1::{Digest, Sha1};
use std::time::Duration;

/// A camera that takes longer to say where its stream is is no camera for a shop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Wider pictures cost decoding and show no more of a person's place.
const WIDE: u32 = 1_920;

#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// Where a camera's pictures come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// With user and password in it, as this version's shop.toml wants it.
    pub url: String,
    /// The same for everybody to see.
    pub shown: String,
    /// Of the picture, pixels.
    pub size: Option<(u32, u32)>,
    pub profile: String,
}

/// The stream of a camera with this device service; the error is a sentence's end and holds no password.
pub async fn stream_of(service: &Url, login: &Login) -> Result<Stream, String> {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let mut camera = Camera { http, login, ahead: SignedDuration::ZERO };
    // Asked without a password, so that a clock that is years off does not make a right password wrong.
    let time = camera.ask(service, r#"<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/>"#, false);
    if let Some(theirs) = time.await.ok().as_ref().and_then(utc) {
        camera.ahead = theirs.duration_since(Timestamp::now());
    }
    let capabilities = r#"<GetCapabilities xmlns="http://www.onvif.org/ver10/device/wsdl"><Category>Media</Category></GetCapabilities>"#;
    let answer = camera.ask(service, capabilities, true).await?;
    let media = answer.first("Media").and_then(|media| media.text_of("XAddr")).ok_or("it says it has no streams")?;
    let media = Url::parse(media).map_err(|_| "the address of its media service is none")?;
    same_host(&media, service)?;
    let profiles = r#"<GetProfiles xmlns="http://www.onvif.org/ver10/media/wsdl"/>"#;
    let answer = camera.ask(&media, profiles, true).await?;
    let Profile { token, name: profile, size } = best(&answer).ok_or("it has no stream with pictures")?;
    let uri = format!(
        r#"<GetStreamUri xmlns="http://www.onvif.org/ver10/media/wsdl"><StreamSetup><Stream xmlns="http://www.onvif.org/ver10/schema">RTP-Unicast</Stream><Transport xmlns="http://www.onvif.org/ver10/schema"><Protocol>RTSP</Protocol></Transport></StreamSetup><ProfileToken>{}</ProfileToken></GetStreamUri>"#,
        escaped(&token)
    );
    let answer = camera.ask(&media, &uri, true).await?;
    let uri = answer.text_of("Uri").ok_or("it does not say where its stream is")?;
    let mut url = Url::parse(uri).map_err(|_| "the address of its stream is none")?;
    if !matches!(url.scheme(), "rtsp" | "rtsps") {
        return Err(format!("its stream is not rtsp but {}", url.scheme()));
    }
    same_host(&url, service)?;
    let takes = url.set_username("").and_then(|()| url.set_password(None));
    takes.map_err(|()| "the address of its stream names no host")?;
    let shown = url.to_string();
    let named = url.set_username(&login.user).and_then(|()| url.set_password(Some(&login.password)));
    named.map_err(|()| "the address of its stream takes no user")?;
    Ok(Stream { url: url.to_string(), shown, size, profile })
}

fn same_host(url: &Url, service: &Url) -> Result<(), String> {
    match url.host_str() == service.host_str() {
        true => Ok(()),
        false => Err(format!("it points to another host, {}", url.host_str().unwrap_or("none"))),
    }
}

/// One of a camera's streams.
#[derive(Clone)]
struct Profile {
    token: String,
    name: String,
    size: Option<(u32, u32)>,
}

impl Profile {
    fn of(node: &Node) -> Option<Profile> {
        let token = node.attribute("token")?;
        let name = node.text_of("Name").unwrap_or(token).chars().filter(|c| !c.is_control()).take(60).collect();
        let resolution = node.first("VideoEncoderConfiguration").and_then(|video| video.first("Resolution"));
        let side = |name: &str| resolution.and_then(|size| size.text_of(name)).and_then(|text| text.parse().ok());
        // 16384 is what shop.toml takes.
        let is_size = |side: u32| (1..=16_384).contains(&side);
        let size = side("Width").zip(side("Height")).filter(|(width, height)| is_size(*width) && is_size(*height));
        Some(Profile { token: token.to_owned(), name, size })
    }

    fn width(&self) -> u32 {
        self.size.map_or(0, |(width, _)| width)
    }
}

/// The widest profile that is not wider than needed; else the first.
fn best(answer: &Node) -> Option<Profile> {
    let profiles: Vec<Profile> = answer.all("Profiles").into_iter().filter_map(Profile::of).collect();
    let fitting = profiles.iter().filter(|profile| (1..=WIDE).contains(&profile.width()));
    fitting.max_by_key(|profile| profile.width()).or(profiles.first()).cloned()
}

/// `UTCDateTime` of GetSystemDateAndTime.
fn utc(answer: &Node) -> Option<Timestamp> {
    let utc = answer.first("UTCDateTime")?;
    let number = |name: &str| utc.text_of(name).and_then(|text| text.parse::<i16>().ok());
    let small = |name: &str| number(name).and_then(|n| i8::try_from(n).ok());
    let time = DateTime::new(
        number("Year")?,
        small("Month")?,
        small("Day")?,
        small("Hour")?,
        small("Minute")?,
        small("Second")?.min(59),
        0,
    );
    time.ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

struct Camera<'l> {
    http: reqwest::Client,
    login: &'l Login,
    /// Its clock against ours.
    ahead: SignedDuration,
}

impl Camera<'_> {
    async fn ask(&self, to: &Url, body: &str, proven: bool) -> Result<Node, String> {
        let header = if proven { self.proof() } else { String::new() };
        let envelope = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">{header}<s:Body>{body}</s:Body></s:Envelope>"#
        );
        let request = self.http.post(to.clone()).header("Content-Type", "application/soap+xml; charset=utf-8");
        let sent = request.body(envelope).send().await;
        let mut answer = sent.map_err(|error| match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => format!("no connection to {}", to.host_str().unwrap_or("it")),
        })?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "it broke off its answer")? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err("its answer is too large".into());
            }
        }
        if status.as_u16() == 401 {
            return Err("user or password are wrong".into());
        }
        let root = Node::parse(&bytes).map_err(|why| format!("its answer ({status}) is not understood: {why}"))?;
        match root.first("Fault") {
            // Some say 400 and `NotAuthorized` for a wrong password.
            Some(fault) if fault.all("Value").iter().any(|value| value.text.contains("NotAuthorized")) => {
                Err("user or password are wrong".into())
            }
            Some(fault) => {
                let why = fault.text_of("Text").unwrap_or("no reason given");
                Err(format!("it refuses: {}", why.chars().filter(|c| !c.is_control()).take(120).collect::<String>()))
            }
            None if !status.is_success() => Err(format!("it answers {status}")),
            None => Ok(root),
        }
    }

    /// A UsernameToken: digest = sha1(nonce + created + password).
    fn proof(&self) -> String {
        let nonce = *uuid::Uuid::new_v4().as_bytes();
        let now = Timestamp::now().checked_add(self.ahead).unwrap_or_else(|_| Timestamp::now());
        let created = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut digest = Sha1::new();
        digest.update(nonce);
        digest.update(&created);
        digest.update(&self.login.password);
        format!(
            r#"<s:Header><Security xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><UsernameToken><Username>{}</Username><Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest">{}</Password><Nonce EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary">{}</Nonce><Created xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security></s:Header>"#,
            escaped(&self.login.user),
            BASE64.encode(digest.finalize()),
            BASE64.encode(nonce),
        )
    }
}
