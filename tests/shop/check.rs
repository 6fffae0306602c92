//! `carryout check` as its user meets it: one report with everything in it, and an exit that scripts can trust.

use carryout::commands::check::{CheckArgs, Report, check};
use carryout::commands::import::{ImportArgs, ImportFrom, run as import};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A shop directory of one's own, to break.
fn shop_in(at: &Path) -> PathBuf {
    let to = at.join("shop");
    fs::create_dir(&to).unwrap();
    for name in ["shop.toml", "planogram.csv", "catalogue.csv"] {
        fs::copy(root("config/demo-shop").join(name), to.join(name)).unwrap();
    }
    to
}

fn lines(report: &Report) -> Vec<&str> {
    report.text.lines().filter(|line| !line.contains("install tzdata")).collect()
}

#[test]
fn a_shop_that_is_well_is_counted() {
    let report = check(&CheckArgs { config: None, shop: Some(root("config/demo-shop")) });
    assert!(report.is_well);
    let counted = "shop `corner`: 3 bays, 9 shelves, 102 plates, 1 gate, 2 cameras, 28 products";
    assert!(lines(&report).contains(&counted), "{}", report.text);
}

#[test]
fn how_much_of_the_floor_pictures_show_is_told() {
    let at = tempfile::tempdir().unwrap();
    let shop = shop_in(at.path());
    let text = fs::read_to_string(shop.join("shop.toml")).unwrap();
    let corners = fs::read_to_string(root("config/demo-shop/rendered.toml")).unwrap();
    let all = [text.as_str(), &corners].concat();
    let one = &all[..all.rfind("[[cameras]]").unwrap()];
    // Of the floor: shown at all, and near enough. The ceiling's camera looks straight down, where nobody is tall.
    for (story, text, at_all, well) in [
        ("four in the corners and one above", &all, 90..=100, 70..=100),
        ("a corner less", &one.to_owned(), 85..=100, 50..=95),
        ("the one above", &text, 60..=100, 0..=20),
    ] {
        fs::write(shop.join("shop.toml"), text).unwrap();
        let report = check(&CheckArgs { config: None, shop: Some(shop.clone()) });
        let line = lines(&report).into_iter().find_map(|line| line.strip_prefix("pictures show ")).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("{story}: {}", report.text));
        let shares: Vec<u32> = line.split(" %").filter_map(|part| part.rsplit(' ').next()?.parse().ok()).collect();
        assert!(at_all.contains(&shares[0]) && well.contains(&shares[1]), "{story}: {line}");
        assert_eq!(line.contains("the largest part in none: "), shares[0] < 100, "{story}: {line}");
    }
}

#[test]
fn config_shop_secrets_and_models_are_looked_at_together() {
    let at = tempfile::tempdir().unwrap();
    shop_in(at.path());
    fs::create_dir(at.path().join("models")).unwrap();
    for name in ["disc.toml", "disc.onnx"] {
        fs::copy(root("models").join(name), at.path().join("models").join(name)).unwrap();
    }
    let config = at.path().join("carryout.toml");
    let token = at.path().join("token");
    fs::write(&config, "[web]\ntoken_file = \"token\"\n").unwrap();
    fs::write(&token, "s3cret\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    let look = || check(&CheckArgs { config: Some(config.clone()), shop: None });

    let report = look();
    assert!(report.is_well, "{}", report.text);
    assert!(report.text.contains("model `disc`: "), "{}", report.text);

    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let report = look();
    assert!(report.is_well && report.text.contains("warning token: everybody may read "), "{}", report.text);

    // Everything goes wrong on one day; all of it is in one report.
    fs::write(&config, "[web]\ntoken_file = \"token\"\nlissten = 1\n[steps]\nstep_g = 100.0\n").unwrap();
    fs::write(&token, "\n").unwrap();
    fs::write(at.path().join("models/disc.onnx"), "another model").unwrap();
    let planogram = at.path().join("shop/planogram.csv");
    fs::write(&planogram, fs::read_to_string(&planogram).unwrap().replace("2-3,4-6", "2-3,4-60")).unwrap();
    let report = look();
    assert!(!report.is_well);
    for wanted in [
        "error   carryout.toml line 3: unknown key `lissten` in [web]; did you mean listen?",
        "error   token: ",
        "error   planogram.csv line 19: plate 4-60 is out of range; shelf 2-3 has plates 1 to 10",
        "not ready: ",
    ] {
        assert!(report.text.lines().any(|line| line.starts_with(wanted)), "wanted {wanted}\nin {}", report.text);
    }
    assert!(!report.text.contains("s3cret"));
}

#[test]
fn the_login_a_camera_names_is_looked_at_where_it_lies() {
    let at = tempfile::tempdir().unwrap();
    let shop = shop_in(at.path());
    let config = at.path().join("carryout.toml");
    fs::write(&config, "").unwrap();
    let text = fs::read_to_string(shop.join("shop.toml")).unwrap();
    let url = "rtsp://127.0.0.1:8554/top-1";
    assert!(text.contains(url), "the demonstration's camera");
    fs::write(shop.join("shop.toml"), text.replace(url, "rtsp://{credential:cameras}@127.0.0.1:8554/top-1")).unwrap();
    let look = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_carryout"));
        command.arg("check").arg("--config").arg(&config).env_remove("CREDENTIALS_DIRECTORY");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let secret = at.path().join("secrets/cameras");
    fs::create_dir(at.path().join("secrets")).unwrap();
    for (story, holds, says) in [
        ("not there", None, Some("the login of camera top-1 cannot be looked at here; only the service is handed")),
        ("no login", Some("hush-hush\n"), Some("the login of camera top-1: ")),
        ("a login", Some("ann:hush-hush\n"), None),
    ] {
        if let Some(holds) = holds {
            fs::write(&secret, holds).unwrap();
        }
        let said = look();
        let warning = said.lines().find(|line| line.contains("the login of camera"));
        let fits = says.is_none() == warning.is_none() && warning.unwrap_or("").contains(says.unwrap_or(""));
        assert!(fits && !said.contains("hush-hush"), "{story}: {said}");
    }
}

#[test]
fn credentials_are_the_services_own() {
    let at = tempfile::tempdir().unwrap();
    let config = at.path().join("carryout.toml");
    fs::write(&config, "[web]\ntoken_file = \"credential:web\"\n[upstream]\ntoken_file = \"credential:pay\"\n")
        .unwrap();
    let handed = at.path().join("credentials");
    fs::create_dir(&handed).unwrap();
    fs::write(handed.join("web"), "s3cret-enough-for-a-token\n").unwrap();
    let look = |directory: Option<&Path>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_carryout"));
        command.args(["check", "--shop"]).arg(root("config/demo-shop")).arg("--config").arg(&config);
        match directory {
            Some(directory) => command.env("CREDENTIALS_DIRECTORY", directory),
            None => command.env_remove("CREDENTIALS_DIRECTORY"),
        };
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };

    let (is_well, said) = look(None);
    assert!(is_well, "by hand nobody is handed them, and the rest counts: {said}");
    for wanted in [
        "warning credential:web: the token_file of [web] cannot be looked at here: only the service is handed it",
        "warning credential:pay: the token_file of [upstream] cannot be looked at here",
        "shop `corner`: 3 bays",
    ] {
        assert!(said.contains(wanted), "wanted {wanted}\nin {said}");
    }

    // Beside the config lies what the unit would hand over: whoever may read it there looks at it.
    let secrets = at.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    let put = |name: &str, text: &str, mode: u32| {
        fs::write(secrets.join(name), text).unwrap();
        fs::set_permissions(secrets.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    put("web", "s3cret-enough-for-a-token\n", 0o600);
    put("pay", "\n", 0o600);
    let (is_well, said) = look(None);
    assert!(!is_well && !said.contains("[web]") && !said.contains("s3cret"), "{said}");
    let empty = format!("the token_file of [upstream]: {} is empty", secrets.join("pay").display());
    assert!(said.contains(&empty), "{said}");
    put("pay", "s3cret\n", 0o644);
    let (is_well, said) = look(None);
    assert!(is_well && said.contains(&format!("everybody may read {}", secrets.join("pay").display())), "{said}");

    // The service looks at what it is handed, and at nothing else.
    let (is_well, said) = look(Some(&handed));
    assert!(!is_well && !said.contains("[web]") && !said.contains("s3cret"), "{said}");
    let wanted = "error   credential:pay: the token_file of [upstream]: credential:pay was not handed over; \
                  add LoadCredential=pay to the service";
    assert!(said.contains(wanted), "{said}");
    fs::write(handed.join("pay"), "\n").unwrap();
    assert!(look(Some(&handed)).1.contains("credential:pay is empty; write the secret into its first line"));
}

#[test]
fn certificates_for_the_broker_are_looked_at() {
    let at = tempfile::tempdir().unwrap();
    let config = at.path().join("carryout.toml");
    fs::write(&config, "[mqtt]\nca_file = \"ca.crt\"\nclient_cert_file = \"own.crt\"\nclient_key_file = \"own.key\"\n")
        .unwrap();
    let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (own, another) = (made("carryout"), made("another"));
    let (pem, key, other_key) = (own.cert.pem(), own.signing_key.serialize_pem(), another.signing_key.serialize_pem());
    for (story, ca, cert, key, wanted) in [
        ("all is well", Some(pem.as_str()), Some(pem.as_str()), Some(key.as_str()), None),
        ("no CA", None, Some(&pem), Some(&key), Some("the ca_file of [mqtt]: cannot read ")),
        ("no PEM", Some("hello"), Some(&pem), Some(&key), Some("ca.crt is no certificate in PEM")),
        ("no certificate", Some(&pem), None, Some(&key), Some("the client_cert_file of [mqtt]: cannot read ")),
        ("no certificate, though the CA is none either", Some("x"), None, Some(&key), Some("own.crt: No such file")),
        ("no key", Some(&pem), Some(&pem), None, Some("the client_key_file of [mqtt]: cannot read ")),
        ("an empty key", Some(&pem), Some(&pem), Some(""), Some("own.key is empty")),
        ("not a key", Some(&pem), Some(&pem), Some(&pem), Some("own.key is no private key in PEM")),
        ("another's key", Some(&pem), Some(&pem), Some(&other_key), Some("own.key does not go with client_cert_file")),
    ] {
        for (name, text) in [("ca.crt", ca), ("own.crt", cert), ("own.key", key)] {
            let path = at.path().join(name);
            let _ = fs::remove_file(&path);
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        let report = check(&CheckArgs { config: Some(config.clone()), shop: Some(root("config/demo-shop")) });
        let errors: Vec<&str> = lines(&report).into_iter().filter(|line| line.starts_with("error")).collect();
        match wanted {
            None => assert!(report.is_well, "{story}: {}", report.text),
            Some(wanted) => assert!(
                errors.iter().any(|line| line.contains(wanted)) && !report.text.contains("PRIVATE KEY-----\n"),
                "{story}: {}",
                report.text
            ),
        }
    }
}

#[test]
fn a_model_that_is_not_the_one_its_manifest_speaks_of() {
    let at = tempfile::tempdir().unwrap();
    shop_in(at.path());
    fs::create_dir(at.path().join("models")).unwrap();
    fs::copy(root("models/disc.toml"), at.path().join("models/disc.toml")).unwrap();
    let config = at.path().join("carryout.toml");
    fs::write(&config, "").unwrap();
    let look = || check(&CheckArgs { config: Some(config.clone()), shop: None });
    assert!(!look().is_well, "the .onnx file is missing: {}", look().text);
    fs::write(at.path().join("models/disc.onnx"), "another model").unwrap();
    let report = look();
    assert!(!report.is_well && report.text.contains("its sha256 is "), "{}", report.text);

    fs::write(&config, "[vision]\nmodel = \"none.toml\"\n").unwrap();
    let report = look();
    assert!(report.text.contains("error   none.toml: no model manifest none.toml; "), "{}", report.text);
    // A shop whose cameras only send people needs no model.
    let shop = at.path().join("shop/shop.toml");
    let text = fs::read_to_string(&shop).unwrap();
    let top = text.find("# On the ceiling").unwrap()..text.find("# Looks elsewhere").unwrap();
    fs::write(&shop, text.replace(&text[top], "")).unwrap();
    assert!(look().is_well, "{}", look().text);
}

#[test]
fn a_step_larger_than_the_lightest_product_is_warned_of() {
    let at = tempfile::tempdir().unwrap();
    let config = at.path().join("carryout.toml");
    fs::write(&config, "[steps]\nstep_g = 25.0\n").unwrap();
    let report = check(&CheckArgs { config: Some(config), shop: Some(root("config/demo-shop")) });
    let wanted = "warning catalogue.csv: 20006662 weighs 31 g, too little for `step_g` = 25 of [steps]; \
                  it may leave unseen: sell it in larger packs, or lower step_g";
    assert!(lines(&report).contains(&wanted), "{}", report.text);
}

#[test]
fn a_password_in_the_open_is_warned_of() {
    let at = tempfile::tempdir().unwrap();
    let config = at.path().join("carryout.toml");
    for (host, warned) in [("broker.example", true), ("10.0.0.7", true), ("localhost", false), ("127.0.0.1", false)] {
        let text = format!("[mqtt]\nhost = \"{host}\"\nuser = \"carryout\"\npassword_file = \"credential:mqtt\"\n");
        fs::write(&config, text).unwrap();
        let report = check(&CheckArgs { config: Some(config.clone()), shop: Some(root("config/demo-shop")) });
        let wanted = format!("the password travels to {host} in the open; speak TLS");
        assert!(report.is_well && report.text.contains(&wanted) == warned, "{host}: {}", report.text);
    }
}

#[test]
fn scales_of_shelves_that_nobody_built() {
    let at = tempfile::tempdir().unwrap();
    let config = at.path().join("carryout.toml");
    let scale = |shelf: &str, plate: u16| {
        format!("[[mqtt.scales]]\ntopic = \"s/{shelf}/{plate}\"\nshelf = \"{shelf}\"\nplate = {plate}\nunit = \"g\"\n")
    };
    fs::write(&config, scale("2-3", 1) + &scale("2-3", 60) + &scale("7-7", 1)).unwrap();
    let report = check(&CheckArgs { config: Some(config), shop: Some(root("config/demo-shop")) });
    let errors: Vec<&str> = lines(&report).into_iter().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        errors,
        [
            "error   carryout.toml: [mqtt] scales: topic `s/2-3/60` is of plate 60 of shelf 2-3; it has plates 1 to 10",
            "error   carryout.toml: [mqtt] scales: topic `s/7-7/1` is of shelf 7-7, which shop.toml does not have",
        ]
    );
}

#[test]
fn an_import_never_overwrites_a_shop() {
    let at = tempfile::tempdir().unwrap();
    let to = shop_in(at.path());
    let before = fs::read(to.join("shop.toml")).unwrap();
    let args = |from: &Path, to: &Path| ImportArgs { from: ImportFrom::Nanostore { from: from.into(), to: to.into() } };
    assert_eq!(import(&args(at.path(), &to)).unwrap(), ExitCode::FAILURE);
    assert_eq!(fs::read(to.join("shop.toml")).unwrap(), before);
    assert_eq!(import(&args(at.path(), &at.path().join("new"))).unwrap(), ExitCode::FAILURE, "nothing to import");
    assert!(!at.path().join("new").exists());

    fs::write(
        at.path().join("geometry.csv"),
        "kind,gondola,shelf,plate,x_m,y_m,z_m,rx_rad,ry_rad,rz_rad,dim_x_m,dim_y_m\n\
         gondola,1,,,0,0,0,0,0,0,1,0.1\nshelf,1,1,,0,-0.4,1,0,0,0,1,0.4\nplate,1,1,1,0,0,0,0,0,0,0.5,0.4\n",
    )
    .unwrap();
    fs::write(at.path().join("planogram.csv"), "gondola,shelf,plate,product\n1,1,1,X1\n").unwrap();
    fs::write(at.path().join("products.csv"), "product,name,weight_g\nX1,Tape,36\n").unwrap();
    let new = at.path().join("new");
    assert_eq!(import(&args(at.path(), &new)).unwrap(), ExitCode::SUCCESS);
    let report = check(&CheckArgs { config: None, shop: Some(new) });
    assert!(report.is_well, "{}", report.text);
    assert!(report.text.contains("shop `nanostore`: 1 bay, 1 shelf, 1 plate, 1 gate, 1 camera, 1 product"));
}
