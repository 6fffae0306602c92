//! Where somebody's joints are: a pose of the simulator (floor point, head, hands) filled in with everything between.
//!
//! Hands that are at a shelf are exactly where the simulator has them; the trunk bends and the knees give until the arm is
//! long enough, which takes the head along. Hands at rest hang, or stay bent as the simulator has them. Feet walk: one
//! stands while the other swings. Who stands sways over their feet, as everybody does.

use super::dress::{Dress, left_of};
use super::solid::{UP, V3, v3};
use crate::sim::person::{HEAD_M, Person, Pose};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stance {
    /// Unit vectors on the floor: where they face, and to their left.
    pub facing: V3,
    pub left: V3,
    /// From hips to neck.
    pub trunk: V3,
    pub floor: V3,
    pub head: V3,
    pub chest: V3,
    pub hips: V3,
    /// Left, right.
    pub shoulders: [V3; 2],
    pub elbows: [V3; 2],
    pub hands: [V3; 2],
    pub hip_joints: [V3; 2],
    pub knees: [V3; 2],
    pub ankles: [V3; 2],
    /// Size of everything beside a grown person of 1.70 m.
    pub scale: f32,
}

/// How far somebody has walked, metres, how fast they go, metres a second, and when that is: where their feet are, and how they
/// sway.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    pub walked_m: f64,
    pub speed_m_s: f64,
    pub t_us: i64,
}

impl Walk {
    pub fn of(person: &Person, t_us: i64) -> Walk {
        let v = person.velocity(t_us);
        Walk { walked_m: person.walked_m(t_us), speed_m_s: libm::sqrt(v.x * v.x + v.y * v.y), t_us }
    }
}

/// Shares of the height of the head's middle: hips, shoulders; half of the shoulders' width, the arm to the palm.
const HIPS: f32 = 0.55;
const SHOULDERS: f32 = 0.865;
const HALF_WIDTH: f32 = 0.105;
const ARM: f32 = 0.40;
/// Bent as far as one bends: the trunk so many radians, the hips so much lower (share of the head's height).
const MOST_PITCH: f32 = 0.85;
const MOST_SQUAT: f32 = 0.34;
/// Palms hang this far below the shoulders, in arms.
const HANG: f32 = 0.93;
/// Who stands still sways to the front and back by two waves of so many radians and seconds, and half of that sideways: slowly, and faster
/// about it (T. Kiemel, K. Oie and J. Jeka, "Slow dynamics of postural sway are in the feedback loop", 2006). The head moves by 7 mm about its
/// mean, root mean square.
const SWAY: [(f32, f64); 2] = [(0.0045, 9.7), (0.0035, 3.1)];
/// Both steps together, metres, and the swing of a foot to the front and back.
const STRIDE_M: f32 = 1.4;
const SWING_M: f32 = 0.3;

fn sincos(angle: f32) -> (f32, f32) {
    libm::sincosf(angle)
}

impl Stance {
    /// `tall_m` of `pose` is that of everybody of that stature; `dress` knows how tall this one is.
    pub fn of(pose: &Pose, dress: &Dress, walk: Walk) -> Stance {
        let facing = V3::from(pose.facing).unit();
        let (left, floor) = (left_of(facing), V3::from(pose.floor));
        let stands_m = pose.rest_head_m() as f32 * dress.height;
        let scale = stands_m / HEAD_M as f32;
        let arm = ARM * stands_m;
        let phase = std::f32::consts::TAU * (walk.walked_m as f32 / (STRIDE_M * scale)).fract();
        let pace = (walk.speed_m_s as f32 / 0.8).min(1.0);
        // How much each hand is elsewhere than at rest.
        let rest = pose.rest_hands().map(V3::from);
        let given = pose.hands.map(V3::from);
        let busy = [0, 1].map(|i| ((given[i] - rest[i]).length() / 0.25).min(1.0));
        let lean = (V3::from(pose.head) - floor).dot(facing) / (1.0 - HIPS) / HEAD_M as f32;
        let width = HALF_WIDTH * stands_m * (0.7 + 0.3 * dress.girth);
        let sway = sway(walk.t_us, dress.sways).map(|angle| angle * (1.0 - pace));
        let up = (UP + facing * sway[0] + left * sway[1]).unit();
        let upper = |bend: f32| {
            let (sin, cos) = sincos(lean.clamp(0.0, 0.6) + MOST_PITCH * bend);
            let trunk = up * cos + facing * sin;
            // The seat goes back as the shoulders go forward.
            let hips = floor + up * (stands_m * (HIPS - MOST_SQUAT * bend)) - facing * (0.22 * scale * sin);
            let chest = hips + trunk * (stands_m * (SHOULDERS - HIPS));
            (trunk, hips, chest, [chest + left * width, chest - left * width])
        };
        let far = |bend: f32| {
            let shoulders = upper(bend).3;
            let reach = |i: usize| busy[i].floor() * ((given[i] - shoulders[i]).length() - arm);
            reach(0).max(reach(1))
        };
        // Smoothly: a hand on its way down needs more and more of it. 20 steps are 3 degrees each.
        let bend = (0..=20).map(|k| k as f32 / 20.0).find(|bend| far(*bend) <= 0.0).unwrap_or(1.0);
        let bend = if bend > 0.0 { finer(bend - 0.05, bend, far) } else { 0.0 };
        let (trunk, hips, chest, shoulders) = upper(bend);
        let head = hips + trunk * (stands_m * (1.0 - HIPS));
        let hands = [0, 1].map(|i| {
            let side = if i == 0 { 1.0 } else { -1.0 };
            let (swing, _) = sincos(phase + if i == 0 { std::f32::consts::PI } else { 0.0 });
            let forward = 0.05 * scale + 0.17 * scale * pace * swing;
            let hanging = shoulders[i] - UP * (HANG * arm) + left * (side * 0.05 * scale) + facing * forward;
            let scaled = v3(rest[i].x, rest[i].y, rest[i].z * dress.height);
            let bent = scaled + facing * (0.12 * scale + 0.03 * pace * swing);
            let resting = if dress.hangs { hanging } else { bent };
            resting.toward(given[i], busy[i])
        });
        let elbows = [0, 1].map(|i| {
            let side = if i == 0 { 1.0 } else { -1.0 };
            joint(shoulders[i], hands[i], 0.46 * arm, 0.54 * arm, left * (0.5 * side) - facing * 0.6 - UP * 0.5)
        });
        let foot = |i: usize| {
            let side = if i == 0 { 1.0 } else { -1.0 };
            let (sin, cos) = sincos(phase + if i == 0 { 0.0 } else { std::f32::consts::PI });
            let (ahead, lift) = (SWING_M * scale * pace * sin, 0.08 * scale * pace * cos.max(0.0));
            floor + left * (side * 0.095 * scale) + facing * ahead + UP * (0.08 * scale + lift)
        };
        let ankles = [foot(0), foot(1)];
        let wide = 0.085 * scale * dress.girth;
        let hip_joints = [hips + left * wide, hips - left * wide];
        let leg = stands_m * HIPS - 0.08 * scale;
        let knees = [0, 1].map(|i| joint(hip_joints[i], ankles[i], 0.51 * leg, 0.51 * leg, facing));
        Stance {
            facing,
            left,
            trunk,
            floor,
            head,
            chest,
            hips,
            shoulders,
            elbows,
            hands,
            hip_joints,
            knees,
            ankles,
            scale,
        }
    }
}

/// How far who stands is tilted then, radians: to the front and to the left. `phase` is their own, in turns.
fn sway(t_us: i64, phase: f32) -> [f32; 2] {
    let (t_s, phase) = (t_us as f64 / 1e6, f64::from(phase));
    let tilt = |often: f64, phase: f64| -> f32 {
        let turns = |period_s: f64| (often * t_s / period_s + phase).rem_euclid(1.0) as f32;
        SWAY.iter().map(|(angle, period_s)| angle * sincos(std::f32::consts::TAU * turns(*period_s)).0).sum()
    };
    [tilt(1.0, phase), 0.5 * tilt(1.3, 3.0 * phase)]
}

/// Where between `low` and `high` the arm becomes long enough, to a thousandth.
fn finer(mut low: f32, mut high: f32, far: impl Fn(f32) -> f32) -> f32 {
    for _ in 0..6 {
        let middle = (low + high) / 2.0;
        if far(middle) <= 0.0 { high = middle } else { low = middle }
    }
    high
}

/// The elbow or knee of a limb of two bones, on the side of `pole`; on the straight line where the bones are too short.
fn joint(from: V3, to: V3, first_m: f32, second_m: f32, pole: V3) -> V3 {
    let d = (to - from).length().max(1e-4);
    let axis = (to - from) * (1.0 / d);
    let along = ((d * d + first_m * first_m - second_m * second_m) / (2.0 * d)).clamp(0.0, d);
    let out = (first_m * first_m - along * along).max(0.0).sqrt();
    let side = pole - axis * pole.dot(axis);
    from + axis * along + side.unit() * out
}
