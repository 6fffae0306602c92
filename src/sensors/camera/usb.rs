//! USB cameras through V4L: MJPEG, YUYV and the other layouts a webcam may send. The only file that names `nokhwa`.
//!
//! Reading blocks in the driver and cannot be interrupted, so that it has a thread of its own below the camera's, which
//! watches it. A driver that hangs is waited for, not opened twice.

use super::Frame;
use super::watch::{Ended, POLL, Show};
use crate::base::ShopTime;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution};
use nokhwa::{Buffer, Camera};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;

/// What is asked for, as near as the camera has it; one with other formats only gives its own first choice.
const SIZE: Resolution = Resolution { width_x: 640, height_y: 480 };
const FPS: u32 = 10;

/// MJPEG first: several cameras fit on one bus, and nearly every webcam has it. YUYV takes 6 MB/s of the bus each.
const FORMATS: [FrameFormat; 2] = [FrameFormat::MJPEG, FrameFormat::YUYV];

/// Pictures in a row that cannot be decoded before the camera is opened anew. A webcam's first MJPEG pictures are
/// often broken.
const BROKEN_MAX: u32 = 30;

pub(super) fn play(device: &str, show: &Show) -> Ended {
    let Some(number) = number_of(device) else {
        return Ended::Failed(format!("opening USB camera {device}: not a device like /dev/video0"));
    };
    let (tell, told) = sync_channel(1);
    let enough = Arc::new(AtomicBool::new(false));
    let reader = {
        let (show, enough, device) = (show.clone(), enough.clone(), device.to_owned());
        thread::Builder::new().name(format!("usb {device}")).spawn(move || {
            // The watcher may have gone: nobody to tell then.
            let _ = tell.send(read(number, &device, &show, &enough));
        })
    };
    if let Err(cause) = reader {
        return Ended::Failed(format!("opening USB camera {device}: {cause}"));
    }
    let mut silent = false;
    let ended = loop {
        match told.recv_timeout(POLL) {
            Ok(ended) => break ended,
            Err(RecvTimeoutError::Disconnected) => {
                break Ended::Failed(format!("reading USB camera {device}: its driver's adapter gave up"));
            }
            Err(RecvTimeoutError::Timeout) if show.stopped() => break Ended::Stopped,
            Err(RecvTimeoutError::Timeout) => {
                if show.silent() && !silent {
                    (show.on_silent)();
                }
                silent = show.silent();
            }
        }
    };
    enough.store(true, Ordering::Relaxed);
    ended
}

/// `/dev/video2` or `2`.
fn number_of(device: &str) -> Option<u32> {
    device.strip_prefix("/dev/video").unwrap_or(device).parse().ok()
}

fn read(number: u32, device: &str, show: &Show, enough: &AtomicBool) -> Ended {
    let failed = |deed: &str, cause: nokhwa::NokhwaError| Ended::Failed(format!("{deed} USB camera {device}: {cause}"));
    let open = |wanted| Camera::new(CameraIndex::Index(number), RequestedFormat::new::<RgbFormat>(wanted));
    let like = |format| RequestedFormatType::Closest(CameraFormat::new(SIZE, format, FPS));
    let opened = FORMATS
        .into_iter()
        .find_map(|format| open(like(format)).ok())
        .map_or_else(|| open(RequestedFormatType::None), Ok);
    let mut camera = match opened {
        Ok(camera) => camera,
        Err(cause) => return failed("opening", cause),
    };
    if let Err(cause) = camera.open_stream() {
        return failed("starting", cause);
    }
    (show.on_decoder)(&format!("{:?}", camera.frame_format()).to_lowercase());
    let mut broken = 0;
    while !show.stopped() && !enough.load(Ordering::Relaxed) {
        let buffer = match camera.frame() {
            Ok(buffer) => buffer,
            Err(cause) => return failed("reading", cause),
        };
        match frame_of(&buffer, show.clock.now()) {
            Ok(Some(frame)) => {
                broken = 0;
                // A webcam's every picture is whole, MJPEG or not.
                show.set_whole(show.whole() + 1);
                (show.on_frame)(frame);
            }
            Ok(None) => (show.on_refused)(),
            Err(cause) => {
                (show.on_refused)();
                broken += 1;
                if broken >= BROKEN_MAX {
                    return Ended::Failed(format!("decoding pictures of USB camera {device}: {cause}"));
                }
            }
        }
    }
    Ended::Stopped
}

/// `Ok(None)`: decoded, and no picture. The error is a sentence. The JPEG library unwinds from what it cannot read; a broken
/// picture costs that picture, not the camera.
fn frame_of(buffer: &Buffer, arrival: ShopTime) -> Result<Option<Frame>, String> {
    let decoded = catch_unwind(AssertUnwindSafe(|| buffer.decode_image::<RgbFormat>()));
    let image = decoded.map_err(|_| "it is no JPEG, or a broken one".to_owned())?.map_err(|error| error.to_string())?;
    let size = (image.width() as usize, image.height() as usize);
    Ok(Frame::from_rgb(size, image.as_raw(), arrival))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::camera::jpeg::JpegWriter;
    use crate::sensors::camera::{Pixels, Plane};

    /// A left half of one grey and a right half of another.
    fn halves() -> Frame {
        let luma: Vec<u8> = (0..320 * 240).map(|i| if i % 320 < 160 { 60 } else { 180 }).collect();
        let chroma = vec![128; 320 * 120];
        let planes = [Plane { data: &luma, stride: 320 }, Plane { data: &chroma, stride: 320 }];
        Frame::copy((320, 240), Pixels::Nv12, &planes, ShopTime(0)).unwrap()
    }

    #[test]
    fn pictures_of_a_webcam_are_decoded_and_broken_ones_refused() {
        let picture = halves();
        let mut writer = JpegWriter::new().unwrap();
        let jpeg = writer.write((320, 240), picture.pixels(), picture.planes()).unwrap();
        let yuyv: Vec<u8> = picture.luma().chunks(2).flat_map(|pair| [pair[0], 128, pair[1], 128]).collect();
        let without_end = jpeg[..jpeg.len() - 2].to_vec();
        // `None`: a picture or a refusal, and no panic.
        for (story, format, bytes, decodes) in [
            ("MJPEG", FrameFormat::MJPEG, jpeg.clone(), Some(true)),
            ("YUYV", FrameFormat::YUYV, yuyv.clone(), Some(true)),
            ("MJPEG without its last two bytes", FrameFormat::MJPEG, without_end, None),
            ("MJPEG cut in the middle", FrameFormat::MJPEG, jpeg[..jpeg.len() / 3].to_vec(), None),
            ("MJPEG of nothing", FrameFormat::MJPEG, Vec::new(), Some(false)),
            ("MJPEG of something else", FrameFormat::MJPEG, vec![7; 5_000], Some(false)),
            ("YUYV cut off", FrameFormat::YUYV, yuyv[..999].to_vec(), Some(false)),
        ] {
            let found = frame_of(&Buffer::new(Resolution::new(320, 240), &bytes, format), ShopTime(5));
            let Ok(Some(frame)) = found else {
                assert_ne!(decodes, Some(true), "{story}: {:?}", found.err());
                continue;
            };
            assert_ne!(decodes, Some(false), "{story}");
            assert_eq!((frame.width(), frame.height(), frame.arrival), (320, 240, ShopTime(5)), "{story}");
            let at = |x: usize, y: usize| i32::from(frame.luma()[y * 320 + x]);
            if decodes == Some(true) {
                let (dark, bright) = (at(80, 120), at(240, 120));
                // A JPEG's range is 0..=255, a camera's 16..=235.
                assert!((40..=80).contains(&dark) && (160..=200).contains(&bright), "{story}: {dark}, {bright}");
            }
        }
    }

    #[test]
    fn a_device_is_a_number() {
        for (device, number) in
            [("/dev/video0", Some(0)), ("/dev/video12", Some(12)), ("3", Some(3)), ("/dev/ttyUSB0", None), ("", None)]
        {
            assert_eq!(number_of(device), number, "{device}");
        }
    }
}
