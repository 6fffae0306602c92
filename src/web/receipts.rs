//! Receipts, contesting them, and deciding those that wait for a human (`reviews` lists them).
//!
//! Whoever changes quantities names the lines they mean; the lines they do not name stand as they are. What goes to the
//! floor is always the whole list, product by product.

use super::body::{Id, Json};
use super::tell::{Told, tell};
use super::{Problem, Web};
use crate::base::{Cents, ProductId, ReceiptId, VisitId};
use crate::carts::{Receipt, ReceiptStatus};
use crate::events::Observation;
use crate::shop::Shop;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Units of one line. More: malformed.
const QUANTITY: i64 = 999;

/// Lines of one contest or review. More: malformed.
const LINES: usize = 500;

#[derive(Deserialize)]
pub struct Filter {
    last4: Option<String>,
    date: Option<String>,
    amount: Option<String>,
}

pub async fn list(
    State(web): State<Arc<Web>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Filter { last4, date, amount }) =
        query.map_err(|_| Problem::malformed("The query may hold `last4`, `date` and `amount`, each once."))?;
    if last4.as_ref().is_some_and(|last4| !is_last4(last4)) {
        return Err(Problem::malformed("`last4` must be the card's last four digits."));
    }
    let is_date = |date: &String| date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    if date.as_ref().is_some_and(|date| !is_date(date)) {
        return Err(Problem::malformed("`date` must be a day as YYYY-MM-DD."));
    }
    let amount = match amount.map(|amount| amount.parse()) {
        Some(Ok(minor)) => Some(Cents(minor)),
        Some(Err(_)) => {
            return Err(Problem::malformed("`amount` must be a whole number of minor units (2.50 is 250)."));
        }
        None => None,
    };
    let receipts = web.books(move |books| books.receipts(last4.as_deref(), date.as_deref(), amount)).await?;
    Ok(axum::Json(json!({ "receipts": receipts })).into_response())
}

fn is_last4(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub async fn get(State(web): State<Arc<Web>>, Id(id): Id) -> Result<Response, Problem> {
    Ok(axum::Json(look_up(&web, ReceiptId(id)).await?).into_response())
}

async fn look_up(web: &Web, id: ReceiptId) -> Result<Receipt, Problem> {
    let found = web.books(move |books| books.receipt(id)).await?;
    found.ok_or_else(|| Problem::unknown("There is no receipt of this id."))
}

/// One line somebody wants otherwise: a line of the receipt by its id, or a product (charged or not).
#[derive(Deserialize)]
struct Wish {
    line_id: Option<String>,
    product: Option<String>,
    /// What the receipt says, as far as the caller knows.
    original: Option<i64>,
    #[serde(alias = "claimed")]
    quantity: i64,
}

#[derive(Deserialize)]
pub struct WishBody {
    lines: Vec<Wish>,
    /// The revision the caller looked at.
    revision: Option<u64>,
}

pub async fn contest(State(web): State<Arc<Web>>, Id(id): Id, Json(body): Json<WishBody>) -> Result<Response, Problem> {
    let receipt = look_up(&web, ReceiptId(id)).await?;
    if matches!(receipt.status, ReceiptStatus::Draft | ReceiptStatus::BeingChecked) {
        return Err(Problem::conflict("This receipt is still being checked; nothing has been charged yet."));
    }
    let lines = wished(&receipt, &body, &web.given.shop)?;
    if lines == as_charged(&receipt) {
        return Err(Problem::malformed("Every claimed quantity is the one on the receipt; nothing is contested."));
    }
    let visit = receipt.cart.visit_id;
    let contested = Observation::Contested { visit, lines: lines.into_iter().collect() };
    answer(&web, (receipt.receipt_id, visit), contested, |status| status == ReceiptStatus::Contested).await
}

/// Staff decide a receipt that is being checked or contested. No lines at all: right as it is.
pub async fn review(State(web): State<Arc<Web>>, Id(id): Id, Json(body): Json<WishBody>) -> Result<Response, Problem> {
    let receipt = look_up(&web, ReceiptId(id)).await?;
    if !receipt.status.waits() {
        return Err(Problem::conflict("This receipt does not wait for a decision."));
    }
    let lines = wished(&receipt, &body, &web.given.shop)?;
    let visit = receipt.cart.visit_id;
    let reviewed = Observation::Reviewed { visit, lines: lines.into_iter().collect() };
    answer(&web, (receipt.receipt_id, visit), reviewed, |status| !status.waits()).await
}

/// 200 with the receipt as it now stands, or 202 while the ledger has not confirmed. The floor has the last word: a
/// receipt that is not as it should be by now was not changed, and nobody may believe that it was.
async fn answer(
    web: &Web,
    (id, visit): (ReceiptId, VisitId),
    observation: Observation,
    as_asked: impl Fn(ReceiptStatus) -> bool,
) -> Result<Response, Problem> {
    match tell(web, visit, observation).await? {
        Told::Durable => {
            let receipt = look_up(web, id).await?;
            if !as_asked(receipt.status) {
                return Err(Problem::conflict(
                    "The floor did not take this: the receipt stands as it was. Read it again.",
                ));
            }
            Ok(axum::Json(receipt).into_response())
        }
        Told::Pending => Ok((StatusCode::ACCEPTED, axum::Json(json!({ "receipt_id": id }))).into_response()),
    }
}

/// Units by product.
pub(super) fn as_charged(receipt: &Receipt) -> BTreeMap<ProductId, i64> {
    let mut quantities = BTreeMap::new();
    for line in &receipt.cart.lines {
        *quantities.entry(line.product.clone()).or_insert(0) += line.quantity;
    }
    quantities
}

/// Quantities per product once the wishes are granted.
fn wished(receipt: &Receipt, body: &WishBody, shop: &Shop) -> Result<BTreeMap<ProductId, i64>, Problem> {
    if body.revision.is_some_and(|seen| seen != receipt.cart.revision) {
        return Err(Problem::conflict("The receipt has changed since it was looked at; read it again."));
    }
    if body.lines.len() > LINES {
        return Err(Problem::malformed(format!("At most {LINES} lines at once.")));
    }
    let charged = as_charged(receipt);
    let mut wished = charged.clone();
    let mut named: Vec<(&Option<String>, &Option<String>)> = Vec::new();
    for (i, wish) in body.lines.iter().enumerate() {
        let at = |why: &str| Problem::malformed(format!("lines[{i}]: {why}"));
        if !(0..=QUANTITY).contains(&wish.quantity) {
            return Err(at(&format!("a quantity must be 0 to {QUANTITY}.")));
        }
        if named.contains(&(&wish.line_id, &wish.product)) {
            return Err(at("this line is named twice."));
        }
        named.push((&wish.line_id, &wish.product));
        let (product, before) = match (&wish.line_id, &wish.product) {
            (Some(line_id), None) => {
                let line = receipt.cart.lines.iter().find(|line| line.line_id == *line_id);
                let line = line.ok_or_else(|| at("the receipt has no line of this `line_id`."))?;
                (line.product.clone(), line.quantity)
            }
            (None, Some(product)) => {
                let product = ProductId::new(product);
                if !charged.contains_key(&product) && shop.catalogue.get(&product).is_none() {
                    return Err(at("the catalogue has no such product."));
                }
                let before = charged.get(&product).copied().unwrap_or(0);
                (product, before)
            }
            _ => return Err(at("name the line by either `line_id` or `product`.")),
        };
        if wish.original.is_some_and(|original| original != before) {
            return Err(Problem::conflict(format!("lines[{i}]: the receipt says {before}, not that `original`.")));
        }
        *wished.entry(product).or_insert(0) += wish.quantity - before;
    }
    if wished.values().any(|quantity| *quantity < 0) {
        return Err(Problem::malformed("The same units are taken off twice, by `line_id` and by `product`."));
    }
    Ok(wished)
}
