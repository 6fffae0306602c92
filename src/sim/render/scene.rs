//! What there is to see at a moment, as plain data: everybody with their joints and clothes, and what stands on the shelves.
//!
//! A [`Cast`] makes scenes of a playback; every camera's renderer draws the same one.

use super::dress::Dress;
use super::goods::Goods;
use super::stance::{Stance, Walk};
use crate::base::{Point2, ProductId};
use crate::sim::looks::{Looks, Wardrobe};
use crate::sim::{Playback, person::Pose};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub t_us: i64,
    pub figures: Vec<Figure>,
    pub goods: Arc<Goods>,
}

#[derive(Clone, Debug)]
pub struct Figure {
    pub body: String,
    pub stance: Stance,
    pub dress: Arc<Dress>,
    /// In the left and in the right hand.
    pub items: [Option<ProductId>; 2],
}

impl Figure {
    /// Where they stand, metres.
    pub fn floor(&self) -> Point2 {
        Point2::new(self.stance.floor.x.into(), self.stance.floor.y.into())
    }
}

/// The scene of now: one for all cameras of a shop, each of which looks when it likes.
#[derive(Clone, Debug, Default)]
pub struct Now(Arc<Mutex<Arc<Scene>>>);

impl Now {
    pub fn get(&self) -> Arc<Scene> {
        self.0.lock().expect("scene").clone()
    }

    pub fn set(&self, scene: Scene) {
        *self.0.lock().expect("scene") = Arc::new(scene);
    }
}

/// Everybody's clothes and build on one day.
pub struct Cast {
    seed: u64,
    wardrobe: Wardrobe,
    carried_us: i64,
    dresses: BTreeMap<String, Arc<Dress>>,
}

impl Cast {
    /// `seed` as of the playback, so that who looks alike to a `people` camera looks alike here.
    pub fn new(seed: u64, looks: Looks) -> Cast {
        let carried_us = (looks.carried_s * 1e6) as i64;
        Cast { seed, wardrobe: Wardrobe::new(seed, looks), carried_us, dresses: BTreeMap::new() }
    }

    /// The shop as it is now.
    pub fn scene(&mut self, playback: &Playback) -> Scene {
        let t_us = playback.now_us();
        let figure = |(person, pose): (&crate::sim::person::Person, Pose)| {
            let dress = self.dresses.entry(person.body.clone()).or_insert_with(|| {
                let clothes = self.wardrobe.own_clothes(&person.body);
                Arc::new(Dress::of(self.seed, &person.body, person.stature, &clothes))
            });
            let stance = Stance::of(&pose, dress, Walk::of(person, t_us));
            Figure { body: pose.body.clone(), stance, dress: dress.clone(), items: items(&pose) }
        };
        let figures: Vec<Figure> = playback.poses(t_us, self.carried_us).into_iter().map(figure).collect();
        self.dresses.retain(|body, _| figures.iter().any(|figure| figure.body == *body));
        Scene { t_us, figures, goods: playback.goods() }
    }
}

fn items(pose: &Pose) -> [Option<ProductId>; 2] {
    let mut items = [None, None];
    if let Some(reach) = &pose.reach {
        items[reach.hand] = reach.carries.as_deref().map(ProductId::new);
    }
    items
}
