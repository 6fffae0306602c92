//! WS-Discovery (OASIS 1.1 of 2005 as ONVIF Core 7.3 uses it): a question to everybody on the network, by multicast, and
//! an answer from each camera to whoever asked.

use super::xml::{MOST_BYTES, Node};
use reqwest::Url;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Where every camera listens.
pub const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 3702);

/// UDP loses things: asked so often, evenly over the first half of the time.
const QUESTIONS: u32 = 3;

/// Devices that are listed; who has more than this on one network is no shop.
const MOST: usize = 256;

#[derive(Clone, Debug)]
pub struct Discovery {
    /// The group asked; another one in tests.
    pub group: SocketAddrV4,
    /// Address of the interface to ask on; `None`: every one of this machine's.
    pub interface: Option<Ipv4Addr>,
    pub time: Duration,
}

/// A camera that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Where it really is.
    pub from: IpAddr,
    /// Its device service: the address it gave that is where it really is, or else the first.
    pub service: Url,
    /// As somebody called it; empty when nobody did.
    pub name: String,
    /// Make and model, as far as it says.
    pub hardware: String,
}

/// Devices, by address; and answers that could not be understood, each a sentence.
pub type Found = (Vec<Device>, Vec<String>);

/// Asks and listens. An interface that cannot be asked on is a problem, not an end.
pub async fn discover(discovery: &Discovery) -> io::Result<Found> {
    let interfaces = match discovery.interface {
        Some(address) => vec![address],
        None => own_addresses()?,
    };
    let mut problems = Vec::new();
    let mut sockets = Vec::new();
    for interface in interfaces {
        match ear(interface) {
            Ok(socket) => sockets.push(socket),
            Err(error) => problems.push(format!("asking on {interface}: {error}")),
        }
    }
    let asked = sockets.iter().map(|socket| ask(socket, discovery));
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    for (found, wrong) in futures_util::future::join_all(asked).await {
        devices.extend(found.into_iter().map(|device| (device.service.to_string(), device)));
        problems.extend(wrong);
    }
    let mut devices: Vec<Device> = devices.into_values().take(MOST).collect();
    devices.sort_by_key(|device| (device.from, device.service.to_string()));
    problems.sort();
    problems.dedup();
    Ok((devices, problems))
}

/// This machine's IPv4 addresses: without loopback, where no camera is.
fn own_addresses() -> io::Result<Vec<Ipv4Addr>> {
    let all = if_addrs::get_if_addrs()?;
    let v4 =
        all.into_iter().filter(|interface| !interface.is_loopback()).filter_map(|interface| match interface.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
    Ok(v4.collect())
}

fn ear(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_multicast_if_v4(&interface)?;
    // The shop's own network and no further.
    socket.set_multicast_ttl_v4(1)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((interface, 0)).into())?;
    UdpSocket::from_std(socket.into())
}

async fn ask(socket: &UdpSocket, discovery: &Discovery) -> Found {
    let id = uuid::Uuid::new_v4().to_string();
    let question = question(&id);
    let (began, mut asked) = (Instant::now(), 0);
    let (mut devices, mut problems) = (Vec::new(), Vec::new());
    let mut bytes = vec![0; 64 * 1024];
    while began.elapsed() < discovery.time && devices.len() < MOST {
        let next = discovery.time / 2 * asked / QUESTIONS;
        if asked < QUESTIONS && began.elapsed() >= next {
            asked += 1;
            if let Err(error) = socket.send_to(question.as_bytes(), discovery.group).await {
                problems.push(format!("asking {}: {error}", discovery.group));
            }
        }
        let until = if asked < QUESTIONS { discovery.time / 2 * asked / QUESTIONS } else { discovery.time };
        let wait = until.saturating_sub(began.elapsed());
        let Ok(Ok((length, from))) = tokio::time::timeout(wait, socket.recv_from(&mut bytes)).await else { continue };
        match answer(&bytes[..length.min(MOST_BYTES)], &id, from.ip()) {
            Ok(found) => devices.extend(found),
            Err(why) => problems.push(format!("the answer of {} is not understood: {why}", from.ip())),
        }
    }
    (devices, problems)
}

fn question(id: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:{id}</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header><e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"#
    )
}

/// The cameras of one answer. An answer to somebody else's question is none of ours.
fn answer(bytes: &[u8], id: &str, from: IpAddr) -> Result<Vec<Device>, String> {
    let root = Node::parse(bytes)?;
    let relates = root.text_of("RelatesTo").ok_or("it does not say which question it answers")?;
    if !relates.to_lowercase().contains(id) {
        return Ok(Vec::new());
    }
    let matches = root.all("ProbeMatch");
    if matches.is_empty() {
        return Err("it names no device".into());
    }
    matches.into_iter().map(|found| device(found, from)).collect()
}

fn device(found: &Node, from: IpAddr) -> Result<Device, String> {
    let addresses = found.text_of("XAddrs").ok_or("the device gives no address")?;
    let urls: Vec<Url> = addresses
        .split_whitespace()
        .filter_map(|text| Url::parse(text).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .collect();
    let is_there = |url: &&Url| url.host_str().is_some_and(|host| host.trim_matches(['[', ']']) == from.to_string());
    let service = urls.iter().find(is_there).or(urls.first()).ok_or("none of its addresses is http")?.clone();
    let scopes = found.text_of("Scopes").unwrap_or_default();
    let scope = |kind: &str| {
        let mark = format!("onvif://www.onvif.org/{kind}/");
        let values = scopes.split_whitespace().filter_map(|scope| scope.strip_prefix(&mark)).map(plain);
        values.collect::<Vec<_>>().join(" ")
    };
    Ok(Device { from, service, name: scope("name"), hardware: scope("hardware") })
}

/// `%20` and the like undone; control characters, which could rule a terminal, left out.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 4));

    fn told(relates: &str, inside: &str) -> Result<Vec<Device>, String> {
        let text = format!(
            "<s:Envelope xmlns:s='s' xmlns:a='a' xmlns:d='d'><s:Header><a:RelatesTo>{relates}</a:RelatesTo></s:Header>\
             <s:Body><d:ProbeMatches>{inside}</d:ProbeMatches></s:Body></s:Envelope>"
        );
        answer(text.as_bytes(), "4711", FROM)
    }

    #[test]
    fn a_camera_is_where_it_answers_from_and_is_called_as_it_says() {
        let found = told(
            "uuid:4711",
            "<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Door%20left onvif://www.onvif.org/hardware/M30%1b67 \
             onvif://www.onvif.org/Profile/Streaming</d:Scopes><d:XAddrs>http://169.254.1.2/onvif/device_service \
             http://10.0.0.4/onvif/device_service</d:XAddrs></d:ProbeMatch>",
        );
        let [door] = &found.unwrap()[..] else { panic!("one camera") };
        assert_eq!((door.name.as_str(), door.hardware.as_str()), ("Door left", "M3067"));
        assert_eq!(door.service.as_str(), "http://10.0.0.4/onvif/device_service");
    }

    #[test]
    fn answers_to_others_are_ignored_and_odd_ones_named() {
        assert_eq!(told("uuid:0815", "<d:ProbeMatch/>"), Ok(Vec::new()), "somebody else's question");
        for (inside, why) in [
            ("", "names no device"),
            ("<d:ProbeMatch/>", "gives no address"),
            ("<d:ProbeMatch><d:XAddrs>ftp://10.0.0.4/ nonsense</d:XAddrs></d:ProbeMatch>", "is http"),
        ] {
            let error = told("uuid:4711", inside).expect_err(inside);
            assert!(error.contains(why), "{inside}: {error}");
        }
        assert!(answer(b"<s:Envelope/>", "4711", FROM).is_err());
    }
}
