//! Reads a shop from its three files, with every problem of all three at once.
//!
//! The text comes in, a checked [`Shop`] comes out; from then on nobody doubts it. Where a thing stands is
//! `floor_plan`'s to read, what it costs and where it is sold from `stock`'s, whether it makes sense `checks`'.

use super::floor_plan::FloorPlan;
use super::problems::{Problem, Problems};
use super::{Shop, checks, fields::Document, floor_plan, stock};
use std::path::{Path, PathBuf};

/// The three files of a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopPaths {
    pub shop: PathBuf,
    pub planogram: PathBuf,
    pub catalogue: PathBuf,
}

pub const SHOP_FILE: &str = "shop.toml";
pub const PLANOGRAM_FILE: &str = "planogram.csv";
pub const CATALOGUE_FILE: &str = "catalogue.csv";

impl<P: AsRef<Path>> From<P> for ShopPaths {
    /// A directory with files of the usual names.
    fn from(directory: P) -> ShopPaths {
        let at = |name: &str| directory.as_ref().join(name);
        ShopPaths { shop: at(SHOP_FILE), planogram: at(PLANOGRAM_FILE), catalogue: at(CATALOGUE_FILE) }
    }
}

impl Shop {
    /// The shop and warnings, or every problem: errors, and the warnings beside them.
    pub fn read(paths: impl Into<ShopPaths>) -> Result<(Shop, Vec<Problem>), Vec<Problem>> {
        let paths = paths.into();
        let (mut texts, mut unread) = (Vec::new(), Vec::new());
        for path in [&paths.shop, &paths.planogram, &paths.catalogue] {
            match read_text(path) {
                Ok(text) => texts.push(text),
                Err(problem) => unread.push(problem),
            }
        }
        let Ok([shop, planogram, catalogue]) = <[String; 3]>::try_from(texts) else { return Err(unread) };
        Shop::parse(&shop, &planogram, &catalogue)
    }

    /// The same from texts: shop.toml, planogram.csv, catalogue.csv.
    pub fn parse(shop: &str, planogram: &str, catalogue: &str) -> Result<(Shop, Vec<Problem>), Vec<Problem>> {
        let document = Document::parse(SHOP_FILE, shop);
        // After a slip of syntax the rest would read as missing: say the slip, and check the other files by themselves.
        let mut plan = FloorPlan::default();
        if document.is_toml() {
            plan = floor_plan::read(document.fields());
            checks::check(&plan.layout, &plan.lines, &mut document.problems());
        }

        let mut in_catalogue = Problems::of(CATALOGUE_FILE);
        let stock = stock::read_catalogue(catalogue, &plan.currency, &plan.taxes, &mut in_catalogue);
        let mut in_planogram = Problems::of(PLANOGRAM_FILE);
        let planogram = stock::read_planogram(planogram, &plan.layout, &plan.lines, &stock, &mut in_planogram);
        // Only said when the files it is judged by are right themselves.
        if !document.problems().has_errors() && !in_planogram.has_errors() {
            stock::check_used(&planogram, &stock, &mut in_catalogue);
        }

        let problems: Vec<Problem> = [document.into_problems(), in_planogram, in_catalogue]
            .into_iter()
            .flat_map(Problems::into_sorted)
            .collect();
        match plan.id {
            Some(id) if !problems.iter().any(Problem::is_error) => {
                let shop = Shop {
                    id,
                    name: plan.name,
                    currency: plan.currency,
                    timezone: plan.timezone,
                    tax_included: plan.tax_included,
                    layout: plan.layout,
                    planogram,
                    catalogue: stock.catalogue,
                };
                Ok((shop, problems))
            }
            _ => Err(problems),
        }
    }
}

/// Bytes of the largest shop file: a hundred thousand products are 10 MB.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// A file's text, or one problem that says why not.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let refuse = |what: String, suggestion: String| {
        let mut problems = Problems::of(&name);
        let problem = problems.error(None, what);
        problem.try_this(suggestion);
        Err(problem.clone())
    };
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > FILE_BYTES => {
            return refuse(format!("{shown} is larger than 32 MiB"), "it cannot be a shop file".into());
        }
        _ => {}
    }
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => refuse(format!("{shown} is not UTF-8"), "save it as UTF-8".into()),
        Err(error) => {
            refuse(format!("cannot read {shown}: {error}"), "docs/shop-files.md says what belongs there".into())
        }
    }
}
