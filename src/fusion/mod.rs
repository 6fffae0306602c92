//! Readings to steps, steps to interactions, interactions to claims.
