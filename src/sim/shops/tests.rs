//! What every generated shop promises, over many seeds of both parts.

use super::super::shoppers::{Crowd, Mix};
use super::super::world::{World, moved};
use super::*;
use crate::base::geometry::within;
use crate::base::{Point2, ProductId, ShelfId};
use crate::shop::{Bay, Camera, CameraKind, Layout, Product, Shop};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

const PARTS: [Part; 2] = [Part::Training, Part::HeldBack];

struct Example {
    name: String,
    shop: Arc<Shop>,
    world: OnceLock<Arc<World>>,
}

impl Example {
    fn world(&self) -> &Arc<World> {
        self.world.get_or_init(|| {
            Arc::new(World::new(self.shop.clone()).unwrap_or_else(|err| panic!("{}: {err}", self.name)))
        })
    }
}

/// Forty seeds of each part, and some of the sizes that the day and the rush ask for. Drawn once for all tests.
fn every() -> &'static [Example] {
    static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
        let drawn = PARTS.into_iter().flat_map(|part| (0..40).map(move |seed| shop(part, seed)));
        let seeds = PARTS.into_iter().flat_map(|part| (40..44).map(move |seed| (part, seed)));
        let sized = seeds.flat_map(|(part, seed)| [50.0, 100.0].map(|floor_m2| sized(part, seed, floor_m2)));
        let example = |shop: Shop| {
            let (name, shop) = (shop.id.to_string(), Arc::new(shop));
            Example { name, shop, world: OnceLock::new() }
        };
        drawn.chain(sized).map(example).collect()
    });
    &EXAMPLES
}

/// Walking and looking take longer than drawing: a third of them, which still goes through all kinds in turn.
fn some() -> impl Iterator<Item = &'static Example> {
    every().iter().step_by(3)
}

fn area(outline: &[Point2]) -> f64 {
    let next = outline.iter().cycle().skip(1);
    outline.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f64>() / 2.0
}

fn is_seen(layout: &Layout, p: Point2) -> bool {
    layout.cameras.values().any(|camera| within(&camera.covers, p))
}

/// Every 5 cm of a way on foot.
fn steps(path: &[Point2]) -> impl Iterator<Item = Point2> + '_ {
    path.windows(2).flat_map(|pair| {
        let n = (pair[0].distance(pair[1]) / 0.05).ceil().max(1.0);
        (0..=n as usize).map(move |i| pair[0].toward(pair[1], i as f64 / n))
    })
}

#[test]
fn parts_share_no_kind_and_no_product() {
    let kinds = |part| KINDS.iter().filter(move |kind| kind.part == part).map(|kind| kind.name);
    let (training, held_back): (BTreeSet<_>, BTreeSet<_>) =
        (kinds(Part::Training).collect(), kinds(Part::HeldBack).collect());
    assert!(training.is_disjoint(&held_back), "{training:?} and {held_back:?}");
    assert_eq!((training.len(), held_back.len()), (4, 4), "half of the kinds are held back");
    let mut seen: BTreeMap<char, BTreeSet<&str>> = BTreeMap::new();
    for part in PARTS {
        for seed in 0..8 {
            let shop = shop(part, seed);
            let mut id = shop.id.as_str().splitn(2, '-');
            assert_eq!(id.next(), Some(part.letter().to_string().as_str()));
            let kind = KINDS.iter().find(|kind| shop.id.as_str()[2..].starts_with(kind.name)).expect("a known kind");
            seen.entry(part.letter()).or_default().insert(kind.name);
            assert!(shop.catalogue.iter().all(|product| product.id.as_str().starts_with(part.letter())), "{}", shop.id);
        }
    }
    assert_eq!(seen, BTreeMap::from([('t', training), ('h', held_back)]), "eight seeds show all kinds of a part");
}

#[test]
fn the_same_seed_is_the_same_shop() {
    let text = |shop: &Shop| shop.shop_toml() + &shop.planogram_csv() + &shop.catalogue_csv();
    for part in PARTS {
        for seed in 0..4 {
            assert_eq!(text(&shop(part, seed)), text(&shop(part, seed)));
            assert_ne!(text(&shop(part, seed)), text(&shop(part, seed + 4)), "another seed of the same kind");
        }
    }
}

#[test]
fn every_shop_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().expect("a directory");
    for Example { name, shop, .. } in every() {
        shop.write(dir.path()).expect("writing");
        let (read, problems) = Shop::read(dir.path()).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        assert_eq!((&read.id, &read.layout.outline), (&shop.id, &shop.layout.outline));
        assert_eq!(format!("{:?}", read.layout.gates), format!("{:?}", shop.layout.gates), "{name}");
        assert_eq!(format!("{:?}", read.layout.zones), format!("{:?}", shop.layout.zones), "{name}");
        assert_eq!(read.layout.exit_lines, shop.layout.exit_lines, "{name}");
        assert_eq!(format!("{:?}", read.layout.cameras), format!("{:?}", shop.layout.cameras), "{name}");
        assert_eq!(read.planogram, shop.planogram, "{name}");
        assert!(read.catalogue.iter().eq(shop.catalogue.iter()), "{name}");
        for (id, shelf) in &shop.layout.shelves {
            let again = &read.layout.shelves[id];
            let corners = shelf.corners.iter().zip(&again.corners);
            let plates = shelf.plates.iter().zip(&again.plates).map(|(a, b)| (&a.centre, &b.centre));
            for (a, b) in corners.chain(plates) {
                assert!(a.distance(*b) < 1e-6, "{name}: shelf {id}: {a:?} became {b:?}");
            }
        }
        for (id, bay) in &shop.layout.bays {
            let corners = bay.footprint.iter().zip(&read.layout.bays[id].footprint);
            assert!(corners.into_iter().all(|(a, b)| a.distance(*b) < 1e-6), "{name}: bay {id}");
        }
    }
}

#[test]
fn furniture_is_such_as_shops_have() {
    for Example { name, shop, .. } in every() {
        let layout = &shop.layout;
        let floor_m2 = area(&layout.outline);
        assert!((11.9..161.0).contains(&floor_m2), "{name}: {floor_m2} m2");
        assert!(layout.bays.len() >= 3, "{name}: {} bays", layout.bays.len());
        assert!((1..=2).contains(&layout.gates.len()), "{name}");
        for bay in layout.bays.values() {
            let width = bay.footprint[0].distance(bay.footprint[1]);
            assert!((0.9..1.26).contains(&width), "{name}: bay {} is {width} m wide", bay.id);
            let shelves = layout.shelves.values().filter(|shelf| shelf.bay == bay.id).count();
            assert!((3..=6).contains(&shelves), "{name}: bay {} has {shelves} shelves", bay.id);
        }
        for shelf in layout.shelves.values() {
            assert!((8..=12).contains(&shelf.plates.len()) && (0.15..=1.8).contains(&shelf.centre().z), "{name}");
        }
        for (one, other) in layout.bays.values().flat_map(|one| layout.bays.values().map(move |other| (one, other))) {
            let middle = |bay: &Bay| bay.footprint[0].toward(bay.footprint[2], 0.5);
            assert!(one.id == other.id || !within(&one.footprint, middle(other)), "{name}: {} {}", one.id, other.id);
        }
    }
    for (part, floor_m2) in PARTS.into_iter().flat_map(|part| [50.0, 100.0].map(|m2| (part, m2))) {
        for seed in 0..8 {
            let built = area(&sized(part, seed, floor_m2).layout.outline);
            assert!((built / floor_m2 - 1.0).abs() < 0.02, "{part:?} {seed}: {built} for {floor_m2} m2");
        }
    }
}

/// Every plate has free floor before it, and there is a way from the door to every bay and to every other door.
#[test]
fn people_reach_every_shelf_and_leave() {
    for example @ Example { name, shop, .. } in some() {
        let world = example.world();
        let layout = &shop.layout;
        let is_in_a_bay = |p: Point2| layout.bays.values().any(|bay| within(&bay.footprint, p));
        for way in world.ways_in().iter().chain(world.ways_out()) {
            let across: Vec<Point2> = steps(&[way.outside, way.inside]).collect();
            assert!(!across.iter().any(|p| is_in_a_bay(*p)) && world.is_free(way.inside), "{name}: {way:?}");
            assert!(layout.is_inside(way.inside) && !layout.is_inside(way.outside), "{name}: {way:?}");
            let gate = &layout.gates[way.gate.as_ref().expect("every way has a gate")];
            assert_eq!(gate.line.crossed(way.outside, way.inside), Some(true), "{name}: {way:?}");
        }
        let from = world.ways_in()[0].inside;
        let walk = |to: Point2, what: &str| {
            let path = world.path(from, to);
            let wall = steps(&path).find(|p| is_in_a_bay(*p) || !layout.is_inside(*p));
            assert!(wall.is_none(), "{name}: to {what} through {wall:?}: {path:?}");
        };
        world.ways_in().iter().chain(world.ways_out()).for_each(|way| walk(way.inside, "a gate"));
        // The shelves of a bay lie one above the other.
        for shelf in layout.shelves.values().filter(|shelf| shelf.id.as_str().ends_with("-1")) {
            let front = |no| world.front(&shelf.id, &[no]).expect("a plate").spot;
            for plate in &shelf.plates {
                let spot = front(plate.no);
                assert!(world.is_free(spot), "{name}: before plate {} of shelf {}: {spot:?}", plate.no, shelf.id);
            }
            walk(front(shelf.plates.len() as u16 / 2), shelf.id.as_str());
        }
    }
}

/// Whole visits, groups and put-backs among them, are walked without going through furniture.
#[test]
fn a_crowd_shops_in_every_kind() {
    for example @ Example { name, shop, .. } in some() {
        let world = example.world();
        let mut crowd = Crowd::new(world.clone(), 1, "crowd", Mix::default());
        for n in 0..12 {
            let style = crowd.anybody();
            for person in crowd.come(style, n * 20_000_000).people {
                let way: Vec<Point2> = person.way.iter().map(|(_, at)| *at).collect();
                let wall = steps(&way).find(|p| shop.layout.bays.values().any(|bay| within(&bay.footprint, *p)));
                assert!(wall.is_none(), "{name}: {} walks through {wall:?}: {way:?}", person.body);
            }
        }
    }
}

#[test]
fn cameras_see_all_of_the_floor_and_the_street_before_the_door() {
    let (mut hands, mut two) = (0usize, 0usize);
    for example @ Example { name, shop, .. } in some() {
        let world = example.world();
        let layout = &shop.layout;
        for camera in layout.cameras.values() {
            let m2 = area(&camera.covers);
            assert!((14.0..40.0).contains(&m2), "{name}: camera {} covers {m2} m2", camera.id);
            assert_eq!((&camera.kind, camera.size), (&CameraKind::People, (640, 360)));
        }
        let (most_x, most_y) = layout.outline.iter().fold((0.0, 0.0), |(x, y), p| (p.x.max(x), p.y.max(y)));
        for x in 1..(most_x / 0.2) as usize {
            for y in 1..(most_y / 0.2) as usize {
                let p = Point2::new(x as f64 * 0.2, y as f64 * 0.2);
                assert!(!layout.is_inside(p) || is_seen(layout, p), "{name}: nobody sees {p:?}");
            }
        }
        watch_gates(name, world, layout);
        for shelf in layout.shelves.values() {
            for plate in shelf.plates.iter().step_by(3) {
                let front = world.front(&shelf.id, &[plate.no]).expect("a plate");
                assert!(is_seen(layout, front.spot), "{name}: nobody sees who stands before {}", shelf.id);
                let sees = |camera: &&Camera, p| {
                    let mounts = camera.covers.iter().map(|corner| corner.at_height(2.5));
                    mounts.filter(|mount| !world.is_behind_a_bay(*mount, p)).count()
                };
                let cameras = || layout.cameras.values().filter(|camera| within(&camera.covers, front.spot));
                let head = front.spot.at_height(1.65);
                assert!(cameras().any(|c| sees(&c, head) > 0), "{name}: no head is seen before {}", shelf.id);
                hands += 1;
                // A hand has to be seen from two corners of one camera, as `people` has it.
                two += usize::from(cameras().any(|camera| sees(&camera, front.target) >= 2));
            }
        }
    }
    let share = two as f64 / hands as f64;
    assert!(share > 0.9, "of {hands} places a hand goes to, {share:.3} are seen from two corners of a camera");
}

fn watch_gates(name: &str, world: &World, layout: &Layout) {
    for way in world.ways_in().iter().chain(world.ways_out()) {
        for (inward, aside) in (-25..=15).flat_map(|i| [-0.8, 0.0, 0.8].map(|aside| (f64::from(i) / 10.0, aside))) {
            let p = moved(moved(way.crossing, way.inward, inward), way.along, aside);
            assert!(is_seen(layout, p), "{name}: nobody sees {p:?} at {:?}", way.gate);
        }
    }
}

#[test]
fn goods_are_such_as_shops_have() {
    let within_5_g = |shop: &Shop, ids: &[&ProductId]| {
        let weights: Vec<f64> = ids.iter().map(|id| shop.catalogue.get(id).expect("known").weight_g).collect();
        let pairs = (0..weights.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let close = pairs.clone().filter(|(i, j)| (weights[*i] - weights[*j]).abs() <= 5.0).count();
        [close as f64, pairs.count() as f64]
    };
    let (mut all, mut beside, mut places, mut wide) = ([0.0; 2], [0.0; 2], [0.0; 2], [0.0; 2]);
    let add = |sum: &mut [f64; 2], more: [f64; 2]| (0..2).for_each(|i| sum[i] += more[i]);
    for Example { name, shop, .. } in every() {
        let mut shelves: BTreeMap<&ProductId, BTreeSet<&ShelfId>> = BTreeMap::new();
        let mut plates: BTreeMap<(&ShelfId, &ProductId), usize> = BTreeMap::new();
        for (shelf, _, product) in shop.planogram.iter() {
            shelves.entry(product).or_default().insert(shelf);
            *plates.entry((shelf, product)).or_default() += 1;
        }
        let products: Vec<&ProductId> = shop.catalogue.iter().map(|product| &product.id).collect();
        assert!(shelves.keys().eq(&products), "{name}: everything on sale stands somewhere");
        assert!(shelves.values().all(|on| on.len() <= 2), "{name}");
        assert!(plates.values().all(|n| (1..=4).contains(n)), "{name}");
        assert!(shop.catalogue.iter().all(|product| (20.0..=2500.0).contains(&product.weight_g)), "{name}");
        let restricted = shop.catalogue.iter().filter(|product| product.restricted).count();
        assert!(restricted * 5 <= products.len(), "{name}: {restricted} of {} are restricted", products.len());
        for shelf in shop.layout.shelves.values() {
            let on: BTreeSet<&ProductId> = shop.planogram.on_shelf(&shelf.id).map(|(_, product)| product).collect();
            assert!(!on.is_empty(), "{name}: shelf {} is empty", shelf.id);
            add(&mut beside, within_5_g(shop, &Vec::from_iter(on)));
        }
        let [close, pairs] = within_5_g(shop, &products);
        add(&mut all, [close / pairs, 1.0]);
        add(&mut places, [plates.len() as f64, products.len() as f64]);
        add(&mut wide, [plates.values().sum::<usize>() as f64, plates.len() as f64]);
    }
    // The real five-bay shop: 115 of 3 486 pairs, 57 of 207 on one shelf, 121 places for 84 products, 2.4 plates each.
    for (what, [a, b], low, high) in [
        ("pairs of a shop within 5 g", all, 0.025, 0.04),
        ("pairs of a shelf within 5 g", beside, 0.18, 0.36),
        ("places of a product", places, 1.1, 1.6),
        ("plates of a place", wide, 1.8, 2.8),
    ] {
        assert!((low..high).contains(&(a / b)), "{what}: {a} / {b} = {:.3}, not {low} to {high}", a / b);
    }
}

#[test]
fn a_products_line_is_in_its_id() {
    for (id, line, looks) in [
        ("h-drink-3.2", "h-drink-3", "h-drink-3.2"),
        ("h-drink-3.2-large", "h-drink-3", "h-drink-3.2"),
        ("4006381333931", "4006381333931", "4006381333931"),
    ] {
        let id = ProductId::new(id);
        assert_eq!((line_of(&id), looks_of(&id)), (line, looks));
    }
    let (mut flavours, mut packs) = (0, 0);
    for Example { name, shop, .. } in every() {
        let mut lines: BTreeMap<&str, Vec<&Product>> = BTreeMap::new();
        shop.catalogue.iter().for_each(|product| lines.entry(line_of(&product.id)).or_default().push(product));
        for line in lines.values() {
            for (one, other) in (0..line.len()).flat_map(|i| (0..i).map(move |j| (line[i], line[j]))) {
                let apart_g = (one.weight_g - other.weight_g).abs();
                let large = [one, other].iter().any(|product| product.id.as_str().ends_with("-large"));
                assert_eq!(apart_g <= 2.5, !large, "{name}: {} and {} are {apart_g} g apart", one.id, other.id);
                flavours += usize::from(!large);
                packs += usize::from(looks_of(&one.id) == looks_of(&other.id));
            }
        }
    }
    assert!(flavours > 1000 && packs > 200, "{flavours} pairs of equal weight, {packs} of equal looks");
}

#[test]
fn a_sparse_shop_is_half_blind_and_weighs_three_quarters() {
    for (seed, example @ Example { name, shop, .. }) in some().enumerate() {
        let world = example.world();
        let Sparse { stands, told } = sparse(shop, seed as u64);
        watch_gates(name, world, &stands.layout);
        let shelves = shop.layout.shelves.values();
        let blind: BTreeSet<_> =
            shelves.filter(|shelf| told.layout.cameras_seeing(&shelf.id).is_empty()).map(|s| &s.bay).collect();
        // A tenth of the bays more or less, where they stand in rows and pairs.
        let (blind, bays) = (blind.len() as f64, shop.layout.bays.len() as f64);
        assert!((blind - bays / 2.0).abs() <= f64::max(1.0, 0.1 * bays), "{name}: {blind} of {bays} bays");
        let weighed = told.layout.shelves.values().filter(|shelf| !shelf.plates.is_empty()).count();
        let share = weighed as f64 / shop.layout.shelves.len() as f64;
        assert!((0.7..0.8).contains(&share), "{name}: {weighed} of {} shelves", shop.layout.shelves.len());
        assert_eq!(stands.planogram, shop.planogram);
        let unweighed = |shelf: &&ShelfId| told.layout.shelves[*shelf].plates.is_empty();
        assert_eq!(told.planogram.iter().map(|(shelf, ..)| shelf).filter(unweighed).count(), 0, "{name}");
        assert!(stands.layout.shelves.values().all(|shelf| !shelf.plates.is_empty()));
        let same = stands.layout.cameras.values().zip(told.layout.cameras.values());
        assert!(same.into_iter().all(|(a, b)| a.covers == b.covers), "{name}");
        // Reading takes a while: every third.
        if seed % 3 > 0 {
            continue;
        }
        let parse = |shop: &Shop| {
            Shop::parse(&shop.shop_toml(), &shop.planogram_csv(), &shop.catalogue_csv())
                .unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
        };
        let plates = |shop: &Shop| shop.layout.shelves.values().map(|shelf| shelf.plates.len()).collect::<Vec<_>>();
        assert_eq!(plates(&parse(&told).0), plates(&told), "{name}");
        let (read, problems) = parse(&stands);
        assert_eq!(read.layout.cameras.len(), stands.layout.cameras.len());
        let told = problems.iter().map(ToString::to_string);
        let unseen = told.filter(|problem| !problem.contains("no camera sees shelf")).collect::<Vec<_>>();
        assert!(unseen.iter().all(|problem| problem.contains("sees no shelf")), "{name}: {unseen:?}");
    }
}
