//! The shop as a camera of it sees it, now: whatever scene lies ready, in the light of the moment.

use super::Painter;
use crate::sim::render::{Now, Renderer, Scene, Studio, View};
use std::sync::Arc;

pub struct Rendered {
    studio: Arc<Studio>,
    /// As it was hung.
    view: View,
    renderer: Renderer,
    now: Now,
}

impl Rendered {
    /// Fails on a camera whose projection or size cannot be drawn.
    pub fn new(studio: Arc<Studio>, view: View, now: Now) -> Result<Rendered, String> {
        let renderer = Renderer::new(&studio, &view, &now.get().goods)?;
        Ok(Rendered { studio, view, renderer, now })
    }
}

impl Painter for Rendered {
    fn picture(&mut self, t_s: f64) -> Vec<u8> {
        // Light and noise are of the camera's own time: nothing on the floor may move for minutes, and a sensor is never
        // still.
        let scene = Scene { t_us: (t_s * 1e6) as i64, ..Scene::clone(&self.now.get()) };
        self.renderer.picture(&scene)
    }

    fn turn(&mut self, right_deg: f64) {
        match Renderer::new(&self.studio, &self.view.turned(right_deg), &self.now.get().goods) {
            Ok(renderer) => self.renderer = renderer,
            Err(cause) => tracing::error!(%cause, "a simulated camera cannot be turned"),
        }
    }
}
