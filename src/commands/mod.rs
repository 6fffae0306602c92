//! The verbs of the command line; each wires rooms together.

mod arguments;
pub mod bench;
pub mod calibrate;
pub mod check;
mod cores;
pub mod credentials;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod fast;
mod heard;
pub mod import;
pub mod init;
pub mod models;
pub mod perceive;
pub mod replay;
pub mod run;
pub mod score;
pub mod simulate;
pub mod trial;
pub mod verify;
pub mod watch;
