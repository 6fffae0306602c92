//! Which decoders gstreamer may take: those of the graphics card first, or none of them.
//!
//! `decodebin` tries decoders by rank. gstreamer ranks most hardware decoders (VA-API `va…dec`, NVDEC `nv…dec`, V4L2
//! `v4l2…dec`, which are there only when the hardware is) below the software ones, or not at all, so their ranks are
//! raised once, when the first camera is opened. Ranks are the process's: one setting for all cameras. A hardware decoder that was
//! taken and gave no picture is not taken again until the next start: software always works.

use super::inside::is_picture_decoder;
use crate::sensors::camera::Decoder;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::Once;

/// Once a process, before the first pipeline.
pub fn choose(decoder: Decoder) {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        let names: Vec<String> = hardware()
            .map(|factory| {
                factory.set_rank(match decoder {
                    // Above every software decoder: they have PRIMARY at most.
                    Decoder::Auto => gst::Rank::PRIMARY + 64,
                    Decoder::Software => gst::Rank::NONE,
                });
                factory.name().to_string()
            })
            .collect();
        tracing::info!(?decoder, hardware = ?names, "decoders");
    });
}

/// Takes a decoder that gave no picture out of the choice, if it is a hardware one: whether it was.
pub fn give_up_on(name: &str) -> bool {
    let Some(factory) = hardware().find(|factory| factory.name() == name) else { return false };
    let was_in = factory.rank() > gst::Rank::NONE;
    factory.set_rank(gst::Rank::NONE);
    was_in
}

fn hardware() -> impl Iterator<Item = gst::ElementFactory> {
    let all = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DECODER, gst::Rank::NONE);
    all.into_iter().filter(|factory| factory.metadata("klass").is_some_and(is_hardware))
}

/// `Codec/Decoder/Video/Hardware`.
fn is_hardware(class: &str) -> bool {
    is_picture_decoder(class) && class.contains("Hardware")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hardware_decoder_is_given_up_on() {
        gst::init().unwrap();
        for (class, hard) in [
            ("Codec/Decoder/Video/Hardware", true),
            ("Codec/Decoder/Image/Hardware", true),
            ("Codec/Decoder/Video", false),
            ("Codec/Encoder/Video/Hardware", false),
            ("Codec/Decoder/Audio/Hardware", false),
        ] {
            assert_eq!(is_hardware(class), hard, "{class}");
        }
        assert!(!give_up_on("avdec_h264"), "software stays");
        assert!(!give_up_on("no such decoder"));
    }
}
