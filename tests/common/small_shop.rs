//! A shop of one bay for tests of the wire: two shelves of two plates, one gate, one camera.

use carryout::base::geometry::Line;
use carryout::base::{BayId, CameraId, GateId, Point2, Point3, ShelfId, ShopId};
use carryout::shop::{Bay, Camera, CameraKind, Catalogue, Gate, GateDirection, Layout, Planogram, Plate, Shelf, Shop};

pub fn small_shop() -> Shop {
    let square = |x: f64, y: f64| [[0.0, 0.0], [x, 0.0], [x, y], [0.0, y]].map(Point2::from).to_vec();
    let mut layout = Layout { outline: square(6.0, 6.0), ..Layout::default() };
    let bay = BayId::new("1");
    layout.bays.insert(bay.clone(), Bay { id: bay.clone(), footprint: square(1.0, 0.5) });
    for (name, z) in [("1-1", 0.5), ("1-2", 1.0)] {
        let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]].map(|[x, y]| Point3::new(x, y, z));
        let plates = [(1, 0.25), (2, 0.75)].map(|(no, x)| Plate { no, centre: Point3::new(x, 0.25, z) }).to_vec();
        let id = ShelfId::new(name);
        layout.shelves.insert(id.clone(), Shelf { id, bay: bay.clone(), corners, plates });
    }
    let id = GateId::new("gate-1");
    let line = Line { from: Point2::new(5.0, 6.0), to: Point2::new(6.0, 6.0), inside: Point2::new(5.5, 5.0) };
    let gate = Gate { id: id.clone(), reader: Point2::new(5.5, 6.2), line, direction: GateDirection::Both };
    layout.gates.insert(id, gate);
    let id = CameraId::new("cam-1");
    let camera = Camera {
        id: id.clone(),
        kind: CameraKind::People,
        covers: square(6.0, 6.0),
        projection: None,
        size: (640, 480),
    };
    layout.cameras.insert(id, camera);
    Shop {
        id: ShopId::new("corner"),
        name: "Corner".into(),
        currency: "EUR".into(),
        timezone: "Europe/Berlin".into(),
        tax_included: true,
        layout,
        planogram: Planogram::default(),
        catalogue: Catalogue::default(),
    }
}
