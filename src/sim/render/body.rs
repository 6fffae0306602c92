//! A body of round cones over a stance, and the colour of every point of it.

use super::dress::{Bag, Dress, Hair, Lower, is_hair};
use super::grain::{Rgb, cloud, times};
use super::solid::{Block, Limb, UP, V3};
use super::stance::Stance;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stuff {
    Skin,
    Head,
    Hair,
    Top,
    /// From the shoulder down to the elbow, from there to the wrist.
    UpperArm,
    Forearm,
    Thigh,
    Shin,
    Skirt,
    Shoe,
    Bag,
}

pub struct Piece {
    pub limb: Limb,
    stuff: Stuff,
}

/// What is in a hand, before it.
pub fn held(stance: &Stance, hand: usize, size_m: [f32; 3]) -> Block {
    let middle = stance.hands[hand] + stance.facing * (size_m[1] / 2.0 + 0.02) + UP * (size_m[2] * 0.2);
    Block { middle, axes: [stance.left, -stance.facing, UP], half: size_m.map(|side| side / 2.0) }
}

pub fn pieces(stance: &Stance, dress: &Dress) -> Vec<Piece> {
    let Stance { facing, left, trunk, head, chest, hips, scale, .. } = *stance;
    let (s, girth) = (scale, dress.girth);
    // Children's heads are nearly as large as their parents'.
    let skull = 0.105 * (0.45 + 0.55 * s);
    let round = |a: V3, b: V3, ra: f32, rb: f32, stuff| Piece { limb: Limb::round(a, b, ra, rb), stuff };
    // Across the trunk, at right angles to it.
    let front = (facing - trunk * facing.dot(trunk)).unit();
    let flat = |a: V3, b: V3, ra: f32, rb: f32, flat: f32, stuff| Piece {
        limb: Limb { a, b, radius_a: ra, radius_b: rb, thin: front, flat },
        stuff,
    };
    let wide = s * girth;
    let waist = hips.toward(chest, 0.3);
    let mut pieces = vec![
        round(
            head + UP * (0.16 * skull),
            head - UP * (0.5 * skull) + facing * (0.12 * skull),
            skull,
            0.78 * skull,
            Stuff::Head,
        ),
        round(head - UP * (0.8 * skull), chest + trunk * (0.03 * s), 0.052 * s, 0.065 * s, Stuff::Skin),
        flat(hips + trunk * (0.02 * s), waist, 0.165 * wide, 0.152 * wide, 0.72, Stuff::Top),
        flat(waist, chest - trunk * (0.08 * s), 0.15 * wide, 0.168 * s * (0.5 + 0.5 * girth), 0.66, Stuff::Top),
        flat(
            stance.shoulders[0] - trunk * (0.02 * s),
            stance.shoulders[1] - trunk * (0.02 * s),
            0.072 * s,
            0.072 * s,
            0.95,
            Stuff::Top,
        ),
        flat(hips - UP * (0.05 * s), hips + UP * (0.03 * s), 0.16 * wide, 0.163 * wide, 0.74, Stuff::Thigh),
    ];
    for i in 0..2 {
        let (shoulder, elbow, hand) = (stance.shoulders[i], stance.elbows[i], stance.hands[i]);
        let point = (hand - elbow).unit();
        let thick = s * (0.6 + 0.4 * girth) * if dress.sleeve_ends > 1.9 { 1.15 } else { 1.0 };
        pieces.push(round(shoulder, elbow, 0.055 * thick, 0.044 * thick, Stuff::UpperArm));
        pieces.push(round(elbow, hand - point * (0.05 * s), 0.043 * thick, 0.031 * thick, Stuff::Forearm));
        pieces.push(round(hand - point * (0.035 * s), hand + point * (0.045 * s), 0.042 * s, 0.030 * s, Stuff::Skin));
        let (hip, knee, ankle) = (stance.hip_joints[i], stance.knees[i], stance.ankles[i]);
        pieces.push(round(hip, knee, 0.086 * wide, 0.06 * s * (0.7 + 0.3 * girth), Stuff::Thigh));
        pieces.push(round(knee, ankle, 0.058 * s * (0.7 + 0.3 * girth), 0.042 * s, Stuff::Shin));
        let sole = ankle - UP * (0.035 * s);
        pieces.push(round(sole - facing * (0.04 * s), sole + facing * (0.15 * s), 0.048 * s, 0.042 * s, Stuff::Shoe));
    }
    if matches!(dress.lower, Lower::Skirt | Lower::Coat) {
        let hem = stance.knees[0].toward(stance.knees[1], 0.5) - UP * (0.02 * s);
        pieces.push(flat(hips, hem, 0.16 * wide, 0.2 * wide, 0.85, Stuff::Skirt));
    }
    match dress.hair_style {
        Hair::Long => {
            let nape = head - facing * (0.45 * skull);
            pieces.push(flat(
                nape,
                nape - trunk * (0.2 * s) - facing * (0.02 * s),
                0.85 * skull,
                0.7 * skull,
                0.6,
                Stuff::Hair,
            ));
        }
        Hair::Bun => {
            let bun = head - facing * (0.85 * skull) + UP * (0.6 * skull);
            pieces.push(round(bun, bun, 0.4 * skull, 0.4 * skull, Stuff::Hair));
        }
        Hair::Cap => {
            let brim = head + UP * (0.45 * skull);
            pieces.push(round(
                brim + facing * (0.8 * skull),
                brim + facing * (1.25 * skull),
                0.3 * skull,
                0.2 * skull,
                Stuff::Hair,
            ));
        }
        Hair::Covered => {
            pieces.push(round(head - UP * skull, chest, 0.6 * skull, 1.1 * skull, Stuff::Hair));
        }
        Hair::Bald | Hair::Short => {}
    }
    match dress.bag {
        Some((Bag::Back, _)) => {
            let at = chest - front * (0.19 * s);
            pieces.push(flat(at - trunk * (0.05 * s), at - trunk * (0.28 * s), 0.13 * s, 0.15 * s, 0.6, Stuff::Bag));
        }
        Some((Bag::Shoulder, _)) => {
            let at = hips - left * (0.2 * wide) + UP * (0.02 * s);
            pieces.push(flat(at, at - UP * (0.14 * s), 0.08 * s, 0.1 * s, 1.3, Stuff::Bag));
        }
        None => {}
    }
    pieces
}

impl Piece {
    /// At the point `p` of its surface, `share` of the way along it. `salt` is the body's: folds differ.
    pub fn colour(&self, p: V3, share: f32, stance: &Stance, dress: &Dress, salt: u32) -> Rgb {
        let (limb, s) = (&self.limb, stance.scale);
        let along = share * (limb.b - limb.a).length();
        let side = p - limb.a;
        let across = side.dot(stance.left) + 0.6 * side.dot(stance.facing);
        let cloth = |cloth: &super::dress::Cloth, along: f32, across: f32, chest: bool| {
            let folds = cloud(along * 22.0 + 40.0, across * 14.0 + 40.0, salt);
            times(cloth.colour(along, across, chest), 0.86 + 0.24 * folds)
        };
        let on_trunk = p - stance.hips;
        let (up, sideways) = (on_trunk.dot(stance.trunk), on_trunk.dot(stance.left));
        match self.stuff {
            Stuff::Skin => dress.skin,
            Stuff::Head => {
                let skull = limb.radius_a;
                let from = p - stance.head;
                if is_hair(dress.hair_style, from.z / skull, from.dot(stance.facing) / skull) {
                    times(dress.hair, 0.8 + 0.4 * cloud(from.z * 60.0 + 40.0, across * 60.0 + 40.0, salt))
                } else {
                    dress.skin
                }
            }
            Stuff::Hair => times(dress.hair, 0.8 + 0.4 * cloud(along * 40.0 + 40.0, across * 90.0 + 40.0, salt)),
            Stuff::Top => cloth(&dress.top, up + 0.1, sideways, up > 0.3 * s),
            Stuff::UpperArm | Stuff::Forearm => {
                let at = share + if self.stuff == Stuff::Forearm { 1.0 } else { 0.0 };
                if at < dress.sleeve_ends { cloth(&dress.sleeve, along, across, false) } else { dress.skin }
            }
            Stuff::Thigh => cloth(&dress.legs, along, across, false),
            Stuff::Shin if dress.lower == Lower::Trousers || dress.lower == Lower::Coat => {
                cloth(&dress.legs, along + 0.4, across, false)
            }
            Stuff::Shin => dress.skin,
            Stuff::Skirt if dress.lower == Lower::Coat => cloth(&dress.top, up + 0.1, sideways, false),
            Stuff::Skirt => cloth(&dress.legs, up, sideways, false),
            Stuff::Shoe => dress.shoes,
            Stuff::Bag => dress.bag.map_or([0.0; 3], |(_, colour)| colour),
        }
    }
}
