//! Tells the tests whether there are real recordings.

#[path = "../tests/recordings.rs"]
mod recordings;

fn main() {
    recordings::tell();
}
