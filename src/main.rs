//! Parse arguments, set up logging, dispatch, exit codes. Everything else is in the library.

fn main() {}
