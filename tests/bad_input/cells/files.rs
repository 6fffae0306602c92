//! What the shop's own hand writes: TOML and CSV files. Read from disk as the daemon and the simulator read them.

use super::*;
use crate::kinds::{Badness::*, CARD, Kind::*};

const CONFIG: &str = "\
# tok_secret_7391
[mqtt]
host = \"127.0.0.1\"
port = 1883
[policy]
hold_amount = 500
";

pub const SHOP: &str = concat!("# tok_secret_7391\n", include_str!("../../../config/demo-shop/shop.toml"));

pub const PLANOGRAM: &str = "\
# tok_secret_7391
shelf,plate,product
1-1,1-4,2000000000374
";

pub const CATALOGUE: &str = "\
# tok_secret_7391
product,name,price,tax_class,deposit,weight_g
2000000000374,Still water 1.0 l,0.79,standard,0.25,1041
";

const SCRIPT: &str = "\
case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper
c1,5,take,1,2,1,2000000001487,1,348,tok_secret_7391
";

const MANIFEST: &str = concat!("# tok_secret_7391\n", include_str!("../../../models/disc.toml"));

const NO_NULL_TOML: &str = "TOML has no null";
const NO_NEST: &str = "rows and columns do not nest";
const NO_TIME: &str = "it holds no time of day";
const HAS_CARD: &str = "holds what looks like a card number";
const NOT_UTF8: &str = "tok_secret_7391@utf8";

pub fn rows() -> Vec<Row> {
    vec![config(), shop_toml(), planogram(), catalogue(), script(), manifest()]
}

fn config() -> Row {
    let cells = vec![
        (Empty, whole("", "ok")), // nothing in it is required
        (Noise, noise("not TOML")),
        (Truncated, swap("port = 1883", "port = ", "not TOML")),
        (WrongType, swap("1883", "\"1883\"", "`port` of [mqtt]: invalid type")),
        (MissingKey, swap("host = \"127.0.0.1\"", "user = \"u\"", "has a `user` but no `password_file`")),
        (Null, na(NO_NULL_TOML)),
        (UnknownId, na("it names no thing that is declared elsewhere")),
        (Oversized, grown("is larger than 32 MiB")),
        (OutOfRange, swap("1883", "0", "`port` of [mqtt] is 0; use 1 to 65535")),
        (NoNumber, swap("[policy]", "[vision]\nconfidence_min = nan\n[policy]", "`confidence_min` of [vision] is NaN")),
        (DeepNesting, deep("1883", "not TOML")),
        (DuplicateKey, swap("port = 1883", "port = 1883\nport = 1884", "not TOML: duplicate key")),
        (CardNumber, swap("127.0.0.1", CARD, HAS_CARD)),
        (NotUtf8, swap(SECRET, NOT_UTF8, "is not UTF-8; save it as UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("host", "hots", "unknown key `hots` in [mqtt]; did you mean host?")),
    ];
    Row { kind: Config, good: CONFIG, cells }
}

fn shop_toml() -> Row {
    let cells = vec![
        (Empty, whole("", "the file has no `id`")),
        (Noise, noise("not TOML")),
        (Truncated, swap("currency = \"EUR\"", "currency = \"EU", "not TOML")),
        (WrongType, swap("\"EUR\"", "7", "`currency` of the file is not a text in quotes")),
        (MissingKey, swap("id = \"corner\"", "", "the file has no `id`")),
        (Null, na(NO_NULL_TOML)),
        (UnknownId, na("it declares ids and refers to none")),
        (Oversized, grown("is larger than 32 MiB")),
        (OutOfRange, swap("[1.2192, 0.05, 1.8]", "[1.2192, -0.05, 1.8]", "not above zero on every side")),
        (NoNumber, swap("[0.5, 4.85, 0.0]", "[0.5, nan, inf]", "is not a list of 3 finite numbers")),
        (DeepNesting, deep("\"EUR\"", "not TOML")),
        (DuplicateKey, swap("id = \"corner\"", "id = \"corner\"\nid = \"c\"", "not TOML: duplicate key")),
        (CardNumber, swap("Corner shop", CARD, "`name` holds what looks like a card number")),
        (NotUtf8, swap(SECRET, NOT_UTF8, "is not UTF-8; save it as UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("currency = ", "colour = 1\ncurrency = ", "unknown key `colour` in the file")),
    ];
    Row { kind: ShopToml, good: SHOP, cells }
}

fn planogram() -> Row {
    let cells = vec![
        (Empty, whole("", "planogram.csv: empty; the first line names columns: shelf,plate,product")),
        (Noise, noise("planogram.csv line 1: columns are separated by semicolons")),
        (Truncated, swap(",2000000000374", "", "no product on this line")),
        (WrongType, swap("1-4", "left", "plate `left` is not a number")),
        (MissingKey, swap("plate,", "", "no column plate")),
        (Null, swap("1-4", "", "no plate on this line")),
        (UnknownId, swap("2000000000374", "WAFER", "unknown product WAFER")),
        (Oversized, grown("is larger than 32 MiB")),
        (OutOfRange, swap("1-4", "1-13", "plate 1-13 is out of range; shelf 1-1 has plates 1 to 12")),
        (NoNumber, swap("1-4", "nan", "plate `nan` is not a number")),
        (DeepNesting, na(NO_NEST)),
        (DuplicateKey, swap("shelf,plate", "shelf,plate,plate", "column plate is there twice")),
        (CardNumber, swap("2000000000374", CARD, "column product holds what looks like a card number")),
        (NotUtf8, swap(SECRET, NOT_UTF8, "is not UTF-8; save it as UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("product", "product,colour", "unknown column `colour`")),
    ];
    Row { kind: Planogram, good: PLANOGRAM, cells }
}

fn catalogue() -> Row {
    let cells = vec![
        (Empty, whole("", "catalogue.csv: empty; the first line names columns: product,name,price")),
        (Noise, noise("catalogue.csv line 1: columns are separated by semicolons")),
        (Truncated, swap(",0.79,standard,0.25,1041", "", "no price on this line")),
        (WrongType, swap("0.79", "cheap", "price `cheap` is not an amount")),
        (MissingKey, swap("name,", "", "no column name")),
        (Null, swap("Still water 1.0 l", "", "no name on this line")),
        (UnknownId, swap("standard", "standart", "unknown tax class `standart`; did you mean standard?")),
        (Oversized, grown("is larger than 32 MiB")),
        (OutOfRange, swap("0.79", "-0.79", "price -0.79 is negative")),
        (NoNumber, swap("1041", "inf", "weight_g `inf` is not a finite number")),
        (DeepNesting, na(NO_NEST)),
        (DuplicateKey, swap("product,", "product,product,", "column product is there twice")),
        (CardNumber, swap("Still water 1.0 l", CARD, "column name holds what looks like a card number")),
        (NotUtf8, swap(SECRET, NOT_UTF8, "is not UTF-8; save it as UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("weight_g", "weight_g,colour", "unknown column `colour`")),
    ];
    Row { kind: Catalogue, good: CATALOGUE, cells }
}

fn script() -> Row {
    let cells = vec![
        (Empty, whole("", "column case is missing")),
        (Noise, noise("column case is missing")),
        (Truncated, swap(",1,348,tok_secret_7391", "", "shopper is empty")),
        (WrongType, swap("5", "soon", "t_s \"soon\" is not a number from 0 up")),
        (MissingKey, swap("plates,", "", "column plates is missing")),
        (Null, swap("2000000001487", "", "take of nothing: product is empty")),
        (UnknownId, swap("1,2,1", "9,2,1", "there is no shelf 2 in gondola 9")),
        (Oversized, na("whoever simulates reads their own file, as long as they like")),
        (OutOfRange, swap("1,348", "51,348", "quantity \"51\" is not a whole number from 1 to 50")),
        (NoNumber, swap("348", "nan", "weight_g \"nan\" is not a number from 0 up")),
        (DeepNesting, na(NO_NEST)),
        (DuplicateKey, swap("product", "product,product", "column product is there twice")),
        (CardNumber, swap("5", CARD, "t_s \"(hidden: it looks like a card number)\"")),
        (NotUtf8, swap(SECRET, NOT_UTF8, "did not contain valid UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na("its times count from the first event")),
        (Before2000, swap("5", "-5", "t_s \"-5\" is not a number from 0 up")),
        (ExtraKey, swap("shopper\n", "shopper,remark\n", "ok")),
    ];
    Row { kind: Script, good: SCRIPT, cells }
}

fn manifest() -> Row {
    let cells = vec![
        (Empty, whole("", "missing field `name`")),
        (Noise, noise("model.toml line 1: ")),
        (Truncated, swap("overlap = 0.3", "overlap = ", "model.toml line 19: ")),
        (WrongType, swap("overlap = 0.3", "overlap = \"0.3\"", "invalid type: string \"0.3\"")),
        (MissingKey, swap("licence = \"Apache-2.0\"", "", "missing field `licence`")),
        (Null, na(NO_NULL_TOML)),
        (UnknownId, swap("\"disc\"\nradii", "\"disk\"\nradii", "unknown variant `disk`")),
        (Oversized, na("it comes with the program and its model, not from outside")),
        (OutOfRange, swap("[160, 120]", "[160, 0]", "input.size 160 x 0 is not within 1..=4096")),
        (NoNumber, swap("overlap = 0.3", "overlap = nan", "output.overlap NaN is not within 0..=1")),
        (DeepNesting, deep("[160, 120]", "model.toml line 10: cannot recurse further")),
        (DuplicateKey, swap("pad = 100", "pad = 100\npad = 101", "duplicate key")),
        (CardNumber, swap("\"Apache-2.0\"", CARD.replace(' ', ""), "(hidden: it looks like a card number)")),
        (NotUtf8, swap(SECRET, NOT_UTF8, "did not contain valid UTF-8")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("pad = 100", "pad = 100\nmood = 1", "unknown field `mood`")),
    ];
    Row { kind: Manifest, good: MANIFEST, cells }
}
