//! What is sold: catalogue.csv, one product a line.

use crate::base::{Cents, ProductId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxClass {
    pub name: String,
    /// Basis points: 1900 is 19 %.
    pub rate_bp: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    /// Per unit, with or without tax as the shop says.
    pub price: Cents,
    pub tax: TaxClass,
    /// Bottle deposit per unit; untaxed, on top of the price.
    pub deposit: Cents,
    pub weight_g: f64,
    /// Half width of what packages really weigh, grams.
    pub weight_tolerance_g: f64,
    /// Sold only after staff have looked (age-restricted goods).
    pub restricted: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    products: BTreeMap<ProductId, Product>,
    tax_classes: BTreeMap<String, TaxClass>,
}

impl Catalogue {
    pub fn insert(&mut self, product: Product) {
        self.tax_classes.entry(product.tax.name.clone()).or_insert_with(|| product.tax.clone());
        self.products.insert(product.id.clone(), product);
    }

    pub fn get(&self, id: &ProductId) -> Option<&Product> {
        self.products.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    /// What stands in for a product that was taken before it left the catalogue: owed at the price it was taken at, under
    /// the highest tax so that none is missing. A human looks at such a receipt.
    pub fn delisted(&self, id: &ProductId, price: Cents) -> Product {
        let highest = self.tax_classes.values().max_by_key(|class| class.rate_bp).cloned();
        Product {
            id: id.clone(),
            name: id.to_string(),
            price,
            tax: highest.unwrap_or(TaxClass { name: "unknown".into(), rate_bp: 0 }),
            deposit: Cents::ZERO,
            weight_g: 0.0,
            weight_tolerance_g: 0.0,
            restricted: true,
        }
    }

    /// Makes a tax class known that no product may use yet.
    pub fn insert_tax_class(&mut self, class: TaxClass) {
        self.tax_classes.insert(class.name.clone(), class);
    }

    /// By the name upstream and catalogue.csv know it by.
    pub fn tax_class(&self, name: &str) -> Option<&TaxClass> {
        self.tax_classes.get(name)
    }

    pub fn tax_classes(&self) -> impl Iterator<Item = &TaxClass> {
        self.tax_classes.values()
    }

    pub fn len(&self) -> usize {
        self.products.len()
    }

    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }
}
