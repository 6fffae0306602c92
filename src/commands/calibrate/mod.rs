//! `carryout calibrate`: which place on the floor each pixel of a camera is, measured.
//!
//!     points of the shop and their pixels (points, page) --\
//!     a checkerboard before the camera (board) -------------> lens and pose --> told; with --write, into shop.toml
//!     a 3x4 projection of another tool (projection) -------/
//!
//! The mathematics is `perception::calibration`'s and `perception::checkerboard`'s, what is absurd `shop::decompose`'s. Only
//! the camera's own lines of shop.toml are touched (`shop::edit`), the file before is kept as `.bak`, and nothing is
//! written that `carryout check` would refuse.

use crate::commands::arguments::duration;
use crate::config::CONFIG_FILE;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[cfg(feature = "cameras")]
mod board;
#[cfg(feature = "cameras")]
mod page;
#[cfg(feature = "cameras")]
mod points;
mod projection;
mod subject;

/// Measure where a camera's pixels are on the floor: from points, a checkerboard or a projection.
#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("way").required(true).multiple(true)))]
pub struct CalibrateArgs {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// Which camera of shop.toml
    #[arg(long, value_name = "ID")]
    pub camera: String,
    /// Points of the shop and their pixels, four or more: a file of lines `u v x y [z] # name`, or `u,v=x,y[,z]` each
    #[arg(long, value_name = "FILE|U,V=X,Y", num_args = 1.., group = "way", conflicts_with = "projection")]
    pub floor_points: Vec<String>,
    /// Inner corners of a checkerboard that is held before the camera, across x down
    #[arg(long, value_name = "9x6", value_parser = two, group = "way", requires = "square", conflicts_with = "projection")]
    pub checkerboard: Option<(u32, u32)>,
    /// Side of one square of the board
    #[arg(long, value_name = "25mm", value_parser = micrometres, requires = "checkerboard")]
    pub square: Option<u32>,
    /// Pictures or films of the board (folders too); otherwise the camera is watched
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "checkerboard")]
    pub pictures: Vec<PathBuf>,
    /// Click the points in a browser on this machine: prints the address of a page
    #[arg(long, group = "way", conflicts_with_all = ["floor_points", "checkerboard", "projection", "write"])]
    pub page: bool,
    /// How long the camera is watched for the board (3m if not said), or the page is there
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// Twelve numbers, row by row: metres to pixels
    #[arg(long, value_name = "FILE", group = "way")]
    pub projection: Option<PathBuf>,
    /// Width x height of the picture pixels are counted in, where shop.toml does not say
    #[arg(long, value_name = "WxH", value_parser = two)]
    pub size: Option<(u32, u32)>,
    /// Keep shop.toml's intrinsics though they have no distortion, and look for the pose alone
    #[arg(long)]
    pub keep_lens: bool,
    /// Write the result into shop.toml; otherwise it is printed
    #[arg(long)]
    pub write: bool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub async fn run(args: &CalibrateArgs) -> Result<ExitCode, Failure> {
    let subject = subject::Subject::read(args)?;
    if let Some(file) = &args.projection {
        let (view, told) = projection::import(file, subject.size()?)?;
        print!("{told}");
        return subject.finish(&view, args.write);
    }
    measure(args, subject).await
}

#[cfg(not(feature = "cameras"))]
async fn measure(_: &CalibrateArgs, _: subject::Subject) -> Result<ExitCode, Failure> {
    Err("this carryout was built without cameras; build it with its default features".into())
}

#[cfg(feature = "cameras")]
async fn measure(args: &CalibrateArgs, subject: subject::Subject) -> Result<ExitCode, Failure> {
    if args.page {
        return page::run(args, subject).await;
    }
    let mut found = None;
    if let (Some((across, down)), Some(square_um)) = (args.checkerboard, args.square) {
        let board = crate::perception::checkerboard::Board { across, down, square_um };
        let (size, lens, told) = board::measure(args, &subject, board).await?;
        print!("{told}");
        found = Some((size, lens));
    }
    if args.floor_points.is_empty() {
        let (size, lens) = found.ok_or("nothing was asked for")?;
        return subject.finish_lens(size, lens, args.write);
    }
    let spots = points::read(&args.floor_points)?;
    let (size, lens) = match found {
        Some((size, lens)) => (size, Some(lens)),
        None => (subject.size()?, subject.measured_lens(args.keep_lens)?),
    };
    let (fit, told) = points::place(&subject.camera, &spots, size, lens)?;
    print!("{told}");
    subject.finish(&fit.view, args.write)
}

/// `9x6`
fn two(text: &str) -> Result<(u32, u32), String> {
    let sides =
        text.split_once(['x', 'X', '×']).and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    sides
        .filter(|(a, b)| (2..=16_384).contains(a) && (2..=16_384).contains(b))
        .ok_or_else(|| format!("`{text}` is not two whole numbers, such as 9x6"))
}

/// `25mm`, `2.5cm`, `0.025m`
fn micrometres(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let units = [("mm", 1e3), ("cm", 1e4), ("m", 1e6)];
    let found = units.iter().find_map(|(unit, um)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * um));
    found
        .filter(|um| (1e3..=1e6).contains(um))
        .map(|um| um.round() as u32)
        .ok_or_else(|| format!("`{text}` is not the side of a square from 1mm to 1m, such as 25mm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_boards_are_read() {
        for (text, um) in [("25mm", Some(25_000)), ("2.5 cm", Some(25_000)), ("0.03m", Some(30_000)), ("25", None)] {
            assert_eq!(micrometres(text).ok(), um, "{text}");
        }
        for (text, sides) in [("9x6", Some((9, 6))), ("1920x1080", Some((1920, 1080))), ("9", None), ("0x6", None)] {
            assert_eq!(two(text).ok(), sides, "{text}");
        }
    }
}
