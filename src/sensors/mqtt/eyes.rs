//! The broker as a process that only looks needs it (`carryout perceive`): it says who its cameras see, and hears which of
//! them is asked for a look.
//!
//! One clean session, QoS 0, nothing retained: people who were seen a second ago are no news, so what cannot be said now is
//! counted and gone. The connection is tried for ever, with the daemon's own certificates and passwords.

use super::connection::{Connection, News};
use super::link::Message;
use super::{Context, FAREWELL, MqttOptions, told_to_stop};
use crate::base::time::Clock;
use crate::base::{CameraId, Counters};
use crate::events::Observation;
use crate::sensors::publish::Publish;
use crate::sensors::{Incoming, topic};
use crate::shop::Shop;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Says what `seen` brings until told to stop; `asked` is called for every camera of `cameras` that is to look.
#[allow(clippy::too_many_arguments)]
pub async fn speak(
    mut options: MqttOptions,
    shop: Arc<Shop>,
    cameras: Vec<CameraId>,
    mut seen: mpsc::Receiver<Incoming>,
    asked: impl Fn(CameraId),
    clock: Clock,
    counters: Counters,
    mut shutdown: watch::Receiver<bool>,
) {
    let base = format!("{}/", topic::base(&shop.id));
    // A session's name is one process's: a camera is looked through by one.
    let whose = options.client_id.take().unwrap_or_else(|| format!("carryout-{}", shop.id));
    options.client_id = Some(format!("{whose}-{}", cameras.first().map_or("", CameraId::as_str)));
    let filters = cameras.iter().map(|id| (format!("{base}{}", Publish::look_topic(id)), 0)).collect();
    let context = Arc::new(Context { options, shop, base, clock, counters });
    let mut connection = Connection::new("eyes", context.clone(), false, filters);
    let speaker = connection.speaker.clone();
    let say = |incoming: Incoming, up: bool| {
        let Observation::People(people) = incoming.stamped.observation else { return };
        let Publish { topic, payload, qos, retain, .. } = Publish::people(&people);
        let said = up && speaker.publish(format!("{}{topic}", context.base), qos, retain, payload, Some(1));
        context.counters.count(if said { "people.said" } else { "people.unsaid" });
    };
    let mut pause = Duration::ZERO;
    loop {
        let up = connection.up == Some(true);
        let news = {
            // Kept over the turns of the inner loop, so that it is not cancelled by something to say.
            let mut next = pin!(connection.next_after(pause));
            loop {
                tokio::select! {
                    news = &mut next => break Some(news),
                    incoming = seen.recv() => match incoming {
                        Some(incoming) => say(incoming, up),
                        // Nobody looks any more.
                        None => break None,
                    },
                    () = told_to_stop(&mut shutdown) => break None,
                }
            }
        };
        pause = Duration::ZERO;
        match news {
            Some(News::Message(message)) => {
                if let Some(camera) = asked_of(&message, &context.base).filter(|camera| cameras.contains(camera)) {
                    context.counters.count("look.received");
                    asked(camera);
                }
            }
            Some(News::Down { pause: until_next, .. }) => pause = until_next,
            Some(News::Up | News::Delivered | News::Nothing) => {}
            None => break,
        }
    }
    let _ = tokio::time::timeout(FAREWELL, connection.disconnect()).await;
}

/// `camera/{camera}/look`. What the broker kept is of unknown age, and so nothing.
fn asked_of(message: &Message, base: &str) -> Option<CameraId> {
    let below = message.topic.strip_prefix(base).filter(|_| !message.retain)?;
    let id = below.strip_prefix("camera/")?.strip_suffix("/look")?;
    (!id.contains('/')).then(|| CameraId::new(id))
}
