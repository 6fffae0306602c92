//! What grocers, kiosks and stadium shops sell: brand lines of a dozen and more categories, drawn once for each part.
//!
//! A *line* is one maker's product in one to five flavours of equal weight, side by side on the shelf: the same can in
//! another colour. One flavour in a while comes in a large pack too, which looks the same and weighs more. The id says
//! all of it: `h-drink-3.2` is flavour 2 of line 3, `h-drink-3.2-large` its large pack. The same id is the same product
//! in every shop of the part, and no product of the other part has an id that begins with its letter.

use super::super::chance::Chance;
use super::Part;
use crate::base::{Cents, ProductId};
use crate::shop::{Product, TaxClass, default_tolerance_g};

/// Everything of a brand line has this in common: `h-drink-3` of `h-drink-3.2-large`.
pub fn line_of(product: &ProductId) -> &str {
    product.as_str().rsplit_once('.').map_or(product.as_str(), |(line, _)| line)
}

/// Two products with this in common look the same: `h-drink-3.2` of `h-drink-3.2` and its large pack.
pub fn looks_of(product: &ProductId) -> &str {
    product.as_str().strip_suffix(LARGE).unwrap_or(product.as_str())
}

const LARGE: &str = "-large";

/// Most makers fill what everybody fills, in grams or millilitres, and wrap it much alike: half-litre bottles of several
/// makers were within 530-546 g in a real shop.
const NET_G: [f64; 16] =
    [30.0, 45.0, 60.0, 80.0, 100.0, 125.0, 150.0, 200.0, 250.0, 330.0, 400.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0];
const USUAL: f64 = 0.6;
const WRAPPED: f64 = 1.05;

pub struct Category {
    name: &'static str,
    goods: [&'static str; 4],
    flavours: [&'static str; 5],
    /// How many brand lines there are to draw from.
    pub lines: usize,
    /// A line weighs this, grams: log-normal with this sigma of the logarithm, cut off at the least and most.
    typical_g: f64,
    sigma: f64,
    between_g: (f64, f64),
    /// A typical one costs this; price goes with the root of the weight.
    cents: f64,
    tax: (&'static str, u32),
    deposit: Cents,
    restricted: bool,
}

const STANDARD: (&str, u32) = ("standard", 1900);
const REDUCED: (&str, u32) = ("reduced", 700);

/// Packed food at the reduced rate, as most categories are.
const FOOD: Category = Category {
    name: "",
    goods: [""; 4],
    flavours: ["classic", "mild", "hot", "with herbs", "wholemeal"],
    lines: 48,
    typical_g: 300.0,
    sigma: 0.5,
    between_g: (60.0, 1200.0),
    cents: 219.0,
    tax: REDUCED,
    deposit: Cents::ZERO,
    restricted: false,
};

/// Weights as in a real five-bay shop whose 396 products go from 25 g (gum) to 2 kg (rice), half of them below 290 g.
pub const CATEGORIES: &[Category] = &[
    Category {
        name: "drink",
        goods: ["Still water", "Iced tea", "Lemonade", "Apple spritzer"],
        flavours: ["lemon", "peach", "cherry", "classic", "light"],
        typical_g: 560.0,
        sigma: 0.45,
        between_g: (230.0, 1580.0),
        cents: 149.0,
        tax: STANDARD,
        deposit: Cents(25),
        ..FOOD
    },
    Category {
        name: "can",
        goods: ["Cola", "Energy drink", "Orangeade", "Tonic"],
        flavours: ["classic", "zero", "lime", "berry", "mango"],
        typical_g: 350.0,
        sigma: 0.16,
        between_g: (200.0, 540.0),
        cents: 139.0,
        tax: STANDARD,
        deposit: Cents(25),
        ..FOOD
    },
    Category {
        name: "sweet",
        goods: ["Milk chocolate", "Fruit gums", "Chewing gum", "Toffee"],
        flavours: ["nut", "mint", "strawberry", "dark", "caramel"],
        typical_g: 82.0,
        sigma: 0.7,
        between_g: (25.0, 320.0),
        cents: 119.0,
        ..FOOD
    },
    Category {
        name: "bar",
        goods: ["Chocolate bar", "Muesli bar", "Protein bar", "Wafer"],
        flavours: ["peanut", "coconut", "cocoa", "berry", "hazelnut"],
        typical_g: 52.0,
        sigma: 0.35,
        between_g: (25.0, 120.0),
        cents: 109.0,
        ..FOOD
    },
    Category {
        name: "snack",
        goods: ["Potato crisps", "Salted nuts", "Pretzel sticks", "Popcorn"],
        flavours: ["salted", "paprika", "cheese", "sour cream", "chilli"],
        typical_g: 150.0,
        sigma: 0.5,
        between_g: (40.0, 420.0),
        cents: 189.0,
        ..FOOD
    },
    Category {
        name: "biscuit",
        goods: ["Butter biscuits", "Oat cookies", "Crackers", "Waffles"],
        typical_g: 205.0,
        sigma: 0.45,
        between_g: (80.0, 600.0),
        cents: 169.0,
        ..FOOD
    },
    Category {
        name: "dairy",
        goods: ["Yoghurt", "Milk", "Curd cheese", "Sliced cheese"],
        flavours: ["plain", "vanilla", "strawberry", "low fat", "coffee"],
        typical_g: 260.0,
        sigma: 0.65,
        between_g: (95.0, 1070.0),
        cents: 129.0,
        ..FOOD
    },
    Category {
        name: "tin",
        goods: ["Tomatoes", "Beans", "Tuna", "Lentil soup"],
        typical_g: 430.0,
        sigma: 0.45,
        between_g: (110.0, 960.0),
        cents: 159.0,
        ..FOOD
    },
    Category {
        name: "staple",
        goods: ["Pasta", "Rice", "Flour", "Sugar"],
        flavours: ["fine", "coarse", "wholemeal", "organic", "quick"],
        typical_g: 720.0,
        sigma: 0.45,
        between_g: (250.0, 2030.0),
        cents: 179.0,
        ..FOOD
    },
    Category {
        name: "jar",
        goods: ["Jam", "Honey", "Gherkins", "Pesto"],
        flavours: ["apricot", "cherry", "mild", "hot", "organic"],
        typical_g: 480.0,
        sigma: 0.4,
        between_g: (180.0, 1050.0),
        cents: 269.0,
        ..FOOD
    },
    Category {
        name: "meal",
        goods: ["Lasagne", "Curry", "Noodle cup", "Salad bowl"],
        flavours: ["vegetable", "chicken", "beef", "hot", "mild"],
        typical_g: 370.0,
        sigma: 0.4,
        between_g: (75.0, 820.0),
        cents: 399.0,
        ..FOOD
    },
    Category {
        name: "bread",
        goods: ["Sliced bread", "Rolls", "Sandwich", "Croissants"],
        flavours: ["wheat", "rye", "cheese", "egg", "seeds"],
        typical_g: 300.0,
        sigma: 0.55,
        between_g: (80.0, 1010.0),
        cents: 229.0,
        ..FOOD
    },
    Category {
        name: "produce",
        goods: ["Apples in a bag", "Grapes", "Cut melon", "Carrots"],
        flavours: ["red", "green", "sweet", "organic", "small"],
        typical_g: 450.0,
        sigma: 0.6,
        between_g: (120.0, 2010.0),
        cents: 249.0,
        ..FOOD
    },
    Category {
        name: "house",
        goods: ["Dish liquid", "Kitchen roll", "Bin bags", "Batteries"],
        flavours: ["lemon", "fresh", "neutral", "strong", "refill"],
        typical_g: 380.0,
        sigma: 0.75,
        between_g: (36.0, 1800.0),
        cents: 279.0,
        tax: STANDARD,
        ..FOOD
    },
    Category {
        name: "care",
        goods: ["Shower gel", "Toothpaste", "Plasters", "Tissues"],
        flavours: ["mint", "sensitive", "sport", "aloe", "kids"],
        typical_g: 160.0,
        sigma: 0.75,
        between_g: (30.0, 560.0),
        cents: 249.0,
        tax: STANDARD,
        ..FOOD
    },
    // Few, so that a small shop is not full of what nobody may take alone.
    Category {
        name: "beer",
        goods: ["Pilsner", "Wheat beer", "Red wine", "White wine"],
        flavours: ["light", "dark", "lemon", "dry", "sweet"],
        lines: 5,
        typical_g: 880.0,
        sigma: 0.2,
        between_g: (460.0, 1350.0),
        cents: 189.0,
        tax: STANDARD,
        deposit: Cents(8),
        restricted: true,
    },
];

/// The products of a line, as they stand on a shelf. Always the same: no shop's seed goes in.
pub fn line(part: Part, category: &Category, no: usize) -> Vec<Product> {
    let line = format!("{}-{}-{no}", part.letter(), category.name);
    let mut chance = Chance::new(0, &format!("line/{line}"));
    let (least, most) = category.between_g;
    let mut weight_g = category.typical_g * libm::exp(category.sigma * chance.normal());
    if chance.yes(USUAL) {
        let off = |net_g: &f64| libm::fabs(libm::log(net_g / weight_g));
        let net_g = NET_G.into_iter().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(weight_g);
        weight_g = net_g * (WRAPPED + 0.008 * chance.normal());
    }
    let weight_g = weight_g.clamp(least, most);
    // 2.3 on average.
    let flavours = 1 + chance.from_quantiles(&[(0.0, 0.0), (0.35, 1.0), (0.6, 2.0), (0.8, 3.0), (1.0, 4.99)]) as usize;
    let first = chance.below(category.flavours.len());
    // Nobody carries a pack of 3 kg: what weighs more than 1.1 kg has no larger sister.
    let with_large = if chance.yes(0.2) && weight_g < 1100.0 { chance.below(flavours) } else { flavours };
    let large = chance.between(1.4, 2.2);
    let name = category.goods[chance.below(category.goods.len())];
    let times = libm::exp(0.25 * chance.normal());
    let product = |id: String, name: String, weight_g: f64| {
        let weight_g = (weight_g * 10.0).round() / 10.0;
        let cents = category.cents * times * libm::sqrt(weight_g / category.typical_g);
        Product {
            id: ProductId::new(id),
            name: format!("{name} {weight_g:.0} g"),
            // 1.09, 1.19 and so on.
            price: Cents((cents / 10.0).round().max(4.0) as i64 * 10 - 1),
            tax: TaxClass { name: category.tax.0.into(), rate_bp: category.tax.1 },
            deposit: category.deposit,
            weight_g,
            weight_tolerance_g: default_tolerance_g(weight_g),
            restricted: category.restricted,
        }
    };
    let mut products = Vec::new();
    for flavour in 0..flavours {
        let id = format!("{line}.{}", flavour + 1);
        let name = format!("{name} {no} {}", category.flavours[(first + flavour) % category.flavours.len()]);
        // The same filling machine: flavours differ by a gram at most.
        let own_g = weight_g + (0.4 * chance.normal()).clamp(-1.0, 1.0);
        if flavour == with_large {
            products.push(product(id.clone(), name.clone(), own_g));
            products.push(product(format!("{id}{LARGE}"), format!("{name}, large"), own_g * large));
        } else {
            products.push(product(id, name, own_g));
        }
    }
    products
}
