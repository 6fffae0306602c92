//! A frame to boxes: prepare, ask the model, decode. One detector serves all cameras.

use super::boxes::Box2;
use super::decode::{self, DecodeError};
use super::manifest::{Manifest, ManifestError};
use super::ort::{RuntimeError, Session};
use super::picture::{self, PictureError};
use crate::sensors::camera::Frame;
use std::path::Path;

pub struct Detector {
    manifest: Manifest,
    session: Session,
    threshold: f64,
}

/// A model that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// A picture that could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Detector {
    /// Reads the manifest, checks the model's hash and opens it. Boxes under `threshold` are not people.
    pub fn open(
        manifest: &Path,
        library: Option<&Path>,
        threads: usize,
        threshold: f64,
    ) -> Result<Detector, OpenError> {
        let manifest = Manifest::read(manifest)?;
        let session = Session::open(&manifest.name, &manifest.model_bytes()?, library, threads)?;
        picture::one_thread()?;
        tracing::info!(model = %manifest.name, licence = %manifest.licence, "detector opened");
        Ok(Detector { manifest, session, threshold })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// People in a picture, best first; boxes in fractions of its width and height, not cut at its edges.
    pub fn look(&mut self, frame: &Frame) -> Result<Vec<Box2>, LookError> {
        let input = &self.manifest.input;
        let prepared = picture::prepare(frame, input)?;
        let answer = self.session.run(&input.name, &prepared.shape, &prepared.data)?;
        let mut boxes = decode::decode(&self.manifest.output, input, &answer, self.threshold)?;
        let (across, down) = prepared.extent;
        for found in &mut boxes {
            (found.x, found.w) = (found.x / across, found.w / across);
            (found.y, found.h) = (found.y / down, found.h / down);
        }
        Ok(boxes)
    }
}
