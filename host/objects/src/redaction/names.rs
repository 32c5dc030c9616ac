//! The one table: which names of variables, options, fields and keys say that their value is a secret.

/// A name that ends with such a word, or with one of [`GLUED`], is a secret's.
#[rustfmt::skip]
const SECRET: &[&str] = &[
    "pwd", "secret", "credential", "credentials", "authorization", "auth", "cookie", "jwt", "dsn", "token", "key",
];

/// The end of a word that says the same written together: `APIKEY`, `dbpassword`.
#[rustfmt::skip]
const GLUED: &[&str] = &[
    "password", "passwd", "passphrase", "apikey", "accesskey", "secretkey", "privatekey", "masterkey", "accountkey",
    "authkey", "authtoken", "accesstoken", "apitoken", "hftoken", "bearertoken", "clientsecret", "connectionstring",
];

/// Tokens that a model reads and writes, and what is counted of them: `eos_token`, `time_per_output_token`.
#[rustfmt::skip]
const MODEL_TOKENS: &[&str] = &[
    "eos", "bos", "pad", "unk", "sep", "cls", "mask", "stop", "special", "start", "end", "begin", "image", "audio",
    "video", "first", "last", "next", "prev", "previous", "per", "prompt", "input", "output", "new", "each", "max",
    "min", "num", "bad", "draft", "added", "placeholder", "boi", "eoi", "boa", "eoa", "inter", "every", "one",
    "single", "generated", "sampled", "accepted", "unexpected", "text", "system", "user", "assistant", "tool",
    "think", "reasoning",
];

/// Keys that open nothing: `topologyKey`, `cache_key`, `public key`.
#[rustfmt::skip]
const PLAIN_KEYS: &[&str] = &[
    "topology", "public", "primary", "foreign", "cache", "partition", "sort", "label", "annotation", "map", "dict",
    "object", "config", "metadata", "name", "group", "kv", "block", "routing", "hash", "index", "lookup", "shard",
    "field", "data", "query", "attention", "past", "unknown", "missing", "unexpected", "invalid", "duplicate", "each",
    "weight", "tensor", "layer", "param", "parameter", "state", "module", "json", "yaml", "host",
];

/// Several keys or tokens are counted more often than they are secrets.
const SECRET_PLURAL: &[&str] = &[
    "api", "access", "auth", "secret", "private", "bearer", "hf", "refresh", "admin", "master",
];

/// Words behind the one that counts: `API_KEY_PROD`, `HF_TOKEN_VALUE`, `AWS_ACCESS_KEY_ID`.
#[rustfmt::skip]
const TRAILING: &[&str] = &[
    "value", "prod", "production", "staging", "dev", "test", "old", "new", "primary", "secondary", "backup",
    "default", "current", "base64", "b64", "read", "write", "readonly", "admin", "hash",
];

/// The name of an environment variable, flag, header, field or key tells that its value is secret. `tokenizer`,
/// `max_num_batched_tokens`, `author` and `eos_token_id` do not.
///
/// ```
/// use vllm_rollback_objects::redaction::is_secret_name;
///
/// assert!(is_secret_name("HF_TOKEN") && is_secret_name("--api-key") && is_secret_name("dbPassword"));
/// assert!(!is_secret_name("max_num_batched_tokens") && !is_secret_name("topologyKey"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    while words.last().is_some_and(|word| is_trailing(word)) {
        words.pop();
    }
    match words.as_slice() {
        [.., before, "token"] => !MODEL_TOKENS.contains(before),
        [.., before, "key"] => !PLAIN_KEYS.contains(before),
        // A toleration and many others have a field of this bare name.
        [] | ["key"] => false,
        [.., before, "keys" | "tokens"] => SECRET_PLURAL.contains(before),
        [.., "access", "key", "id"] => true,
        [.., last] => SECRET.contains(last) || GLUED.iter().any(|end| last.ends_with(end)),
    }
}

fn is_trailing(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit()) || TRAILING.contains(&word)
}

/// `HF_TOKEN`, `hfToken` and `--hf-token` are the words `hf` and `token`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}
