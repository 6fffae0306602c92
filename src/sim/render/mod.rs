//! What a shop's cameras would see: pictures of the synthetic shop, and what is in them.
//!
//!     Playback --Cast--> Scene (plain data) --Renderer, one a camera--> I420 picture, labels
//!                                                 |
//!     Shop, seed --> hang (cameras) --> room, goods --> backdrop: colour and depth without people
//!
//! Everything is drawn by following each pixel's own ray, as the camera's lens bends it, to blocks (`room`, `pack`) and
//! round cones (`body`). The shop without people is drawn once; a picture adds the people of the moment to a copy of it,
//! then light, lens and sensor (`sensor`). Floors, walls, packs, clothes, skin and hair come from seeds: the same seed is
//! the same picture, byte for byte.
//!
//! A picture is wrong where no detector of people looks: there are no reflections, shadows fall on the floor only.

pub mod backdrop;
pub mod body;
pub mod decor;
pub mod dress;
pub mod filming;
pub mod goods;
pub mod grain;
pub mod hang;
pub mod label;
pub mod optics;
pub mod pack;
pub mod renderer;
pub mod room;
pub mod scene;
pub mod sensor;
mod sightlines;
pub mod solid;
pub mod stance;
#[cfg(test)]
mod tests;
pub mod views;

pub use filming::Filming;
pub use goods::Goods;
pub use hang::{hung, known, views};
pub use label::Label;
pub use renderer::{Renderer, Studio};
pub use scene::{Cast, Figure, Now, Scene};
pub use sightlines::{FloorShown, floor_shown};
pub use views::View;
