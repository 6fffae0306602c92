//! Cameras with pictures: those named by `--camera`, and those that answer on the network. With their user and password
//! they say where their stream is; otherwise somebody types it, or leaves the camera out.
//!
//! An rtsp address holds the camera's password, and shop.toml is the one place this version reads it from: the file is
//! then readable by its owner and the daemon's group alone, and the end says so.

use super::interview::{Interview, Question, answers};
use super::{Failure, InitArgs, secret_in};
use crate::base::CameraId;
use crate::sensors::onvif::{Device, Discovery, Login, Stream, discover, stream_of};
use crate::shop::CameraKind;
use crate::shop::first_plan::Eye;
use reqwest::Url;
use std::collections::BTreeSet;

/// Of the picture, pixels, where nobody says otherwise.
const USUAL: (u32, u32) = (1920, 1080);

/// `taken`: cameras that send people and have their names already.
pub async fn find(
    args: &InitArgs,
    interview: &mut Interview,
    mut taken: BTreeSet<CameraId>,
) -> Result<Vec<Eye>, Failure> {
    let named: Result<Vec<Eye>, String> = args.camera.iter().map(|text| named(text)).collect();
    let mut eyes = named.map_err(|why| format!("--camera: {why}"))?;
    if let Some((twice, ..)) = eyes.iter().find(|(id, ..)| !taken.insert(id.clone())) {
        return Err(format!("--camera: {twice} is the name of two cameras; give each its own").into());
    }
    if !args.no_discovery {
        eyes.extend(discovered(args, interview, taken).await?);
    }
    if eyes.iter().any(|(_, kind, _)| matches!(kind, CameraKind::Rtsp { url } if has_password(url))) {
        interview
            .assumed
            .push("passwords of cameras stand in shop/shop.toml, mode 640; docs/shop-files.md says how to keep them in secrets/cameras".into());
    }
    if !eyes.is_empty() {
        interview.assumed.push(
            "cameras hang in the corners and see 75 degrees: measure their `intrinsics` and `pose`, and name a \
             detector of people in `model` of [vision]"
                .into(),
        );
    }
    Ok(eyes)
}

/// `NAME=rtsp://…`
fn named(text: &str) -> Result<Eye, String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=rtsp://…")?;
    Ok((CameraId::new(answers::id(name)?), CameraKind::Rtsp { url: rtsp(url)? }, USUAL))
}

fn rtsp(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "it is no address; write rtsp://host/path")?;
    match matches!(url.scheme(), "rtsp" | "rtsps") && url.host_str().is_some_and(|host| !host.is_empty()) {
        true => Ok(text.to_owned()),
        false => Err("it does not begin with rtsp://host".into()),
    }
}

fn has_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.password().is_some())
}

async fn discovered(
    args: &InitArgs,
    interview: &mut Interview,
    mut taken: BTreeSet<CameraId>,
) -> Result<Vec<Eye>, Failure> {
    println!("Looking for cameras for {} s …", args.discover_for.as_secs_f64());
    let discovery =
        Discovery { group: args.discovery_address, interface: args.interface_address, time: args.discover_for };
    let (devices, problems) = discover(&discovery).await?;
    problems.iter().for_each(|problem| println!("  {problem}"));
    println!("{} answered.", if devices.len() == 1 { "1 camera".into() } else { format!("{} cameras", devices.len()) });
    for device in &devices {
        println!("  {}", told(device));
    }
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let mut login = login(args, interview)?;
    let mut eyes: Vec<Eye> = Vec::new();
    for device in &devices {
        let stream = loop {
            let Some(known) = &login else { break None };
            match stream_of(&device.service, known).await {
                Ok(stream) => break Some(stream),
                Err(why) => println!("  {}: {why}.", device.from),
            }
            // Cameras of one shop mostly have one password; this one may have its own.
            if !interview.is_asking() || !interview.confirm("Another user or password for this one?", false)? {
                break None;
            }
            login = ask_login(interview)?;
        };
        let Some((url, size)) = confirmed(interview, device, stream)? else {
            interview.assumed.push(format!("the camera at {} is left out (--camera NAME=rtsp://…)", device.from));
            continue;
        };
        let id = id_of(device, &taken);
        taken.insert(id.clone());
        eyes.push((id, CameraKind::Rtsp { url }, size));
    }
    Ok(eyes)
}

fn told(device: &Device) -> String {
    let name = if device.name.is_empty() { "a camera without a name" } else { &device.name };
    let hardware = if device.hardware.is_empty() { String::new() } else { format!(" ({})", device.hardware) };
    format!("{name}{hardware} at {}", device.from)
}

/// From flags, or asked for once.
fn login(args: &InitArgs, interview: &mut Interview) -> Result<Option<Login>, Failure> {
    match (&args.camera_user, &args.camera_password_file) {
        (Some(user), Some(path)) => {
            let password =
                secret_in(&path.display().to_string()).map_err(|why| format!("--camera-password-file: {why}"))?;
            Ok(password.map(|password| Login { user: user.clone(), password }))
        }
        (Some(user), None) if interview.is_asking() => {
            Ok(Some(Login { user: user.clone(), password: interview.secret("The cameras' password")? }))
        }
        (Some(_), None) => Err("--camera-user needs --camera-password-file where nobody can be asked".into()),
        (None, _) if interview.is_asking() => ask_login(interview),
        (None, _) => Ok(None),
    }
}

fn ask_login(interview: &mut Interview) -> Result<Option<Login>, Failure> {
    let what = "user of the cameras (none: type addresses)";
    let question = Question { flag: "--camera-user", what, given: None, default: String::new(), note: false };
    let user = interview.ask(&question, |text| Ok(text.to_owned()))?;
    if user.is_empty() {
        return Ok(None);
    }
    Ok(Some(Login { user, password: interview.secret("Password")? }))
}

/// An rtsp address, and the size of its picture in pixels.
type Chosen = (String, (u32, u32));

/// The camera's own stream, another address that somebody types, or nothing. Where nobody is asked, the camera's own.
fn confirmed(interview: &mut Interview, device: &Device, stream: Option<Stream>) -> Result<Option<Chosen>, Failure> {
    let size = stream.as_ref().and_then(|stream| stream.size).unwrap_or(USUAL);
    if let Some(stream) = &stream {
        println!("  {}: {} ({}, {} x {})", device.from, stream.shown, stream.profile, size.0, size.1);
    }
    if !interview.is_asking() {
        return Ok(stream.map(|stream| (stream.url, size)));
    }
    let what = format!("stream of the camera at {}, `no` to leave it out", device.from);
    let default = stream.as_ref().map_or("no", |stream| &stream.shown).to_owned();
    let question = Question { flag: "--camera", what: &what, given: None, default: default.clone(), note: false };
    let typed = interview.ask(&question, |text| if text == "no" { Ok(None) } else { rtsp(text).map(Some) })?;
    // The shown address stands for the one with the password in it.
    Ok(match (typed, stream) {
        (Some(text), Some(stream)) if text == stream.shown => Some((stream.url, size)),
        (typed, _) => typed.map(|url| (url, USUAL)),
    })
}

/// Its name as an id, or a number; no two alike.
fn id_of(device: &Device, taken: &BTreeSet<CameraId>) -> CameraId {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = device.name.chars().map(letter).take(40).collect();
    let name = name.trim_matches('-');
    let (first, stem) = if name.is_empty() { (None, "camera") } else { (Some(name.to_owned()), name) };
    let numbered = (if first.is_some() { 2 } else { 1 }..).map(|n: u32| format!("{stem}-{n}"));
    let mut names = first.into_iter().chain(numbered).map(CameraId::new);
    names.find(|id| !taken.contains(id)).expect("numbers do not end")
}
