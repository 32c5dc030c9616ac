//! Secrets that their form gives away, whatever they are called.

/// Beginnings of keys of well-known issuers.
#[rustfmt::skip]
const PREFIXES: &[&str] = &[
    "hf_", "sk-", "sk_live_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "ASIA",
    "AIza", "nvapi-", "gsk_", "npm_", "pypi-", "dop_v1_", "eyJ",
];
/// Characters that such a key has behind its beginning, at least.
const LENGTH: usize = 12;

/// A run of letters, digits, `_`, `-` and `.` is the key of an issuer or a JSON web token.
pub(super) fn is_issued(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            // `hf_text_config_override` is a name; a key has no further underscores, or digits and capitals.
            let is_random = rest.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
            rest.len() >= LENGTH && (is_random || !rest.contains(['_', '-', '.']))
        })
    })
}

/// The user's part of `scheme://user:password@host`, when there is one: its length, and whether it holds a secret behind
/// the first colon only.
pub(super) fn user_info(scheme: &str, rest: &str) -> Option<(usize, Option<usize>)> {
    // A password may hold `?` and `#`, whatever the standard says: PostgreSQL's client takes them as they stand.
    let end = rest
        .find(|c: char| c.is_whitespace() || "/\"'".contains(c))
        .unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    match rest[..at].find(':') {
        Some(colon) => Some((at, Some(colon + 1))),
        // A name without a password is no secret where people log in by name.
        None => scheme.starts_with("http").then_some((at, None)),
    }
}

/// The line begins or ends a private key in PEM.
pub(super) fn private_key(line: &str, word: &str) -> Option<usize> {
    let at = line.find(&format!("-----{word} "))?;
    line[at..].contains("PRIVATE KEY-----").then_some(at)
}
