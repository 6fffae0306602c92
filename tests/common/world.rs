//! A small shop and who is in it: people who walk and reach, plates that ring, the messages their devices send.
//!
//! Time is handed in steps of a tenth of a second: 10 looks and 5 weight batches a second. Who plays it decides whether
//! the messages go into a floor at once (`Stage`) or over a broker to a daemon (`tests/live`).
#![allow(dead_code)]

use carryout::base::geometry::Line;
use carryout::base::*;
use carryout::events::*;
use carryout::shop::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub const STEP_US: i64 = 100_000;

pub fn shop() -> Shop {
    let gate = Gate {
        id: GateId::new("gate-1"),
        reader: Point2::new(0.4, 1.0),
        line: Line { from: Point2::new(1.0, 0.4), to: Point2::new(1.0, 1.6), inside: Point2::new(2.0, 1.0) },
        direction: GateDirection::Both,
    };
    let shelf = |id: &str, x: f64| Shelf {
        id: ShelfId::new(id),
        bay: BayId::new("bay"),
        corners: [[x, 3.2], [x + 0.4, 3.2], [x + 0.4, 3.6], [x, 3.6]].map(|[x, y]| Point3::new(x, y, 1.0)),
        plates: (1..=4).map(|no| Plate { no, centre: Point3::new(x + 0.1 * f64::from(no) - 0.05, 3.4, 1.0) }).collect(),
    };
    let camera = Camera {
        id: CameraId::new("eyes"),
        kind: CameraKind::People,
        covers: [[-1.0, -1.0], [9.0, -1.0], [9.0, 5.0], [-1.0, 5.0]].map(Point2::from).to_vec(),
        projection: None,
        size: (640, 480),
    };
    let mut catalogue = Catalogue::default();
    let mut planogram = Planogram::default();
    for (id, price, weight_g, shelf, plates, restricted) in [
        ("cola", 250, 538.0, "a", &[1, 2][..], false),
        ("chips", 150, 105.0, "a", &[4], false),
        ("wine", 900, 1200.0, "b", &[1], true),
        ("gum", 90, 36.0, "b", &[3], false),
        ("bread", 300, 400.0, "b", &[4], false),
    ] {
        catalogue.insert(Product {
            id: ProductId::new(id),
            name: id.to_uppercase(),
            price: Cents(price),
            tax: TaxClass { name: "standard".into(), rate_bp: 1900 },
            deposit: Cents::ZERO,
            weight_g,
            weight_tolerance_g: 5.0,
            restricted,
        });
        plates.iter().for_each(|plate| planogram.put(ShelfId::new(shelf), *plate, ProductId::new(id)));
    }
    let shelves = [shelf("a", 3.0), shelf("b", 6.0)].map(|shelf| (shelf.id.clone(), shelf));
    Shop {
        id: ShopId::new("stage"),
        name: "Stage".into(),
        currency: "EUR".into(),
        timezone: "UTC".into(),
        tax_included: true,
        layout: Layout {
            outline: [[1.0, 0.0], [8.0, 0.0], [8.0, 4.0], [1.0, 4.0]].map(Point2::from).to_vec(),
            gates: BTreeMap::from([(gate.id.clone(), gate)]),
            shelves: BTreeMap::from(shelves),
            cameras: BTreeMap::from([(camera.id.clone(), camera)]),
            ..Layout::default()
        },
        planogram,
        catalogue,
    }
}

/// A camera that only shops with it have.
pub const LATE_EYES: &str = "late-eyes";

pub struct Human {
    pub at: Point2,
    goal: VecDeque<Point2>,
    hand: Option<(Point3, ShopTime)>,
    /// What to do on arrival: shelf, plate, grams to add there.
    task: Option<(String, u16, f64)>,
    visible: bool,
    track: String,
}

struct Ring {
    at: ShopTime,
    grams: f64,
    plate: usize,
}

/// A shelf's physics: levels, steps under way, quiet noise.
struct Plates {
    base: Vec<f64>,
    rings: Vec<Ring>,
    seq: u64,
    online: bool,
    /// Messages kept back while the shelf is off the network.
    backlog: Vec<Observation>,
    noise: u64,
}

pub struct World {
    pub shop: Arc<Shop>,
    pub now: ShopTime,
    pub humans: BTreeMap<String, Human>,
    /// Gates count who passes; without, only the camera sees it.
    pub beams: bool,
    /// The camera works.
    pub eyes_open: bool,
    /// A second camera that sees the same, so many steps late and stamped as if it were now: a stream from the network.
    pub late_eyes: Option<usize>,
    late_looks: VecDeque<People>,
    /// How far people walk in a step, metres.
    pub pace_m: f64,
    plates: BTreeMap<String, Plates>,
    taps: u32,
    passages: u32,
    people_seq: u64,
    /// Starts of the camera: a new one numbers its tracks anew.
    pub camera_boot: u32,
    step: u64,
}

impl World {
    /// Nobody is in, the plates are loaded.
    pub fn new(shop: Arc<Shop>, now: ShopTime) -> World {
        let plates = |n: usize| Plates {
            base: (0..n).map(|i| 3000.0 + 777.0 * i as f64).collect(),
            rings: Vec::new(),
            seq: 0,
            online: true,
            backlog: Vec::new(),
            noise: 88172645463325252 + n as u64,
        };
        World {
            plates: shop.layout.shelves.iter().map(|(id, s)| (id.to_string(), plates(s.plates.len()))).collect(),
            shop,
            now,
            humans: BTreeMap::new(),
            beams: false,
            eyes_open: true,
            late_eyes: None,
            late_looks: VecDeque::new(),
            pace_m: 0.13, // 1.3 m/s
            taps: 0,
            passages: 0,
            people_seq: 0,
            camera_boot: 1,
            step: 0,
        }
    }

    /// Somebody does something; what devices say of it at once.
    pub fn act(&mut self, who: &str, what: &[&str]) -> Vec<Observation> {
        match what {
            ["taps", direction, with @ ..] => {
                self.taps += 1;
                let token = with.first().map_or_else(|| format!("tok_{who}"), |token| (*token).to_owned());
                let kind = if token.starts_with("tok_staff") { "staff" } else { "card" };
                let out = *direction == "out";
                self.humans.entry(who.to_owned()).or_insert_with(|| Human::at(Point2::new(0.4, 1.0), who));
                let tap = Observation::Tap(Tap {
                    gate: GateId::new("gate-1"),
                    tap_id: TapId::new(format!("tap-{}", self.taps)),
                    t_us: self.now.0,
                    direction: if out { Direction::Out } else { Direction::In },
                    credential: Credential {
                        kind: kind.into(),
                        token,
                        brand: Some("visa".into()),
                        last4: Some("4242".into()),
                    },
                    group_size: 1,
                });
                return self.look().into_iter().chain([tap]).collect();
            }
            // A beam that counts somebody, whatever the people do.
            ["passes", direction] => return vec![self.passage(*direction == "in")],
            ["close"] if who == "eyes" => self.eyes_open = false,
            ["comes"] => {
                self.humans.entry(who.to_owned()).or_insert_with(|| Human::at(Point2::new(0.4, 1.0), who));
            }
            ["enters"] => {
                let human = self.humans.entry(who.to_owned()).or_insert_with(|| Human::at(Point2::new(0.4, 1.0), who));
                human.goal = VecDeque::from([Point2::new(2.0, 1.0)]);
            }
            ["leaves"] => {
                let human = self.humans.get_mut(who).expect("only who is here can leave");
                human.goal = VecDeque::from([Point2::new(2.0, 1.0), Point2::new(-0.8, 1.0)]);
            }
            ["goes", x, y] => {
                let to = Point2::new(x.parse().unwrap(), y.parse().unwrap());
                self.humans.get_mut(who).unwrap().goal = VecDeque::from([to]);
            }
            ["takes", product] => self.reach(who, product, None, -1.0, 1),
            ["takes", product, "from", place] => self.reach(who, product, Some(place), -1.0, 1),
            ["takes", n, product] => self.reach(who, product, None, -1.0, n.parse().unwrap()),
            ["puts", product] => self.reach(who, product, None, 1.0, 1),
            ["puts", product, "on", place] => self.reach(who, product, Some(place), 1.0, 1),
            ["is", "hidden"] => self.humans.get_mut(who).unwrap().visible = false,
            ["is", "seen"] => self.humans.get_mut(who).unwrap().visible = true,
            ["is", "away"] => drop(self.humans.remove(who)),
            ["offline"] => self.plates.get_mut(who).unwrap().online = false,
            ["online"] => {
                let plates = self.plates.get_mut(who).unwrap();
                plates.online = true;
                return std::mem::take(&mut plates.backlog);
            }
            ["waits"] => {}
            _ => panic!("nobody in this shop can: {who} {what:?}"),
        }
        Vec::new()
    }

    /// A tenth of a second passes; what devices say meanwhile.
    pub fn step(&mut self) -> Vec<Observation> {
        self.now = ShopTime(self.now.0 + STEP_US);
        self.step += 1;
        let mut said = self.walk();
        self.reach_out();
        let look = self.look();
        if let (Some(steps), Some(Observation::People(seen))) = (self.late_eyes, &look) {
            self.late_looks.push_back(People { camera: CameraId::new(LATE_EYES), ..seen.clone() });
            if self.late_looks.len() > steps {
                let late = self.late_looks.pop_front().expect("not empty");
                said.push(Observation::People(People { t_us: self.now.0, ..late }));
            }
        }
        said.extend(look);
        if self.step.is_multiple_of(2) {
            said.extend(self.weigh());
        }
        said
    }

    /// Everybody walks on; gates with beams count who passes.
    fn walk(&mut self) -> Vec<Observation> {
        let mut passed = Vec::new();
        for human in self.humans.values_mut() {
            let before = human.at;
            human.walk(self.pace_m);
            for gate in self.shop.layout.gates.values().filter(|_| self.beams) {
                let into = gate.line.is_inside(human.at);
                if gate.line.is_inside(before) != into && gate.line.crossed(before, human.at).is_some() {
                    passed.push(into);
                }
            }
        }
        passed.into_iter().map(|into| self.passage(into)).collect()
    }

    fn passage(&mut self, into: bool) -> Observation {
        self.passages += 1;
        Observation::Passage(Passage {
            gate: GateId::new("gate-1"),
            passage_id: PassageId::new(format!("passage-{}", self.passages)),
            t_us: self.now.0,
            direction: if into { Direction::In } else { Direction::Out },
        })
    }

    /// Walks up to where `product` (or `place`, "a/4") is, and moves `n` units there on arrival.
    fn reach(&mut self, who: &str, product: &str, place: Option<&str>, sign: f64, n: i64) {
        let id = ProductId::new(product);
        let (shelf, plate) = match place {
            Some(place) => {
                let (shelf, plate) = place.split_once('/').expect("a place is shelf/plate");
                (shelf.to_owned(), plate.parse().unwrap())
            }
            None => {
                let mut places = self.shop.planogram.iter().filter(|(_, _, p)| **p == id);
                let (shelf, plate, _) = places.next().expect("a product has a place");
                (shelf.to_string(), plate)
            }
        };
        let centre = self.shop.layout.shelves[&ShelfId::new(&shelf)].plate(plate).unwrap().centre;
        let human = self.humans.get_mut(who).expect("only who is here can reach");
        human.goal = VecDeque::from([Point2::new(centre.x, 2.9)]);
        let grams = sign * n as f64 * self.shop.catalogue.get(&id).unwrap().weight_g;
        human.task = Some((shelf, plate, grams));
    }

    /// Whoever has arrived does what they came for: hand on the plate, and 0.3 s later the weight moves.
    fn reach_out(&mut self) {
        for human in self.humans.values_mut().filter(|human| human.goal.is_empty()) {
            let Some((shelf, plate, grams)) = human.task.take() else { continue };
            let centre = self.shop.layout.shelves[&ShelfId::new(&shelf)].plate(plate).unwrap().centre;
            human.hand = Some((centre, self.now.plus_ms(800)));
            let at = self.now.plus_ms(300);
            self.plates.get_mut(&shelf).unwrap().rings.push(Ring { at, grams, plate: usize::from(plate) - 1 });
        }
    }

    fn look(&mut self) -> Option<Observation> {
        if !self.eyes_open {
            return None;
        }
        self.people_seq += 1;
        let now = self.now;
        let person = |(_, human): (&String, &Human)| Person {
            track: human.track.clone(),
            confidence: 0.9,
            floor: Some(human.at),
            head: Some(human.at.at_height(1.65)),
            hands: human.hand.filter(|(_, until)| *until > now).map(|(hand, _)| hand).into_iter().collect(),
            ..Person::default()
        };
        let people = self.humans.iter().filter(|(_, human)| human.visible).map(person).collect();
        let camera = CameraId::new("eyes");
        Some(Observation::People(People {
            camera,
            boot: format!("c{}", self.camera_boot),
            seq: self.people_seq,
            t_us: now.0,
            people,
        }))
    }

    fn weigh(&mut self) -> Vec<Observation> {
        let t0 = ShopTime(self.now.0 - 2 * STEP_US);
        let mut said = Vec::new();
        for (id, plates) in &mut self.plates {
            let batch = plates.batch(id, t0);
            if plates.online { said.push(batch) } else { plates.backlog.push(batch) }
        }
        said
    }
}

impl Human {
    fn at(at: Point2, who: &str) -> Human {
        Human { at, goal: VecDeque::new(), hand: None, task: None, visible: true, track: format!("track-{who}") }
    }

    /// Where they wanted to be.
    pub fn arrived(&self) -> bool {
        self.goal.is_empty()
    }

    fn walk(&mut self, pace_m: f64) {
        let Some(goal) = self.goal.front().copied() else { return };
        let distance = self.at.distance(goal);
        if distance <= pace_m {
            self.at = goal;
            self.goal.pop_front();
        } else {
            self.at = self.at.toward(goal, pace_m / distance);
        }
    }
}

impl Plates {
    fn batch(&mut self, shelf: &str, t0: ShopTime) -> Observation {
        const DT_US: i64 = 16_667;
        self.seq += 1;
        let n = self.base.len();
        let mut rows = vec![Vec::with_capacity(12); n];
        for i in 0..12 {
            let t = ShopTime(t0.0 + i * DT_US);
            for (plate, row) in rows.iter_mut().enumerate() {
                let mut grams = self.base[plate] + self.noise_g();
                for ring in &self.rings {
                    let age = t.secs_since(ring.at);
                    let share = if ring.plate == plate { 1.0 } else { 0.0 };
                    let near = ring.plate.abs_diff(plate) <= 1;
                    grams += share * ring.grams * (age / 0.1).clamp(0.0, 1.0);
                    if near && (0.1..2.0).contains(&age) {
                        let amplitude = if share > 0.0 { 20.0 } else { 8.0 };
                        grams += amplitude * (-(age - 0.1) / 0.5).exp() * (age * 40.0).sin();
                    }
                }
                row.push(Some(grams as f32));
            }
        }
        let plates = rows.into_iter().zip(1..).map(|(grams, plate)| PlateSamples { plate, grams }).collect();
        let (shelf, boot, seq) = (ShelfId::new(shelf), "b1".to_owned(), self.seq);
        Observation::Weights(Weights { shelf, boot, seq, t0_us: t0.0, dt_us: DT_US, plates })
    }

    /// About +-0.8 g, from a xorshift so that every run is the same.
    fn noise_g(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise % 1000) as f64 / 1000.0 * 1.6 - 0.8
    }
}
