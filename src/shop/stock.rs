//! catalogue.csv and planogram.csv: what is sold and where it stands.

use super::fields::refuse_card;
use super::floor_plan::PlanLines;
use super::gtin::{Code, as_gtin_14, code, lost_zeros};
use super::money::{minor_digits, parse_amount};
use super::problems::{Problems, did_you_mean, shown, some};
use super::rows::{self, Columns, Row};
use super::{Catalogue, Layout, Planogram, Product, TaxClass};
use crate::base::limits::ID_CHARS;
use crate::base::{Cents, PlateNo, ProductId, ShelfId};
use std::collections::{BTreeMap, BTreeSet};

const CATALOGUE: Columns = Columns {
    required: &["product", "name", "price"],
    optional: &["tax_class", "deposit", "weight_g", "weight_tolerance_g", "restricted", "local"],
};

pub const PLANOGRAM: Columns = Columns { required: &["shelf", "plate", "product"], optional: &[] };

/// The catalogue, and every code the file mentions with its line: a product whose price is wrong is still no unknown
/// product to the planogram.
#[derive(Debug, Default)]
pub struct Stock {
    pub catalogue: Catalogue,
    pub mentioned: BTreeMap<ProductId, usize>,
    /// Those whose weight is left empty: fine, unless they stand on a scale.
    pub unweighed: BTreeSet<ProductId>,
}

/// What a package's weight may be off by when the catalogue does not say: 5 %, at least 1 g. Measured catalogue
/// weights are good to 5-9 % until a plate has learned them. Never more than half of a very light thing.
pub fn default_tolerance_g(weight_g: f64) -> f64 {
    ((weight_g * 0.5).round() / 10.0).max(1.0).min(weight_g / 2.0)
}

pub fn read_catalogue(
    text: &str,
    currency: &str,
    taxes: &BTreeMap<String, TaxClass>,
    problems: &mut Problems,
) -> Stock {
    let mut stock = Stock::default();
    let mut whole_prices = Vec::new();
    let mut decimals = 0;
    for row in rows::read(text, &CATALOGUE, problems) {
        refuse_cards(&row, problems);
        let id = row.need("product", problems).and_then(|text| product_id(text, &row, problems));
        if let Some(id) = &id {
            if let Some(first) = stock.mentioned.get(id) {
                let what = format!("product {} is there twice", shown(id.as_str()));
                problems.error(row.line, what).try_this(format!("it is on line {first} too"));
                continue;
            }
            stock.mentioned.insert(id.clone(), row.line);
            if row.get("weight_g").is_empty() {
                stock.unweighed.insert(id.clone());
            }
        }
        match row.get("price") {
            price if price.contains('.') => decimals += 1,
            price if price.parse::<u64>().is_ok() => whole_prices.push(row.line),
            _ => {}
        }
        if let Some(product) = read_product(&row, id, currency, taxes, problems) {
            stock.catalogue.insert(product);
        }
    }
    // A file that writes 2.50 and 3 most likely means three euros by the 3, and we would sell it for three cents.
    if decimals > 0 && minor_digits(currency) > 0 {
        for line in whole_prices {
            problems
                .warning(line, "a price in minor units in a file of decimal prices")
                .try_this("write all prices one way");
        }
    }
    if stock.mentioned.is_empty() && !problems.has_errors() {
        problems.error(None, "no product is on sale").try_this("write one on each line");
    }
    for class in taxes.values() {
        stock.catalogue.insert_tax_class(class.clone());
    }
    stock
}

/// A code may be a GTIN that happens to satisfy a card's check; anything else may not.
fn refuse_cards(row: &Row, problems: &mut Problems) {
    for column in row.card_columns() {
        if column != "product" || code(row.get("product")) != Code::Gtin {
            refuse_card(problems, row.line, &format!("column {column}"));
        }
    }
}

fn product_id(text: &str, row: &Row, problems: &mut Problems) -> Option<ProductId> {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    if !plain || text.chars().count() > ID_CHARS {
        problems
            .error(row.line, format!("product code `{}` has odd characters or is too long", shown(text)))
            .try_this(format!("use letters, digits, - _ . and :, at most {ID_CHARS}"));
        return None;
    }
    let local = yes(row, "local", problems);
    match code(text) {
        Code::WrongCheckDigit { right } if !local => {
            problems.error(row.line, format!("product {} has a wrong check digit", shown(text))).try_this(format!(
                "{} would be right; if it is your own code, say yes in a column `local`",
                shown(&right)
            ));
        }
        Code::Local if !local => {
            if let Some(gtin) = lost_zeros(text) {
                problems
                    .warning(row.line, format!("product {text} may be GTIN {gtin} without its leading zero"))
                    .try_this("format the column as text; if it is your own code, say yes in a column `local`");
            }
        }
        _ => {}
    }
    Some(ProductId::new(text))
}

fn read_product(
    row: &Row,
    id: Option<ProductId>,
    currency: &str,
    taxes: &BTreeMap<String, TaxClass>,
    problems: &mut Problems,
) -> Option<Product> {
    let name = row.need("name", problems).map(str::to_string);
    let price = row.need("price", problems).and_then(|text| amount(text, "price", row.line, currency, problems));
    let deposit = match row.get("deposit") {
        "" => Some(Cents::ZERO),
        text => amount(text, "deposit", row.line, currency, problems),
    };
    let tax = tax_class(row, taxes, problems);
    let weight_g = grams(row, "weight_g", problems);
    if weight_g == Some(0.0) {
        problems.error(row.line, "weight_g is 0").try_this("weigh one, or leave the cell empty");
    }
    let weight_g = weight_g.unwrap_or(0.0);
    let weight_tolerance_g = match row.get("weight_tolerance_g") {
        "" if weight_g == 0.0 => 0.0,
        "" => default_tolerance_g(weight_g),
        _ => grams(row, "weight_tolerance_g", problems).unwrap_or(0.0),
    };
    if weight_g > 0.0 && weight_tolerance_g >= weight_g && !row.get("weight_tolerance_g").is_empty() {
        problems.error(row.line, format!("weight_tolerance_g {weight_tolerance_g} is not below weight_g {weight_g}"));
    }
    let restricted = yes(row, "restricted", problems);
    Some(Product {
        id: id?,
        name: name?,
        price: price?,
        tax: tax?,
        deposit: deposit?,
        weight_g,
        weight_tolerance_g,
        restricted,
    })
}

fn amount(text: &str, column: &str, line: usize, currency: &str, problems: &mut Problems) -> Option<Cents> {
    match parse_amount(text, currency) {
        Ok(amount) if amount < Cents::ZERO => {
            problems.error(line, format!("{column} {} is negative", shown(text)));
            None
        }
        Ok(amount) => Some(amount),
        Err(suggestion) => {
            problems.error(line, format!("{column} `{}` is not an amount", shown(text))).try_this(suggestion);
            None
        }
    }
}

fn tax_class(row: &Row, taxes: &BTreeMap<String, TaxClass>, problems: &mut Problems) -> Option<TaxClass> {
    let name = row.get("tax_class");
    if name.is_empty() && taxes.len() == 1 {
        return taxes.values().next().cloned();
    }
    let class = taxes.get(name).cloned();
    // With no classes at all, shop.toml has been told.
    if class.is_none() && !taxes.is_empty() {
        let known: Vec<&str> = taxes.keys().map(String::as_str).collect();
        let what = match name {
            "" => "no tax_class on this line".to_string(),
            name => format!("unknown tax class `{}`", shown(name)),
        };
        let near = did_you_mean(name, known.iter().copied());
        problems
            .error(row.line, what)
            .try_this(near.unwrap_or_else(|| format!("shop.toml names {}", known.join(", "))));
    }
    class
}

/// Grams from 0 up; `None` when the cell is empty or wrong.
fn grams(row: &Row, column: &str, problems: &mut Problems) -> Option<f64> {
    let text = row.get(column);
    if text.is_empty() {
        return None;
    }
    let grams = text.parse().ok().filter(|g: &f64| g.is_finite());
    match grams {
        None => {
            let problem = problems.error(row.line, format!("{column} `{}` is not a finite number", shown(text)));
            if text.contains(',') {
                problem.try_this("write a dot, not a comma");
            }
            None
        }
        Some(grams) if grams < 0.0 => {
            problems.error(row.line, format!("{column} {} is negative", shown(text)));
            None
        }
        Some(grams) if grams > GRAMS_MAX => {
            problems.error(row.line, format!("{column} {} is more than a shelf carries", shown(text)));
            None
        }
        grams => grams,
    }
}

/// A hundred kilograms; the load cells we know carry twenty.
const GRAMS_MAX: f64 = 100_000.0;

pub(super) fn yes(row: &Row, column: &str, problems: &mut Problems) -> bool {
    match row.get(column).to_ascii_lowercase().as_str() {
        "" | "no" | "false" | "0" => false,
        "yes" | "true" | "1" => true,
        other => {
            problems.error(row.line, format!("{column} `{}` is neither yes nor no", shown(other)));
            false
        }
    }
}

pub fn read_planogram(
    text: &str,
    layout: &Layout,
    lines: &PlanLines,
    stock: &Stock,
    problems: &mut Problems,
) -> Planogram {
    let mut planogram = Planogram::default();
    // GTIN-12 and GTIN-13 of one item differ by a zero in front; the catalogue's way of writing it counts.
    let by_gtin: BTreeMap<String, &ProductId> =
        stock.mentioned.keys().filter_map(|id| Some((as_gtin_14(id.as_str())?, id))).collect();
    for row in rows::read(text, &PLANOGRAM, problems) {
        refuse_cards(&row, problems);
        let cells = ["shelf", "plate", "product"].map(|column| row.need(column, problems).map(str::to_string));
        let [shelf, plates, product] = cells;
        let place = shelf.zip(plates).and_then(|(shelf, plates)| place(&shelf, &plates, &row, layout, lines, problems));
        let product = product.and_then(|product| {
            let id = ProductId::new(&product);
            let known = stock.mentioned.get_key_value(&id).map(|(id, _)| id);
            let known = known.or_else(|| as_gtin_14(&product).and_then(|gtin| by_gtin.get(&gtin).copied()));
            // An empty catalogue has been told of once, not on every line here.
            if known.is_none() && !stock.mentioned.is_empty() {
                let suggestion = did_you_mean(&product, stock.mentioned.keys().map(ProductId::as_str));
                problems
                    .error(row.line, format!("unknown product {}", shown(&product)))
                    .try_this(suggestion.unwrap_or_else(|| "add it to catalogue.csv".into()));
            }
            known.cloned()
        });
        let (Some((shelf, plates)), Some(product)) = (place, product) else { continue };
        if stock.unweighed.contains(&product) {
            let line = stock.mentioned.get(&product).copied().unwrap_or_default();
            problems
                .error(row.line, format!("product {product} stands on a weighed shelf but has no weight"))
                .try_this(format!("give weight_g in catalogue.csv line {line}"));
        }
        for plate in plates {
            if planogram.on_plate(&shelf, plate).any(|there| *there == product) {
                problems.warning(row.line, format!("product {product} is on plate {plate} of shelf {shelf} already"));
            }
            planogram.put(shelf.clone(), plate, product.clone());
        }
    }
    planogram
}

/// A shelf that exists and plates it has. Plates are `4`, or `4-5` for a product that stands across several.
fn place(
    shelf: &str,
    plates: &str,
    row: &Row,
    layout: &Layout,
    lines: &PlanLines,
    problems: &mut Problems,
) -> Option<(ShelfId, std::ops::RangeInclusive<PlateNo>)> {
    let id = ShelfId::new(shelf);
    let Some(found) = layout.shelves.get(&id) else {
        // A shelf that shop.toml has but got wrong is left to that file's problems.
        if !layout.shelves.is_empty() && !lines.shelves.contains_key(&id) {
            let near = did_you_mean(shelf, layout.shelves.keys().map(ShelfId::as_str));
            problems
                .error(row.line, format!("unknown shelf {}", shown(shelf)))
                .try_this(near.unwrap_or_else(|| "add it to shop.toml".into()));
        }
        return None;
    };
    let (first, last) = plates.split_once('-').unwrap_or((plates, plates));
    let Some((first, last)) = first.trim().parse::<PlateNo>().ok().zip(last.trim().parse::<PlateNo>().ok()) else {
        problems
            .error(row.line, format!("plate `{}` is not a number", shown(plates)))
            .try_this("write 4, or 4-5 for a product across several plates");
        return None;
    };
    let count = found.plates.len();
    if count == 0 {
        problems.error(row.line, format!("shelf {id} has no plates")).try_this("give it some in shop.toml");
        return None;
    }
    if first == 0 || usize::from(last) > count || first > last {
        problems
            .error(row.line, format!("plate {plates} is out of range"))
            .try_this(format!("shelf {id} has plates 1 to {count}"));
        return None;
    }
    Some((id, first..=last))
}

/// Products that stand nowhere: they are sold only where a plate holds them.
pub fn check_used(planogram: &Planogram, stock: &Stock, problems: &mut Problems) {
    let used: BTreeSet<&ProductId> = planogram.iter().map(|(_, _, product)| product).collect();
    let unused: Vec<(&ProductId, usize)> =
        stock.mentioned.iter().filter(|(id, _)| !used.contains(id)).map(|(id, line)| (id, *line)).collect();
    if unused.len() <= 3 {
        for (id, line) in unused {
            problems.warning(line, format!("product {id} stands on no shelf")).try_this("add it to planogram.csv");
        }
    } else {
        let names: Vec<&str> = unused.iter().map(|(id, _)| id.as_str()).collect();
        problems.warning(None, format!("{} products stand on no shelf: {}", names.len(), some(&names)));
    }
}
