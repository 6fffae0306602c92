//! RTSP streams and files through gstreamer. With what is below `gst/`, `jpeg` and `sim::eyes`, the only files that name it.
//!
//!     rtspsrc ! decodebin ! videoconvert ! video/x-raw,format={I420,NV12} ! appsink
//!
//! `decodebin` takes the best-ranked decoder the machine has for what comes (`decoders`); `videoconvert` does nothing unless a
//! camera sends some other layout, and because it works in system memory, a hardware decoder brings its pictures down itself.
//! A dead server ends the stream at once, a hung one says nothing at all: the watch on the last frame finds it. A
//! pipeline is never repaired, only rebuilt. Everything here runs on the camera's own thread: setting a pipeline on a hung
//! server to Null takes 100 ms. An address goes in without its login, so that no error and no log can hold one.

mod decoders;
mod inside;

use super::frame::Plane;
use super::sender::SenderClock;
use super::watch::{Ended, POLL, Show};
use super::{Decoder, Frame, Pixels};
use crate::base::ShopTime;
use crate::shop::RtspAddress;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};
use inside::Inside;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Milliseconds of network jitter that are smoothed; later packets are dropped rather than waited for.
const LATENCY_MS: u32 = 50;

const TO_FRAMES: &str = "decodebin ! videoconvert ! video/x-raw,format={I420,NV12} ! \
    appsink name=frames max-buffers=1 drop=true";

/// A pipeline that is taken down when it goes out of sight, whatever the reason.
struct Playing(gst::Pipeline);

impl Playing {
    fn source(&self) -> Result<gst::Element, String> {
        self.0.by_name("source").ok_or_else(|| "the source is missing".to_owned())
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        // Its threads have stopped when this returns; the answer cannot help anybody.
        let _ = self.0.set_state(gst::State::Null);
    }
}

pub(super) fn play_rtsp(url: &str, show: &Show) -> Ended {
    let address = match RtspAddress::parse(url) {
        Ok(address) => address,
        Err(why) => return Ended::Failed(format!("its address {why}")),
    };
    let login = match address.login() {
        Ok(login) => login,
        Err(error) => return Ended::Failed(format!("its login: {error}")),
    };
    let text =
        format!("rtspsrc name=source protocols=tcp latency={LATENCY_MS} drop-on-latency=true ! {TO_FRAMES} sync=false");
    let built = build(&text, &address.location, show.decoder).and_then(|(pipeline, frames)| {
        let source = pipeline.source()?;
        if let Some((user, password)) = login {
            source.set_property("user-id", user);
            source.set_property("user-pw", password);
        }
        only_video(&source);
        Ok((pipeline, frames))
    });
    play(built, show)
}

/// At the speed it was recorded.
pub(super) fn play_file(path: &str, show: &Show) -> Ended {
    let text = format!("filesrc name=source ! {TO_FRAMES} sync=true");
    play(build(&text, path, show.decoder), show)
}

/// Every frame of a file, in order, as fast as they are taken: for replay and measurement. Arrival counts frames at the
/// file's own times from zero. The error is a sentence.
pub fn read_file(path: &std::path::Path, mut take: impl FnMut(Frame)) -> Result<usize, String> {
    let failed = failed_at(path);
    let text = format!("filesrc name=source ! {} sync=false", TO_FRAMES.replace("drop=true", "drop=false"));
    let (pipeline, frames) = build(&text, path, Decoder::Auto).map_err(&failed)?;
    pipeline.0.set_state(gst::State::Playing).map_err(|cause| failed(cause.to_string()))?;
    let mut count = 0;
    while let Ok(sample) = frames.pull_sample() {
        let at = sample.buffer().and_then(|buffer| buffer.pts()).map_or(0, |pts| pts.useconds() as i64);
        take(frame_of(&sample, ShopTime(at)).ok_or_else(|| failed("a picture of an unknown layout".into()))?);
        count += 1;
    }
    // The end and a failure look the same to pull_sample; the bus knows which it was.
    match ending(&pipeline.0, gst::ClockTime::from_seconds(1), &mut None) {
        Some(Ended::Failed(cause)) => Err(failed(cause)),
        _ => Ok(count),
    }
}

/// The same file decoded and thrown away: what gstreamer alone costs. Its pictures are not counted.
pub fn decode_file(path: &std::path::Path) -> Result<(), String> {
    let failed = failed_at(path);
    let text = "filesrc name=source ! decodebin ! fakesink sync=false";
    let pipeline = launch(text, path, Decoder::Auto).map_err(&failed)?;
    pipeline.0.set_state(gst::State::Playing).map_err(|cause| failed(cause.to_string()))?;
    match ending(&pipeline.0, gst::ClockTime::from_seconds(120), &mut None) {
        Some(Ended::Failed(cause)) => Err(failed(cause)),
        Some(_) => Ok(()),
        None => Err(failed("it does not end".to_owned())),
    }
}

fn failed_at(path: &std::path::Path) -> impl Fn(String) -> String {
    let what = format!("reading video {}", path.display());
    move |cause| format!("{what}: {cause}")
}

/// A pipeline of which one element is `source`, at a location.
fn launch(text: &str, location: impl Into<gst::glib::Value>, decoder: Decoder) -> Result<Playing, String> {
    gst::init().map_err(|cause| format!("starting gstreamer: {cause}"))?;
    decoders::choose(decoder);
    let element = gst::parse::launch(text).map_err(|cause| {
        format!("building the pipeline: {cause}; are gstreamer's plugins -good, -bad and -libav installed?")
    })?;
    let pipeline = Playing(element.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline".to_owned())?);
    pipeline.source()?.set_property_from_value("location", &location.into());
    Ok(pipeline)
}

/// The same, and its frames.
fn build(text: &str, location: impl Into<gst::glib::Value>, decoder: Decoder) -> Result<(Playing, AppSink), String> {
    let pipeline = launch(text, location, decoder)?;
    let frames = pipeline.0.by_name("frames").and_then(|element| element.downcast::<AppSink>().ok());
    frames.map(|frames| (pipeline, frames)).ok_or_else(|| "appsink is missing".to_owned())
}

/// Cameras with a microphone: sound is neither asked for nor received.
fn only_video(source: &gst::Element) {
    source.connect("select-stream", false, |arguments| {
        let caps = arguments.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let media = caps.as_ref().and_then(|caps| caps.structure(0)).and_then(|s| s.get::<&str>("media").ok());
        Some((media == Some("video")).to_value())
    });
}

fn play(built: Result<(Playing, AppSink), String>, show: &Show) -> Ended {
    let (pipeline, frames) = match built {
        Ok(built) => built,
        Err(cause) => return Ended::Failed(cause),
    };
    let inside = Inside::of(&pipeline.0);
    let before = show.whole();
    let shown = Arc::new(AtomicBool::new(false));
    let (here, seen, any) = (show.clone(), inside.clone(), shown.clone());
    let clock = Mutex::new(SenderClock::default());
    let on_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let arrival = here.clock.now();
        match frame_of(&sample, arrival) {
            Some(mut frame) => {
                let sent_us = seen.sent_us(sample.buffer().and_then(|buffer| buffer.pts()));
                frame.captured = clock.lock().expect("sender's clock").taken(sent_us, arrival);
                here.set_whole(before + seen.whole());
                any.store(true, Ordering::Relaxed);
                (here.on_frame)(frame);
            }
            None => (here.on_refused)(),
        }
        Ok(gst::FlowSuccess::Ok)
    };
    frames.set_callbacks(AppSinkCallbacks::builder().new_sample(on_sample).build());
    let ended = until_ended(&pipeline, &inside, show);
    if !shown.load(Ordering::Relaxed)
        && !matches!(ended, Ended::Stopped)
        && let Some(decoder) = inside.decoder()
        && decoders::give_up_on(&decoder)
    {
        return Ended::Failed(format!("the decoder {decoder} gives no picture; the next best is tried"));
    }
    ended
}

fn until_ended(pipeline: &Playing, inside: &Arc<Inside>, show: &Show) -> Ended {
    let mut missing = None;
    if pipeline.0.set_state(gst::State::Playing).is_err() {
        // Why it did not is on the bus, a moment later.
        let told = ending(&pipeline.0, gst::ClockTime::from_mseconds(200), &mut missing);
        return told.unwrap_or_else(|| Ended::Failed("it does not start".to_owned()));
    }
    let mut told = None;
    loop {
        if show.stopped() {
            return Ended::Stopped;
        }
        if let Some(ended) = ending(&pipeline.0, gst::ClockTime::from_mseconds(POLL.as_millis() as u64), &mut missing) {
            return ended;
        }
        if told.is_none()
            && let Some(decoder) = inside.decoder()
        {
            (show.on_decoder)(&decoder);
            told = Some(decoder);
        }
        if show.silent() {
            return Ended::Silent;
        }
    }
}

/// How the pipeline ended, if it did within `wait`. `missing`: what there is no plugin for, as far as was told.
fn ending(pipeline: &gst::Pipeline, wait: gst::ClockTime, missing: &mut Option<String>) -> Option<Ended> {
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Element];
    let message = pipeline.bus()?.timed_pop_filtered(wait, &kinds)?;
    match message.view() {
        gst::MessageView::Error(error) => Some(Ended::Failed(told(&error.error(), missing.as_deref()))),
        gst::MessageView::Eos(_) => Some(Ended::Over),
        _ => {
            let plugin = message.structure().filter(|told| told.name() == "missing-plugin");
            *missing = plugin.and_then(|told| told.get::<String>("name").ok()).or(missing.take());
            None
        }
    }
}

/// A sentence for a person. Of the error only its own words: its debug text holds the address.
fn told(error: &gst::glib::Error, missing: Option<&str>) -> String {
    use gst::StreamError::{CodecNotFound, TypeNotFound, WrongType};
    use gst::{CoreError, ResourceError, StreamError};
    let words = error.message().trim_end_matches('.');
    let nothing_fits = error.matches(CoreError::MissingPlugin);
    let what = match (error.kind::<ResourceError>(), error.kind::<StreamError>()) {
        (Some(ResourceError::NotAuthorized), _) => "it refuses our user and password; look at the login in its `url`",
        (Some(ResourceError::NotFound), _) => "there is no such stream or file; look at the path in shop.toml",
        (Some(ResourceError::Read), _) => "it does not answer as a camera does; look at host and port in its `url`",
        (Some(ResourceError::OpenRead | ResourceError::OpenReadWrite), _) => {
            "it cannot be reached; power, network, and the host in its `url`"
        }
        (_, kind) if nothing_fits || matches!(kind, Some(CodecNotFound | TypeNotFound | WrongType)) => {
            return match missing {
                Some(plugin) => {
                    format!("it sends what nothing here decodes ({plugin}); set it to H.264, H.265 or MJPEG")
                }
                None => format!("it sends no video that is understood ({words}); set it to H.264, H.265 or MJPEG"),
            };
        }
        (_, Some(StreamError::Decode | StreamError::Format | StreamError::Demux)) => "its pictures are broken",
        _ => return words.to_owned(),
    };
    format!("{what} ({words})")
}

/// Copies the picture out of the decoder's buffer, which goes back to its pool at once.
fn frame_of(sample: &gst::Sample, arrival: ShopTime) -> Option<Frame> {
    let info = VideoInfo::from_caps(sample.caps()?).ok()?;
    let pixels = match info.format() {
        VideoFormat::I420 => Pixels::I420,
        VideoFormat::Nv12 => Pixels::Nv12,
        _ => return None,
    };
    let picture = VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let mut planes = Vec::with_capacity(3);
    for plane in 0..picture.n_planes() {
        let stride = usize::try_from(*picture.plane_stride().get(plane as usize)?).ok()?;
        planes.push(Plane { data: picture.plane_data(plane).ok()?, stride });
    }
    Frame::copy((info.width() as usize, info.height() as usize), pixels, &planes, arrival)
}
