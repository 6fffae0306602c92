//! `carryout calibrate` as a technician uses it: points, a projection, a board; told, refused, written into shop.toml.

use carryout::base::{CameraId, Point2, Point3, ShopTime};
use carryout::sensors::camera::Frame;
use carryout::sensors::camera::jpeg::JpegWriter;
use carryout::shop::pose::Pose;
use carryout::shop::projection::pixel_of;
use carryout::shop::{Camera, CameraKind, Lens, Shop};
use carryout::sim::eyes::SimCamera;
use std::path::Path;
use std::process::Command;

pub const LENS: Lens = Lens { fx: 430.0, fy: 430.0, cx: 320.0, cy: 240.0, k1: 0.0, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };

/// Where the camera really hangs.
pub fn real() -> Pose {
    Pose::looking_at(Point3::new(0.2, 0.2, 2.6), Point3::new(4.0, 3.0, 0.4)).unwrap()
}

/// The demonstration's shop with a camera that `carryout init` might have guessed at.
pub fn furnish(dir: &Path, url: &str) -> Camera {
    let (mut shop, _) = Shop::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop")).unwrap();
    let guess = Pose::looking_at(Point3::new(0.1, 0.1, 2.7), Point3::new(3.0, 3.0, 0.0)).unwrap();
    let (id, kind) = (CameraId::new("door"), CameraKind::Rtsp { url: url.to_owned() });
    let covers = [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0]].map(Point2::from).to_vec();
    let lens = Lens { fx: 416.0, fy: 416.0, ..LENS };
    let camera = Camera { id: id.clone(), kind, covers, projection: Some(lens.projection(&guess)), size: (640, 480) };
    shop.layout.cameras = [(id.clone(), camera.clone())].into();
    shop.layout.lenses = [(id, lens)].into();
    shop.write(dir.join("shop")).unwrap();
    std::fs::write(dir.join("carryout.toml"), "[shop]\ndirectory = \"shop\"\n").unwrap();
    camera
}

/// Whether it went well, and all that was said.
fn calibrate(dir: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carryout"));
    command.current_dir(dir).args(["calibrate", "--config", "carryout.toml", "--camera"]).args(args);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[test]
fn camera_calibrated_by_points_stands_in_shop_toml_where_it_hangs() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path(), "rtsp://127.0.0.1/nowhere");
    let projection = LENS.projection(&real());
    let floor = [[2.0, 1.4], [5.0, 1.5], [2.0, 4.0], [4.5, 4.5], [3.0, 2.5], [6.0, 3.5]];
    let line = |(n, [x, y]): (usize, &[f64; 2])| {
        let pixel = pixel_of(&projection, Point3::new(*x, *y, 0.0)).unwrap();
        format!("{:.1} {:.1} {x} {y} # mark {n}\n", pixel.x, pixel.y)
    };
    let points: String = floor.iter().enumerate().map(line).collect();
    std::fs::write(dir.path().join("points.txt"), &points).unwrap();
    let file = dir.path().join("shop/shop.toml");
    let before = std::fs::read_to_string(&file).unwrap();

    let (well, said) = calibrate(dir.path(), &["door", "--floor-points", "points.txt"]);
    assert!(well && said.contains("6 points, lens found from the points") && said.contains("not written"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "only told");

    let (well, said) = calibrate(dir.path(), &["door", "--floor-points", "points.txt", "--write"]);
    assert!(well && said.contains("; worst: mark") && said.contains("shop.toml.bak"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("shop/shop.toml.bak")).unwrap(), before);
    let (shop, _) = Shop::read(dir.path().join("shop")).unwrap();
    let (lens, camera) = (shop.layout.lenses.values().next().unwrap(), shop.layout.cameras.values().next().unwrap());
    // Written to a ten-thousandth: the rotation is nearly one.
    let found = Pose { position: position(&file), ..real() };
    assert!(found.position.distance(real().position) < 0.01, "{:?}", found.position);
    assert!((lens.fx - 430.0).abs() < 2.0, "{lens:?}");
    for [x, y] in floor {
        let at = Point3::new(x, y, 0.0);
        let (a, b) = (pixel_of(&projection, at).unwrap(), pixel_of(&camera.projection.unwrap(), at).unwrap());
        assert!(a.distance(b) < 0.2, "{at:?}: {a:?} and {b:?}");
    }

    // What a person may get wrong.
    let inline = |points: &[&str]| {
        let mut args = vec!["door", "--floor-points"];
        args.extend(points);
        calibrate(dir.path(), &args)
    };
    for (args, says) in [
        (vec!["10,10=1,1", "600,20=2,2", "30,400=3,3"], "3 points are too few"),
        (vec!["10,10=1,1", "600,20=2,2", "30,400=3,3", "5,5=4,4"], "all points lie on one line"),
        (vec!["10,10=1,1", "800,20=2,2", "30,400=3,0", "5,5=4,4"], "outside the picture of 640 x 480"),
        (vec!["10,10=1"], "3 numbers; a point is `u v x y`"),
        (vec!["points.csv"], "--floor-points points.csv"),
    ] {
        let (well, said) = inline(&args);
        assert!(!well && said.contains(says), "{says}: {said}");
    }
    let (well, said) = calibrate(dir.path(), &["till", "--floor-points", "points.txt"]);
    assert!(!well && said.contains("shop.toml has no camera till; it has door"), "{said}");
    let (well, said) = calibrate(dir.path(), &["door"]);
    assert!(!well && said.contains("--floor-points"), "{said}");
}

fn position(shop_toml: &Path) -> Point3 {
    let text = std::fs::read_to_string(shop_toml).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let position = table["cameras"][0]["pose"]["position"].as_array().unwrap();
    let part = |i: usize| position[i].as_float().unwrap();
    Point3::new(part(0), part(1), part(2))
}

#[test]
fn camera_calibrated_by_a_projection_is_doubted_first() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path(), "rtsp://127.0.0.1/nowhere");
    let good = LENS.projection(&real());
    let write = |rows: [[f64; 4]; 3]| {
        let rows = rows.map(|row| row.map(|value| format!("{value:.9e}")).join(" "));
        std::fs::write(dir.path().join("p.txt"), rows.join("\n")).unwrap();
    };
    let mut upside_down = good;
    upside_down.iter_mut().for_each(|row| row[2] = -row[2]);
    for (rows, says) in [([[0.0; 4]; 3], "its projection has no camera"), (upside_down, "not above the floor")] {
        write(rows);
        let (well, said) = calibrate(dir.path(), &["door", "--projection", "p.txt", "--write"]);
        assert!(!well && said.contains(says), "{says}: {said}");
        assert!(!dir.path().join("shop/shop.toml.bak").exists(), "nothing was written");
    }
    write(good.map(|row| row.map(|value| value * -3.5)));
    let (well, said) = calibrate(dir.path(), &["door", "--projection", "p.txt", "--write"]);
    assert!(well && said.contains("draws within 0.00 px"), "{said}");
    let found = position(&dir.path().join("shop/shop.toml"));
    assert!(found.distance(real().position) < 1e-3, "{found:?}");
}

#[test]
fn camera_calibrated_by_a_board_looks_for_it_in_pictures_and_live() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let projected = furnish(dir.path(), "rtsp://127.0.0.1/nowhere");
    let pictures = dir.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let mut writer = JpegWriter::new().unwrap();
    for n in 0..2u8 {
        let rgb = vec![100 + 50 * n; 640 * 480 * 3];
        let frame = Frame::from_rgb((640, 480), &rgb, ShopTime(0)).unwrap();
        let jpeg = writer.write((640, 480), frame.pixels(), frame.planes()).unwrap();
        std::fs::write(pictures.join(format!("{n}.jpg")), jpeg).unwrap();
    }
    let board = ["door", "--checkerboard", "9x6", "--square", "25mm"];
    let with = |more: &[&str]| calibrate(dir.path(), &[&board, more].concat());
    let (well, said) = with(&["--pictures", "pictures"]);
    assert!(!well && said.contains("2 pictures, the board in 0 different places"), "{said}");
    assert!(said.contains("at least 8 are needed"), "{said}");
    let (well, said) = with(&["--pictures", "pictures", "points.txt"]);
    assert!(!well && said.contains("reading video points.txt"), "{said}");
    let (well, said) = with(&["--for", "2s"]);
    assert!(!well && said.contains("camera door gave no picture"), "{said}");

    let sim = SimCamera::start(&projected, &[], || vec![Point2::new(3.0, 3.0)], 0).unwrap();
    furnish(dir.path(), sim.url());
    let (well, said) = with(&["--for", "6s"]);
    assert!(!well && said.contains("pictures, the board in 0 different places"), "{said}");
}
