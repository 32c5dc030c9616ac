//! The form of a request: target, method, path, headers.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

/// Most headers of one request, and most bytes of them together.
const HEADERS: usize = 32;
const HEADER_BYTES: usize = 8 * 1024;

/// Longest path with its query, bytes.
const PATH: usize = 4 * 1024;

/// Target of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The pod under check.
    Pod,
    /// The configured router.
    Router,
    /// A host that a grant names.
    Host(String),
}

/// Reason why a request is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The policy forbids it.
    Denied(String),
    /// Makes no sense.
    Invalid(String),
}

/// A request of good form.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) target: Target,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// Checks the form of a request; says nothing of grants.
pub(crate) fn admit(target: &str, method: &str, path: &str, headers: &[(String, String)]) -> Result<Admitted, Refusal> {
    Ok(Admitted {
        target: parse_target(target)?,
        method: parse_method(method)?,
        path: check_path(path)?.to_owned(),
        headers: parse_headers(headers)?,
    })
}

fn parse_target(target: &str) -> Result<Target, Refusal> {
    match (target, target.strip_prefix("host:")) {
        ("pod", _) => Ok(Target::Pod),
        ("router", _) => Ok(Target::Router),
        (_, Some(name)) if !name.is_empty() => Ok(Target::Host(name.to_owned())),
        _ => Err(Refusal::Invalid(format!(
            "{target:?} is no target; targets are `pod`, `router` and `host:NAME`"
        ))),
    }
}

fn parse_method(method: &str) -> Result<Method, Refusal> {
    match method {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        _ => Err(Refusal::Denied(format!(
            "method {method:?} is not allowed; a check may GET, HEAD and POST"
        ))),
    }
}

fn check_path(path: &str) -> Result<&str, Refusal> {
    let invalid = |why: &str| Err(Refusal::Invalid(format!("the path {why}")));
    if path.len() > PATH {
        return invalid(&format!("is longer than {PATH} bytes"));
    }
    if !path.starts_with('/') {
        return invalid("does not begin with `/`");
    }
    if path.starts_with("//") {
        return invalid("begins with `//`, which names another host");
    }
    if let Some(c) = path.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '\\')) {
        return invalid(&format!("has {c:?}, which must be percent-encoded or left out"));
    }
    let before_query = path.split('?').next().unwrap_or(path);
    if decoded(before_query)
        .split(|byte| matches!(byte, b'/' | b'\\' | b';'))
        .any(|segment| matches!(segment, b"." | b".."))
    {
        return invalid("has a `.` or `..` segment");
    }
    Ok(path)
}

/// Undoes the percent-encoding, as often as it was applied, of every character: `%25%32%65` is `%2e` after one round.
fn decoded(path: &str) -> Vec<u8> {
    let mut path = path.as_bytes().to_vec();
    loop {
        let next = decoded_once(&path);
        // Each round that finds something makes the path shorter.
        if next.len() == path.len() {
            return path;
        }
        path = next;
    }
}

fn decoded_once(path: &[u8]) -> Vec<u8> {
    let digit = |at: usize| path.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn parse_headers(headers: &[(String, String)]) -> Result<HeaderMap, Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > HEADERS || bytes > HEADER_BYTES {
        return Err(Refusal::Invalid(format!(
            "more than {HEADERS} headers or {HEADER_BYTES} bytes of them"
        )));
    }
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(Refusal::Invalid(format!("{name:?} is no header name")));
        };
        if is_ours(&name) {
            return Err(Refusal::Denied(format!(
                "the header `{name}` is set by the host, not by a check"
            )));
        }
        let Ok(value) = HeaderValue::from_str(value) else {
            return Err(Refusal::Invalid(format!(
                "the value of `{name}` has characters that a header cannot have"
            )));
        };
        out.append(name, value);
    }
    Ok(out)
}

/// Headers that say who sends, to whom, or where a message ends.
fn is_ours(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 15] = [
        header::HOST,
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        header::FORWARDED,
        header::VIA,
        header::ORIGIN,
        header::REFERER,
    ];
    const OUR_NAMES: [&str; 4] = ["keep-alive", "http2-settings", "x-real-ip", "x-http-method-override"];
    const OUR_PREFIXES: [&str; 3] = ["proxy-", "sec-", "x-forwarded-"];
    OURS.contains(name)
        || OUR_NAMES.contains(&name.as_str())
        || OUR_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(path: &str) -> Result<Admitted, Refusal> {
        admit("pod", "GET", path, &[])
    }

    fn header(name: &str, value: &str) -> Result<Admitted, Refusal> {
        admit("pod", "GET", "/", &[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn only_named_targets_are_known() {
        for good in ["pod", "router", "host:prometheus"] {
            assert!(admit(good, "GET", "/", &[]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Pod",
            "host:",
            "host",
            "http://10.0.0.1",
            "169.254.169.254",
            "pod:other",
        ] {
            assert!(matches!(admit(bad, "GET", "/", &[]), Err(Refusal::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn only_methods_that_ask_are_allowed() {
        for good in ["GET", "HEAD", "POST"] {
            assert!(admit("pod", good, "/", &[]).is_ok());
        }
        for bad in [
            "get", "PUT", "DELETE", "PATCH", "CONNECT", "OPTIONS", "TRACE", "GET ", "",
        ] {
            assert!(matches!(admit("pod", bad, "/", &[]), Err(Refusal::Denied(_))), "{bad}");
        }
    }

    #[test]
    fn ordinary_paths_pass_unchanged() {
        for good in [
            "/",
            "/v1/models",
            "/v1/models?name=a/../b",
            "/a..b/.well-known/x",
            "/a%20b",
            "/...",
            "/a?b=%2e%2e",
        ] {
            assert_eq!(path(good).unwrap().path, good);
        }
    }

    #[test]
    fn a_path_cannot_leave_the_target_or_climb_out_of_its_prefix() {
        for bad in [
            "",
            "v1",
            "http://evil/",
            "//evil/admin",
            "/x/../admin",
            "/..",
            "/x/.",
            "/x/%2e%2e/admin",
            "/x/%2E./admin",
            "/x/..%2fadmin",
            "/x%2f..%2fadmin",
            "/x/%252e%252e/admin",
            "/x\\..\\admin",
            "/x/..%5cadmin",
            "/x/..;/admin",
            "/x#y",
            "/x y",
            "/x\r\nHost: evil",
            "/x\0",
            "/ä",
            "/\u{7f}",
        ] {
            assert!(matches!(path(bad), Err(Refusal::Invalid(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_header_cannot_change_who_asks_whom_or_where_a_message_ends() {
        for bad in [
            "Host",
            "authorization",
            "Proxy-Authorization",
            "Cookie",
            "Connection",
            "Content-Length",
            "Transfer-Encoding",
            "TE",
            "Upgrade",
            "Expect",
            "X-Forwarded-For",
            "x-forwarded-host",
            "Forwarded",
            "Keep-Alive",
            "Proxy-Connection",
        ] {
            assert!(matches!(header(bad, "x"), Err(Refusal::Denied(_))), "{bad}");
        }
        assert!(header("Content-Type", "application/json").is_ok());
        assert!(header("X-Request-Id", "1").is_ok());
    }

    #[test]
    fn a_header_cannot_carry_a_second_one() {
        for bad in ["a\r\nHost: evil", "a\nb", "a\0b"] {
            assert!(matches!(header("x-a", bad), Err(Refusal::Invalid(_))), "{bad:?}");
        }
        assert!(matches!(header("x-a: b\r\nx-c", "d"), Err(Refusal::Invalid(_))));
        assert!(matches!(header("", "d"), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn headers_are_bounded() {
        let many: Vec<_> = (0..33).map(|n| (format!("x-{n}"), "1".to_owned())).collect();
        assert!(matches!(admit("pod", "GET", "/", &many), Err(Refusal::Invalid(_))));
        assert!(matches!(header("x-long", &"1".repeat(9000)), Err(Refusal::Invalid(_))));
    }

    proptest! {
        /// Compared with the parser that builds the URL in the end.
        #[test]
        fn an_admitted_path_stays_below_the_prefix(path in "/([a-z./%25eEfF\\\\;?#:@-]|%2e|%2f|\\.\\.){0,12}") {
            if let Ok(admitted) = super::tests::path(&path) {
                let url = reqwest::Url::parse(&format!("http://router.example/prefix{}", admitted.path)).unwrap();
                prop_assert_eq!(url.host_str(), Some("router.example"));
                prop_assert!(url.path().starts_with("/prefix/"), "{}", url);
                prop_assert!(url.fragment().is_none() && url.username().is_empty());
            }
        }
    }
}
