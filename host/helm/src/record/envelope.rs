//! The layers around a record's JSON.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;

/// The most that a record may inflate to. An object of 1 MiB can hold a gzip stream of 1 GiB, and Helm reads it all.
pub const INFLATED_CAP: usize = 64 * 1024 * 1024;

/// First bytes of a gzip stream that holds deflate data; older records are JSON without gzip.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// The JSON text inside a payload.
///
/// # Errors
/// One line that says which layer is broken.
pub fn unwrap_payload(payload: &[u8]) -> Result<Vec<u8>, String> {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return Err("its key \"release\" is empty".to_owned());
    }
    let bytes = STANDARD
        .decode(payload.trim_ascii())
        .map_err(|e| format!("its key \"release\" is not base64: {e}"))?;
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let cap = INFLATED_CAP as u64;
    MultiGzDecoder::new(bytes.as_slice())
        .take(cap + 1)
        .read_to_end(&mut text)
        .map_err(|e| format!("its gzip stream is damaged: {e}"))?;
    if text.len() > INFLATED_CAP {
        return Err(format!("it inflates to more than {} MiB", INFLATED_CAP / 1024 / 1024));
    }
    Ok(text)
}
