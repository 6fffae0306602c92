//! `carryout run`
