//! Writes a shop as the three files people edit; [`Shop::read`](super::Shop::read) of them gives the same shop, to the
//! micrometre. Used by importers: what is already in good files is edited by hand.

use super::gtin::{Code, code};
use super::money::format_amount;
use super::pose::Pose;
use super::read::ShopPaths;
use super::{Camera, CameraKind, GateDirection, Shelf, Shop, ZoneKind};
use crate::base::geometry::Line;
use crate::base::{BayId, PlateNo, Point2, Point3, ProductId, ShelfId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

impl Shop {
    /// Makes the directory and writes shop.toml, planogram.csv and catalogue.csv into it, over what was there.
    pub fn write(&self, directory: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::create_dir_all(&directory)?;
        let paths = ShopPaths::from(directory);
        std::fs::write(paths.shop, self.shop_toml())?;
        std::fs::write(paths.planogram, self.planogram_csv())?;
        std::fs::write(paths.catalogue, self.catalogue_csv())
    }

    pub fn shop_toml(&self) -> String {
        let mut out = String::new();
        self.format_shop(&mut out).expect("writing to a string cannot fail");
        out
    }

    fn format_shop(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "id = {}", quoted(self.id.as_str()))?;
        writeln!(out, "name = {}", quoted(&self.name))?;
        writeln!(out, "currency = {}", quoted(&self.currency))?;
        writeln!(out, "timezone = {}", quoted(&self.timezone))?;
        writeln!(out, "tax_included = {}", self.tax_included)?;
        writeln!(out, "\n[tax] # basis points: 1900 is 19 %")?;
        for class in self.catalogue.tax_classes() {
            writeln!(out, "{} = {}", quoted(&class.name), class.rate_bp)?;
        }
        writeln!(out, "\n[floor]\noutline = {}", polygon(&self.layout.outline))?;
        for zone in &self.layout.zones {
            let kind = match zone.kind {
                ZoneKind::Entry => "entry",
                ZoneKind::Exit => "exit",
                ZoneKind::Staff => "staff",
            };
            writeln!(out, "\n[[zones]]\nkind = \"{kind}\"\npolygon = {}", polygon(&zone.polygon))?;
        }
        for exit in &self.layout.exit_lines {
            writeln!(out, "\n[[exit_lines]]\n{}", line(exit, "\n"))?;
        }
        for gate in self.layout.gates.values() {
            let direction = match gate.direction {
                GateDirection::In => "in",
                GateDirection::Out => "out",
                GateDirection::Both => "both",
            };
            writeln!(out, "\n[[gates]]\nid = {}", quoted(gate.id.as_str()))?;
            writeln!(out, "reader = {}\nline = {{ {} }}", point(gate.reader), line(&gate.line, ", "))?;
            writeln!(out, "direction = \"{direction}\"")?;
        }
        self.format_bays(out)?;
        for camera in self.layout.cameras.values() {
            self.format_camera(camera, out)?;
        }
        Ok(())
    }

    fn format_bays(&self, out: &mut String) -> std::fmt::Result {
        let mut shelves: BTreeMap<&BayId, Vec<&Shelf>> = self.layout.bays.keys().map(|id| (id, Vec::new())).collect();
        for shelf in self.layout.shelves.values() {
            shelves.entry(&shelf.bay).or_default().push(shelf);
        }
        for (id, shelves) in shelves {
            // A bay nobody drew stands where its first shelf does.
            let corners: Vec<Point2> = match (self.layout.bays.get(id), shelves.first()) {
                (Some(bay), _) if bay.footprint.len() == 4 => bay.footprint.clone(),
                (_, Some(shelf)) => shelf.corners.map(Point3::floor).to_vec(),
                _ => continue,
            };
            let (origin, pose) = (corners[0], frame(&[0, 1, 2, 3].map(|i| corners[i].at_height(0.0))));
            let top = shelves.iter().map(|shelf| shelf.centre().z).fold(0.0, f64::max);
            let size = [origin.distance(corners[1]), origin.distance(corners[3]), top + 0.4];
            writeln!(out, "\n[[bays]]\nid = {}", quoted(id.as_str()))?;
            format_pose(&pose, out)?;
            writeln!(out, "size = {} # width, depth, height", list(&size))?;
            for shelf in shelves {
                format_shelf(shelf, &pose, out)?;
            }
        }
        Ok(())
    }

    fn format_camera(&self, camera: &Camera, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n[[cameras]]\nid = {}", quoted(camera.id.as_str()))?;
        match &camera.kind {
            CameraKind::Rtsp { url } => writeln!(out, "kind = \"rtsp\"\nurl = {}", quoted(url))?,
            CameraKind::Usb { device } => writeln!(out, "kind = \"usb\"\ndevice = {}", quoted(device))?,
            CameraKind::File { path } => writeln!(out, "kind = \"file\"\npath = {}", quoted(path))?,
            CameraKind::People => writeln!(out, "kind = \"people\"")?,
        }
        writeln!(out, "covers = {}", polygon(&camera.covers))?;
        // A `people` camera may not say; one with a projection must.
        if camera.size != (0, 0) {
            writeln!(out, "size = [{}, {}]", camera.size.0, camera.size.1)?;
        }
        let Some(projection) = &camera.projection else { return Ok(()) };
        let lens = self.layout.lenses.get(&camera.id);
        match lens.and_then(|lens| lens.pose_of(projection).map(|pose| (lens, pose))) {
            Some((lens, pose)) => {
                write!(out, "intrinsics = {{ fx = {}, fy = {}, cx = {}, cy = {}", lens.fx, lens.fy, lens.cx, lens.cy)?;
                let terms = [("k1", lens.k1), ("k2", lens.k2), ("p1", lens.p1), ("p2", lens.p2), ("k3", lens.k3)];
                for (name, term) in terms.iter().filter(|(_, term)| *term != 0.0) {
                    write!(out, ", {name} = {term}")?;
                }
                let position = <[f64; 3]>::from(pose.position).map(|p| tidy(p, 1e9));
                // In full: half a turn cut short would come back as half a turn the other way.
                let rotation = pose.rotation_rad();
                writeln!(out, " }}\npose = {{ position = {position:?}, rotation = {rotation:?} }}")
            }
            None => {
                writeln!(out, "projection = [")?;
                for row in projection {
                    writeln!(out, "    {row:?},")?;
                }
                writeln!(out, "]")
            }
        }
    }

    pub fn planogram_csv(&self) -> String {
        let mut stands: BTreeMap<(&ShelfId, &ProductId), BTreeSet<PlateNo>> = BTreeMap::new();
        for (shelf, plate, product) in self.planogram.iter() {
            stands.entry((shelf, product)).or_default().insert(plate);
        }
        let mut rows: Vec<(&ShelfId, PlateNo, PlateNo, &ProductId)> = Vec::new();
        for ((shelf, product), plates) in stands {
            for plate in plates {
                match rows.last_mut() {
                    Some((s, _, last, p)) if *s == shelf && *p == product && *last + 1 == plate => *last = plate,
                    _ => rows.push((shelf, plate, plate, product)),
                }
            }
        }
        rows.sort();
        let mut out = String::from("shelf,plate,product\n");
        for (shelf, first, last, product) in rows {
            let plates = if first == last { first.to_string() } else { format!("{first}-{last}") };
            let _ = writeln!(out, "{shelf},{plates},{product}");
        }
        out
    }

    pub fn catalogue_csv(&self) -> String {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = "product,name,price,tax_class,deposit,weight_g,weight_tolerance_g,restricted,local";
        csv.write_record(header.split(',')).expect("writing to memory");
        for product in self.catalogue.iter() {
            let id = product.id.as_str();
            let some = |grams: f64| if grams > 0.0 { grams.to_string() } else { String::new() };
            let yes = |yes: bool| if yes { "yes".to_string() } else { String::new() };
            csv.write_record([
                id.to_string(),
                product.name.clone(),
                format_amount(product.price, &self.currency),
                product.tax.name.clone(),
                if product.deposit.0 == 0 { String::new() } else { format_amount(product.deposit, &self.currency) },
                some(product.weight_g),
                // Left empty it would be taken for the usual one: nought is said.
                if product.weight_g > 0.0 { product.weight_tolerance_g.to_string() } else { String::new() },
                yes(product.restricted),
                yes(matches!(code(id), Code::WrongCheckDigit { .. })),
            ])
            .expect("writing to memory");
        }
        String::from_utf8(csv.into_inner().expect("flushing to memory")).expect("UTF-8 went in")
    }
}

/// A quadrilateral's own frame: origin at the first corner, x to the second, y towards the last.
fn frame(corners: &[Point3; 4]) -> Pose {
    Pose::through(corners[0], corners[1], corners[3]).unwrap_or(Pose::new(corners[0], [0.0; 3]))
}

fn format_pose(pose: &Pose, out: &mut String) -> std::fmt::Result {
    writeln!(out, "position = {}", list(&<[f64; 3]>::from(pose.position)))?;
    let rotation = pose.rotation_rad().map(|r| tidy(r, 1e9));
    if rotation != [0.0; 3] { writeln!(out, "rotation = {rotation:?}") } else { Ok(()) }
}

fn format_shelf(shelf: &Shelf, bay: &Pose, out: &mut String) -> std::fmt::Result {
    let pose = frame(&shelf.corners);
    let (width, depth) = (shelf.corners[0].distance(shelf.corners[1]), shelf.corners[0].distance(shelf.corners[3]));
    writeln!(out, "\n[[bays.shelves]]\nid = {}", quoted(shelf.id.as_str()))?;
    format_pose(&bay.inverse().compose(&pose), out)?;
    writeln!(out, "size = {} # width, depth", list(&[width, depth]))?;
    let centres: Vec<Point3> = shelf.plates.iter().map(|plate| pose.locate(plate.centre)).collect();
    let Some(first) = centres.first() else { return Ok(()) };
    let is_row = centres.iter().enumerate().all(|(i, c)| {
        let wanted = Point3::new((2 * i + 1) as f64 * first.x, first.y, 0.0);
        c.distance(wanted) < 1e-6
    });
    if is_row {
        let (width, depth) = (tidy(2.0 * first.x, 1e6), tidy(2.0 * first.y, 1e6));
        return writeln!(out, "plates = {{ count = {}, width = {width}, depth = {depth} }}", centres.len());
    }
    for c in &centres {
        // Their size is not kept; the largest that touches neither its neighbours nor the edge will do.
        let gap = centres.iter().map(|o| (o.x - c.x).abs()).filter(|gap| *gap > 1e-6).fold(f64::INFINITY, f64::min);
        let w = gap.min(2.0 * c.x).min(2.0 * (width - c.x)).max(0.001);
        let d = (2.0 * c.y).min(2.0 * (depth - c.y)).max(0.001);
        writeln!(out, "[[bays.shelves.plates]]")?;
        writeln!(out, "position = {}", list(&[c.x - w / 2.0, c.y - d / 2.0, c.z]))?;
        writeln!(out, "size = {}", list(&[w, d]))?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Rounded to `1 / steps`, without a minus before nought.
fn tidy(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps + 0.0
}

/// Numbers to the micrometre.
fn list(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|n| tidy(*n, 1e6).to_string()).collect();
    format!("[{}]", numbers.join(", "))
}

fn point(p: Point2) -> String {
    list(&[p.x, p.y])
}

fn polygon(points: &[Point2]) -> String {
    let points: Vec<String> = points.iter().map(|p| point(*p)).collect();
    format!("[{}]", points.join(", "))
}

fn line(line: &Line, between: &str) -> String {
    format!("from = {}{between}to = {}{between}inside = {}", point(line.from), point(line.to), point(line.inside))
}
