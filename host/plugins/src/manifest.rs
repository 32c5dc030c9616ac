//! A check's description of itself, checked before any of it is believed.
//!
//! Words that this tool does not know are refused, never passed over: a need that is not understood is not granted, and a check
//! that would run at another time or on something else proves nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use vllm_rollback_engine::check::Phase;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;

use crate::capability::Capability;
use crate::limits::Limits;
use crate::untrusted;

/// Longest name.
const NAME: usize = 63;
/// Longest schema, bytes.
const SCHEMA: usize = 64 * 1024;
/// The shortest deadline that a manifest can ask for.
const SHORTEST_RUN: Duration = Duration::from_millis(10);

/// Number of runs of a check in its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Once for each serving pod.
    PerPod,
    /// Once for the release.
    PerRelease,
}

/// Words of the contract.
pub(crate) const PHASES: [(&str, Phase); 3] = [
    ("direct", Phase::Direct),
    ("routed", Phase::Routed),
    ("observe", Phase::Observe),
];
const SCOPES: [(&str, Scope); 2] = [("per-pod", Scope::PerPod), ("per-release", Scope::PerRelease)];

/// Key of the manifest's `extra` under which stands the oldest version of the tool that knows all needs.
const TOOL_VERSION: &str = "tool-version";

/// A check's own description, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Kebab-case, at most 63 characters.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One line.
    pub description: String,
    /// Phase in which the check runs.
    pub phase: Phase,
    /// Number of runs.
    pub scope: Scope,
    /// Capabilities that it asks for.
    pub needs: BTreeSet<Capability>,
    /// JSON Schema of its parameters.
    pub parameters_schema: Value,
    /// Deadline of one run.
    pub timeout: Duration,
    /// Further entries, for people.
    pub extra: Vec<(String, String)>,
}

impl Manifest {
    /// Checks what the component of this origin said.
    ///
    /// # Errors
    /// `Invalid` for a manifest that makes no sense; `Refused` for a word that this tool does not know, with the version of the
    /// tool that does, as far as the manifest tells.
    pub(crate) fn read(origin: &str, said: abi::Manifest, limits: &Limits) -> Result<Self, Failure> {
        let nonsense = |what: String| Failure::invalid(format!("plugin {origin} cannot be used: its manifest {what}"));
        let timeout = Duration::from_millis(said.default_timeout_ms.into());
        if timeout < SHORTEST_RUN || timeout > limits.longest_run {
            let (shortest, longest) = (SHORTEST_RUN.as_millis(), limits.longest_run.as_millis());
            let wanted = timeout.as_millis();
            let what = format!("asks for a deadline of {wanted} ms; {shortest} to {longest} ms are possible");
            return Err(nonsense(what));
        }
        let name = name(&said.name).map_err(nonsense)?;
        // A word that a newer tool may know; `asks` continues the check's name, with the word: "needs `x`".
        let unknown = |asks: String, known: String| {
            let tool = env!("CARGO_PKG_VERSION");
            let what = format!("plugin {origin} cannot be used: check {name} {asks}, which this tool does not know");
            Failure::refused(what)
                .because(format!("kubectl vllm-rollback {tool} knows {known}"))
                .next(match newer_tool(&said.extra, tool) {
                    Some(version) => format!("use kubectl vllm-rollback {version} or newer"),
                    None => format!("use a newer kubectl vllm-rollback, or a version of {name} that does without"),
                })
        };
        let version = version(&said.version).map_err(nonsense)?;
        let phase = find(&PHASES, &said.phase)
            .map_err(|known| unknown(format!("runs in phase `{}`", short(&said.phase)), known))?;
        let scope =
            find(&SCOPES, &said.scope).map_err(|known| unknown(format!("runs `{}`", short(&said.scope)), known))?;
        let mut needs = BTreeSet::new();
        for word in &said.needs {
            let need = Capability::from_word(word)
                .ok_or_else(|| unknown(format!("needs `{}`", short(word)), Capability::words()))?;
            if !needs.insert(need) {
                return Err(nonsense(format!("names the need `{need}` twice")));
            }
        }
        let extra = said.extra.iter().take(32);
        Ok(Self {
            description: short(&said.description),
            parameters_schema: schema(&said.parameters_schema).map_err(nonsense)?,
            extra: extra.map(|(key, value)| (short(key), short(value))).collect(),
            version,
            phase,
            scope,
            needs,
            timeout,
            name,
        })
    }
}

/// Meaning of a word, or the words that there are.
fn find<T: Copy>(known: &[(&str, T)], word: &str) -> Result<T, String> {
    let found = known.iter().find(|(one, _)| *one == word);
    let words = || known.iter().map(|(one, _)| *one).collect::<Vec<_>>().join(", ");
    found.map(|(_, meaning)| *meaning).ok_or_else(words)
}

/// The version that the manifest names as the oldest for its needs, if that is newer than this tool.
fn newer_tool(extra: &[(String, String)], tool: &str) -> Option<semver::Version> {
    let (_, version) = extra.iter().find(|(key, _)| key == TOOL_VERSION)?;
    let version = semver::Version::parse(version).ok()?;
    (version > semver::Version::parse(tool).ok()?).then_some(version)
}

fn short(text: &str) -> String {
    untrusted::start(text, 200)
}

fn name(name: &str) -> Result<String, String> {
    let shown = untrusted::start(name, 80);
    if name.is_empty() || name.len() > NAME {
        return Err(format!("has the name {shown:?}; names have 1 to {NAME} characters"));
    }
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.split('-').all(part) {
        return Err(format!(
            "has the name {shown:?}; names are kebab-case, such as `my-check`"
        ));
    }
    Ok(name.to_owned())
}

fn version(version: &str) -> Result<String, String> {
    let shown = untrusted::start(version, 80);
    match semver::Version::parse(version) {
        Ok(parsed) if version.len() <= 64 => Ok(parsed.to_string()),
        _ => Err(format!(
            "has the version {shown:?}, which is no semantic version such as `1.0.0`"
        )),
    }
}

fn schema(schema: &str) -> Result<Value, String> {
    if schema.len() > SCHEMA {
        return Err(format!("has a parameter schema of more than {SCHEMA} bytes"));
    }
    match serde_json::from_str(schema) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("has a parameter schema that is no JSON object".to_owned()),
        Err(error) => Err(format!("has a parameter schema that is not JSON: {error}")),
    }
}

/// Holds the operator's parameters against the schema, as far as can be done without a schema library: unknown names and wrong
/// types. A mistake is found before anything changes, instead of by the check when the model is out of traffic already.
pub(crate) fn check_parameters(manifest: &Manifest, parameters: &Value) -> Result<(), Failure> {
    let (Value::Object(schema), Value::Object(given)) = (&manifest.parameters_schema, parameters) else {
        return Ok(());
    };
    let Some(Value::Object(known)) = schema.get("properties") else {
        return Ok(());
    };
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let wrong = |what: String| {
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        let hint = if names.is_empty() {
            "it has no parameters".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        Failure::usage(format!("check {}: {what}", manifest.name)).next(hint)
    };
    for (name, value) in given {
        let shown = untrusted::line(name, 60);
        let Some(property) = known.get(name) else {
            if closed {
                return Err(wrong(format!("there is no parameter `{shown}`")));
            }
            continue;
        };
        if let Some(Value::String(wanted)) = property.get("type")
            && !is_a(value, wanted)
        {
            return Err(wrong(format!("parameter `{shown}` must be of type {wanted}")));
        }
    }
    Ok(())
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    fn said() -> abi::Manifest {
        abi::Manifest {
            name: "probe".to_owned(),
            version: "1.0.0".to_owned(),
            description: "Asks.\nTwice.".to_owned(),
            phase: "direct".to_owned(),
            scope: "per-pod".to_owned(),
            needs: vec!["pod".to_owned()],
            parameters_schema: "{}".to_owned(),
            default_timeout_ms: 2000,
            extra: vec![],
        }
    }

    fn failure(change: impl FnOnce(&mut abi::Manifest)) -> Failure {
        let mut said = said();
        change(&mut said);
        Manifest::read("probe.wasm", said, &Limits::default()).unwrap_err()
    }

    fn refusal(change: impl FnOnce(&mut abi::Manifest)) -> String {
        failure(change).what
    }

    #[test]
    fn a_good_manifest_is_taken_as_it_is_but_its_text_is_cleaned() {
        let manifest = Manifest::read("probe.wasm", said(), &Limits::default()).unwrap();
        assert_eq!(manifest.description, "Asks. Twice.");
        assert_eq!(
            (manifest.scope, manifest.timeout),
            (Scope::PerPod, Duration::from_secs(2))
        );
        assert_eq!(manifest.needs, BTreeSet::from([Capability::Pod]));
    }

    #[test]
    fn names_are_kebab_case() {
        for bad in [
            "",
            "Probe",
            "-probe",
            "probe-",
            "a--b",
            "a_b",
            "../x",
            "1a",
            "a b",
            "pröbe",
            &"a".repeat(64),
        ] {
            assert!(refusal(|said| said.name = bad.to_owned()).contains("the name"), "{bad}");
        }
        for good in ["a", "probe-2", "a-1-b"] {
            assert!(name(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn versions_are_semantic() {
        for bad in ["", "1", "1.0", "v1.0.0", "latest"] {
            assert!(
                refusal(|said| said.version = bad.to_owned()).contains("semantic version"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_schema_is_a_json_object() {
        assert!(refusal(|said| said.parameters_schema = "{".to_owned()).contains("not JSON"));
        assert!(refusal(|said| said.parameters_schema = "[]".to_owned()).contains("no JSON object"));
        assert!(refusal(|said| said.parameters_schema = " ".repeat(SCHEMA + 1)).contains("more than"));
    }

    #[test]
    fn a_deadline_is_neither_zero_nor_for_ever() {
        assert!(refusal(|said| said.default_timeout_ms = 0).contains("0 ms"));
        assert!(refusal(|said| said.default_timeout_ms = u32::MAX).contains("600000 ms"));
    }

    #[test]
    fn a_need_is_named_once() {
        assert!(refusal(|said| said.needs.push("pod".to_owned())).contains("`pod` twice"));
    }

    #[test]
    fn a_need_that_is_not_known_is_refused_by_name_with_the_version_that_knows_it() {
        let refused = failure(|said| {
            said.needs.push("tomorrow".to_owned());
            said.extra = vec![("tool-version".to_owned(), "99.1.0".to_owned())];
        });
        assert_eq!(refused.kind, FailureKind::Refused);
        assert_eq!(
            refused.what,
            "plugin probe.wasm cannot be used: check probe needs `tomorrow`, which this tool does not know"
        );
        assert!(
            refused.why[0].ends_with("knows pod, router, cluster, registry, metrics, host"),
            "{refused}"
        );
        assert_eq!(refused.next, ["use kubectl vllm-rollback 99.1.0 or newer"]);
    }

    #[test]
    fn a_version_that_is_not_newer_or_is_none_is_not_repeated() {
        for version in ["0.0.1", env!("CARGO_PKG_VERSION"), "\u{1b}[31m"] {
            let refused = failure(|said| {
                said.needs = vec!["tomorrow".to_owned()];
                said.extra = vec![("tool-version".to_owned(), version.to_owned())];
            });
            assert_eq!(
                refused.next,
                ["use a newer kubectl vllm-rollback, or a version of probe that does without"]
            );
        }
    }

    #[test]
    fn words_that_are_not_known_are_refused_whatever_they_look_like() {
        for word in ["", "Direct", "direct ", "direct\u{1b}[8m", "per-pod", "soak"] {
            let refused = failure(|said| said.phase = word.to_owned());
            assert_eq!(refused.kind, FailureKind::Refused, "{word:?}");
            assert!(refused.what.contains("runs in phase `"), "{refused}");
            assert!(!refused.what.contains('\u{1b}'), "{refused}");
            assert_eq!(
                failure(|said| said.needs = vec![word.to_owned()]).kind,
                FailureKind::Refused
            );
        }
        assert!(refusal(|said| said.scope = "per-node".to_owned()).contains("check probe runs `per-node`, which"));
    }

    #[test]
    fn a_wrong_parameter_is_found_before_the_check_runs() {
        let schema = json!({"properties": {"prompt": {"type": "string"}}, "additionalProperties": false});
        let manifest = Manifest::read(
            "probe.wasm",
            abi::Manifest {
                parameters_schema: schema.to_string(),
                ..said()
            },
            &Limits::default(),
        )
        .unwrap();
        assert!(check_parameters(&manifest, &json!({"prompt": "hello"})).is_ok());
        assert!(check_parameters(&manifest, &Value::Null).is_ok());
        let unknown = check_parameters(&manifest, &json!({"promt": "hello"})).unwrap_err();
        assert_eq!(unknown.what, "check probe: there is no parameter `promt`");
        assert_eq!(unknown.next, ["it has prompt"]);
        assert!(
            check_parameters(&manifest, &json!({"prompt": 1}))
                .unwrap_err()
                .what
                .contains("type string")
        );
    }
}
