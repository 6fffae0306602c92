//! Shop files nobody could open a shop with, and what their owner is told: the exact sentences, all of them at once.

use carryout::base::{CameraId, Cents, Point2, Point3, ProductId, ShelfId};
use carryout::shop::projection::pixel_of;
use carryout::shop::{CameraKind, GateDirection, Problem, Shop};
use std::path::Path;

/// A small shop that opens; every row below breaks one thing in it.
const SHOP: &str = r#"
id = "corner"
name = "Corner shop"
currency = "EUR"
timezone = "UTC"

[tax]
standard = "19 %"
reduced = 700

[floor]
outline = [[0, 0], [6, 0], [6, 5], [0, 5]]

[[zones]]
kind = "entry"
polygon = [[2, 0], [4, 0], [4, 1]]

[[exit_lines]]
from = [2.4, 0.0]
to = [3.6, 0.0]
inside = [3.0, 1.0]

[[gates]]
id = "gate-1"
reader = [2.7, -0.4]
line = { from = [2.4, 0.0], to = [3.6, 0.0], inside = [3.0, 1.0] }
direction = "both"

[[bays]]
id = "1"
position = [1.0, 4.5, 0.0]
size = [1.2, 0.05, 1.8]

[[bays.shelves]]
id = "1-1"
position = [0.0, -0.4, 0.4]
size = [1.2, 0.4]
plates = { count = 12, width = 0.1, depth = 0.4 }

[[bays.shelves]]
id = "1-2"
position = [0.0, -0.4, 0.8]
size = [1.2, 0.4]
[[bays.shelves.plates]]
position = [0.0, 0.0, 0.0]
size = [0.5, 0.4]
[[bays.shelves.plates]]
position = [0.6, 0.0, 0.0]
size = [0.5, 0.4]

[[cameras]]
id = "top-1"
kind = "rtsp"
url = "rtsp://127.0.0.1:8554/top-1"
covers = [[0, 0], [6, 0], [6, 5], [0, 5]]
size = [640, 480]
intrinsics = { fx = 400, fy = 400, cx = 320, cy = 240, k1 = -0.1 }
pose = { position = [3.0, 2.5, 5.0], look_at = [3.0, 2.5, 0.0] }

[[cameras]]
id = "people-1"
kind = "people"
covers = [[0, 0], [6, 0], [6, 5], [0, 5]]
"#;

const PLANOGRAM: &str = "\
shelf,plate,product
1-1,1-3,4006381333931
1-1,4,WAFER
1-2,2,90162909
";

const CATALOGUE: &str = "\
product,name,price,tax_class,deposit,weight_g,weight_tolerance_g,restricted
4006381333931,Still water,0.79,standard,0.25,1041,12,
WAFER,\"Wafer, hazelnut\",0.69,reduced,,42.5,,no
90162909,Beer,1.39,standard,0.08,887,18,yes
";

fn told(outcome: Result<(Shop, Vec<Problem>), Vec<Problem>>) -> Vec<String> {
    let (kind, problems) = match outcome {
        Ok((_, warnings)) => ("warning", warnings),
        Err(problems) => ("", problems),
    };
    let tell = |p: &Problem| if kind == "warning" { format!("warning: {p}") } else { p.to_string() };
    problems.iter().map(tell).collect()
}

#[test]
fn the_small_shop_opens_as_written() {
    let (shop, warnings) = Shop::parse(SHOP, PLANOGRAM, CATALOGUE).unwrap_or_else(|p| panic!("{:#?}", told(Err(p))));
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert_eq!((shop.id.as_str(), shop.currency.as_str(), shop.tax_included), ("corner", "EUR", true));
    let shelf = &shop.layout.shelves[&ShelfId::new("1-1")];
    assert!(shelf.plate(12).unwrap().centre.distance(Point3::new(2.15, 4.3, 0.4)) < 1e-9, "{shelf:?}");
    let uneven = &shop.layout.shelves[&ShelfId::new("1-2")];
    assert!(uneven.plate(2).unwrap().centre.distance(Point3::new(1.85, 4.3, 0.8)) < 1e-9, "{uneven:?}");
    let on: Vec<_> = shop.planogram.on_shelf(&shelf.id).map(|(plate, product)| (plate, product.as_str())).collect();
    assert_eq!(on, [(1, "4006381333931"), (2, "4006381333931"), (3, "4006381333931"), (4, "WAFER")]);
    let beer = shop.catalogue.get(&ProductId::new("90162909")).unwrap();
    assert_eq!((beer.price, beer.deposit, beer.restricted, beer.tax.rate_bp), (Cents(139), Cents(8), true, 1900));
    let wafer = shop.catalogue.get(&ProductId::new("WAFER")).unwrap();
    assert_eq!((wafer.name.as_str(), wafer.tax.rate_bp, wafer.weight_tolerance_g), ("Wafer, hazelnut", 700, 2.1));
    // A ceiling camera 5 m up with f = 400: 80 px a metre, the picture's top towards +y.
    let top = &shop.layout.cameras[&CameraId::new("top-1")];
    let pixel = pixel_of(&top.projection.unwrap(), Point3::new(4.0, 3.5, 0.0)).unwrap();
    assert!(pixel.distance(Point2::new(400.0, 160.0)) < 1e-9, "{pixel:?}");
    assert_eq!(shop.layout.lenses[&top.id].k1, -0.1);
    assert_eq!(shop.layout.gates.values().next().unwrap().direction, GateDirection::Both);
    assert_eq!(shop.layout.cameras[&CameraId::new("people-1")].kind, CameraKind::People);
}

#[test]
fn a_shop_survives_being_written_and_read() {
    let (shop, _) = Shop::parse(SHOP, PLANOGRAM, CATALOGUE).unwrap();
    let at = tempfile::tempdir().unwrap();
    shop.write(at.path()).unwrap();
    let (again, warnings) = Shop::read(at.path()).unwrap_or_else(|p| panic!("{:#?}", told(Err(p))));
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert_eq!(again.planogram, shop.planogram);
    assert!(again.catalogue.iter().eq(shop.catalogue.iter()));
    assert_eq!(again.shop_toml(), shop.shop_toml(), "written twice, the same text");
    for (id, shelf) in &shop.layout.shelves {
        for (a, b) in shelf.plates.iter().zip(&again.layout.shelves[id].plates) {
            assert!(a.centre.distance(b.centre) < 1e-5, "{id}: {a:?} became {b:?}");
        }
    }
    let id = CameraId::new("top-1");
    assert_eq!(again.layout.lenses[&id], shop.layout.lenses[&id]);
}

#[test]
fn the_demo_shop_opens_without_a_word() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop");
    let (shop, warnings) = Shop::read(&demo).unwrap_or_else(|p| panic!("{:#?}", told(Err(p))));
    let warnings: Vec<String> = warnings.iter().map(Problem::to_string).filter(|w| !w.contains("tzdata")).collect();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((shop.layout.bays.len(), shop.layout.shelves.len(), shop.catalogue.len()), (3, 9, 28));
    assert!(shop.layout.shelves.values().all(|shelf| (8..=12).contains(&shelf.plates.len())));
    assert!(shop.catalogue.iter().any(|p| p.restricted) && shop.catalogue.iter().any(|p| p.deposit > Cents::ZERO));
    // Everything on a shelf is between what one plate resolves and what one hand carries.
    assert!(shop.catalogue.iter().all(|p| (30.0..=1_100.0).contains(&p.weight_g)), "{:?}", shop.catalogue);
    assert!(shop.catalogue.tax_classes().count() >= 2);
}

enum In {
    Shop,
    Planogram,
    Catalogue,
}
use In::{Catalogue, Planogram, Shop as ShopToml};

/// Replaces one thing and expects exactly these sentences.
fn check(rows: &[(In, &str, &str, &[&str])]) {
    let mut wrong = String::new();
    for (file, from, to, wanted) in rows {
        let mut texts = [SHOP, PLANOGRAM, CATALOGUE].map(str::to_string);
        let text = match file {
            ShopToml => &mut texts[0],
            Planogram => &mut texts[1],
            Catalogue => &mut texts[2],
        };
        assert!(text.contains(from), "the story about `{from}` changes nothing");
        *text = text.replacen(from, to, 1);
        let told = told(Shop::parse(&texts[0], &texts[1], &texts[2]));
        if told != *wanted {
            wrong += &format!("`{from}` became `{to}`\n  wanted {wanted:#?}\n  told {told:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn shop_toml_that_cannot_be() {
    check(&[
        // Words.
        (
            ShopToml,
            "outline =",
            "outlien =",
            &[
                "shop.toml line 11: [floor] has no `outline`",
                "shop.toml line 12: unknown key `outlien` in [floor]; did you mean `outline`?",
            ],
        ),
        (
            ShopToml,
            "currency = \"EUR\"",
            "currency = \"eur\"",
            &["shop.toml line 4: currency `eur` is not an ISO 4217 code; did you mean EUR?"],
        ),
        (
            ShopToml,
            "currency = \"EUR\"",
            "currency = \"Euros\"",
            &["shop.toml line 4: currency `Euros` is not an ISO 4217 code; write three capital letters, such as EUR"],
        ),
        (
            ShopToml,
            "reduced = 700",
            "reduced = \"7,5 %\"",
            &[
                "shop.toml line 9: tax class `reduced` has no rate from 0 % to 100 %; write \"19 %\", or 1900 for basis points",
                "catalogue.csv line 3: unknown tax class `reduced`; shop.toml names standard",
            ],
        ),
        (
            ShopToml,
            "id = \"corner\"",
            "id = \"my/shop\"",
            &["shop.toml line 2: id `my/shop` cannot stand in a topic; use letters, digits, - _ . and :, at most 64"],
        ),
        (ShopToml, "id = \"corner\"\n", "", &["shop.toml: the file has no `id`"]),
        (ShopToml, "tax]", "tax", &["shop.toml line 7: not TOML: unclosed table, expected `]`"]),
        // Floor and zones.
        (
            ShopToml,
            "[[0, 0], [6, 0], [6, 5], [0, 5]]",
            "[[0, 0], [6, 0]]",
            &["shop.toml line 12: `outline` of [floor] has 2 points; an area needs at least 3"],
        ),
        (
            ShopToml,
            "[[0, 0], [6, 0], [6, 5], [0, 5]]",
            "[[0, 0], [6, 5], [6, 0], [0, 5]]",
            &["shop.toml line 12: the outline crosses itself; list its corners in order, once around"],
        ),
        (
            ShopToml,
            "[[0, 0], [6, 0], [6, 5], [0, 5]]",
            "[[0, 0], [6, nan], [6, 5], [0, 5]]",
            &["shop.toml line 12: `outline` of [floor] is not a list of points [x, y] with finite numbers"],
        ),
        (
            ShopToml,
            "[[2, 0], [4, 0], [4, 1]]",
            "[[2, 0], [4, 0], [3, 0]]",
            &["shop.toml line 14: the polygon of a zone has no area; its points lie on one line"],
        ),
        (
            ShopToml,
            "kind = \"entry\"",
            "kind = \"entrance\"",
            &["shop.toml line 15: unknown zone kind `entrance`; use entry, exit or staff"],
        ),
        // Gates and lines.
        (
            ShopToml,
            "line = { from = [2.4, 0.0], to = [3.6, 0.0]",
            "line = { from = [2.4, 0.0], to = [2.4, 0.0]",
            &["shop.toml line 23: the line of gate gate-1 has no length; give its two ends"],
        ),
        (
            ShopToml,
            "inside = [3.0, 1.0] }",
            "inside = [3.0, 0.0] }",
            &["shop.toml line 23: the inside point of gate gate-1 lies on its line; \
             move it into the shop, so that in and out can be told apart"],
        ),
        (
            ShopToml,
            "inside = [3.0, 1.0] }",
            "inside = [3.0, -1.0] }",
            &["shop.toml line 23: the inside point of gate gate-1 lies outside the outline; \
             in and out would be swapped; move it into the shop"],
        ),
        (
            ShopToml,
            "from = [2.4, 0.0]\nto = [3.6, 0.0]",
            "from = [12.4, 0.0]\nto = [13.6, 0.0]",
            &["shop.toml line 18: the line of an exit line is outside the shop; it belongs on the outline"],
        ),
        (
            ShopToml,
            "direction = \"both\"",
            "direction = \"inward\"",
            &["shop.toml line 27: gate gate-1 cannot lead `inward`; use in, out or both"],
        ),
        (
            ShopToml,
            "reader = [2.7, -0.4]",
            "reader = [2.7]",
            &["shop.toml line 25: `reader` of gate gate-1 is not a list of 2 finite numbers"],
        ),
        // Furniture.
        (
            ShopToml,
            "position = [1.0, 4.5, 0.0]",
            "position = [5.5, 4.5, 0.0]",
            &[
                "shop.toml line 34: shelf 1-1 is outside the outline; its middle is at [6.10, 4.30]",
                "shop.toml line 40: shelf 1-2 is outside the outline; its middle is at [6.10, 4.30]",
            ],
        ),
        (
            ShopToml,
            "position = [0.0, -0.4, 0.8]",
            "position = [0.6, -0.4, 0.41]",
            &["shop.toml line 40: shelves 1-1 and 1-2 are in the same place; around [2.20, 4.30]"],
        ),
        (
            ShopToml,
            "id = \"1-2\"",
            "id = \"1-1\"",
            &[
                "shop.toml line 41: shelf 1-1 is there twice; give each its own id",
                "planogram.csv line 2: plate 1-3 is out of range; shelf 1-1 has plates 1 to 2",
                "planogram.csv line 3: plate 4 is out of range; shelf 1-1 has plates 1 to 2",
                "planogram.csv line 4: unknown shelf 1-2; did you mean 1-1?",
            ],
        ),
        (
            ShopToml,
            "count = 12",
            "count = 14",
            &["shop.toml line 38: 14 plates of 0.1 m are 1.400 m wide, shelf 1-1 is 1.2 m; 12 would fit"],
        ),
        (
            ShopToml,
            "count = 12",
            "cuont = 12",
            &[
                "shop.toml line 38: the row of plates of shelf 1-1 has no `count`",
                "shop.toml line 38: unknown key `cuont` in the row of plates of shelf 1-1; did you mean `count`?",
            ],
        ),
        (
            ShopToml,
            "position = [0.6, 0.0, 0.0]",
            "position = [0.4, 0.0, 0.0]",
            &["shop.toml line 48: plates 1 and 2 of shelf 1-2 lie over each other"],
        ),
        (
            ShopToml,
            "position = [0.6, 0.0, 0.0]",
            "position = [0.9, 0.0, 0.0]",
            &["shop.toml line 48: plate 2 sticks out of shelf 1-2"],
        ),
        (
            ShopToml,
            "size = [1.2, 0.4]",
            "size = [1.2, -0.4]",
            &["shop.toml line 37: `size` of shelf 1-1 is not above zero on every side"],
        ),
        // Cameras.
    ]);
}

#[test]
fn cameras_that_see_nothing() {
    const POSE: &str = "pose = { position = [3.0, 2.5, 5.0], look_at = [3.0, 2.5, 0.0] }";
    const LENS: &str = "intrinsics = { fx = 400, fy = 400, cx = 320, cy = 240, k1 = -0.1 }";
    let both = &format!("{LENS}\n{POSE}");
    check(&[
        (
            ShopToml,
            "kind = \"people\"",
            "kind = \"poeple\"",
            &["shop.toml line 62: unknown camera kind `poeple`; did you mean people?"],
        ),
        (ShopToml, POSE, "", &["shop.toml line 57: camera top-1 has `intrinsics` but no `pose`; give both"]),
        (
            ShopToml,
            POSE,
            "pose = { position = [3.0, 2.5, 5.0] }",
            &[
                "shop.toml line 58: the pose of camera top-1 does not say where it looks; give either `rotation` or `look_at`",
            ],
        ),
        (
            ShopToml,
            POSE,
            "pose = { position = [3, 2, 5], look_at = [3, 2, 5] }",
            &["shop.toml line 58: camera top-1 looks at the point it stands on"],
        ),
        (
            ShopToml,
            POSE,
            "pose = { position = [3.0, 2.5, 5.0], look_at = [9.0, 2.5, 5.0] }",
            &["warning: shop.toml line 51: the middle of what camera top-1 covers is not in its picture; \
             its `projection` or pose does not fit its `covers` or `size`"],
        ),
        (ShopToml, "fx = 400", "fx = 0", &["shop.toml line 57: `fx` of camera top-1 is not above zero"]),
        (
            ShopToml,
            both,
            "",
            &["shop.toml line 53: camera top-1 does not say where its pixels are on the floor; \
             give a 3x4 `projection`, or `intrinsics` and `pose`"],
        ),
        (
            ShopToml,
            both,
            "projection = [[1, 2, 3, 4], [1, 2, 3, 4]]",
            &["shop.toml line 57: `projection` of camera top-1 is not 3 rows of 4 finite numbers"],
        ),
        (
            ShopToml,
            both,
            "projection = [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]]",
            &["shop.toml line 51: the projection of camera top-1 shows the floor as a line or not at all; \
             its 12 numbers turn [x, y, z, 1] in metres into pixels"],
        ),
        (
            ShopToml,
            "size = [640, 480]",
            "size = [640.5, 480]",
            &["shop.toml line 56: `size` of camera top-1 is not width and height in whole pixels"],
        ),
        (
            ShopToml,
            "url = \"rtsp://127",
            "url = \"http://127",
            &["shop.toml line 54: `url` of camera top-1 does not begin with rtsp://"],
        ),
        (
            ShopToml,
            "id = \"people-1\"",
            "id = \"top-1\"",
            &["shop.toml line 61: camera top-1 is there twice; give each its own id"],
        ),
        (
            ShopToml,
            "kind = \"people\"\ncovers = [[0, 0], [6, 0], [6, 5], [0, 5]]",
            "kind = \"people\"\ncovers = [[0, 0], [1, 0], [1, 1]]",
            &["warning: shop.toml line 60: camera people-1 sees no shelf; \
             its `covers` should reach the floor where people stand at a shelf"],
        ),
    ]);
}

#[test]
fn catalogues_that_cannot_be() {
    check(&[
        (
            Catalogue,
            "4006381333931,",
            "4006381333930,",
            &[
                "planogram.csv line 2: unknown product 4006381333931; did you mean 4006381333930?",
                "catalogue.csv line 2: product 4006381333930 has a wrong check digit; \
             4006381333931 would be right; if it is your own code, say yes in a column `local`",
            ],
        ),
        (
            Catalogue,
            "WAFER,",
            "41508922487,",
            &[
                "planogram.csv line 3: unknown product WAFER; add it to catalogue.csv",
                "catalogue.csv line 3: product 41508922487 may be GTIN 041508922487 without its leading zero; \
             format the column as text; if it is your own code, say yes in a column `local`",
            ],
        ),
        (
            Catalogue,
            "90162909,",
            "WAFER,",
            &[
                "planogram.csv line 4: unknown product 90162909; add it to catalogue.csv",
                "catalogue.csv line 4: product WAFER is there twice; it is on line 3 too",
            ],
        ),
        (Catalogue, "0.79", "-0.79", &["catalogue.csv line 2: price -0.79 is negative"]),
        (
            Catalogue,
            "0.79",
            "\"0,79\"",
            &[
                "catalogue.csv line 2: price `0,79` is not an amount; write 250 for minor units, or 2.50: a dot, not a comma",
            ],
        ),
        (
            Catalogue,
            "0.79",
            "79",
            &[
                "warning: catalogue.csv line 2: a price in minor units in a file of decimal prices; write all prices one way",
            ],
        ),
        (Catalogue, "0.79", "", &["catalogue.csv line 2: no price on this line"]),
        (
            Catalogue,
            "standard,0.25",
            "standrad,0.25",
            &["catalogue.csv line 2: unknown tax class `standrad`; did you mean standard?"],
        ),
        (
            Catalogue,
            "reduced,",
            ",",
            &["catalogue.csv line 3: no tax_class on this line; shop.toml names reduced, standard"],
        ),
        (Catalogue, "0.25", "-0.25", &["catalogue.csv line 2: deposit -0.25 is negative"]),
        (Catalogue, "1041", "-1041", &["catalogue.csv line 2: weight_g -1041 is negative"]),
        (Catalogue, "1041", "1e308", &["catalogue.csv line 2: weight_g 1e308 is more than a shelf carries"]),
        (Catalogue, "1041", "inf", &["catalogue.csv line 2: weight_g `inf` is not a finite number"]),
        (
            Catalogue,
            "1041,12",
            ",",
            &["planogram.csv line 2: product 4006381333931 stands on a weighed shelf but has no weight; \
             give weight_g in catalogue.csv line 2"],
        ),
        (
            Catalogue,
            "1041,12",
            "1041,2000",
            &["catalogue.csv line 2: weight_tolerance_g 2000 is not below weight_g 1041"],
        ),
        (Catalogue, "18,yes", "18,perhaps", &["catalogue.csv line 4: restricted `perhaps` is neither yes nor no"]),
        (
            Catalogue,
            "\"Wafer, hazelnut\"",
            "Wafer, hazelnut",
            &[
                "planogram.csv line 3: unknown product WAFER; add it to catalogue.csv",
                "catalogue.csv line 3: 9 columns, but the first line names 8; put a text that holds a comma in \"quotes\"",
            ],
        ),
        (
            Catalogue,
            "weight_g,weight_tolerance_g",
            "weigth_g,weight_tolerance_g",
            &["catalogue.csv line 1: unknown column `weigth_g`; did you mean `weight_g`?"],
        ),
        (
            Catalogue,
            CATALOGUE,
            "product;name;price\n",
            &["catalogue.csv line 1: columns are separated by semicolons; save the file with commas"],
        ),
        (Catalogue, CATALOGUE, "", &["catalogue.csv: empty; the first line names columns: product,name,price"]),
        (
            Catalogue,
            CATALOGUE,
            "product,name,price\n",
            &["catalogue.csv: no product is on sale; write one on each line"],
        ),
    ]);
}

#[test]
fn planograms_that_cannot_be() {
    check(&[
        (Planogram, "WAFER", "WAFFER", &["planogram.csv line 3: unknown product WAFFER; did you mean WAFER?"]),
        (Planogram, "4006381333931", "04006381333931", &[]), // the same item as GTIN-14
        (Planogram, "1-1,4,", "1-4,4,", &["planogram.csv line 3: unknown shelf 1-4; did you mean 1-1?"]),
        (
            Planogram,
            "1-1,4,",
            "1-1,13,",
            &["planogram.csv line 3: plate 13 is out of range; shelf 1-1 has plates 1 to 12"],
        ),
        (
            Planogram,
            "1-1,4,",
            "1-1,0,",
            &["planogram.csv line 3: plate 0 is out of range; shelf 1-1 has plates 1 to 12"],
        ),
        (
            Planogram,
            "1-1,1-3,",
            "1-1,3-1,",
            &["planogram.csv line 2: plate 3-1 is out of range; shelf 1-1 has plates 1 to 12"],
        ),
        (
            Planogram,
            "1-1,4,",
            "1-1,four,",
            &[
                "planogram.csv line 3: plate `four` is not a number; write 4, or 4-5 for a product across several plates",
            ],
        ),
        (
            Planogram,
            "1-1,4,WAFER\n",
            "1-1,4,WAFER\n1-1,4,WAFER\n",
            &["warning: planogram.csv line 4: product WAFER is on plate 4 of shelf 1-1 already"],
        ),
        (
            Planogram,
            "1-1,4,WAFER\n",
            "",
            &["warning: catalogue.csv line 3: product WAFER stands on no shelf; add it to planogram.csv"],
        ),
        (
            Planogram,
            "shelf,plate",
            "shelf,plates",
            &[
                "planogram.csv line 1: unknown column `plates`; did you mean `plate`?",
                "planogram.csv line 1: no column plate; the first line names columns: shelf,plate,product",
            ],
        ),
    ]);
}

#[test]
fn every_mistake_of_three_files_is_told_at_once() {
    let shop = SHOP.replace("count = 12", "count = 13").replace("standard = \"19 %\"", "standard = \"19\"");
    let planogram = PLANOGRAM.replace("WAFER", "WAVER").replace("1-2,2", "1-2,9");
    let catalogue = CATALOGUE.replace("0.69", "-0.69").replace("887", "heavy");
    assert_eq!(
        told(Shop::parse(&shop, &planogram, &catalogue)),
        [
            "shop.toml line 8: tax class `standard` has no rate from 0 % to 100 %; write \"19 %\", or 1900 for basis points",
            "shop.toml line 38: 13 plates of 0.1 m are 1.300 m wide, shelf 1-1 is 1.2 m; 12 would fit",
            "planogram.csv line 3: unknown product WAVER; did you mean WAFER?",
            "planogram.csv line 4: plate 9 is out of range; shelf 1-2 has plates 1 to 2",
            "catalogue.csv line 2: unknown tax class `standard`; shop.toml names reduced",
            "catalogue.csv line 3: price -0.69 is negative",
            "catalogue.csv line 4: unknown tax class `standard`; shop.toml names reduced",
            "catalogue.csv line 4: weight_g `heavy` is not a finite number",
        ]
    );
}

#[test]
fn a_card_number_is_refused_wherever_it_hides_and_never_repeated() {
    let card = "4111 1111 1111 1111";
    let solid = card.replace(' ', "");
    for (texts, line) in [
        (
            [SHOP.replace("\"Corner shop\"", &format!("\"{card}\"")), PLANOGRAM.into(), CATALOGUE.into()],
            "shop.toml line 3: `name`",
        ),
        (
            [SHOP.replace("[floor]", &format!("[floor] # paid with {card}")), PLANOGRAM.into(), CATALOGUE.into()],
            "shop.toml line 11: a comment",
        ),
        (
            [SHOP.replace("[floor]", &format!("\"{solid}\" = 1\n[floor]")), PLANOGRAM.into(), CATALOGUE.into()],
            "shop.toml line 11: a key",
        ),
        ([SHOP.into(), PLANOGRAM.replace("WAFER", &solid), CATALOGUE.into()], "planogram.csv line 3: column product"),
        ([SHOP.into(), format!("# {card}\n{PLANOGRAM}"), CATALOGUE.into()], "planogram.csv line 1: a comment"),
        ([SHOP.into(), PLANOGRAM.into(), CATALOGUE.replace("Beer", card)], "catalogue.csv line 4: column name"),
        ([SHOP.into(), PLANOGRAM.into(), CATALOGUE.replace("WAFER", &solid)], "catalogue.csv line 3: column product"),
    ] {
        let [shop, planogram, catalogue]: &[String; 3] = &texts;
        let told = told(Shop::parse(shop, planogram, catalogue));
        let wanted = format!("{line} holds what looks like a card number; take it out");
        assert!(told.contains(&wanted), "wanted {wanted}\nin {told:#?}");
        assert!(!told.iter().any(|told| told.contains("4111")), "the number is repeated: {told:#?}");
    }
    // A trade item number may satisfy the card check by chance; it is still a trade item number.
    let (gtin, lucky) = ("4006381333931", "4000000000006");
    let shop = Shop::parse(SHOP, &PLANOGRAM.replace(gtin, lucky), &CATALOGUE.replace(gtin, lucky));
    assert_eq!(told(shop), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("shop.toml"), SHOP).unwrap();
    std::fs::write(at.path().join("catalogue.csv"), b"product,name\nA,\xff\n").unwrap();
    let told = told(Shop::read(at.path()));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("planogram.csv: cannot read ") && told[0].contains("No such file"), "{}", told[0]);
    assert!(told[1].ends_with("is not UTF-8; save it as UTF-8"), "{}", told[1]);
}

#[test]
fn a_timezone_nobody_lives_in() {
    let told = told(Shop::parse(&SHOP.replace("\"UTC\"", "\"Europe/Berlim\""), PLANOGRAM, CATALOGUE));
    // A machine without time zones cannot know better, and says so.
    let wanted = match jiff::tz::db().get("Europe/Berlin") {
        Ok(_) => "shop.toml line 5: unknown timezone `Europe/Berlim`; did you mean Europe/Berlin?",
        Err(_) => {
            "warning: shop.toml line 5: timezone `Europe/Berlim` cannot be checked: no time zones are installed; \
             install tzdata"
        }
    };
    assert_eq!(told, [wanted]);
}

#[test]
fn the_example_in_the_documentation_is_a_shop() {
    let docs = include_str!("../../docs/shop-files.md");
    let block = |language: &str, nth: usize| {
        let begin = docs.split(&format!("```{language}\n")).nth(nth).expect("a block of that language");
        begin.split("```").next().unwrap().to_string()
    };
    let told = told(Shop::parse(&block("toml", 1), &block("csv", 2), &block("csv", 1)));
    let told: Vec<&String> = told.iter().filter(|told| !told.contains("tzdata")).collect();
    // It shows both ways to write a price, and is told so.
    let wanted =
        "warning: catalogue.csv line 3: a price in minor units in a file of decimal prices; write all prices one way";
    assert_eq!(told, [wanted]);
}

#[test]
fn no_slip_of_the_hand_stops_the_reader() {
    // Every few bytes something is lost, doubled or replaced: there may be problems, never a panic.
    let files = [SHOP, PLANOGRAM, CATALOGUE];
    let mut refused = 0;
    for (which, text) in files.iter().enumerate() {
        for at in (0..text.len()).step_by(7) {
            let end = (at + 5).min(text.len());
            for with in [
                "",
                &text[at..end].repeat(2),
                "-",
                "1e308",
                "nan",
                "\"",
                ",",
                "[[",
                "9999999999999999999999",
                "\u{feff}ß\r",
            ] {
                let mut texts = files.map(str::to_string);
                texts[which].replace_range(at..end, with);
                refused += usize::from(Shop::parse(&texts[0], &texts[1], &texts[2]).is_err());
            }
        }
    }
    assert!(refused > 1_000, "only {refused} slips were noticed");
}
