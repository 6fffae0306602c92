//! A real shop's published tables become a shop that passes its own check. Needs the field data; says so when it has
//! none. The small tables below tell the rest.

use carryout::base::geometry::within;
use carryout::base::{CameraId, Cents, GateId, Point2, ProductId, ShelfId};
use carryout::shop::nanostore::{self, PlanogramByCase, Tables};
use carryout::shop::{Problem, Shop};
use std::path::PathBuf;

fn field_data(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("CARRYOUT_FIELD_DATA").map(|at| PathBuf::from(at).join("nanostore"));
    match found.filter(|at| at.join("geometry.csv").exists()) {
        Some(at) => Some(at),
        None => {
            println!("{test}: skipped, CARRYOUT_FIELD_DATA does not lead to nanostore/geometry.csv");
            None
        }
    }
}

/// As sentences; but whether the machine that tests has time zones installed is nobody's problem here.
fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).filter(|told| !told.contains("install tzdata")).collect()
}

#[test]
fn the_real_shop_stands_where_it_was_measured() {
    let Some(data) = field_data("the_real_shop_stands_where_it_was_measured") else { return };
    let (shop, warnings) = nanostore::read(&data).unwrap_or_else(|problems| panic!("{:#?}", told(&problems)));
    assert_eq!(told(&warnings), Vec::<String>::new());
    let layout = &shop.layout;
    assert_eq!((layout.bays.len(), layout.shelves.len()), (5, 30));
    assert_eq!(layout.shelves.values().map(|shelf| shelf.plates.len()).sum::<usize>(), 306);
    assert_eq!((shop.catalogue.len(), shop.planogram.iter().count()), (396, 294));

    // Gondola 1 faces -y; gondola 5 is turned a quarter and faces -x. Worked out by hand from the tables.
    for (shelf, plate, centre) in [
        ("1-1", 1, [0.0254 + 0.0508, 0.4921 - 0.2032, 0.3302]),
        ("1-6", 12, [0.0254 + 1.1684, 0.4921 - 0.2032, 1.6986]),
        ("5-2", 1, [4.9149 - 0.2032, -0.3016 - 0.0508, 0.5937]),
    ] {
        let found = layout.shelves[&ShelfId::new(shelf)].plate(plate).unwrap().centre;
        assert!(found.distance(centre.into()) < 1e-4, "{shelf} plate {plate} is at {found:?}, not {centre:?}");
    }

    // People have room before every shelf, the door is in a free place, the camera sees everything.
    for (front, why) in [([1.0, -0.8], "before gondola 1"), ([3.7, -0.8], "before 5")] {
        assert!(layout.is_inside(Point2::from(front)), "no floor {why}");
    }
    let gate = &layout.gates[&GateId::new("gate-1")];
    let door = gate.line.from.toward(gate.line.to, 0.5);
    let nearest = layout.shelves.values().map(|shelf| shelf.centre().floor().distance(door)).fold(f64::MAX, f64::min);
    assert!(nearest > 2.0, "a shelf stands {nearest} m from the door");
    assert!(!layout.is_inside(gate.reader) && layout.is_inside(gate.line.inside));
    let camera = &layout.cameras[&CameraId::new("people-1")];
    assert!(layout.outline.iter().all(|corner| within(&camera.covers, *corner)));
    assert!(layout.shelves.keys().all(|shelf| layout.cameras_seeing(shelf).contains(&camera.id)));
    assert!(shop.catalogue.iter().all(|product| product.price == Cents(100)));
}

#[test]
fn the_real_shop_written_out_passes_its_check_and_is_the_same_shop() {
    let Some(data) = field_data("the_real_shop_written_out_passes_its_check_and_is_the_same_shop") else { return };
    let shop = nanostore::load(&data).unwrap();
    let to = tempfile::tempdir().unwrap();
    shop.write(to.path()).unwrap();
    let (again, warnings) = Shop::read(to.path()).unwrap_or_else(|problems| panic!("{:#?}", told(&problems)));
    // 275 of the 396 products were not on that day's planogram.
    assert_eq!(
        told(&warnings),
        [
            "catalogue.csv: 275 products stand on no shelf: 012000181139, 012000286209, 016000160101, 016571940331 and 271 more"
        ]
    );
    assert_eq!(again.planogram, shop.planogram);
    assert!(again.catalogue.iter().eq(shop.catalogue.iter()));
    for (id, shelf) in &shop.layout.shelves {
        let other = &again.layout.shelves[id];
        for (a, b) in shelf.plates.iter().zip(&other.plates) {
            assert!(a.centre.distance(b.centre) < 1e-5, "{id} plate {}: {:?} became {:?}", a.no, a.centre, b.centre);
        }
    }
}

#[test]
fn a_case_begins_with_what_stood_there_that_day() {
    let Some(data) = field_data("a_case_begins_with_what_stood_there_that_day") else { return };
    let shop = nanostore::load(&data).unwrap();
    let by_case = PlanogramByCase::read(&data.join("shop_by_case.csv"), &shop.layout).unwrap();
    let shelf = ShelfId::new("3-2");
    let on =
        |case: &str| -> Vec<ProductId> { by_case.apply(case, &shop.planogram).on_plate(&shelf, 9).cloned().collect() };
    assert_eq!(on("cps-test-4"), [ProductId::new("078907916342")]);
    let base: Vec<ProductId> = shop.planogram.on_plate(&shelf, 9).cloned().collect();
    assert_ne!(base, on("cps-test-4"));
    assert_eq!(on("no such case"), base);
    assert!(by_case.cases().count() > 1);
}

const GEOMETRY: &str = "\
kind,gondola,shelf,plate,x_m,y_m,z_m,rx_rad,ry_rad,rz_rad,dim_x_m,dim_y_m,dim_z_m
gondola,1,,,0,0,0,0,0,0,1,0.1,2
shelf,1,1,,0,-0.4,1,0,0,0,1,0.4,0.2
plate,1,1,1,0,0,0,0,0,0,0.5,0.4,0
plate,1,1,2,0.5,0,0,0,0,0,0.5,0.4,0
";

fn import(geometry: &str, planogram: &str, products: &str) -> Result<(Shop, Vec<Problem>), Vec<Problem>> {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("g.csv"), geometry).unwrap();
    std::fs::write(at.path().join("p.csv"), planogram).unwrap();
    std::fs::write(at.path().join("q.csv"), products).unwrap();
    let [geometry, planogram, products] = ["g.csv", "p.csv", "q.csv"].map(|name| at.path().join(name));
    nanostore::read(Tables { geometry, planogram, products })
}

#[test]
fn odd_tables_are_told_apart_from_wrong_ones() {
    let planogram = "gondola,shelf,plate,product\n1,1,1,X00001\n";
    let products = "product,name,weight_g\nX00001,Tape,36.0\n";

    // A 12-digit code whose check digit is wrong is a local code, and stays one on disk.
    let (shop, warnings) = import(
        GEOMETRY,
        "gondola,shelf,plate,product\n1,1,1,041508922480\n1,1,2,X9\n",
        "product,name,weight_g,price\n041508922480,Water,1064,\n496580,Cola,371.5,129\n",
    )
    .unwrap();
    assert_eq!(
        told(&warnings),
        [
            "p.csv: left out, as products.csv does not know them: X9",
            "q.csv line 2: product 041508922480 is taken for a local code: its check digit is wrong; \
             041508922487 would be a GTIN",
        ]
    );
    assert_eq!(shop.catalogue.get(&ProductId::new("496580")).unwrap().price, Cents(129));
    let again = Shop::parse(&shop.shop_toml(), &shop.planogram_csv(), &shop.catalogue_csv());
    assert!(again.is_ok_and(|(again, _)| again.catalogue.get(&ProductId::new("041508922480")).is_some()));

    for (story, geometry, planogram, products, problem) in [
        (
            "a shelf of a gondola that is not there",
            GEOMETRY.replace("shelf,1,1,", "shelf,2,1,"),
            planogram,
            products,
            "g.csv line 3: unknown gondola 2",
        ),
        (
            "plates 1 and 3",
            GEOMETRY.replace("plate,1,1,2", "plate,1,1,3"),
            planogram,
            products,
            "g.csv: the plates of shelf 1-1 do not count from 1 without gaps",
        ),
        (
            "a pose that is no number",
            GEOMETRY.replace("-0.4,1,", "NaN,1,"),
            planogram,
            products,
            "g.csv line 3: y_m `NaN` is not a finite number",
        ),
        (
            "a plate beyond the shelf",
            GEOMETRY.into(),
            "gondola,shelf,plate,product\n1,1,3,X00001\n",
            products,
            "p.csv line 2: plate 3 is out of range; shelf 1-1 has plates 1 to 2",
        ),
        (
            "a product without weight",
            GEOMETRY.into(),
            planogram,
            "product,name,weight_g\nX00001,Tape,\n",
            "q.csv line 2: weight_g `` is not a number above zero",
        ),
        (
            "a missing column",
            GEOMETRY.into(),
            planogram,
            "product,name\nX00001,Tape\n",
            "q.csv line 1: no column weight_g; the first line names columns: product,name,weight_g",
        ),
    ] {
        let problems = told(&import(&geometry, planogram, products).err().unwrap_or_default());
        assert!(problems.iter().any(|told| told == problem), "{story}: wanted\n  {problem}\nin {problems:#?}");
    }
}
