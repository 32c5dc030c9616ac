//! The formats of a [`Document`](crate::document::Document), a file each: data in, text out.

mod json;
mod table;

pub use json::{API_VERSION, json};
pub use table::table;
