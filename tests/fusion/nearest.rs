//! The published rule, answer by answer.

use carryout::base::{BodyId, Cents, PlateNo, ProductId, ShelfId, ShopTime};
use carryout::events::{Actor, Guess, Held, Interaction, InteractionId, WeighRequest};
use carryout::fusion::NearestAttributor;
use carryout::shop::{Catalogue, Product, TaxClass};

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    // Two products of one weight, on different plates; light, heavy and half as heavy ones.
    for (id, weight_g) in
        [("bag", 105.5), ("bottle", 538.0), ("can", 330.0), ("cola", 330.0), ("gum", 25.0), ("half", 165.0)]
    {
        catalogue.insert(Product {
            id: ProductId::new(id),
            name: id.to_owned(),
            price: Cents(100),
            tax: TaxClass { name: "full".to_owned(), rate_bp: 1900 },
            deposit: Cents::ZERO,
            weight_g,
            weight_tolerance_g: 0.0,
            restricted: false,
        });
    }
    catalogue
}

/// One shelf: bag on 1-2, can on 3-4, cola on 5-6, bottle on 8, gum on 10.
fn stock() -> Vec<(PlateNo, ProductId)> {
    [(1, "bag"), (2, "bag"), (3, "can"), (4, "can"), (5, "cola"), (6, "cola"), (8, "bottle"), (10, "gum")]
        .map(|(plate, product)| (plate, ProductId::new(product)))
        .to_vec()
}

fn actor(body: u64, distance_m: f64, holds: &[(&str, i64)]) -> Actor {
    let holds = holds
        .iter()
        .map(|(product, quantity)| Held { product: ProductId::new(product), quantity: *quantity })
        .collect();
    Actor { body: BodyId(body), distance_m, holds }
}

fn interaction(changes: &[(PlateNo, f64)], actors: &[Actor]) -> Interaction {
    let mut profile_g = vec![0.0; 12];
    for (plate, grams) in changes {
        profile_g[usize::from(*plate) - 1] = *grams;
    }
    Interaction {
        id: InteractionId(1),
        shelf: ShelfId::new("1-1"),
        begin: ShopTime(0),
        end: ShopTime(100_000),
        delta_g: profile_g.iter().sum(),
        profile_g,
        stock: stock(),
        actors: actors.to_vec(),
    }
}

fn explain(interaction: Interaction) -> Vec<Guess> {
    let request = WeighRequest { batch: 7, interactions: vec![interaction] };
    let weighed = NearestAttributor::published().weigh(&request, &catalogue());
    assert_eq!((weighed.batch, weighed.model.as_str(), weighed.guesses.len()), (7, "nearest-published-1", 1));
    weighed.guesses.into_iter().next().unwrap()
}

/// `body product count on plates`, one for each guess.
fn answers(guesses: &[Guess]) -> Vec<String> {
    let answer = |guess: &Guess| {
        let (body, product, count, _) = &guess.alternatives[0];
        let body = body.map_or("nobody".to_owned(), |body| body.to_string());
        let product = product.as_ref().map_or("unknown", ProductId::as_str);
        format!("{body} {product} {count:+} on {:?}", guess.plates)
    };
    guesses.iter().map(answer).collect()
}

#[test]
fn the_rule_answers_as_published() {
    type Row<'a> = (&'a str, Vec<(PlateNo, f64)>, Vec<Actor>, &'a [&'a str]);
    let ann = || actor(1, 0.3, &[]);
    let ben = || actor(2, 0.9, &[("can", 2), ("gum", 1)]);
    let table: Vec<Row> = vec![
        (
            "the plates decide between equal weights",
            vec![(5, -150.0), (6, -180.0)],
            vec![ann()],
            &["b1 cola +1 on [5, 6]"],
        ),
        ("and the other way", vec![(3, -150.0), (4, -180.0)], vec![ann()], &["b1 can +1 on [3, 4]"]),
        ("two in one grip", vec![(3, -300.0), (4, -355.0)], vec![ann()], &["b1 can +2 on [3, 4]"]),
        ("plates win over weight: half a can is still a can", vec![(3, -165.0)], vec![ann()], &["b1 can +1 on [3]"]),
        ("an empty plate: weight alone", vec![(12, -538.0)], vec![ann()], &["b1 bottle +1 on [12]"]),
        ("equal in everything: the lower id", vec![(12, -330.0)], vec![ann()], &["b1 can +1 on [12]"]),
        (
            "5 g and less do not contribute",
            vec![(7, -5.0), (8, -535.0), (9, -4.0)],
            vec![ann()],
            &["b1 bottle +1 on [8]"],
        ),
        ("the nearest took it", vec![(8, -538.0)], vec![ann(), ben()], &["b1 bottle +1 on [8]"]),
        ("nobody near", vec![(8, -538.0)], vec![], &["nobody bottle +1 on [8]"]),
        (
            "two groups of plates are two events",
            vec![(3, -330.0), (8, -538.0)],
            vec![ann()],
            &["b1 can +1 on [3]", "b1 bottle +1 on [8]"],
        ),
        (
            "taken here, put back there, at one time",
            vec![(8, -538.0), (10, 25.0)],
            vec![ben()],
            &["b2 bottle +1 on [8]", "b2 gum -1 on [10]"],
        ),
        ("a group of 6 g is no event", vec![(1, -6.0), (8, -538.0)], vec![ann()], &["b1 bottle +1 on [1, 8]"]),
        ("put back: what is held and fits", vec![(3, 330.0)], vec![ben()], &["b2 can -1 on [3]"]),
        ("both put back", vec![(3, 655.0)], vec![ben()], &["b2 can -2 on [3]"]),
        ("put back by whom? the nearest who holds", vec![(9, 30.0)], vec![ann(), ben()], &["b2 gum -1 on [9]"]),
        ("put back, nobody holds anything", vec![(3, 330.0)], vec![ann()], &["b1 unknown -1 on [3]"]),
        ("put back, nobody there", vec![(3, 330.0)], vec![], &["nobody unknown -1 on [3]"]),
    ];
    for (story, changes, actors, want) in table {
        let guesses = explain(interaction(&changes, &actors));
        assert_eq!(answers(&guesses), want, "{story}");
        for guess in &guesses {
            let p: Vec<f64> = guess.alternatives.iter().map(|(.., p)| p.get()).collect();
            assert!(p.len() <= 8 && p.windows(2).all(|pair| pair[0] >= pair[1]), "{story}: best first {p:?}");
            assert!(p.iter().sum::<f64>() <= 1.0 && p[0] > 0.0, "{story}: {p:?}");
        }
    }
}

#[test]
fn the_score_is_four_fifths_arrangement_and_one_fifth_weight() {
    // Common area of two normal distributions of 10 g, d apart: 2 Phi(-d/20). From tables: Phi(-1) = 0.158655.
    // cola (plates 5-6, 330 g) carries 0.25 of -350 g, can (3-4, 330 g) 0.75: both 20 g off.
    // 0.8 * 0.75 + 0.2 * 0.31731 = 0.66346 and 0.8 * 0.25 + 0.06346 = 0.26346; sharpness 20: e^-8 to 1.
    let guesses = explain(interaction(&[(4, -262.5), (5, -87.5)], &[actor(1, 0.2, &[])]));
    let p: Vec<(&str, f64)> = guesses[0]
        .alternatives
        .iter()
        .map(|(_, product, _, p)| (product.as_ref().unwrap().as_str(), p.get()))
        .collect();
    assert_eq!((p[0].0, p[1].0), ("can", "cola"));
    assert!((p[1].1 - (-8.0f64).exp()).abs() < 1.0 / 4096.0, "{p:?}");
    // Without arrangement only weight speaks: 538 against 330, and the rest of the mass is spread over all the others.
    let guesses = explain(interaction(&[(12, -538.0)], &[]));
    let p = guesses[0].alternatives[0].3.get();
    let want = 1.0 / (1.0 + 5.0 * (-20.0f64 * 0.2).exp());
    assert!((p - want).abs() < 1.0 / 4096.0, "{p}, not {want}");
}

#[test]
fn splitting_can_be_switched_off_to_measure_it() {
    let rule = NearestAttributor { split: false, ..NearestAttributor::published() };
    let request = WeighRequest { batch: 1, interactions: vec![interaction(&[(3, -330.0), (8, -538.0)], &[])] };
    assert_eq!(rule.weigh(&request, &catalogue()).guesses[0].len(), 1);
}

#[test]
fn an_empty_catalogue_still_gets_an_answer() {
    let request = WeighRequest { batch: 1, interactions: vec![interaction(&[(8, -538.0)], &[actor(1, 0.1, &[])])] };
    let weighed = NearestAttributor::published().weigh(&request, &Catalogue::default());
    assert_eq!(answers(&weighed.guesses[0]), ["b1 unknown +1 on [8]"]);
}
