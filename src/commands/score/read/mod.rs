//! The two files a score is made of, looked at before anything is counted: every refusal says file, line and what is wrong.
//!
//! A line that serde takes is taken; of one that it does not, `shape` says which key is wrong. What would make a score
//! meaningless is refused too: two visits with one token, receipts in two currencies, receipts of which none belongs to any
//! visit. No receipt at all is fine: then nobody was charged.

mod shape;
#[cfg(test)]
mod tests;

use super::{TokenCart, TokenReceipt};
use crate::sim::truth::{Taken, TruthLine, VisitTruth};
use serde::de::DeserializeOwned;
use shape::{Shape, ceiling_line, receipt_line, truth_line, what_is_wrong};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Units of one product in one line, at most. Nobody carries more, and sums of money stay far from what an i64 holds.
const UNITS_MAX: i64 = 10_000;
/// Minor units a unit costs, at most: as much as a shop's catalogue may say (`shop::money`).
const PRICE_MAX: i64 = 1_000_000_000;
/// Times are Unix microseconds; those beyond the year 2200 are nanoseconds by mistake.
const TIME_MAX_US: i64 = 7_258_118_400_000_000;

/// The visits of a truth file.
pub fn truth(path: &Path) -> Result<Vec<VisitTruth>, String> {
    truth_of(&text(path)?, &path.display().to_string())
}

fn truth_of(text: &str, file: &str) -> Result<Vec<VisitTruth>, String> {
    let lines: Vec<(usize, TruthLine)> = lines(text, file, truth_line)?;
    let mut visits: Vec<VisitTruth> = Vec::new();
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (n, line) in lines {
        let TruthLine::Visit(visit) = line else { continue };
        let refuse = |what: String| Err(format!("reading {file} line {n}: {what}"));
        let units = visit.cart.iter().chain(visit.cart_receiver.iter().flatten());
        if let Some(taken) = units.clone().find(|taken: &&Taken| !(0..=UNITS_MAX).contains(&taken.quantity)) {
            return refuse(format!(
                "{} units of {}; a quantity is from 0 to {UNITS_MAX}",
                taken.quantity, taken.product
            ));
        }
        let times = [Some(visit.entered_us), visit.left_us];
        if times.into_iter().flatten().any(|t_us| !(0..=TIME_MAX_US).contains(&t_us)) {
            return refuse("a time is in Unix microseconds, from 0 to the year 2200".to_owned());
        }
        if visit.left_us.is_some_and(|left_us| left_us < visit.entered_us) {
            return refuse(format!("visit {} leaves before it enters", visit.visit));
        }
        match &visit.token {
            None if visit.payer => {
                return refuse(
                    "key \"payer\" is true and key \"token\" is missing or null; visits and receipts are matched by \
                     token only"
                        .to_owned(),
                );
            }
            None => {}
            Some(token) => match seen.get(token) {
                // Staff are not scored: it does not matter which of them it was.
                Some((_, other)) if visit.staff && visits[*other].staff => {}
                Some((first, other)) => {
                    let other = &visits[*other];
                    return Err(format!(
                        "reading {file}: visit {} of case {} (line {first}) and visit {} of case {} (line {n}) have the \
                         same token, so nobody can say whose receipt is whose; score the two runs apart",
                        other.visit, other.case, visit.visit, visit.case
                    ));
                }
                None => drop(seen.insert(token.clone(), (n, visits.len()))),
            },
        }
        visits.push(visit);
    }
    let without_payer = visits.iter().filter(|visit| visit.has_nobody_to_pay()).count();
    let staff = visits.iter().filter(|visit| visit.staff).count();
    match visits.len() {
        0 => Err(format!("{file} tells of no visit")),
        n if n == staff + without_payer => Err(format!(
            "{file} tells of no visit that can be scored: {staff} of staff, {without_payer} with nobody to pay"
        )),
        _ => Ok(visits),
    }
}

/// The receipts of a receipts file; none is fine.
pub fn receipts(path: &Path) -> Result<Vec<TokenReceipt>, String> {
    receipts_of(&text(path)?, &path.display().to_string())
}

fn receipts_of(text: &str, file: &str) -> Result<Vec<TokenReceipt>, String> {
    let mut receipts: Vec<TokenReceipt> = Vec::new();
    let mut first_line = 0;
    for (n, receipt) in lines::<TokenReceipt>(text, file, receipt_line)? {
        let refuse = |what: String| Err(format!("reading {file} line {n}: {what}"));
        let cart = &receipt.receipt.cart;
        if let Some(line) = cart.lines.iter().find(|line| !(0..=UNITS_MAX).contains(&line.quantity)) {
            return refuse(format!("{} units of {}; a quantity is from 0 to {UNITS_MAX}", line.quantity, line.product));
        }
        if let Some(line) = cart.lines.iter().find(|line| !(0..=PRICE_MAX).contains(&line.unit_price.0)) {
            return refuse(format!(
                "a unit of {} costs {}; a price is from 0 to {PRICE_MAX} minor units",
                line.product, line.unit_price.0
            ));
        }
        if !(0..=TIME_MAX_US).contains(&cart.t_us.0) {
            return refuse("key \"t_us\" is in Unix microseconds, from 0 to the year 2200".to_owned());
        }
        match receipts.first() {
            None => first_line = n,
            Some(first) if first.receipt.cart.currency != cart.currency => {
                return refuse(format!(
                    "key \"currency\" is {} here and {} in line {first_line}; money in two currencies cannot be added up",
                    cart.currency, first.receipt.cart.currency
                ));
            }
            Some(_) => {}
        }
        receipts.push(receipt);
    }
    Ok(receipts)
}

/// Whether the two can be of one run: some receipt has a visit, unless there is no receipt.
pub fn belong_together(visits: &[VisitTruth], receipts: &[TokenReceipt]) -> Result<(), String> {
    let tokens: BTreeSet<&str> = visits.iter().filter_map(|visit| visit.token.as_deref()).collect();
    match receipts.len() {
        0 => Ok(()),
        _ if receipts.iter().any(|receipt| tokens.contains(receipt.token.as_str())) => Ok(()),
        n => Err(format!(
            "of {n} receipts none has a token that any of {} visits has; probably the two files are not of the same run",
            visits.len()
        )),
    }
}

/// Carts by token as an oracle has them, for visits of this truth.
pub fn ceiling(path: &Path, visits: &[VisitTruth]) -> Result<BTreeMap<String, Vec<Taken>>, String> {
    let file = path.display().to_string();
    let mut carts = BTreeMap::new();
    for (n, TokenCart { token, cart }) in lines::<TokenCart>(&text(path)?, &file, ceiling_line)? {
        if let Some(taken) = cart.iter().find(|taken| !(0..=UNITS_MAX).contains(&taken.quantity)) {
            let (n_units, product) = (taken.quantity, &taken.product);
            return Err(format!(
                "reading {file} line {n}: {n_units} units of {product}; a quantity is from 0 to {UNITS_MAX}"
            ));
        }
        if !visits.iter().any(|visit| visit.token.as_deref() == Some(&token)) {
            return Err(format!("reading {file} line {n}: no visit of the truth has this token; it is of another run"));
        }
        if carts.insert(token, cart).is_some() {
            return Err(format!("reading {file} line {n}: this token has a cart already"));
        }
    }
    Ok(carts)
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|err| format!("reading {}: {err}", path.display()))
}

/// Line numbers and lines; empty ones are passed over.
fn lines<T: DeserializeOwned>(text: &str, file: &str, shape: Shape) -> Result<Vec<(usize, T)>, String> {
    let parse = |(n, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(parsed) => Ok((n + 1, parsed)),
        Err(err) => Err(format!("reading {file} line {}: {}", n + 1, what_is_wrong(line, &err, shape))),
    };
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}
