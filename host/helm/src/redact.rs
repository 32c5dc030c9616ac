//! Keeps secrets out of what is shown (invariant I6).

use serde_json::Value;

use crate::record::sha256_hex;

/// Words that, at the end of a part of a name, mark its value as secret: `HF_TOKEN`, `APIKEY`, `--api-key`.
const SECRET_WORDS: [&str; 8] = [
    "KEY",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// Stands for a secret: equal secrets look equal and a changed one looks changed.
pub fn hidden(secret: &str) -> String {
    format!("<redacted sha256:{}>", &sha256_hex(secret.as_bytes())[..8])
}

/// The name of an environment variable, flag or ConfigMap key tells that its value is secret. `TOKENIZER` and
/// `max-num-batched-tokens` do not.
pub fn is_secret_name(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_uppercase());
        }
        after_lower = c.is_lowercase();
    }
    words
        .iter()
        .any(|word| SECRET_WORDS.iter().any(|secret| word.ends_with(secret)))
}

/// Hides the secrets of an object: all values of a Secret, and elsewhere what its name or its form gives away.
pub fn redact_object(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    if kind == "Secret" {
        for field in ["data", "stringData"] {
            hide_values(object.get_mut(field), |_| true);
        }
    }
    if kind == "ConfigMap" {
        hide_values(object.get_mut("data"), is_secret_name);
    }
    redact_value(object);
}

fn hide_values(map: Option<&mut Value>, secret: impl Fn(&str) -> bool) {
    for (key, value) in map.and_then(Value::as_object_mut).into_iter().flatten() {
        if secret(key) && !value.is_null() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = Value::String(hidden(&text));
        }
    }
}

fn redact_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact_text(text),
        Value::Array(items) => {
            let mut flag_before = false;
            for item in items {
                let flag = item.as_str().is_some_and(is_secret_flag);
                match item {
                    Value::String(text) if flag_before && !text.starts_with("--") => *text = hidden(text),
                    other => redact_value(other),
                }
                flag_before = flag;
            }
        }
        Value::Object(map) => {
            let secret_env = map.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
            if secret_env && let Some(Value::String(text)) = map.get_mut("value") {
                *text = hidden(text);
            }
            for (key, value) in map {
                match value {
                    Value::String(text) if is_secret_field(key) => *text = hidden(text),
                    other => redact_value(other),
                }
            }
        }
        _ => {}
    }
}

/// A field of a custom resource that holds a secret in plain text. Stricter than for variables: `topologyKey` and
/// `tolerations[].key` are fields too.
fn is_secret_field(key: &str) -> bool {
    let key = key.replace(['_', '-'], "").to_lowercase();
    let ends = [
        "password",
        "passwd",
        "passphrase",
        "token",
        "apikey",
        "secretkey",
        "accesskey",
        "privatekey",
    ];
    ends.iter().any(|end| key.ends_with(end))
}

/// `--api-key`, with its value in the next word.
fn is_secret_flag(word: &str) -> bool {
    word.starts_with("--") && !word.contains(['=', ' ']) && is_secret_name(word)
}

/// Hides what is secret by its form in free text: `--api-key X`, `HF_TOKEN=X`, `password: X`, `Bearer X`,
/// `scheme://user:X@host`.
pub fn redact_text(text: &str) -> String {
    if text.starts_with("<redacted ") {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut next_is_secret = false;
    for chunk in text.split_inclusive(char::is_whitespace) {
        let word = chunk.trim_end_matches(char::is_whitespace);
        let space = &chunk[word.len()..];
        if word.is_empty() {
            clean.push_str(space);
            next_is_secret &= space != "\n";
            continue;
        }
        if next_is_secret && !word.starts_with("--") {
            clean.push_str(&hidden(word.trim_matches(['"', '\''])));
            next_is_secret = false;
        } else {
            clean.push_str(&redact_word(word));
            let label = word.strip_suffix(':').map(|w| w.trim_matches(['"', '\'']));
            next_is_secret = is_secret_flag(word)
                || word.eq_ignore_ascii_case("bearer")
                || label.is_some_and(|name| !name.eq_ignore_ascii_case("key") && is_secret_name(name));
        }
        next_is_secret &= space != "\n";
        clean.push_str(space);
    }
    clean
}

fn redact_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && !value.is_empty()
        && !name.contains("://")
        && is_secret_name(name)
    {
        return format!("{name}={}", hidden(value.trim_matches(['"', '\''])));
    }
    let user_info = word.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let (info, _) = authority.rsplit_once('@')?;
        let (user, password) = info.split_once(':')?;
        Some(format!("{scheme}://{user}:{}{}", hidden(password), &rest[info.len()..]))
    });
    user_info.unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn names_of_secrets_are_told_from_names_that_only_look_alike() {
        for name in [
            "HF_TOKEN",
            "VLLM_API_KEY",
            "APIKEY",
            "dbPassword",
            "--api-key",
            "client.secret",
            "tls.key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "TOKENIZER",
            "--max-num-batched-tokens",
            "MODEL",
            "KEYS",
            "tokenizer_mode",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        assert!(is_secret_field("hf_token") && is_secret_field("apiKey") && !is_secret_field("topologyKey"));
    }

    #[test]
    fn free_text_loses_its_secrets_and_keeps_the_rest() {
        for (text, gone) in [
            ("exec vllm serve --api-key hunter2 --port 8000", "hunter2"),
            ("--hf-token=hunter2", "hunter2"),
            ("export HF_TOKEN='hunter2'; run", "hunter2"),
            ("a: 1\npassword: \"hunter2\"\n", "hunter2"),
            ("Authorization: Bearer hunter2", "hunter2"),
            ("postgres://app:hunter2@db:5432/x?sslmode=require", "hunter2"),
        ] {
            let clean = redact_text(text);
            assert!(!clean.contains(gone) && clean.contains("<redacted sha256:"), "{clean}");
        }
        let plain = "toleration key: nvidia.com/gpu --tokenizer x\n http://host:80/a@b";
        assert_eq!(redact_text(plain), plain);
    }

    #[test]
    fn a_secrets_values_an_envs_value_and_a_flags_next_word_are_hidden() {
        let mut secret = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter2"}});
        redact_object(&mut secret);
        assert_eq!(secret["stringData"]["b"], hidden("hunter2"));
        assert_eq!(secret["data"]["a"], hidden("aHVudGVyMg=="));
        let mut pod = json!({"kind": "Pod", "spec": {"containers": [{"args": ["--api-key", "hunter2", "--port", "1"],
            "env": [{"name": "HF_TOKEN", "value": "hunter2"}, {"name": "MODEL", "value": "opt"}]}]}});
        redact_object(&mut pod);
        let text = pod.to_string();
        assert!(
            !text.contains("hunter2") && text.contains("opt") && text.contains("\"1\""),
            "{text}"
        );
    }

    #[test]
    fn what_is_hidden_once_is_not_hidden_again() {
        let once = hidden("x");
        assert_eq!(redact_text(&once), once);
    }

    proptest! {
        #[test]
        fn any_text_can_be_redacted(text in "(?s).{0,200}") {
            let _ = redact_text(&text);
            let _ = is_secret_name(&text);
        }

        #[test]
        fn the_value_of_a_secret_never_survives(value in "[a-z0-9]{12,40}") {
            let mut secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": value}});
            redact_object(&mut secret);
            prop_assert!(!secret.to_string().contains(&value));
        }
    }
}
