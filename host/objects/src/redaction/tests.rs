use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fields::Fields;

/// Lines that vLLM, uvicorn and huggingface_hub print, and that charts and people write; `CANARY` stands for the
/// secrets.
const LOGS: &str = include_str!("../../tests/redaction/secrets.txt");
/// Lines that name a cause: nothing of them may be hidden.
const PLAIN: &str = include_str!("../../tests/redaction/plain.txt");

#[test]
fn no_secret_survives_in_what_programs_print() {
    let secret = "qX7hunter2Zt9";
    for line in LOGS.split("\n\n") {
        let clean = text(&line.replace("CANARY", secret));
        assert!(!clean.contains(secret), "{clean}");
        assert!(clean.contains(BEGIN), "{clean}");
        assert_eq!(text(&clean), clean, "hidden once is not hidden again");
    }
}

#[test]
fn what_names_the_cause_stays() {
    for line in PLAIN.lines() {
        assert_eq!(text(line), line);
    }
}

#[test]
fn only_the_secret_of_a_line_is_hidden() {
    let hide = |secret| hidden(secret);
    for (line, shown) in [
        (
            "args: --api-key canary --port 8000\n",
            format!("args: --api-key {} --port 8000\n", hide("canary")),
        ),
        ("HF_TOKEN=canary next", format!("HF_TOKEN={} next", hide("canary"))),
        (
            "export HF_TOKEN='canary'; run",
            format!("export HF_TOKEN='{}'; run", hide("canary")),
        ),
        (
            "Authorization: Bearer canary",
            format!("Authorization: Bearer {}", hide("canary")),
        ),
        (
            "postgres://u:canary@db:5432/x",
            format!("postgres://u:{}@db:5432/x", hide("canary")),
        ),
        (
            "postgres://u:canary#?<c>$(x)@db/x",
            format!("postgres://u:{}@db/x", hide("canary#?<c>$(x)")),
        ),
        (
            "postgres://u:$canary@db",
            format!("postgres://u:{}@db", hide("$canary")),
        ),
        ("postgres://u:not@db", format!("postgres://u:{}@db", hide("not"))),
        ("postgres://u:***@db", "postgres://u:***@db".to_owned()),
        ("postgres://u:$(PASSWORD)@db", "postgres://u:$(PASSWORD)@db".to_owned()),
        ("postgres://u:${PASSWORD}@db", "postgres://u:${PASSWORD}@db".to_owned()),
        (
            "https://canary@host/x?a=b",
            format!("https://{}@host/x?a=b", hide("canary")),
        ),
        (
            "GET /x?token=canary&model=m",
            format!("GET /x?token={}&model=m", hide("canary")),
        ),
        (
            "using hf_abcdefghijklmnop now",
            format!("using {} now", hide("hf_abcdefghijklmnop")),
        ),
        (
            "{\"api_key\": \"canary\", \"n\": 1}",
            format!("{{\"api_key\": \"{}\", \"n\": 1}}", hide("canary")),
        ),
        (
            "{'api_key': ['a', 'b'], 'n': 1}",
            format!("{{'api_key': [{}], 'n': 1}}", hide("'a', 'b'")),
        ),
        (
            "['--api-key', 'canary', '--port']",
            format!("['--api-key', '{}', '--port']", hide("canary")),
        ),
        (
            "host=h password=canary dbname=d",
            format!("host=h password={} dbname=d", hide("canary")),
        ),
        (
            "{\\\"token\\\": \\\"canary\\\"}",
            format!("{{\\\"token\\\": \\\"{}\\\"}}", hide("canary")),
        ),
        (
            "- name: HF_TOKEN\n  value: canary\n- name: MODEL\n  value: opt\n",
            format!(
                "- name: HF_TOKEN\n  value: {}\n- name: MODEL\n  value: opt\n",
                hide("canary")
            ),
        ),
        (
            "password: |\n  canary\nport: 1\n",
            format!("password: |\n  {}\nport: 1\n", hide("canary")),
        ),
        (
            "  password: |\n    canary\n\n    canary\n  ports:\n    - 1\n",
            format!("  password: |\n    {0}\n\n    {0}\n  ports:\n    - 1\n", hide("canary")),
        ),
        (
            "sent Bearer  canary, got 401",
            format!("sent Bearer  {}, got 401", hide("canary")),
        ),
        (
            "password=\"can\\\"ary\" next",
            format!("password=\"{}\" next", hide("can\\\"ary")),
        ),
        (
            "{\"password\": \"canary\\\\\", \"n\": 1}",
            format!("{{\"password\": \"{}\", \"n\": 1}}", hide("canary\\\\")),
        ),
        ("API_KEY=can,=ary x", format!("API_KEY={} x", hide("can,=ary"))),
        (
            "--api-key canary,canary2 --x",
            format!("--api-key {} --x", hide("canary,canary2")),
        ),
        ("password => canary", format!("password => {}", hide("canary"))),
        ("HF_TOKEN='$a-b'", format!("HF_TOKEN='{}'", hide("$a-b"))),
        ("HF_TOKEN='$1a'", format!("HF_TOKEN='{}'", hide("$1a"))),
        ("HF_TOKEN='${KEY}'", "HF_TOKEN='${KEY}'".to_owned()),
        (
            "HF_TOKEN=<redacted:canaries>",
            format!("HF_TOKEN={}", hide("<redacted:canaries>")),
        ),
        ("API key: canary", format!("API key: {}", hide("canary"))),
        ("token=canary)", format!("token={})", hide("canary"))),
    ] {
        assert_eq!(text(line), shown);
    }
}

#[test]
fn names_of_secrets_are_told_from_names_that_only_look_alike() {
    for name in [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "VLLM_API_KEY",
        "APIKEY",
        "API_KEY",
        "OPENAI_API_KEYS",
        "dbPassword",
        "--api-key",
        "client.secret",
        "tls.key",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "api_key_prod",
        "HF_TOKEN_2",
        "X-API-Key",
        "Authorization",
        "set-cookie",
        "REDIS_AUTH",
        "SENTRY_DSN",
        "S3_SECRETKEY",
        "db.passwd",
        "passphrase",
        "credentials",
        "ADMIN_KEY",
        "hf_token",
        "apiKey",
        "ROUTER_KEY",
        "token",
        "jwt",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "TOKENIZER",
        "tokenizer_mode",
        "--max-num-batched-tokens",
        "MODEL",
        "KEYS",
        "key",
        "AUTHOR",
        "author",
        "num_tokens",
        "eos_token_id",
        "eos_token",
        "pad_token",
        "key_cache",
        "kv_cache",
        "cache_key",
        "topologyKey",
        "public_key",
        "time_per_output_token",
        "--ssl-keyfile",
        "TOKEN_FILE",
        "secretName",
        "secretKeyRef",
        "CUDA_VISIBLE_DEVICES",
        "KeyError",
        "authority",
        "monkey",
        "tokens",
        "prompt_tokens",
        "",
        "--",
        "skip_special_tokens",
        "automountServiceAccountTokens",
        "keys",
        "num_key_value_heads",
        "token_ids",
        "2",
        "private_network",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn an_object_loses_its_secrets_and_keeps_its_shape() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {"last":
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},\"data\":{\"a\":\"canary\"}}"}},
        "data": {"a": "canary", "n": null}, "stringData": {"b": "canary", "empty": ""}, "type": "Opaque"});
    let clean = object(&secret);
    assert!(!clean.to_string().contains("canary"), "{clean}");
    assert_eq!(clean["data"]["a"], hidden("canary"));
    assert_eq!(
        (&clean["type"], &clean["stringData"]["empty"]),
        (&json!("Opaque"), &json!(""))
    );

    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{
        "command": ["bash", "-c", "exec vllm serve m --api-key canary --port 1"],
        "args": ["--api-key", "canary", "canary", "--port", "1", "--hf-token=canary"],
        "env": [{"name": "HF_TOKEN", "value": "canary"}, {"name": "MODEL", "value": "opt"},
            {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}},
            {"name": "SAME_TOKEN", "value": "$(HF_TOKEN)"}]}],
        "volumes": [{"secret": {"secretName": "files"}}], "tolerations": [{"key": "nvidia.com/gpu"}]}});
    let clean = object(&pod);
    assert!(!clean.to_string().contains("canary"), "{clean}");
    let container = &clean["spec"]["containers"][0];
    assert_eq!(
        (&container["args"][3], &container["args"][4]),
        (&json!("--port"), &json!("1"))
    );
    assert_eq!(container["args"][5], format!("--hf-token={}", hidden("canary")));
    for (pointer, kept) in [
        ("/env/1/value", "opt"),
        ("/env/2/valueFrom/secretKeyRef/name", "keys"),
        ("/env/3/value", "$(HF_TOKEN)"),
    ] {
        assert_eq!(container.pointer(pointer).unwrap(), kept);
    }
    assert_eq!(
        (&clean["spec"]["volumes"], &clean["spec"]["tolerations"]),
        (&pod["spec"]["volumes"], &pod["spec"]["tolerations"])
    );

    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"annotations": {"x/api-key": "canary"}},
        "data": {"API_KEY": "canary", "TOKENIZER": "t", "app.yaml": "password: canary\nport: 1\n"}});
    let clean = object(&config);
    assert!(!clean.to_string().contains("canary"), "{clean}");
    assert_eq!(clean["data"]["TOKENIZER"], "t");
}

#[test]
fn a_part_of_a_secret_is_hidden_too() {
    let fields = Fields::of_kind("v1", "Secret");
    assert_eq!(
        part(&fields, &["data"], &json!({"a": "canary", "n": 1, "list": ["x"]})),
        json!({"a": hidden("canary"), "n": hidden("1"), "list": [hidden("x")]})
    );
    assert_eq!(
        part(&fields, &["metadata"], &json!({"name": "s"})),
        json!({"name": "s"})
    );
    let config = Fields::of_kind("v1", "ConfigMap");
    assert_eq!(part(&config, &["data"], &json!({"a": "b"})), json!({"a": "b"}));
}

#[test]
fn equal_secrets_look_equal_and_others_do_not() {
    assert_eq!(hidden("a"), hidden("a"));
    assert_ne!(hidden("a"), hidden("b"));
    // The unkeyed hash would be open to guesses.
    assert!(!hidden("a").contains("ca978112"), "{}", hidden("a"));
    assert_eq!(hidden("a").len(), "<redacted:12345678>".len());
}

/// Values without the characters at which a value without quotes ends.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9+/=@:%.!?*#_~^-]{10,30}[A-Za-z0-9]"
        .prop_filter("it says nothing", |text| !is_secret_name(text))
}

proptest! {
    #[test]
    fn any_text_can_be_redacted_and_only_once(any in "(?s).{0,200}",
        marks in "(api_key|token|name|value|Bearer|--api-key|[ \"'=:,\\\\|\n<>{}\\[\\]-]|a){0,40}") {
        for words in [any, marks] {
            let once = text(&words);
            prop_assert_eq!(&text(&once), &once, "{:?}", words);
        }
    }

    #[test]
    fn a_secret_never_survives(secret in secret()) {
        for (before, after) in [
            ("--api-key ", " --port 1"), ("--api-key=", ""), ("HF_TOKEN=", " x"), ("HF_TOKEN='", "'"), ("\"password\": \"", "\", \"a\": 1"),
            ("password: ", "\n"), ("Authorization: Bearer ", ""), ("-H 'X-API-Key: ", "' http://x/"),
            ("{'api_key': [", "], 'x': 1}"), ("AWS_SECRET_ACCESS_KEY=", ""), ("- name: API_KEY\n  value: ", "\n"),
        ] {
            let clean = text(&format!("{before}{secret}{after}"));
            prop_assert!(!clean.contains(&secret), "{}", clean);
            prop_assert!(clean.starts_with(before) && clean.ends_with(after), "{}", clean);
        }
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [
            {"args": ["--api-key", secret, "--x"], "env": [{"name": "A_TOKEN", "value": secret}]}]}}}});
        prop_assert!(!super::object(&object).to_string().contains(&secret));
    }

    #[test]
    fn redaction_keeps_the_shape_of_an_object(values in proptest::collection::vec(".{0,12}", 0..6), kind in "Secret|ConfigMap|Pod") {
        fn shape(value: &Value) -> Value {
            match value {
                Value::String(_) => Value::from(""),
                Value::Array(items) => items.iter().map(shape).collect(),
                Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), shape(value))).collect()),
                other => other.clone(),
            }
        }
        let value = json!({"apiVersion": "v1", "kind": kind, "data": {"a": values.first(), "key": values}, "spec": [values]});
        prop_assert_eq!(shape(&object(&value)), shape(&value));
    }
}
