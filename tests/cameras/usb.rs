//! A webcam through a real V4L2 node. There is none on most machines: `tests/usb/vivid.sh` boots a virtual machine whose kernel
//! has one (`vivid`) and runs this test in it, with CARRYOUT_V4L2 set.

use carryout::base::time::Clock;
use carryout::base::{CameraId, Counters, ShopTime};
use carryout::sensors::camera::{CameraOptions, Healths, Mailroom, Watch, watch};
use carryout::shop::{Camera, CameraKind};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FRAMES: usize = 10;

/// VIDIOC_QUERYCAP of <linux/videodev2.h>: 104 bytes are read, the last used word but three says what this node can do.
fn captures(device: &str) -> bool {
    const QUERYCAP: libc::c_ulong = 0x8068_5600;
    const VIDEO_CAPTURE: u32 = 1;
    const OUTPUT: u32 = 2;
    let Ok(file) = std::fs::File::open(device) else { return false };
    let mut told = [0u8; 104];
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), QUERYCAP as _, told.as_mut_ptr()) };
    let capabilities = u32::from_ne_bytes(told[88..92].try_into().unwrap());
    println!(
        "{device}: {} capabilities {capabilities:#x}",
        String::from_utf8_lossy(&told[16..48]).trim_end_matches('\0')
    );
    answer == 0 && capabilities & VIDEO_CAPTURE != 0 && capabilities & OUTPUT == 0
}

#[test]
fn camera_of_v4l2_gives_frames() {
    if std::env::var_os("CARRYOUT_V4L2").is_none() {
        println!("SKIPPED: CARRYOUT_V4L2 is not set; tests/usb/vivid.sh runs this where there is a camera");
        return;
    }
    let devices: Vec<String> = (0..16).map(|n| format!("/dev/video{n}")).filter(|device| captures(device)).collect();
    assert!(!devices.is_empty(), "no device here can capture");
    for device in devices {
        let (healths, counters, stop) = (Healths::default(), Counters::default(), Arc::new(AtomicBool::new(false)));
        let mailroom = Arc::new(Mailroom::new(1, 30.0, counters.clone()));
        let id = CameraId::new("webcam");
        let kind = CameraKind::Usb { device: device.clone() };
        let camera = Camera { id: id.clone(), kind, covers: vec![], projection: None, size: (640, 480) };
        // A machine that is emulated decodes a picture in a second or two.
        let options = CameraOptions { no_frame_ms: 60_000, ..CameraOptions::default() };
        let clock = Clock::anchored_after(ShopTime(0));
        let (room, health) = (mailroom.clone(), healths.clone());
        let thread = watch(Watch {
            camera,
            slot: 0,
            mailroom: room,
            healths: health,
            options,
            clock,
            counters: counters.clone(),
            stop: stop.clone(),
        });
        let thread = thread.unwrap().unwrap();
        let (began, mut prints, mut size, mut frames) = (Instant::now(), BTreeSet::new(), (0, 0), 0);
        while frames < FRAMES {
            assert!(began.elapsed() < Duration::from_secs(300), "{device}: {frames} frames; {:?}", healths.all());
            let Some((_, frame)) = mailroom.take(Duration::from_millis(200)) else { continue };
            frames += 1;
            prints.insert(frame.fingerprint());
            size = (frame.width(), frame.height());
            let (low, high) = frame.luma().iter().fold((255, 0), |(low, high), &l| (l.min(low), l.max(high)));
            assert!(high - low > 60, "{device}: a picture of {low}..={high} is no test picture");
        }
        let health = healths.get(&id).unwrap();
        println!(
            "{device}: {frames} frames of {} x {}, {:?}, {} different, in {:.1?}; {:?}; {:?}",
            size.0,
            size.1,
            health.decoder,
            prints.len(),
            began.elapsed(),
            health.state,
            counters.all()
        );
        assert!(prints.len() > 1, "{device}: always the same picture");
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
    }
}
