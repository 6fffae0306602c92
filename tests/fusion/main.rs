//! Steps on the scales and who is taken to have made them.

mod measure;
mod nearest;
mod published;
mod steps;
