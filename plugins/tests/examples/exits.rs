//! Leaves by `exit(0)`, which must not read as a pass.

hostile::plugin!("exits", "Exits with code 0", |_world, _context| std::process::exit(0));
