//! The main job, from a bad release to proven good.
fn main() {}
