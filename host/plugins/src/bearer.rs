//! Token of a server, known to the host alone.

use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};

/// A token that is added to requests by the host. It shows itself to nobody.
#[derive(Debug, Clone)]
pub struct Bearer(SecretString);

impl Bearer {
    /// A token, with surrounding white space of a file or variable taken off. None when nothing is left.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (!token.is_empty()).then(|| Self(token.into()))
    }

    /// The value of an `Authorization` header, or none when the token has characters that a header cannot have.
    pub(crate) fn header(&self) -> Option<http::HeaderValue> {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", self.0.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the token out of bytes that a server sent back: a check must not learn it from an echo.
    pub(crate) fn scrub(&self, bytes: &[u8]) -> Bytes {
        let token = self.0.expose_secret().as_bytes();
        let mut rest = bytes;
        let mut clean = Vec::with_capacity(rest.len());
        while let Some(at) = rest.windows(token.len()).position(|window| window == token) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(b"[redacted]");
            rest = &rest[at + token.len()..];
        }
        clean.extend_from_slice(rest);
        clean.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_itself_to_nobody() {
        let token = Bearer::new(" sk-test-0001\n").unwrap();
        assert_eq!(
            format!("{token:?} {:?}", token.header()),
            "Bearer(SecretBox<str>([REDACTED])) Some(Sensitive)"
        );
    }

    #[test]
    fn a_token_that_a_server_echoes_is_taken_out() {
        let token = Bearer::new("sk-1").unwrap();
        let scrub = |text: &'static str| token.scrub(text.as_bytes());
        assert_eq!(scrub("you sent sk-1, yes sk-1"), "you sent [redacted], yes [redacted]");
        assert_eq!(scrub("you sent nothing"), "you sent nothing");
    }

    #[test]
    fn an_empty_token_is_no_token() {
        assert!(Bearer::new(" \n").is_none());
    }
}
