//! Frames to people. The last place a frame exists.
