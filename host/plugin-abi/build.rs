//! Tells cargo what the bindings are made of. The macro names only the files that it read, by their full path: a file that is
//! added would not be noticed, nor would any change where the target directory was copied from another checkout.

// How a build script talks to cargo.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo::rerun-if-changed=../../wit");
}
