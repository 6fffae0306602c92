//! Colours, and the grain of things: cheap hashes of places that look like chance.

/// Red, green, blue, 0..=255 as a screen means them.
pub type Rgb = [f32; 3];

pub fn times(c: Rgb, by: f32) -> Rgb {
    c.map(|x| x * by)
}

pub fn mixed(a: Rgb, b: Rgb, share: f32) -> Rgb {
    [0, 1, 2].map(|k| a[k] + (b[k] - a[k]) * share)
}

/// From hue (0..1, red, yellow, green ...), saturation and value, each 0..=1.
pub fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    let channel = |shift: f32| {
        let at = (hue + shift).rem_euclid(1.0) * 6.0;
        let ramp = ((at - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        255.0 * value * (1.0 + saturation * (ramp - 1.0))
    };
    [channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)]
}

/// 0 <= grain < 1 of a cell; another `salt`, another grain.
pub fn grain(x: i32, y: i32, salt: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ salt.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1u32 << 24) as f32
}

/// The same, evenly from cell to cell.
pub fn cloud(x: f32, y: f32, salt: u32) -> f32 {
    let (i, j) = (x.floor(), y.floor());
    let (u, v) = (x - i, y - j);
    let (i, j) = (i as i32, j as i32);
    let row = |j: i32| grain(i, j, salt) * (1.0 - u) + grain(i + 1, j, salt) * u;
    row(j) * (1.0 - v) + row(j + 1) * v
}
