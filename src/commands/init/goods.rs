//! What is sold at first: somebody's own catalogue, or a placeholder a plate, and what of it stands where.

use super::interview::{Interview, Question};
use super::{Failure, InitArgs, listed};
use crate::base::{Cents, ProductId, ShopId};
use crate::shop::{Catalogue, Layout, Planogram, Product, Shop, TaxClass, default_tolerance_g};

/// What a placeholder weighs, grams: any weight that a scale notices will do until somebody weighs the real thing.
const PLACEHOLDER_G: f64 = 250.0;

/// Products: somebody's own, or a placeholder a plate. Own rows are kept as they are written.
pub fn catalogue(
    args: &InitArgs,
    interview: &mut Interview,
    layout: &Layout,
    taxes: &[TaxClass],
    currency: &str,
) -> Result<(Catalogue, Option<String>), Failure> {
    let given = args.catalogue.as_ref().map(|path| path.display().to_string());
    let question = Question {
        flag: "--catalogue",
        what: "your catalogue.csv (none: a placeholder a plate)",
        given: given.as_deref(),
        default: String::new(),
        note: true,
    };
    // A shop with nothing but this catalogue: what is wrong with the catalogue is then said line by line.
    let mut bare = Shop {
        id: ShopId::new("shop"),
        name: String::new(),
        currency: currency.to_owned(),
        timezone: "UTC".into(),
        tax_included: true,
        layout: layout.clone(),
        planogram: Planogram::default(),
        catalogue: Catalogue::default(),
    };
    taxes.iter().for_each(|class| bare.catalogue.insert_tax_class(class.clone()));
    let shop_toml = bare.shop_toml();
    let own = interview.ask(&question, |text| {
        if text.is_empty() {
            return Ok(None);
        }
        let rows = std::fs::read_to_string(text).map_err(|error| format!("reading {text}: {error}"))?;
        let (read, _) = Shop::parse(&shop_toml, "shelf,plate,product\n", &rows).map_err(|found| listed(&found))?;
        Ok(Some((read.catalogue, Some(rows))))
    })?;
    if let Some(own) = own {
        return Ok(own);
    }
    let mut catalogue = bare.catalogue;
    let plates = layout.shelves.values().flat_map(|shelf| shelf.plates.iter().map(move |plate| (shelf, plate)));
    for (n, (shelf, plate)) in plates.enumerate() {
        catalogue.insert(Product {
            id: ProductId::new(format!("PLACEHOLDER-{:04}", n + 1)),
            name: format!("Placeholder, shelf {} plate {}", shelf.id, plate.no),
            // Nobody pays for what nobody has named.
            price: Cents(0),
            tax: taxes[0].clone(),
            deposit: Cents(0),
            weight_g: PLACEHOLDER_G,
            weight_tolerance_g: default_tolerance_g(PLACEHOLDER_G),
            restricted: false,
        });
    }
    interview.assumed.push(format!("products: placeholders that cost nothing and weigh {PLACEHOLDER_G} g"));
    Ok((catalogue, None))
}

/// One product a plate, shelf by shelf, until one of them runs out.
pub fn stock(shop: &mut Shop) {
    let plates = shop.layout.shelves.values().flat_map(|shelf| shelf.plates.iter().map(|plate| (&shelf.id, plate.no)));
    let plates: Vec<_> = plates.map(|(id, no)| (id.clone(), no)).collect();
    for ((shelf, plate), product) in plates.into_iter().zip(shop.catalogue.iter().filter(|p| p.weight_g > 0.0)) {
        shop.planogram.put(shelf, plate, product.id.clone());
    }
}
