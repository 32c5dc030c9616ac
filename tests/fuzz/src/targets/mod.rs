//! The targets, one file each.

mod answers;
mod component;
pub mod configuration;
pub mod journal;
mod manifest;
mod metrics;
mod record;
mod request;

pub use answers::answers;
pub use component::component;
pub use configuration::configuration;
pub use journal::journal;
pub use manifest::manifest;
pub use metrics::metrics;
pub use record::record;
pub use request::request;

/// Panics when these bytes break a promise.
pub type Target = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const ALL: [(&str, Target); 8] = [
    ("answers", answers),
    ("component", component),
    ("configuration", configuration),
    ("journal", journal),
    ("manifest", manifest),
    ("metrics", metrics),
    ("record", record),
    ("request", request),
];

/// A text that goes to a terminal, a log or an Event: one line, no control characters, not endless.
#[track_caller]
fn assert_is_a_line(text: &str, most: usize) {
    assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
    let length = text.chars().count();
    assert!(length <= most, "{length} characters: {text:.300}");
}
