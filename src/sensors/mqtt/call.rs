//! What has to be in hand before the broker is called: certificates and password, read from their files as they are now.
//!
//! With one of them wanting nobody calls: half a login helps nobody, and without TLS the password would travel in the open.
//! The daemon's connections and the ear of `init` and `doctor` come this way, so that what lets one in lets in the other.

use super::MqttOptions;
use super::link::Link;
use super::tls;

/// Why the broker is not even called.
#[derive(Debug)]
pub struct NotCalled {
    pub counter: &'static str,
    /// Names the key and the file; ends no sentence.
    pub what: String,
}

/// Makes the link ready for its next connect. `typed`: a password that is in no file yet, instead of the file's.
pub fn prepare(link: &mut Link, options: &MqttOptions, typed: Option<&str>) -> Result<(), NotCalled> {
    let tls = tls::config(options).map_err(|error| NotCalled { counter: "mqtt.tls_file", what: error.to_string() })?;
    if let Some(config) = tls {
        link.set_tls(config);
    }
    let password = match (typed, &options.password_file) {
        (Some(typed), _) => Some(typed.to_owned()),
        (None, Some(file)) if options.user.is_some() => Some(file.first_line().map_err(|error| NotCalled {
            counter: "mqtt.password_file",
            what: format!("the password_file of [mqtt]: {error}"),
        })?),
        (None, _) => None,
    };
    if let (Some(user), Some(password)) = (&options.user, password) {
        link.set_login(user, &password);
    }
    Ok(())
}
