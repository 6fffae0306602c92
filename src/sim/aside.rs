//! People do not walk through each other: who walks gives way sideways to everybody near, on the side the two will pass
//! anyway.

use super::person::Person;
use super::world::WALK_M_S;
use crate::base::Point2;

/// Nobody steps aside faster than this, metres a second.
pub const ASIDE_M_S: f64 = 1.2;
/// Whoever is nearer than this is given way to, by up to so much, metres.
const NEAR_M: f64 = 0.9;
const MOST_M: f64 = 0.4;
/// Nobody jumps aside: who has just come into sight, or is about to leave it, counts little at first, us.
const PRESENT_US: f64 = 600_000.0;

/// Somebody in sight, as they would walk alone.
pub struct Afoot<'a> {
    person: &'a Person,
    at: Point2,
    velocity: Point2,
    /// 0 when just come into sight or about to leave it.
    presence: f64,
}

impl<'a> Afoot<'a> {
    /// `None`: not in sight.
    pub fn of(person: &'a Person, t_us: i64) -> Option<Afoot<'a>> {
        let at = person.at(t_us)?;
        let (came_us, gone_us) = (person.way.first()?.0, person.way.last()?.0);
        let presence = ((t_us - came_us).min(gone_us - t_us) as f64 / PRESENT_US).clamp(0.0, 1.0);
        Some(Afoot { person, at, velocity: person.velocity(t_us), presence })
    }

    /// How far aside they would like to be because of `all` the others, metres.
    pub fn steps_aside(&self, all: &[&Afoot<'_>]) -> Point2 {
        let (at, v) = (self.at, self.velocity);
        let mut aside = Point2::default();
        let own_speed = libm::sqrt(v.x * v.x + v.y * v.y);
        for other in all {
            let distance = at.distance(other.at);
            // People of one party walk together and keep their own distance.
            if other.person.party.visit == self.person.party.visit || distance >= NEAR_M {
                continue;
            }
            let (rx, ry) = (v.x - other.velocity.x, v.y - other.velocity.y);
            let relative = libm::sqrt(rx * rx + ry * ry);
            if relative < 0.05 {
                continue;
            }
            let (nx, ny) = (-ry / relative, rx / relative);
            let side = (at.x - other.at.x) * nx + (at.y - other.at.y) * ny;
            let first = self.person.body < other.person.body;
            let side = match side {
                0.0 if first => 1.0,
                0.0 => -1.0,
                side => side.signum(),
            };
            let strength = MOST_M * (1.0 - distance / NEAR_M) * (own_speed / WALK_M_S).min(1.0) * other.presence;
            aside = Point2::new(aside.x + side * nx * strength, aside.y + side * ny * strength);
        }
        aside
    }
}
