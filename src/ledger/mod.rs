//! The append-only journal: entry, charge and outbox row in one transaction.
