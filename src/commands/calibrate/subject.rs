//! The camera that is measured: what shop.toml says of it now, and how what was found gets there.

// Without cameras there are projections only.
#![cfg_attr(not(feature = "cameras"), allow(dead_code))]

use super::{CalibrateArgs, Failure};
use crate::base::{CameraId, Point2, Point3};
use crate::commands::credentials;
use crate::config::Config;
use crate::shop::edit::{self, Stands, View};
use crate::shop::pose::Pose;
use crate::shop::projection::floor_point;
use crate::shop::{Camera, CameraKind, Lens, Problem, Shop, ShopPaths, decompose};
use std::fmt::Write;
use std::process::ExitCode;

/// A shop, or all that is wrong with it.
type Parsed = Result<(Shop, Vec<Problem>), Vec<Problem>>;

pub struct Subject {
    pub camera: CameraId,
    pub config: Config,
    paths: ShopPaths,
    text: String,
    stands: Stands,
    size: Option<(u32, u32)>,
    config_file: std::path::PathBuf,
}

impl Subject {
    pub fn read(args: &CalibrateArgs) -> Result<Subject, Failure> {
        let mut config = Config::read(&args.config).map_err(told)?;
        credentials::readable_here(&mut config, &args.config);
        let paths = ShopPaths::from(&config.shop.directory);
        let text =
            std::fs::read_to_string(&paths.shop).map_err(|error| format!("{}: {error}", paths.shop.display()))?;
        let camera = CameraId::new(args.camera.as_str());
        let stands = edit::stands(&text, &camera)?;
        let size = args.size;
        Ok(Subject { camera, config, paths, text, stands, size, config_file: args.config.clone() })
    }

    /// Of the picture that pixels are counted in.
    pub fn size(&self) -> Result<(u32, u32), Failure> {
        let id = &self.camera;
        match (self.size, self.stands.size) {
            (Some(asked), Some(written)) if asked != written && self.stands.lens.is_some() => Err(format!(
                "--size {}x{}: shop.toml says that the picture of camera {id} is {} x {}; change it there first",
                asked.0, asked.1, written.0, written.1
            )
            .into()),
            (Some(size), _) | (None, Some(size)) => Ok(size),
            (None, None) => {
                Err(format!("shop.toml does not say how large the picture of camera {id} is; add --size WxH").into())
            }
        }
    }

    /// shop.toml's lens, if somebody has measured it: a guess (`carryout init` makes one) has no distortion.
    pub fn measured_lens(&self, keep: bool) -> Result<Option<Lens>, Failure> {
        match self.stands.lens {
            None if keep => Err(format!("--keep-lens: camera {} has no intrinsics in shop.toml", self.camera).into()),
            lens => Ok(lens.filter(|lens| keep || !lens.is_straight())),
        }
    }

    /// The camera as the shop has it, if it sends pictures. One that says nothing of its pixels yet is given something to be opened with.
    pub fn opened(&self) -> Result<(Camera, Shop), Failure> {
        let text = match self.stands.is_placed {
            true => self.text.clone(),
            false => {
                let (width, height) = self.stands.size.or(self.size).unwrap_or((640, 480));
                let (w, h) = (f64::from(width), f64::from(height));
                let lens = Lens { fx: 0.65 * w, fy: 0.65 * w, cx: w / 2.0, cy: h / 2.0, ..Lens::default() };
                let pose = Pose::looking_at(Point3::new(0.0, 0.0, 2.5), Point3::new(1.0, 1.0, 0.0)).ok_or("no pose")?;
                edit::with_view(&self.text, &self.camera, &View { size: (width, height), lens, pose })?
            }
        };
        let (mut shop, _) = self.parsed(&text)?.map_err(told)?;
        credentials::cameras_readable_here(&mut shop, &self.config_file);
        let camera = shop.layout.cameras.get(&self.camera).cloned().ok_or("no such camera")?;
        if camera.kind == CameraKind::People {
            return Err(format!("camera {} is of kind \"people\" and sends no pictures here", camera.id).into());
        }
        Ok((camera, shop))
    }

    /// A lens alone: the pose stays as it is, and has to be measured anew through this lens.
    pub fn finish_lens(&self, size: (u32, u32), lens: Lens, write: bool) -> Result<ExitCode, Failure> {
        let id = &self.camera;
        let next = format!("next: carryout calibrate --camera {id} --floor-points …, through this lens");
        let pose = self.pose();
        let view = View { size, lens, pose: pose.unwrap_or(Pose::new(Point3::new(0.0, 0.0, 0.0), [0.0; 3])) };
        if pose.is_none() {
            let lines: String =
                edit::told(&view).lines().take(2).fold(String::new(), |lines, line| lines + line + "\n");
            if write {
                return Err(format!(
                    "{lines}not written: camera {id} has no pose yet; add --floor-points to this call"
                )
                .into());
            }
            print!("\n{lines}\n{next}\n");
            return Ok(ExitCode::SUCCESS);
        }
        let done = self.finish(&view, write);
        println!("{next}");
        done
    }

    fn pose(&self) -> Option<Pose> {
        if !self.stands.is_placed {
            return None;
        }
        let (camera, shop) = self.opened().ok()?;
        let projection = camera.projection?;
        let lens = shop.layout.lenses.get(&self.camera);
        lens.and_then(|lens| lens.pose_of(&projection)).or_else(|| Some(decompose::decompose(&projection).ok()?.1))
    }

    /// Prints what is to stand in shop.toml, or writes it there.
    pub fn finish(&self, view: &View, write: bool) -> Result<ExitCode, Failure> {
        print!("\n{}\n", edit::told(view));
        if write {
            println!("{}", self.write(view)?);
        } else {
            self.with(view)?;
            println!("not written; add --write, or put these lines into shop.toml in place of the camera's own");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Says what was done.
    pub fn write(&self, view: &View) -> Result<String, Failure> {
        let (text, path) = (self.with(view)?, &self.paths.shop);
        let failed = |error: std::io::Error| format!("writing {}: {error}", path.display());
        let kept = path.with_extension("toml.bak");
        std::fs::copy(path, &kept).map_err(failed)?;
        // Into the file itself: it keeps its owner and mode.
        std::fs::write(path, text).map_err(failed)?;
        Ok(format!(
            "written into {}, the file before is {}\na running shop takes it over with `systemctl reload carryout`",
            path.display(),
            kept.display()
        ))
    }

    /// shop.toml with this view; an error if the shop would not open with it and did before.
    fn with(&self, view: &View) -> Result<String, Failure> {
        // As it is now: a page is there for a while, and somebody may have edited meanwhile.
        let path = &self.paths.shop;
        let now = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = edit::with_view(&now, &self.camera, view)?;
        let before = errors(self.parsed(&now)?);
        let mut new = errors(self.parsed(&text)?);
        new.retain(|error| !before.contains(error));
        if !new.is_empty() {
            return Err(format!("with that, the shop would not open: {}", new.join("\n")).into());
        }
        Ok(text)
    }

    fn parsed(&self, text: &str) -> Result<Parsed, Failure> {
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path).map_err(|error| Failure::from(format!("{}: {error}", path.display())))
        };
        Ok(Shop::parse(text, &read(&self.paths.planogram)?, &read(&self.paths.catalogue)?))
    }
}

/// Without their lines, which move when something is written above them.
fn errors(parsed: Parsed) -> Vec<String> {
    let problems = parsed.err().unwrap_or_default();
    problems.into_iter().filter(Problem::is_error).map(|error| Problem { line: None, ..error }.to_string()).collect()
}

fn told(problems: Vec<Problem>) -> Failure {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into()
}

/// A view in words.
pub fn in_words(view: &View) -> String {
    let View { size, lens, pose } = view;
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let degrees = 2.0 * libm::atan2(width / 2.0, lens.fx).to_degrees();
    let mut words = format!("  focal length {:.1} px ({degrees:.0} degrees across)", lens.fx);
    for (name, term) in [("k1", lens.k1), ("k2", lens.k2)].into_iter().filter(|(_, term)| *term != 0.0) {
        let _ = write!(words, ", {name} {term:.4}");
    }
    let Point3 { x, y, z } = pose.position;
    let _ = write!(words, "\n  hangs {z:.2} m above [{x:.2}, {y:.2}]");
    let middle = floor_point(&lens.projection(pose), Point2::new(width / 2.0, height / 2.0), 0.0);
    let _ = match middle {
        Some(at) => writeln!(words, ", the middle of its picture is the floor at [{:.2}, {:.2}]", at.x, at.y),
        None => writeln!(words, ", the middle of its picture is above the horizon"),
    };
    words
}
