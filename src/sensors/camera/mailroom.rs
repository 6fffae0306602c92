//! One slot a camera: the newest frame wins, because the newest picture is the valuable one. The only place frames are
//! lost, and every loss is counted with its reason.

use super::Frame;
use crate::base::{Counters, ShopTime};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

#[derive(Debug)]
pub struct Mailroom {
    slots: Mutex<Slots>,
    arrived: Condvar,
    counters: Counters,
    /// Microseconds between frames taken of one camera.
    period_us: i64,
}

#[derive(Debug)]
struct Slots {
    slots: Vec<Slot>,
    /// The camera served last: the others come first next time, so that a fast camera cannot starve a slow one.
    served: usize,
}

#[derive(Debug, Default)]
struct Slot {
    frame: Option<Frame>,
    /// Frames before this are over the cap.
    due: ShopTime,
}

impl Mailroom {
    pub fn new(cameras: usize, fps_max: f64, counters: Counters) -> Mailroom {
        let period_us = if fps_max > 0.0 { (1e6 / fps_max) as i64 } else { 0 };
        let slots = Slots { slots: (0..cameras).map(|_| Slot::default()).collect(), served: 0 };
        Mailroom { slots: Mutex::new(slots), arrived: Condvar::new(), counters, period_us }
    }

    /// Leaves a frame for the worker. Never waits for it.
    pub fn put(&self, camera: usize, frame: Frame) {
        self.counters.count("camera.frames");
        let mut slots = self.slots.lock().expect("mailroom");
        let slot = &mut slots.slots[camera];
        if frame.arrival < slot.due {
            self.counters.count("camera.dropped.over_cap");
            return;
        }
        // A frame that came late does not push the next one over the cap: up to one period is made good.
        slot.due = ShopTime((slot.due.0 + self.period_us).max(frame.arrival.0 - self.period_us));
        if slot.frame.replace(frame).is_some() {
            self.counters.count("camera.dropped.newer_came");
        }
        drop(slots);
        self.arrived.notify_one();
    }

    /// The next camera's frame, in turn; `None` when none came within `wait`.
    pub fn take(&self, wait: Duration) -> Option<(usize, Frame)> {
        let empty = |slots: &mut Slots| slots.slots.iter().all(|slot| slot.frame.is_none());
        let (mut slots, _) =
            self.arrived.wait_timeout_while(self.slots.lock().expect("mailroom"), wait, empty).expect("mailroom");
        let cameras = slots.slots.len();
        let turn = (1..=cameras).map(|i| (slots.served + i) % cameras).find(|&c| slots.slots[c].frame.is_some())?;
        slots.served = turn;
        slots.slots[turn].frame.take().map(|frame| (turn, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ms: i64) -> Frame {
        Frame::from_rgb((2, 2), &[0; 12], ShopTime(1_000_000_000 + ms * 1_000)).unwrap()
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn the_newest_frame_wins_and_cameras_take_turns() {
        let counters = Counters::default();
        let room = Mailroom::new(2, 0.0, counters.clone());
        assert!(room.take(NOW).is_none());
        room.put(0, frame(0));
        room.put(0, frame(100));
        room.put(1, frame(50));
        let (first, _) = room.take(NOW).unwrap();
        room.put(first, frame(150));
        let (second, _) = room.take(NOW).unwrap();
        assert_ne!(first, second, "the other camera comes first");
        let (third, newest) = room.take(NOW).unwrap();
        assert_eq!((third, newest.arrival), (first, frame(150).arrival));
        assert!(room.take(NOW).is_none());
        assert_eq!((counters.get("camera.frames"), counters.get("camera.dropped.newer_came")), (4, 1));
    }

    /// Two cameras at full speed and a worker that takes its time: nobody waits for it, it sees each camera's newest, never an
    /// older one after a newer, and every frame was either seen or counted.
    #[test]
    fn a_worker_that_does_not_keep_up_gets_the_newest_frames_and_the_rest_is_counted() {
        const FRAMES: i64 = 400;
        let counters = Counters::default();
        let room = Mailroom::new(2, 0.0, counters.clone());
        let mut seen: [Vec<ShopTime>; 2] = Default::default();
        std::thread::scope(|threads| {
            let cameras = [0, 1].map(|camera| {
                let room = &room;
                threads.spawn(move || (0..FRAMES).for_each(|n| room.put(camera, frame(n))))
            });
            // Not one frame is taken before each slot has overflowed.
            while counters.get("camera.dropped.newer_came") < 10 {
                std::thread::yield_now();
            }
            loop {
                let over = cameras.iter().all(|camera| camera.is_finished());
                match room.take(NOW) {
                    Some((camera, frame)) => seen[camera].push(frame.arrival),
                    None if over => break,
                    None => std::thread::yield_now(),
                }
                if !over {
                    std::thread::yield_now(); // it looks at it
                }
            }
        });
        for seen in &seen {
            assert!(seen.is_sorted_by(|earlier, later| earlier < later), "an older frame after a newer one");
            assert_eq!(seen.last(), Some(&frame(FRAMES - 1).arrival), "the newest stays");
        }
        let (taken, dropped) = (seen.concat().len() as u64, counters.get("camera.dropped.newer_came"));
        assert_eq!(counters.get("camera.frames"), 2 * FRAMES as u64);
        assert_eq!(taken + dropped, 2 * FRAMES as u64, "{taken} seen");
        assert_eq!(counters.get("camera.dropped.over_cap"), 0, "for no other reason");
    }

    #[test]
    fn a_fast_camera_is_cut_to_the_cap_and_a_slow_one_is_left_alone() {
        for (fps, sent, taken) in [(10, 100, 100..=100), (30, 300, 95..=105), (15, 150, 95..=105), (4, 40, 40..=40)] {
            let counters = Counters::default();
            let room = Mailroom::new(1, 10.0, counters.clone());
            let mut got = 0;
            for i in 0..sent {
                // Thirty milliseconds of jitter, to and fro: one network, other people's traffic.
                room.put(0, frame(i * 1_000 / fps + if i % 2 == 0 { 30 } else { 0 }));
                got += u64::from(room.take(NOW).is_some());
            }
            assert!(taken.contains(&got), "{fps} fps: {got} of {sent} taken");
            assert_eq!(counters.get("camera.dropped.over_cap"), sent as u64 - got, "{fps} fps");
        }
    }
}
