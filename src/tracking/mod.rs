//! People to bodies, on the floor plan in metres.
