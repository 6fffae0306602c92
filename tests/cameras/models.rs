//! Models and manifests through the real runtime: what fits is read right, what does not is told before the shop opens, and
//! `carryout models` takes in what works and nothing else.

use crate::onnx::{Answer, Side, Values, mirror, oracle};
use carryout::base::ShopTime;
use carryout::perception::detector::Detector;
use carryout::perception::ort::Runtime;
use carryout::perception::{Provider, VisionOptions};
use carryout::sensors::camera::{Frame, Pixels, Plane};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a model and a manifest of it.
fn laid(dir: &Path, model: &[u8], rest: &str) -> PathBuf {
    fs::write(dir.join("m.onnx"), model).unwrap();
    let hash: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = dir.join("m.toml");
    let head = format!("name = \"m\"\nfile = \"m.onnx\"\nsha256 = \"{hash}\"\nlicence = \"MIT\"\n");
    fs::write(&path, head + rest).unwrap();
    path
}

const GREY: &str = "[input]\nname = \"luma\"\nsize = [16, 8]\nlayout = \"nchw\"\nchannels = \"grey\"\nfit = \"stretch\"\n\
                    std = [255.0]\n[output]\nkind = \"disc\"\nradii = [2.0]\noverlap = 0.1\n";

/// 16 x 8, black with one bright pixel at each of `at`.
fn picture(at: &[(usize, usize)]) -> Frame {
    lit(at, 230)
}

/// The same with pixels of this level.
fn lit(at: &[(usize, usize)], level: u8) -> Frame {
    let mut luma = vec![0; 16 * 8];
    at.iter().for_each(|(x, y)| luma[y * 16 + x] = level);
    let planes = [Plane { data: &luma, stride: 16 }, Plane { data: &[128; 64], stride: 16 }];
    Frame::copy((16, 8), Pixels::Nv12, &planes, ShopTime(0)).unwrap()
}

#[test]
fn camera_models_look_at_several_pictures_as_at_each() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let frames = [picture(&[(3, 3)]), picture(&[]), picture(&[(12, 2), (5, 6)])];
    let mut alone = Vec::new();
    for (n, many) in [(Side::Is(1), false), (Side::Any, true)] {
        let manifest = laid(dir.path(), &mirror((16, 8), n), GREY);
        let mut detector = Detector::open(&manifest, None, 1, 0.5).unwrap();
        assert_eq!(detector.takes_many(), many);
        assert!(!detector.batches(), "on a CPU nobody waits for company");
        let together = detector.look_at(&frames.each_ref().map(|frame| (frame, None)));
        let together: Vec<_> = together.into_iter().map(Result::unwrap).collect();
        assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 2]);
        let middle = together[0][0].bounds.middle();
        assert!((middle.0 - 3.5 / 16.0).abs() < 1e-9 && (middle.1 - 3.5 / 8.0).abs() < 1e-9, "{middle:?}");
        if alone.is_empty() {
            alone = together;
        } else {
            assert_eq!(together, alone, "in one run as in three");
        }
    }
}

#[test]
fn camera_models_say_how_sure_they_must_be_and_the_config_goes_before_them() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let model = mirror((16, 8), Side::Any);
    for (story, manifest, config, sure) in [
        ("nobody says", "", None, 0.4),
        ("the manifest", "confidence_min = 0.3\n", None, 0.3),
        ("the config", "confidence_min = 0.3\n", Some(0.8), 0.8),
    ] {
        let path = laid(dir.path(), &model, &format!("{manifest}{GREY}"));
        let options = VisionOptions { model: path, confidence_min: config, ..VisionOptions::default() };
        let mut detector = Detector::of(&options).unwrap();
        assert_eq!(detector.sure(), sure, "{story}");
        // Half as sure is told, too: it may be who was there a moment ago.
        let found = [0.6, 0.4].map(|share| {
            let somebody = lit(&[(3, 3)], (255.0 * share * sure).round() as u8);
            detector.look(&somebody, None).unwrap().len()
        });
        assert_eq!(found, [1, 0], "{story}");
    }
}

fn rgb(more: &str, output: &str) -> String {
    format!(
        "[input]\nname = \"images\"\nsize = [64, 32]\nlayout = \"nchw\"\nchannels = \"rgb\"\nfit = \"stretch\"\n{more}\n\
         [output]\n{output}\n"
    )
}

/// What an RT-DETR that is told the picture's size answers: one person, one dog.
fn post_processed() -> Vec<u8> {
    let boxes = vec![16.0, 8.0, 32.0, 24.0, 0.0, 0.0, 10.0, 10.0];
    let answers = [
        Answer { name: "labels", shape: vec![1, 2], values: Values::I64(vec![0, 16]) },
        Answer { name: "boxes", shape: vec![1, 2, 4], values: Values::F32(boxes) },
        Answer { name: "scores", shape: vec![1, 2], values: Values::F32(vec![0.9, 0.9]) },
    ];
    oracle((64, 32), Some("orig_target_sizes"), &answers)
}

#[test]
fn camera_models_with_a_second_input_and_whole_numbers_are_read() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let rest = rgb("size_name = \"orig_target_sizes\"", "kind = \"rtdetr\"\nclass = 0");
    let mut detector = Detector::open(&laid(dir.path(), &post_processed(), &rest), None, 1, 0.5).unwrap();
    let found = detector.look(&picture(&[]), None).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let b = found[0].bounds;
    assert_eq!((b.x, b.y, b.w, b.h), (0.25, 0.25, 0.25, 0.5));
}

#[test]
fn camera_models_that_do_not_fit_their_manifest_are_told_when_opened() {
    let _machine = crate::shared();
    let yolox = "kind = \"yolox\"\nstrides = [8, 16, 32]\nclass = 0\noverlap = 0.5";
    let yolov8 = "kind = \"yolov8\"\nclass = 0\nclasses = 1\noverlap = 0.5";
    let cells = 32 + 8 + 2;
    let one = |name, shape: &[usize]| oracle((64, 32), None, &[Answer::zeros(name, shape)]);
    let name = |text: String, name: &str| text.replace("\"images\"", name);
    for (story, model, rest, says) in [
        ("it fits", one("output", &[1, cells, 6]), rgb("", yolox), ""),
        (
            "another kind",
            one("output0", &[1, 84, cells]),
            rgb("", yolox),
            "it cannot be read as `kind = \"yolox\"`: output `output0` is [84, 42] instead of [42, more than 5]; by its shapes \
             the manifest would need: kind = \"yolov8\", class = 0, classes = 80, overlap = 0.5",
        ),
        (
            "another number of classes",
            one("output0", &[1, 84, cells]),
            rgb("", yolov8),
            "output `output0` is [84, 42] instead of [5, cells]: 4 + 1 classes + 3 x 0 keypoints; by its shapes",
        ),
        (
            "a classifier",
            one("probabilities", &[1, 1000]),
            rgb("", yolov8),
            "`probabilities` is [1000] instead of [5, cells]: 4 + 1 classes + 3 x 0 keypoints; no kind of output known here",
        ),
        (
            "another input's name",
            one("output", &[1, cells, 6]),
            name(rgb("", yolox), "\"image\""),
            "it has no input `image`; its inputs are `images` [1, 3, 32, 64]",
        ),
        (
            "another size",
            one("output", &[1, cells, 6]),
            rgb("", yolox).replace("[64, 32]", "[64, 64]"),
            "its input is `images` [1, 3, 32, 64] of f32, not [1, 3, 64, 64] of f32; the manifest would need its size",
        ),
        (
            "it must be told a size, and nobody does",
            post_processed(),
            rgb("", "kind = \"rtdetr\"\nclass = 0"),
            "it wants more than pictures: `orig_target_sizes` [-1, 2]; a picture's width and height go to",
        ),
        (
            "a size for nobody",
            one("output", &[1, cells, 6]),
            rgb("size_name = \"sizes\"", yolox),
            "it has no input `sizes`, which `size_name` names",
        ),
        ("no model at all", b"not a model".to_vec(), rgb("", yolox), "opening model m: "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let opened = Detector::open(&laid(dir.path(), &model, &rest), None, 1, 0.5);
        let told = opened.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{story}: {told}");
    }
}

#[test]
fn camera_models_never_fall_back_to_the_cpu_in_silence() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let manifest = laid(dir.path(), &mirror((16, 8), Side::Any), GREY);
    for (provider, wanted) in
        [(Provider::Cuda, "CUDA"), (Provider::Tensorrt, "TensorRT"), (Provider::Openvino, "OpenVINO")]
    {
        let runtime = Runtime { provider, ..Runtime::default() };
        let Err(error) = Detector::with(&manifest, &runtime, 0.5) else {
            println!("SKIPPED: this machine's ONNX Runtime has {wanted}");
            continue;
        };
        let told = error.to_string();
        assert!(told.contains(&format!("this ONNX Runtime has no {wanted}; it has: CPUExecutionProvider.")), "{told}");
    }
}

#[test]
fn camera_models_that_do_not_fit_are_told_by_check_and_doctor() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("shop")).unwrap();
    fs::create_dir(at("models")).unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop");
    for name in ["shop.toml", "planogram.csv", "catalogue.csv"] {
        fs::copy(demo.join(name), at("shop").join(name)).unwrap();
    }
    fs::write(at("carryout.toml"), "[vision]\nmodel = \"models/m.toml\"\n[state]\ndirectory = \"state\"\n").unwrap();
    let config = at("carryout.toml");
    let ask = |args: &[&str]| said(&run(&[args, &["--config", config.to_str().unwrap()]].concat()));
    for (story, radii, says) in [
        ("it fits", "[2.0]", None),
        ("it does not", "[2.0, 3.0]", Some("output `score` is [1, 8, 16] for 2 radii; no kind of output known here")),
    ] {
        laid(&at("models"), &mirror((16, 8), Side::Is(1)), &GREY.replace("[2.0]", radii));
        let (checked, doctored) = (ask(&["check"]), ask(&["doctor", "--listen", "0.1s"]));
        let told = checked.lines().find(|line| line.starts_with("error   m.toml")).unwrap_or_default();
        let doctors = doctored.lines().find(|line| line.contains(" models ")).unwrap_or_default();
        assert_eq!(told.contains(says.unwrap_or("never")), says.is_some(), "{story}: {checked}");
        assert!(told.is_empty() == says.is_none(), "{story}: {checked}");
        assert_eq!(doctors.starts_with("failed"), says.is_some(), "{story}: {doctored}");
        assert!(doctors.contains(says.unwrap_or("`m` looks at a picture in ")), "{story}: {doctored}");
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carryout")).args(args).output().unwrap()
}

fn carryout(args: &[&str]) -> Output {
    run(&[&["models"], args].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Answers each request once, in order, and ends.
fn server(answers: Vec<Vec<u8>>) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(&answer).unwrap();
        }
    };
    (port, std::thread::spawn(serve))
}

#[test]
fn camera_models_are_taken_in_with_hash_and_licence_or_not_at_all() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("models");
    let folder_text = folder.to_str().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pose = at("pose.onnx", &oracle((64, 32), None, &[Answer::zeros("output0", &[1, 56, 42])]));
    let detr = post_processed();
    let strange = at("strange.onnx", &oracle((64, 32), None, &[Answer::zeros("mask", &[1, 1, 32, 64])]));
    let text = at("text.onnx", b"not a model");

    let ok = |body: &[u8]| [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", body].concat();
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/x\r\ncontent-length: 0\r\n\r\n".to_vec();
    let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
    let (port, served) = server(vec![ok(&detr), elsewhere, missing]);
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let (detr_url, away, gone) = (url("detr.onnx?sig=secret"), url("away.onnx"), url("gone.onnx"));

    for (story, args, works, says) in [
        ("a skeleton", vec![&pose[..], "--licence", "AGPL-3.0-only"], true, "keypoints = \"coco17\""),
        ("from an address", vec![&detr_url, "--licence", "Apache-2.0"], true, "size_name = \"orig_target_sizes\""),
        ("twice", vec![&pose, "--licence", "AGPL-3.0-only"], false, "is there already"),
        (
            "twice, on purpose",
            vec![&pose, "--licence", "AGPL-3.0-only", "--force"],
            true,
            "AGPL-3.0-only asks something",
        ),
        ("no licence", vec![&pose, "--name", "a"], false, "--licence"),
        ("a licence that is none", vec![&pose, "--name", "a", "--licence", "\"x\n"], false, "is not a licence"),
        ("a name that leads away", vec![&pose, "--name", "../a", "--licence", "MIT"], false, "is no name for a model"),
        ("another file", vec![&pose, "--name", "a", "--licence", "MIT", "--sha256", "00"], false, "it is another file"),
        (
            "no detector",
            vec![&strange, "--licence", "MIT"],
            false,
            "its outputs are `mask` [1, 1, 32, 64], and of no kind",
        ),
        ("no model", vec![&text, "--licence", "MIT"], false, "opening model text"),
        ("no file", vec!["nowhere.onnx", "--licence", "MIT"], false, "fetching model nowhere.onnx: No such file"),
        (
            "pointed elsewhere",
            vec![&away, "--licence", "MIT"],
            false,
            "points to https://elsewhere.example/x; if you trust",
        ),
        ("not there", vec![&gone, "--licence", "MIT"], false, "the server says 404"),
        ("in the open", vec!["http://192.0.2.1/x.onnx", "--licence", "MIT"], false, "use https://"),
    ] {
        let output = carryout(&[&["add"], &args[..], &["--models", folder_text]].concat());
        let told = said(&output);
        assert_eq!(output.status.success(), works, "{story}: {told}");
        assert!(told.contains(says), "{story}: {told}");
    }
    served.join().unwrap();

    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["detr.onnx", "detr.toml", "pose.onnx", "pose.toml"], "what did not work left nothing behind");
    let manifest = fs::read_to_string(folder.join("detr.toml")).unwrap();
    let hash: String = Sha256::digest(&detr).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(manifest.contains(&hash) && manifest.contains("licence = \"Apache-2.0\""), "{manifest}");
    assert!(!manifest.contains("secret"), "{manifest}");

    let listed = carryout(&["list", "--models", folder_text]);
    let told = said(&listed);
    assert!(listed.status.success(), "{told}");
    for line in
        ["fits    `detr`: rtdetr, 64 x 32, Apache-2.0; one picture", "fits    `pose`: yolov8, 64 x 32, AGPL-3.0-only"]
    {
        assert!(told.contains(line), "{told}");
    }
    fs::write(folder.join("pose.onnx"), &detr).unwrap();
    fs::write(folder.join("detr.toml"), manifest.replace("rtdetr", "rtdetre")).unwrap();
    let listed = carryout(&["list", "--models", folder_text]);
    let told = said(&listed);
    assert!(!listed.status.success(), "{told}");
    for line in ["unknown variant `rtdetre`", "its sha256 is"] {
        assert!(told.contains(line), "{told}");
    }
}
