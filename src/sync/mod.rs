//! Outbox to upstream, authorisations, answers back.
