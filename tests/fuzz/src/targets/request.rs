//! A request that a check wants to send.

use crate::request::admit;

/// Lines: target, method, path, then headers as `name: value`.
///
/// - However often a server on the way undoes percent-encoding, an admitted path stays below the target's own.
/// - No admitted header says who sends, to whom, or where a message ends.
pub fn request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (target, method, path) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let Ok(admitted) = admit(target, method, path, &headers) else {
        return;
    };
    assert!(matches!(admitted.method.as_str(), "GET" | "HEAD" | "POST"));
    assert_eq!(admitted.path, path);
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut seen = path.split('?').next().unwrap_or_default().as_bytes().to_vec();
    loop {
        let climbs = seen
            .split(|byte| matches!(byte, b'/' | b'\\' | b';'))
            .any(|segment| matches!(segment, b"." | b".."));
        assert!(!climbs, "{path} is read as {}", String::from_utf8_lossy(&seen));
        let next = undone(&seen);
        if next == seen {
            break;
        }
        seen = next;
    }
    for (name, value) in &admitted.headers {
        let name = name.as_str();
        let ours = [
            "host",
            "authorization",
            "cookie",
            "content-length",
            "transfer-encoding",
            "connection",
        ];
        assert!(!ours.contains(&name) && !name.starts_with("x-forwarded-"), "{name}");
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

/// One round of percent-decoding.
fn undone(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
