//! Lists the circles of the crates that are named: `circles host/engine ../other/host/cli`.
#![allow(clippy::print_stdout)]

use std::path::Path;

use vllm_rollback_structure::circles::{circles, entangled, graph};

fn main() -> Result<(), String> {
    for folder in std::env::args().skip(1) {
        let graph = graph(Path::new(&folder))?;
        println!(
            "{folder}: {} of {} files in circles",
            entangled(&graph).len(),
            graph.len()
        );
        for circle in circles(&graph) {
            println!("  {circle}");
        }
    }
    Ok(())
}
