//! The config file's shape. Each room gets its own small options struct.
