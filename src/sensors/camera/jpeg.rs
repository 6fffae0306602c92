//! Pictures to JPEG, for somebody who looks on (`carryout watch`). What comes in has been drawn on and its faces are gone
//! (`perception::overlay`); nothing here stores anything.

use super::Pixels;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta};

/// A picture that is not encoded by then never will be.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(2);

pub struct JpegWriter {
    pipeline: gst::Pipeline,
    entrance: AppSrc,
    exit: AppSink,
    layout: Option<(usize, usize, Pixels)>,
}

impl JpegWriter {
    /// The error is a sentence.
    pub fn new() -> Result<JpegWriter, String> {
        let failed = |cause: &dyn std::fmt::Display| {
            format!("starting the JPEG encoder: {cause}; are gstreamer's plugins -good installed?")
        };
        gst::init().map_err(|cause| failed(&cause))?;
        let text = "appsrc name=in format=time ! jpegenc quality=80 ! appsink name=out sync=false max-buffers=1";
        let element = gst::parse::launch(text).map_err(|cause| failed(&cause))?;
        let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| failed(&"not a pipeline"))?;
        let entrance = pipeline.by_name("in").and_then(|element| element.downcast::<AppSrc>().ok());
        let exit = pipeline.by_name("out").and_then(|element| element.downcast::<AppSink>().ok());
        let (Some(entrance), Some(exit)) = (entrance, exit) else { return Err(failed(&"its ends are missing")) };
        let writer = JpegWriter { pipeline, entrance, exit, layout: None };
        writer.pipeline.set_state(gst::State::Playing).map_err(|cause| failed(&cause))?;
        Ok(writer)
    }

    /// `planes` lie one below the other, rows without gaps, as in a `Frame`.
    pub fn write(&mut self, (width, height): (usize, usize), pixels: Pixels, planes: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |cause: &dyn std::fmt::Display| format!("encoding a picture of {width} x {height}: {cause}");
        let (area, half) = (width * height, width as i32 / 2);
        let (format, offsets, strides) = match pixels {
            Pixels::I420 => (VideoFormat::I420, vec![0, area, area + area / 4], vec![width as i32, half, half]),
            Pixels::Nv12 => (VideoFormat::Nv12, vec![0, area], vec![width as i32, width as i32]),
        };
        if planes.len() != area * 3 / 2 {
            return Err(failed(&"its planes are of another size"));
        }
        let (w, h) = (width as u32, height as u32);
        if self.layout != Some((width, height, pixels)) {
            let info = VideoInfo::builder(format, w, h).fps(gst::Fraction::new(0, 1)).build();
            let caps = info.and_then(|info| info.to_caps()).map_err(|cause| failed(&cause))?;
            self.entrance.set_caps(Some(&caps));
            self.layout = Some((width, height, pixels));
        }
        let mut buffer = gst::Buffer::from_slice(planes.to_vec());
        // Rows without gaps are not what gstreamer expects of every width.
        let writable = buffer.get_mut().ok_or_else(|| failed(&"its buffer is shared"))?;
        VideoMeta::add_full(writable, VideoFrameFlags::empty(), format, w, h, &offsets, &strides)
            .map_err(|cause| failed(&cause))?;
        self.entrance.push_buffer(buffer).map_err(|cause| failed(&cause))?;
        let sample = self.exit.try_pull_sample(PATIENCE).ok_or_else(|| failed(&"nothing came out"))?;
        let encoded = sample.buffer().and_then(|buffer| buffer.map_readable().ok());
        encoded.map(|bytes| bytes.as_slice().to_vec()).ok_or_else(|| failed(&"what came out cannot be read"))
    }
}

impl Drop for JpegWriter {
    fn drop(&mut self) {
        // Its threads have stopped when this returns; the answer cannot help anybody.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_any_even_size_becomes_a_jpeg() {
        let mut writer = JpegWriter::new().unwrap();
        for (width, height, pixels) in [(320, 240, Pixels::I420), (318, 242, Pixels::I420), (322, 178, Pixels::Nv12)] {
            let planes = vec![120; width * height * 3 / 2];
            let jpeg = writer.write((width, height), pixels, &planes).unwrap();
            assert_eq!((jpeg[..2].to_vec(), jpeg[jpeg.len() - 2..].to_vec()), (vec![0xff, 0xd8], vec![0xff, 0xd9]));
        }
        assert!(writer.write((320, 240), Pixels::I420, &[0; 12]).unwrap_err().contains("another size"));
    }
}
