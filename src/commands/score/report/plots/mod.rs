//! The report's drawings, as SVG text that stands inside a page. What is drawn was worked out before; nothing here counts.
//!
//! Colours are the page's in daylight; `style.css` turns each into its darker sister by its very value, so a colour that
//! is not in [`PALETTE`] would stay bright at night. Nothing is told by colour alone: shapes differ, or words stand by.

mod amounts;
mod shares;

pub use amounts::{money, waits};
pub use shares::{calibration, crowding, families, review};

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{EmptyElement, PathElement};
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor,
    Rectangle, SVGBackend, Text, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::ops::Range;

const INK: RGBColor = RGBColor(0x1c, 0x21, 0x1f);
const QUIET: RGBColor = RGBColor(0x62, 0x6a, 0x66);
const EDGE: RGBColor = RGBColor(0xe2, 0xde, 0xd3);
const GREEN: RGBColor = RGBColor(0x0d, 0x6b, 0x50);
const BLUE: RGBColor = RGBColor(0x33, 0x65, 0x9c);
const RED: RGBColor = RGBColor(0xa8, 0x20, 0x1a);
/// Every colour a drawing may have.
#[cfg(test)]
const PALETTE: [RGBColor; 6] = [INK, QUIET, EDGE, GREEN, BLUE, RED];

/// Width of every drawing; the page scales it to what there is.
const WIDTH: u32 = 900;
/// The library draws letters at four fifths of what it is told: 13 px.
const LETTERS: f64 = 16.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn Error>>;

/// A drawing `height` high; `label` is what it shows, for who cannot see it.
fn drawing(label: &str, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    match drawn {
        Ok(()) => svg.replacen("<svg ", &format!("<svg class=\"plot\" role=\"img\" aria-label=\"{label}\" "), 1),
        // Writing into memory does not fail; should it, the figures below the drawing are still there.
        Err(err) => format!("<p>This could not be drawn: {}</p>", super::words::escaped(&err.to_string())),
    }
}

/// Both axes of a drawing.
struct Axes<'a> {
    x: Range<f64>,
    y: Range<f64>,
    x_told: &'a str,
    y_told: &'a str,
    /// How a value is written at its axis; `None`: the drawing writes its own.
    x_label: Option<&'a dyn Fn(&f64) -> String>,
    y_label: Option<&'a dyn Fn(&f64) -> String>,
    /// Room for what is written at the left and below, pixels.
    left: u32,
    below: u32,
}

impl Axes<'_> {
    fn draw<'a, 'b>(&self, area: &'a Area<'b>) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(28)
            .margin_right(30)
            .margin_bottom(6)
            .margin_left(6)
            .x_label_area_size(self.below)
            .y_label_area_size(self.left)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let nothing = |_: &f64| String::new();
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(QUIET).bold_line_style(EDGE).light_line_style(plotters::style::TRANSPARENT);
        mesh.label_style(letters(&INK)).axis_desc_style(letters(&QUIET));
        mesh.x_desc(self.x_told).y_desc(self.y_told);
        mesh.x_labels(if self.x_label.is_some() { 11 } else { 0 });
        mesh.y_labels(if self.y_label.is_some() { 6 } else { 0 });
        mesh.x_label_formatter(self.x_label.unwrap_or(&nothing)).y_label_formatter(self.y_label.unwrap_or(&nothing));
        mesh.draw()?;
        Ok(chart)
    }
}

fn letters(colour: &RGBColor) -> TextStyle<'_> {
    ("sans-serif", LETTERS).into_font().color(colour)
}

fn percent(share: &f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Where an axis of shares begins: at a round tenth below the lowest, and it shows a fifth at least.
fn floor_of(shares: impl Iterator<Item = f64>) -> f64 {
    let lowest = shares.filter(|share| share.is_finite()).fold(f64::INFINITY, f64::min);
    ((lowest * 10.0 - 1e-9).floor() / 10.0).clamp(0.0, 0.8)
}

/// Words beside a place; `dx` and `dy` in pixels.
fn words(
    chart: &Chart<'_, '_>,
    at: (f64, f64),
    (dx, dy): (i32, i32),
    side: HPos,
    colour: &RGBColor,
    text: &str,
) -> Drawn {
    let style = letters(colour).pos(Pos::new(side, VPos::Center));
    chart.plotting_area().draw(&(EmptyElement::at(at) + Text::new(text.to_owned(), (dx, dy), style)))?;
    Ok(())
}

fn line(chart: &Chart<'_, '_>, points: Vec<(f64, f64)>, colour: RGBColor, width: u32) -> Drawn {
    chart.plotting_area().draw(&PathElement::new(points, colour.stroke_width(width)))?;
    Ok(())
}

/// A straight line of dashes: a bar that was set, or what would be ideal.
fn dashes(chart: &Chart<'_, '_>, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Drawn {
    const DASHES: usize = 40;
    let at = |part: f64| (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
    for k in 0..DASHES {
        let (begin, end) = (k as f64 / DASHES as f64, (k as f64 + 0.6) / DASHES as f64);
        line(chart, vec![at(begin), at(end)], colour, 1)?;
    }
    Ok(())
}

fn dot(chart: &Chart<'_, '_>, at: (f64, f64), radius: i32, colour: RGBColor) -> Drawn {
    chart.plotting_area().draw(&Circle::new(at, radius, colour.filled()))?;
    Ok(())
}

/// Told apart from a dot without colour.
fn square(chart: &Chart<'_, '_>, at: (f64, f64), colour: RGBColor) -> Drawn {
    let element = EmptyElement::at(at) + Rectangle::new([(-4, -4), (4, 4)], colour.filled());
    chart.plotting_area().draw(&element)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_shares_begin_at_a_tenth() {
        for (shares, begin) in
            [(&[1.0][..], 0.8), (&[0.93, 0.71], 0.7), (&[0.7], 0.6), (&[0.0], 0.0), (&[f64::NAN], 0.8), (&[], 0.8)]
        {
            assert!((floor_of(shares.iter().copied()) - begin).abs() < 1e-9, "{shares:?}");
        }
    }

    /// What the page does not know how to darken would be unreadable at night.
    #[test]
    fn every_colour_has_a_darker_sister() {
        let style = include_str!("../style.css");
        for RGBColor(r, g, b) in PALETTE {
            let value = format!("#{r:02X}{g:02X}{b:02X}");
            for attribute in ["fill", "stroke"] {
                assert!(style.contains(&format!(".plot [{attribute}=\"{value}\"]")), "{attribute} {value}");
            }
        }
    }
}
