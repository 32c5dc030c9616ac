//! The name under which clients ask for the model, as the container's command line tells it.
//!
//! vLLM serves under the first of `--served-model-name`, else under `--model` or the positional argument of `vllm serve`.

use serde_json::Value;

use crate::workload::Workload;

const SERVED: &str = "--served-model-name";
const MODEL: &str = "--model";

/// The served name of the first container that tells one.
pub fn served_model(workload: &Workload<'_>) -> Option<String> {
    workload.containers().find_map(of_container)
}

fn of_container(container: &Value) -> Option<String> {
    let words = words(container);
    option(&words, SERVED)
        .or_else(|| option(&words, MODEL))
        .or_else(|| positional(&words))
        .or_else(|| variable(container, "SERVED_MODEL_NAME"))
        .or_else(|| variable(container, "MODEL_NAME"))
        .map(|name| expand(&name, container))
        .filter(|name| !name.is_empty() && !name.contains("$("))
}

/// Command and arguments; a shell line is split at blanks.
fn words(container: &Value) -> Vec<String> {
    ["command", "args"]
        .into_iter()
        .flat_map(|key| container[key].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .flat_map(|word| {
            let is_line = word.contains("vllm serve") || word.contains(SERVED) && word.contains(char::is_whitespace);
            if is_line {
                word.split_whitespace()
                    .map(|w| w.trim_matches(['"', '\'', '\\']).to_owned())
                    .filter(|w| !w.is_empty())
                    .collect()
            } else {
                vec![word.to_owned()]
            }
        })
        .collect()
}

fn option(words: &[String], name: &str) -> Option<String> {
    words.iter().enumerate().find_map(|(index, word)| {
        if word == name {
            return words.get(index + 1).filter(|next| !next.starts_with('-')).cloned();
        }
        // argparse takes dashes and underscores alike in vLLM.
        let (key, value) = word.split_once('=')?;
        (key.replace('_', "-") == name).then(|| value.to_owned())
    })
}

/// `vllm serve NAME`.
fn positional(words: &[String]) -> Option<String> {
    let at = words.windows(2).position(|pair| {
        let program = pair[0].rsplit('/').next().unwrap_or_default();
        program == "vllm" && pair[1] == "serve"
    })?;
    words.get(at + 2).filter(|word| !word.starts_with('-')).cloned()
}

fn variable(container: &Value, name: &str) -> Option<String> {
    container["env"]
        .as_array()?
        .iter()
        .find(|entry| entry["name"] == name)
        .and_then(|entry| entry["value"].as_str())
        .map(str::to_owned)
}

/// `$(NAME)` is replaced by the kubelet from the container's environment.
fn expand(text: &str, container: &Value) -> String {
    let mut out = text.to_owned();
    for entry in container["env"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (entry["name"].as_str(), entry["value"].as_str()) {
            out = out.replace(&format!("$({name})"), value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Object;
    use serde_json::json;

    #[test]
    fn the_first_served_name_wins_over_the_models_path() {
        for (container, name) in [
            (
                json!({"args": ["--model", "/m", "--served-model-name", "llama", "alias"]}),
                "llama",
            ),
            (json!({"args": ["--model=/models/llama", "--served-model-name=x"]}), "x"),
            (json!({"args": ["--model=/models/llama"]}), "/models/llama"),
            (
                json!({"command": ["vllm", "serve", "org/llama"], "args": ["--port", "1"]}),
                "org/llama",
            ),
            (
                json!({"command": ["/bin/sh", "-c", "exec vllm serve org/a --served-model-name 'b'"]}),
                "b",
            ),
            (
                json!({"args": ["--served-model-name", "$(NAME)"], "env": [{"name": "NAME", "value": "y"}]}),
                "y",
            ),
            (json!({"env": [{"name": "MODEL_NAME", "value": "z"}]}), "z"),
            (
                json!({"env": [{"name": "MODEL_NAME", "value": "z"}, {"name": "SERVED_MODEL_NAME", "value": "y"}]}),
                "y",
            ),
            // argparse takes underscores, and a flag's value never begins with a dash.
            (json!({"args": ["--served_model_name=x"]}), "x"),
            (json!({"args": ["--served-model-name", "--port", "--model", "m"]}), "m"),
            (
                json!({"command": ["/opt/vllm", "serve", "org/llama"], "args": ["--model=m"]}),
                "m",
            ),
            (json!({"command": ["/usr/bin/vllm", "serve", "org/llama"]}), "org/llama"),
            // A line for a shell is split, whatever stands before; an argument with blanks is one.
            (
                json!({"command": ["sh", "-c"], "args": ["python3 -m server --served-model-name \\\n \"b\" --x"]}),
                "b",
            ),
            (json!({"args": ["--model", "my model"]}), "my model"),
        ] {
            assert_eq!(of_container(&container).as_deref(), Some(name), "{container}");
        }
    }

    #[test]
    fn the_first_container_that_tells_a_name_counts() {
        let containers = json!([{"name": "proxy"}, {"args": ["--model", "m"]}, {"args": ["--model", "n"]}]);
        let json = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"template": {"spec": {"containers": containers}}}});
        let object = Object::read(json, "ml").unwrap();
        assert_eq!(served_model(&Workload::read(&object).unwrap()).as_deref(), Some("m"));
    }

    #[test]
    fn a_name_that_cannot_be_known_is_not_guessed() {
        assert_eq!(of_container(&json!({"args": ["--served-model-name", "$(NAME)"]})), None);
        for container in [
            json!({"command": ["redis-server"]}),
            json!({"command": ["vllm", "serve"]}),
            json!({"command": ["vllm", "serve", "--port", "1"]}),
            json!({"command": ["vllm", "bench", "org/llama"]}),
            json!({"command": ["myvllm", "serve", "org/llama"]}),
            json!({"args": ["--served-model-name="]}),
        ] {
            assert_eq!(of_container(&container), None, "{container}");
        }
    }
}
