//! An ear at the broker, for those who only want to know what is there: `carryout init` and `carryout doctor`.
//!
//! It comes under a name of its own, so that nobody else's session ends, with a clean session, so that nothing is kept
//! for it, and subscribes with QoS 0, so that nothing waits for it. It tries once: who asks wants to hear why it failed,
//! not to wait. The daemon's own two connections are `mqtt`.

use super::mqtt::MqttOptions;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, Packet, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Messages heard and not yet looked at. Full: the ear waits, and the broker drops measurements (QoS 0).
const HEARD_QUEUE: usize = 1_024;

/// As the daemon's own limit: what is larger ends the connection.
const PACKET_BYTES: usize = 16 * 1024 * 1024;

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
    #[error("reading the broker's password from {}: {why}", path.display())]
    Password { path: PathBuf, why: std::io::Error },
    #[error("the broker at {at} refuses the subscription to {topic}")]
    Deaf { at: String, topic: String },
    #[error("the broker at {at} hung up")]
    Lost { at: String },
}

pub struct Ear {
    at: String,
    client: AsyncClient,
    heard: mpsc::Receiver<Message>,
    task: JoinHandle<()>,
}

impl Ear {
    /// Connects as `client_id` and subscribes; answers once the broker has accepted both, or says why not. A `password`
    /// that is in no file yet comes along.
    pub async fn open(
        options: &MqttOptions,
        password: Option<&str>,
        client_id: &str,
        topics: &[String],
    ) -> Result<Ear, EarError> {
        let at = format!("{}:{}", options.host, options.port);
        let who = match &options.user {
            Some(user) => format!("user `{user}`"),
            None => "a client without user and password".to_owned(),
        };
        let mut connection = rumqttc::MqttOptions::new(client_id, &options.host, options.port);
        connection
            .set_keep_alive(Duration::from_secs(15))
            .set_clean_session(true)
            .set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
        if let Some(user) = &options.user {
            let password = password.map_or_else(|| in_file(options), |typed| Ok(typed.to_owned()));
            connection.set_credentials(user, password?);
        }
        let (client, mut eventloop) = AsyncClient::new(connection, 16);
        eventloop.network_options.set_tcp_nodelay(true);
        let (tell, heard) = mpsc::channel(HEARD_QUEUE);
        let (ready, is_ready) = oneshot::channel();
        let filters: Vec<_> = topics.iter().map(|t| SubscribeFilter::new(t.clone(), QoS::AtMostOnce)).collect();
        let task = tokio::spawn(keep(client.clone(), eventloop, filters, ready, tell));
        let ear = Ear { at: at.clone(), client, heard, task };
        // Dropped on the way out of here, the ear ends its task.
        match tokio::time::timeout(ANSWER, is_ready).await {
            Ok(Ok(Ok(()))) => Ok(ear),
            Ok(Ok(Err(Failed::Refused))) => Err(EarError::Refused { at, who }),
            Ok(Ok(Err(Failed::Deaf))) => Err(EarError::Deaf { at, topic: topics.join(", ") }),
            Ok(Ok(Err(Failed::Other(why)))) => Err(EarError::NoBroker { at, why }),
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
    pub async fn say(&self, topic: &str, payload: &str) -> Result<(), EarError> {
        let said = self.client.publish(topic, QoS::AtMostOnce, false, payload).await;
        said.map_err(|_| EarError::Lost { at: self.at.clone() })
    }

    pub async fn close(mut self) {
        if self.client.disconnect().await.is_ok() {
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
    Refused,
    Deaf,
    Other(String),
}

fn in_file(options: &MqttOptions) -> Result<String, EarError> {
    let Some(path) = &options.password_file else { return Ok(String::new()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().next().unwrap_or_default().to_owned()),
        Err(why) => Err(EarError::Password { path: path.clone(), why }),
    }
}

/// Ends with the connection, or when nobody listens any more.
async fn keep(
    client: AsyncClient,
    mut eventloop: EventLoop,
    filters: Vec<SubscribeFilter>,
    ready: oneshot::Sender<Result<(), Failed>>,
    tell: mpsc::Sender<Message>,
) {
    let mut ready = Some(ready);
    let mut answer = |result| drop(ready.take().map(|ready| ready.send(result)));
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if client.try_subscribe_many(filters.clone()).is_err() {
                    return answer(Err(Failed::Other("it takes no subscription".into())));
                }
            }
            Ok(Event::Incoming(Packet::SubAck(granted))) => {
                if granted.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return answer(Err(Failed::Deaf));
                }
                answer(Ok(()));
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let message =
                    Message { topic: message.topic, payload: message.payload.to_vec(), retained: message.retain };
                if tell.send(message).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            )) => return answer(Err(Failed::Refused)),
            Err(error) => return answer(Err(Failed::Other(error.to_string()))),
        }
    }
}
