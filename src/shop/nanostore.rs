//! Brings a shop described by three flat tables into ours: geometry.csv (gondola -> shelf -> plate poses), planogram.csv
//! and products.csv, the form in which one real five-bay shop published its measurements.
//!
//! Those tables know furniture and goods, but no room: the importer draws a floor around the shelves, with 2.5 m for
//! people in front of each, a door in the wall that is farthest from all shelves, and one camera that sees everything and
//! only sends `people`. Shelves are called `{gondola}-{shelf}`; shoppers stand on the side a shelf reaches out to, -y of
//! its gondola. Products without a price cost 100 minor units.

use super::gtin::{Code, code};
use super::pose::Pose;
use super::problems::{Problem, Problems, did_you_mean, shown, some};
use super::read::read_text;
use super::room;
use super::rows::{self, Columns, Row};
use super::{Bay, Catalogue, Layout, Planogram, Plate, Product, Shelf, Shop, TaxClass, default_tolerance_g};
use crate::base::{BayId, Cents, PlateNo, Point3, ProductId, ShelfId, ShopId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const GEOMETRY: Columns = Columns {
    required: &[
        "kind", "gondola", "shelf", "plate", "x_m", "y_m", "z_m", "rx_rad", "ry_rad", "rz_rad", "dim_x_m", "dim_y_m",
    ],
    optional: &["dim_z_m"],
};
const PLANOGRAM: Columns = Columns { required: &["gondola", "shelf", "plate", "product"], optional: &[] };
const PRODUCTS: Columns = Columns { required: &["product", "name", "weight_g"], optional: &["price"] };
const BY_CASE: Columns = Columns { required: &["case", "gondola", "shelf", "plate", "product"], optional: &[] };

/// Minor units of a product without a price.
const PRICE: Cents = Cents(100);

/// Where the three tables are.
#[derive(Clone, Debug)]
pub struct Tables {
    pub geometry: PathBuf,
    pub planogram: PathBuf,
    pub products: PathBuf,
}

impl<P: AsRef<Path>> From<P> for Tables {
    /// A directory with tables of the usual names.
    fn from(directory: P) -> Tables {
        let at = |name: &str| directory.as_ref().join(name);
        Tables { geometry: at("geometry.csv"), planogram: at("planogram.csv"), products: at("products.csv") }
    }
}

/// The shop and warnings, or every problem of all three tables.
pub fn read(tables: impl Into<Tables>) -> Result<(Shop, Vec<Problem>), Vec<Problem>> {
    let tables = tables.into();
    let (mut texts, mut unread) = (Vec::new(), Vec::new());
    for path in [&tables.geometry, &tables.planogram, &tables.products] {
        match read_text(path) {
            Ok(text) => texts.push((file_name(path), text)),
            Err(problem) => unread.push(problem),
        }
    }
    let Ok(texts) = <[(String, String); 3]>::try_from(texts) else { return Err(unread) };
    parse(texts)
}

/// As [`read`], from texts: geometry, planogram and products, each with the name problems call it.
pub fn parse([geometry, planogram, products]: [(String, String); 3]) -> Result<(Shop, Vec<Problem>), Vec<Problem>> {
    let mut problems = [&geometry, &planogram, &products].map(|(name, _)| Problems::of(name));
    let layout = read_geometry(&geometry.1, &mut problems[0]);
    let catalogue = read_products(&products.1, &mut problems[2]);
    let planogram = read_planogram(&planogram.1, &layout, &catalogue, &mut problems[1]);
    let problems: Vec<Problem> = problems.into_iter().flat_map(Problems::into_sorted).collect();
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let shop = Shop {
        id: ShopId::new("nanostore"),
        name: "Nanostore".into(),
        currency: "USD".into(),
        timezone: "America/Los_Angeles".into(),
        tax_included: true,
        layout,
        planogram,
        catalogue,
    };
    Ok((shop, problems))
}

/// The shop alone, for who has no use for warnings.
pub fn load(tables: impl Into<Tables>) -> Result<Shop, Vec<Problem>> {
    read(tables).map(|(shop, _)| shop)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into())
}

pub fn shelf_id(gondola: &str, shelf: &str) -> ShelfId {
    ShelfId::new(format!("{gondola}-{shelf}"))
}

/// Furniture as it is found, parents before children.
#[derive(Default)]
struct Furniture {
    gondolas: BTreeMap<String, Pose>,
    shelves: BTreeMap<ShelfId, (Pose, BayId, [f64; 2])>,
    plates: BTreeMap<ShelfId, BTreeMap<PlateNo, Point3>>,
}

fn read_geometry(text: &str, problems: &mut Problems) -> Layout {
    let (mut layout, mut furniture) = (Layout::default(), Furniture::default());
    let mut rows = rows::read(text, &GEOMETRY, problems);
    rows.sort_by_key(|row| ["gondola", "shelf", "plate"].iter().position(|kind| *kind == row.get("kind")));
    for row in rows {
        let Some((pose, size)) = placed(&row, problems) else { continue };
        if let Err(what) = furniture.add(&row, pose, size, &mut layout) {
            problems.error(row.line, what);
        }
    }
    let Furniture { shelves, mut plates, .. } = furniture;
    for (id, (pose, bay, [width, depth])) in shelves {
        let plates = plates.remove(&id).unwrap_or_default();
        if !plates.keys().copied().eq(1..=plates.len() as PlateNo) {
            problems.error(None, format!("the plates of shelf {id} do not count from 1 without gaps"));
        }
        let plates = plates.into_iter().map(|(no, centre)| Plate { no, centre }).collect();
        let corners = pose.corners(width, depth);
        layout.shelves.insert(id.clone(), Shelf { id, bay, corners, plates });
    }
    if layout.shelves.is_empty() {
        problems.error(None, "there is no shelf");
    } else {
        room::around(&mut layout);
    }
    layout
}

impl Furniture {
    /// One row's thing, placed in its parent; or what is wrong with it.
    fn add(&mut self, row: &Row, pose: Pose, size: [f64; 2], layout: &mut Layout) -> Result<(), String> {
        let (gondola, id) = (row.get("gondola"), shelf_id(row.get("gondola"), row.get("shelf")));
        let once = |is_new: bool, thing: String| if is_new { Ok(()) } else { Err(format!("{thing} is there twice")) };
        match row.get("kind") {
            "gondola" => {
                let bay = BayId::new(gondola);
                let footprint = pose.corners(size[0], size[1]).map(Point3::floor).to_vec();
                layout.bays.insert(bay.clone(), Bay { id: bay, footprint });
                once(self.gondolas.insert(gondola.into(), pose).is_none(), format!("gondola {}", shown(gondola)))
            }
            "shelf" => {
                let frame = self.gondolas.get(gondola).ok_or(format!("unknown gondola {}", shown(gondola)))?;
                let placed = (frame.compose(&pose), BayId::new(gondola), size);
                once(self.shelves.insert(id.clone(), placed).is_none(), format!("shelf {}", shown(id.as_str())))
            }
            "plate" => {
                let (frame, ..) = self.shelves.get(&id).ok_or(format!("unknown shelf {}", shown(id.as_str())))?;
                let no = row
                    .get("plate")
                    .parse()
                    .map_err(|_| format!("plate `{}` is no number", shown(row.get("plate"))))?;
                let centre = frame.apply(pose.apply(Point3::new(size[0] / 2.0, size[1] / 2.0, 0.0)));
                let known = self.plates.entry(id.clone()).or_default().insert(no, centre);
                once(known.is_none(), format!("plate {no} of shelf {id}"))
            }
            other => Err(format!("unknown kind `{}`; use gondola, shelf or plate", shown(other))),
        }
    }
}

/// A row's pose in its parent and its width and depth.
fn placed(row: &Row, problems: &mut Problems) -> Option<(Pose, [f64; 2])> {
    let mut number = |column: &str| {
        let text = row.get(column);
        let number = text.parse().ok().filter(|n: &f64| n.is_finite());
        if number.is_none() {
            problems.error(row.line, format!("{column} `{}` is not a finite number", shown(text)));
        }
        number
    };
    let [x, y, z, rx, ry, rz, width, depth] =
        ["x_m", "y_m", "z_m", "rx_rad", "ry_rad", "rz_rad", "dim_x_m", "dim_y_m"].map(&mut number);
    let pose = Pose::new(Point3::new(x?, y?, z?), [rx?, ry?, rz?]);
    let size = [width?, depth?];
    if size.iter().any(|side| *side <= 0.0) {
        problems.error(row.line, "dim_x_m and dim_y_m must be above zero");
        return None;
    }
    Some((pose, size))
}

fn read_products(text: &str, problems: &mut Problems) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let untaxed = TaxClass { name: "untaxed".into(), rate_bp: 0 };
    for row in rows::read(text, &PRODUCTS, problems) {
        let (Some(id), Some(name)) =
            (row.need("product", problems).map(ProductId::new), row.need("name", problems).map(str::to_string))
        else {
            continue;
        };
        if row.card_columns().any(|column| column != "product" || code(id.as_str()) != Code::Gtin) {
            problems.error(row.line, "this line holds what looks like a card number").try_this("take it out");
            continue;
        }
        if let Code::WrongCheckDigit { right } = code(id.as_str()) {
            problems
                .warning(row.line, format!("product {id} is taken for a local code: its check digit is wrong"))
                .try_this(format!("{} would be a GTIN", shown(&right)));
        }
        let weight_g = row.get("weight_g").parse().ok().filter(|g: &f64| g.is_finite() && *g > 0.0);
        let price = match row.get("price") {
            "" => Some(PRICE),
            text => text.parse().ok().filter(|cents| *cents >= 0).map(Cents),
        };
        let (Some(weight_g), Some(price)) = (weight_g, price) else {
            let column = if weight_g.is_none() { "weight_g" } else { "price" };
            problems.error(row.line, format!("{column} `{}` is not a number above zero", shown(row.get(column))));
            continue;
        };
        if catalogue.get(&id).is_some() {
            problems.error(row.line, format!("product {id} is there twice"));
        }
        catalogue.insert(Product {
            id,
            name,
            price,
            tax: untaxed.clone(),
            deposit: Cents::ZERO,
            weight_g,
            weight_tolerance_g: default_tolerance_g(weight_g),
            restricted: false,
        });
    }
    catalogue
}

/// What stands where: `(shelf, plate, product)` of one row.
fn stand(row: &Row, layout: &Layout, problems: &mut Problems) -> Option<(ShelfId, PlateNo, ProductId)> {
    let id = shelf_id(row.get("gondola"), row.get("shelf"));
    let product = row.need("product", problems).map(ProductId::new);
    let Some(shelf) = layout.shelves.get(&id) else {
        let near = did_you_mean(id.as_str(), layout.shelves.keys().map(ShelfId::as_str));
        problems
            .error(row.line, format!("unknown shelf {}", shown(id.as_str())))
            .try_this(near.unwrap_or_else(|| "geometry.csv has no such shelf".into()));
        return None;
    };
    match row.get("plate").parse().ok().filter(|no| shelf.plate(*no).is_some()) {
        Some(plate) => Some((id, plate, product?)),
        None => {
            problems
                .error(row.line, format!("plate {} is out of range", shown(row.get("plate"))))
                .try_this(format!("shelf {id} has plates 1 to {}", shelf.plates.len()));
            None
        }
    }
}

fn read_planogram(text: &str, layout: &Layout, catalogue: &Catalogue, problems: &mut Problems) -> Planogram {
    let mut planogram = Planogram::default();
    let mut unknown: BTreeSet<ProductId> = BTreeSet::new();
    for row in rows::read(text, &PLANOGRAM, problems) {
        let Some((shelf, plate, product)) = stand(&row, layout, problems) else { continue };
        match catalogue.get(&product) {
            Some(_) => planogram.put(shelf, plate, product),
            None => _ = unknown.insert(product),
        }
    }
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|id| shown(id.as_str())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problems.warning(None, format!("left out, as products.csv does not know them: {}", some(&names)));
    }
    planogram
}

/// What stood on other plates at the start of a case: `case,gondola,shelf,plate,product`, several rows a plate when
/// several products share it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanogramByCase {
    cases: BTreeMap<String, BTreeMap<(ShelfId, PlateNo), BTreeSet<ProductId>>>,
}

impl PlanogramByCase {
    /// Reads the table for a shop whose shelves are in `layout`.
    pub fn read(path: &Path, layout: &Layout) -> Result<PlanogramByCase, Vec<Problem>> {
        let text = read_text(path).map_err(|problem| vec![problem])?;
        let mut problems = Problems::of(file_name(path));
        let mut by_case = PlanogramByCase::default();
        for row in rows::read(&text, &BY_CASE, &mut problems) {
            let case = row.need("case", &mut problems).map(str::to_string);
            let stand = stand(&row, layout, &mut problems);
            if let (Some(case), Some((shelf, plate, product))) = (case, stand) {
                by_case.cases.entry(case).or_default().entry((shelf, plate)).or_default().insert(product);
            }
        }
        if problems.has_errors() { Err(problems.into_sorted()) } else { Ok(by_case) }
    }

    /// The planogram at the start of a case: `base`, but on the plates the case names stands what it says and nothing
    /// else.
    pub fn apply(&self, case: &str, base: &Planogram) -> Planogram {
        let mut planogram = base.clone();
        for ((shelf, plate), products) in self.cases.get(case).into_iter().flatten() {
            planogram.clear(shelf, *plate);
            for product in products {
                planogram.put(shelf.clone(), *plate, product.clone());
            }
        }
        planogram
    }

    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.cases.keys().map(String::as_str)
    }
}
