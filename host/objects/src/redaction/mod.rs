//! Keeps secrets out of what is shown or kept (invariant I6), and keeps in what names a cause. The one redactor, with the one
//! table of what is a secret (`names.rs`).
//!
//! A secret becomes `<redacted:1a2b3c4d>`: a hash keyed with a random salt of this process. Within a run equal secrets look
//! equal and a changed one looks changed; nobody can try guesses against it, since the salt is neither shown nor kept.

mod forms;
mod names;
mod object;
mod text;

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::hex::hex;

pub use names::is_secret_name;
pub use object::{object, part};
pub use text::text;

const BEGIN: &str = "<redacted";

/// Stands for a secret.
pub fn hidden(secret: &str) -> String {
    static SALT: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    let salt = SALT.get_or_init(|| {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).ok().map(|()| salt)
    });
    let keyed = salt.and_then(|salt| Hmac::<Sha256>::new_from_slice(&salt).ok());
    // Without a salt a hash would be open to guesses, so there is none.
    let Some(mut keyed) = keyed else {
        return format!("{BEGIN}>");
    };
    keyed.update(secret.as_bytes());
    format!("{BEGIN}:{}>", hex(&keyed.finalize().into_bytes()[..4]))
}

#[cfg(test)]
mod tests;
