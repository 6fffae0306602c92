//! An acknowledgement owed to a sender, carried beside an observation until what it caused is durable.

/// Call [`Ack::done`] once the entries are on disk. Dropped without it, the sender will send again.
pub struct Ack(Box<dyn FnOnce() + Send>);

impl Ack {
    pub fn new(acknowledge: impl FnOnce() + Send + 'static) -> Ack {
        Ack(Box::new(acknowledge))
    }

    pub fn done(self) {
        (self.0)()
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ack")
    }
}
