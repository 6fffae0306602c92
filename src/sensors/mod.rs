//! Device messages to observations: one device kind a file.
