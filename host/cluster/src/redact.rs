//! Hides values that look like secrets in texts that are kept or shown.

/// What stands for a hidden value.
pub(crate) const HIDDEN: &str = "(redacted)";

/// Words in a name whose value is a secret.
const NAMES: &[&str] = &[
    "token",
    "password",
    "passwd",
    "secret",
    "apikey",
    "api_key",
    "api-key",
    "credential",
    "private",
    "auth",
    "_key",
    "-key",
    "dsn",
    "database_url",
    "access_key",
];

/// Beginnings of tokens of well-known issuers.
const PREFIXES: &[&str] = &["hf_", "sk-", "ghp_", "glpat-", "xoxb-", "AKIA", "eyJ"];

/// A variable or option of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    NAMES.iter().any(|word| name.contains(word))
}

/// Hides tokens, `key=value` pairs and option values that look secret, and passwords in URLs.
pub(crate) fn text(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut hide_next = false;
    // A quoted name of a secret, as in JSON: its value follows a colon.
    let mut quoted_name = false;
    for word in line.split_inclusive([' ', '\t', '\n', ',', '"', '\'']) {
        let end = word.len()
            - word
                .chars()
                .next_back()
                .filter(|c| " \t\n,\"'".contains(*c))
                .map_or(0, char::len_utf8);
        let (core, separator) = word.split_at(end);
        if core.is_empty() {
            out.push_str(separator);
            continue;
        }
        if core == ":" && quoted_name {
            hide_next = true;
            out.push_str(core);
        } else if hide_next && core != "=" && core != ":" {
            hide_next = core.eq_ignore_ascii_case("bearer");
            out.push_str(if hide_next { core } else { HIDDEN });
        } else {
            let (shown, next) = show(core);
            hide_next = next;
            out.push_str(&shown);
        }
        quoted_name = matches!(separator, "\"" | "'") && is_secret_name(core);
        out.push_str(separator);
    }
    out
}

/// A word as it may be shown, and whether the next one must be hidden.
fn show(word: &str) -> (String, bool) {
    if PREFIXES
        .iter()
        .any(|p| word.starts_with(p) && word.len() >= p.len() + 12)
    {
        return (HIDDEN.to_owned(), false);
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        if let Some((user, host)) = rest.split_once('@') {
            let name = user.split(':').next().unwrap_or_default();
            return (format!("{scheme}://{name}:{HIDDEN}@{host}"), false);
        }
        return (word.to_owned(), false);
    }
    if let Some((key, value)) = word.split_once('=') {
        if is_secret_name(key) && !value.is_empty() {
            return (format!("{key}={HIDDEN}"), false);
        }
        return (word.to_owned(), is_secret_name(key) && value.is_empty());
    }
    let is_option = word.starts_with("--") && is_secret_name(word);
    let is_header = matches!(word.to_lowercase().as_str(), "authorization:" | "bearer" | "x-api-key:");
    let is_assignment = word.ends_with(':') && is_secret_name(word);
    (word.to_owned(), is_option || is_header || is_assignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_logs_are_hidden_and_the_rest_stays() {
        for (text_in, shown) in [
            (
                "args: --api-key canary --port 8000\n",
                "args: --api-key (redacted) --port 8000\n",
            ),
            ("HF_TOKEN=canary next", "HF_TOKEN=(redacted) next"),
            ("Authorization: Bearer canary", "Authorization: Bearer (redacted)"),
            ("postgres://u:canary@db:5432/x", "postgres://u:(redacted)@db:5432/x"),
            ("using hf_abcdefghijklmnop now", "using (redacted) now"),
            ("{\"api_key\": \"canary\"}", "{\"api_key\": \"(redacted)\"}"),
            ("loaded 7 weights in 3.2 s", "loaded 7 weights in 3.2 s"),
            (
                "GET http://10.0.0.1:8000/health 200",
                "GET http://10.0.0.1:8000/health 200",
            ),
        ] {
            assert_eq!(text(text_in), shown);
        }
    }

    #[test]
    fn names_of_secrets_are_known() {
        assert!(is_secret_name("HUGGING_FACE_HUB_TOKEN"));
        assert!(is_secret_name("VLLM_API_KEY"));
        assert!(!is_secret_name("CUDA_VISIBLE_DEVICES"));
    }
}
