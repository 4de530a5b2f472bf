//! Makes Cargo build the build-dependencies.

fn main() {}
