//! A play before a shop's cameras, from its beginning: whoever films it asks for one moment after another.

use super::{Cast, Goods, Renderer, Scene, Studio, View};
use crate::sim::play::Play;
use crate::sim::script::Planned;
use crate::sim::{Gates, Playback};
use std::sync::Arc;

pub struct Filming {
    playback: Playback,
    cast: Cast,
    /// In the order of their views.
    pub cameras: Vec<Renderer>,
}

impl Filming {
    /// Fails on a view that cannot be drawn.
    pub fn new(play: &Play, planned: Planned, start_us: i64, seen_from: &[View]) -> Result<Filming, String> {
        let (shop, seed) = (&play.world.shop, planned.seed);
        let (studio, goods) = (Studio::new(shop.clone(), seed, seen_from), Arc::new(Goods::of(shop, seed)));
        let renderers = seen_from.iter().map(|view| Renderer::new(&studio, view, &goods));
        let cameras = renderers.collect::<Result<_, _>>()?;
        let cast = Cast::new(seed, play.world.parameters.looks.clone());
        let mut playback = play.playback(start_us, Gates::Assumed, planned);
        playback.stock(goods);
        Ok(Filming { playback, cast, cameras })
    }

    /// What there is to see at the first step of the play at or after a time; time only goes on.
    pub fn scene(&mut self, t_us: i64) -> Scene {
        while self.playback.now_us() < t_us {
            self.playback.step();
        }
        // Nobody asks for it; it must not pile up.
        self.playback.truth();
        self.cast.scene(&self.playback)
    }
}
