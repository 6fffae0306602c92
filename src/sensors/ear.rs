//! An ear at the broker, for those who only want to know what is there: `carryout init` and `carryout doctor`.
//!
//! It comes under a name of its own, so that nobody else's session ends, with a clean session, so that nothing is kept
//! for it, and subscribes with QoS 0, so that nothing waits for it. It tries once: who asks wants to hear why it failed,
//! not to wait. The daemon's own two connections are `mqtt`.

use super::mqtt::MqttOptions;
use super::mqtt::call::{self, NotCalled};
use super::mqtt::link::{Heard, Link, Lost, Speaker, Why, Wishes};
use super::mqtt::tls;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Messages heard and not yet looked at. Full: the ear waits, and the broker drops measurements (QoS 0).
const HEARD_QUEUE: usize = 1_024;

/// A broker on the shop's network answers within milliseconds; one that takes this long is not there.
const ANSWER: Duration = Duration::from_secs(5);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    /// The broker kept it for those who come later.
    pub retained: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum EarError {
    #[error("no broker answers at {at}: {why}")]
    NoBroker { at: String, why: String },
    /// The broker is there and does not want us.
    #[error("the broker at {at} refuses {who}")]
    Refused { at: String, who: String },
    /// A file of ours cannot be used.
    #[error("the broker at {at} is not called: {what}")]
    NotCalled { at: String, what: String },
    /// We spoke in the open, and it hung up: it may expect TLS.
    #[error("the broker at {at} does not talk with us: {sentence}")]
    HungUp { at: String, sentence: String },
    /// A certificate, ours or theirs. The sentence says what to do.
    #[error("the broker at {at} and we do not trust each other: {sentence}")]
    Tls { at: String, sentence: String },
    #[error("the broker at {at} refuses the subscription to {topic}")]
    Deaf { at: String, topic: String },
    #[error("the broker at {at} hung up")]
    Lost { at: String },
}

pub struct Ear {
    at: String,
    speaker: Speaker,
    heard: mpsc::Receiver<Message>,
    task: JoinHandle<()>,
}

impl Ear {
    /// Connects as `client_id` and subscribes; answers once the broker has accepted both, or says why not. Certificates,
    /// user and version are the daemon's; a `password` that is in no file yet comes along.
    pub async fn open(
        options: &MqttOptions,
        password: Option<&str>,
        client_id: &str,
        topics: &[String],
    ) -> Result<Ear, EarError> {
        let at = format!("{}:{}", options.host, options.port);
        let wishes = Wishes {
            client_id: client_id.to_owned(),
            host: options.host.clone(),
            port: options.port,
            durable: false,
            will: None,
        };
        let (mut link, speaker) = Link::new(options.version, wishes);
        if let Err(NotCalled { what, .. }) = call::prepare(&mut link, options, password) {
            return Err(EarError::NotCalled { at, what });
        }
        let (tell, heard) = mpsc::channel(HEARD_QUEUE);
        let (ready, is_ready) = oneshot::channel();
        let filters = topics.iter().map(|topic| (topic.clone(), 0)).collect();
        let task = tokio::spawn(keep(link, filters, ready, tell));
        let ear = Ear { at: at.clone(), speaker, heard, task };
        // Dropped on the way out of here, the ear ends its task.
        match tokio::time::timeout(ANSWER, is_ready).await {
            Ok(Ok(Ok(()))) => Ok(ear),
            Ok(Ok(Err(Failed::Deaf))) => Err(EarError::Deaf { at, topic: topics.join(", ") }),
            Ok(Ok(Err(Failed::Lost(lost)))) => Err(told(at, &lost, options)),
            _ => Err(EarError::NoBroker { at, why: format!("no answer within {} s", ANSWER.as_secs()) }),
        }
    }

    /// What is said next, for as long as `wait`; `None` when nothing is.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<Message>, EarError> {
        match tokio::time::timeout(wait, self.heard.recv()).await {
            Ok(Some(message)) => Ok(Some(message)),
            Ok(None) => Err(EarError::Lost { at: self.at.clone() }),
            Err(_) => Ok(None),
        }
    }

    /// Says something that nobody keeps.
    pub fn say(&self, topic: &str, payload: &str) -> Result<(), EarError> {
        match self.speaker.publish(topic.to_owned(), 0, false, payload.as_bytes().to_vec(), None) {
            true => Ok(()),
            false => Err(EarError::Lost { at: self.at.clone() }),
        }
    }

    pub async fn close(mut self) {
        if self.speaker.goodbye() {
            // It ends when the goodbye is sent; a broker that is gone needs none.
            let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.task).await;
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Failed {
    Deaf,
    Lost(Lost),
}

/// Why the first attempt failed, in the words that the page has for it.
fn told(at: String, lost: &Lost, options: &MqttOptions) -> EarError {
    // Who reads it goes on with what to do.
    let sentence = |trouble: tls::Trouble| trouble.sentence.trim_end_matches('.').to_owned();
    match (&lost.why, tls::trouble(&lost.why, options)) {
        (Why::Login, _) => {
            let who = match &options.user {
                Some(user) => format!("user `{user}`"),
                None => "a client without user and password".to_owned(),
            };
            EarError::Refused { at, who }
        }
        (Why::Unanswered, Some(trouble)) if options.ca_file.is_none() => {
            EarError::HungUp { at, sentence: sentence(trouble) }
        }
        (_, Some(trouble)) => EarError::Tls { at, sentence: sentence(trouble) },
        (_, None) => EarError::NoBroker { at, why: lost.detail.clone() },
    }
}

/// Ends with the connection, or when nobody listens any more.
async fn keep(
    mut link: Link,
    filters: Vec<(String, u8)>,
    ready: oneshot::Sender<Result<(), Failed>>,
    tell: mpsc::Sender<Message>,
) {
    let mut ready = Some(ready);
    let mut answer = |result| drop(ready.take().map(|ready| ready.send(result)));
    loop {
        match link.poll().await {
            Ok(Heard::Connected { .. }) => link.subscribe(&filters),
            Ok(Heard::Subscribed { refused: true }) => return answer(Err(Failed::Deaf)),
            Ok(Heard::Subscribed { refused: false }) => answer(Ok(())),
            Ok(Heard::Message(message)) => {
                let message = Message { topic: message.topic, payload: message.payload, retained: message.retain };
                if tell.send(message).await.is_err() {
                    return;
                }
            }
            Ok(Heard::Goodbye) => return,
            Ok(Heard::Delivered { .. } | Heard::Nothing) => {}
            Err(lost) => return answer(Err(Failed::Lost(lost))),
        }
    }
}
