//! What is learned from inside a playing pipeline: which decoder it took, how many whole pictures came, and when the sender
//! says each picture was taken.
//!
//! gstreamer 1.22 tells the last only in pieces. A jitter buffer says what the sender's reports said (this RTP timestamp was
//! that time of its clock); the depayloader's packets show which RTP timestamp became which presentation time; a decoded
//! picture has its presentation time still. Put together, in a short table.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Pictures between the network and the end of the decoder, at most.
const UNDERWAY: usize = 128;

#[derive(Debug, Default)]
pub struct Inside {
    /// Whole pictures that went into the decoder.
    whole: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    decoder: Option<String>,
    report: Option<Report>,
    /// Presentation time, ns, and the sender's time, us.
    sent: VecDeque<(u64, i64)>,
}

/// A sender's word: this RTP timestamp was that time of its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Report {
    rtp: u32,
    ntp_us: i64,
    /// Of the RTP timestamps, a second.
    rate: u32,
}

impl Inside {
    /// Looks into everything that `pipeline` is going to be made of.
    pub fn of(pipeline: &gst::Pipeline) -> Arc<Inside> {
        let inside = Arc::new(Inside::default());
        let here = inside.clone();
        pipeline.connect_deep_element_added(move |_, _, element| here.added(element));
        inside
    }

    pub fn decoder(&self) -> Option<String> {
        self.found.lock().expect("inside").decoder.clone()
    }

    pub fn whole(&self) -> u64 {
        self.whole.load(Ordering::Relaxed)
    }

    /// When the sender says the picture with this presentation time was taken, us of its clock.
    pub fn sent_us(&self, pts: Option<gst::ClockTime>) -> Option<i64> {
        let pts = pts?.nseconds();
        let found = self.found.lock().expect("inside");
        found.sent.iter().rev().find(|(at, _)| *at == pts).map(|(_, sent_us)| *sent_us)
    }

    fn added(self: &Arc<Inside>, element: &gst::Element) {
        let Some(factory) = element.factory() else { return };
        let class = factory.metadata("klass").unwrap_or_default();
        if factory.name() == "rtpjitterbuffer" {
            let here = self.clone();
            element.connect("handle-sync", false, move |arguments| {
                let report = arguments.get(1).and_then(|value| value.get::<gst::Structure>().ok());
                if let Some(report) = report.and_then(|report| Report::of(&report)) {
                    here.found.lock().expect("inside").report = Some(report);
                }
                None
            });
        } else if class.contains("Depayloader") {
            let here = self.clone();
            probe(element, move |buffer| here.packet(buffer));
        } else if is_picture_decoder(class) {
            self.found.lock().expect("inside").decoder = Some(factory.name().to_string());
            let here = self.clone();
            probe(element, move |buffer| {
                if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    here.whole.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }

    fn packet(&self, buffer: &gst::BufferRef) {
        let mut header = [0; 12];
        let (Some(pts), Ok(())) = (buffer.pts(), buffer.copy_to_slice(0, &mut header)) else { return };
        let rtp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let mut found = self.found.lock().expect("inside");
        let (Some(report), pts) = (found.report, pts.nseconds()) else { return };
        // A picture is many packets.
        if found.sent.back().is_none_or(|(last, _)| *last != pts) {
            if found.sent.len() == UNDERWAY {
                found.sent.pop_front();
            }
            found.sent.push_back((pts, report.sent_us(rtp)));
        }
    }
}

pub fn is_picture_decoder(class: &str) -> bool {
    class.contains("Decoder") && (class.contains("Video") || class.contains("Image"))
}

/// Calls `look` with every buffer that goes into `element`.
fn probe(element: &gst::Element, look: impl Fn(&gst::BufferRef) + Send + Sync + 'static) {
    let Some(entrance) = element.static_pad("sink") else { return };
    entrance.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => look(buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(&look),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

impl Report {
    fn of(told: &gst::StructureRef) -> Option<Report> {
        let packet = told.get::<gst::Buffer>("sr-buffer").ok()?;
        let rate = told.get::<u32>("clock-rate").ok()?;
        Report::read(packet.map_readable().ok()?.as_slice(), rate)
    }

    /// A sender report (RFC 3550, 6.4.1): type 200 in its second byte, NTP time at 8, RTP timestamp at 16.
    fn read(packet: &[u8], rate: u32) -> Option<Report> {
        let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
        if packet.get(1) != Some(&200) || rate == 0 {
            return None;
        }
        let (seconds, fraction, rtp) = (i64::from(word(8)?), u64::from(word(12)?), word(16)?);
        Some(Report { rtp, ntp_us: seconds * 1_000_000 + ((fraction * 1_000_000) >> 32) as i64, rate })
    }

    /// RTP timestamps go round every 13 hours (at 90 kHz); half of that either way of the report is meant.
    fn sent_us(&self, rtp: u32) -> i64 {
        let ticks = i64::from(rtp.wrapping_sub(self.rtp) as i32);
        self.ntp_us + ticks * 1_000_000 / i64::from(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_turns_rtp_timestamps_into_the_senders_time() {
        let mut packet = vec![0x80, 200, 0, 6, 1, 2, 3, 4];
        packet.extend(100u32.to_be_bytes()); // seconds
        packet.extend(0x8000_0000u32.to_be_bytes()); // and a half
        packet.extend(45_000u32.to_be_bytes());
        packet.extend([0; 8]);
        let report = Report::read(&packet, 90_000).unwrap();
        for (rtp, sent_us) in [
            (45_000, 100_500_000),
            (54_000, 100_600_000),
            (0, 100_000_000),
            (0u32.wrapping_sub(45_000), 99_500_000), // before it went round
        ] {
            assert_eq!(report.sent_us(rtp), sent_us, "{rtp}");
        }
        for (story, packet, rate) in [
            ("cut off", &packet[..18], 90_000),
            ("empty", &packet[..0], 90_000),
            ("no rate", &packet[..], 0),
            ("another type of packet", &[&[0x80, 201], &packet[2..]].concat()[..], 90_000),
        ] {
            assert_eq!(Report::read(packet, rate), None, "{story}");
        }
    }
}
