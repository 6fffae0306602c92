//! Status page, JSON API, live stream.
