//! Panics with a text that a report should show.

hostile::plugin!("panics", "Panics", |_world, context| {
    #[allow(clippy::panic, reason = "that is the point")]
    {
        panic!("the plugin gave up on {}", context.release)
    }
});
