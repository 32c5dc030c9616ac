//! The command line: vLLM's own flags, of which only those that change an answer are looked at.
//!
//! A chart passes vLLM dozens of flags. This stand-in must start with all of them, so a flag that it does not know is
//! dropped together with its values, and named in the log. (vLLM itself exits with code 2 on an unknown flag; to play
//! that, use the fault `SIM_CRASH_AT_START=2`.)

use clap::{ArgAction, Parser};
use std::net::IpAddr;

/// The release whose answers are imitated; `/version` says so.
pub const VLLM_VERSION: &str = "0.32.0";

/// The flags that are understood. Names, meanings and defaults are vLLM's.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "vllm-sim",
    version,
    args_override_self = true,
    about = "A stand-in for a vLLM API server, with faults on demand"
)]
pub struct Args {
    /// Path or repository name of the weights; also the served name unless --served-model-name is given
    #[arg(long, default_value = "facebook/opt-125m")]
    pub model: String,

    /// Names the model answers to; the first is echoed in answers and labels the metrics
    #[arg(long, num_args = 1.., action = ArgAction::Set)]
    pub served_model_name: Vec<String>,

    /// Address to listen on; the environment variable POD_BIND_IP goes before it
    #[arg(long, default_value = "0.0.0.0")]
    pub host: IpAddr,

    /// Port to listen on; 0 takes a free one, which the log names
    #[arg(long, default_value_t = 8000)]
    pub port: u16,

    /// Longest prompt and answer together, in tokens (here: words)
    #[arg(long, default_value_t = 2048)]
    pub max_model_len: usize,

    /// Keys of which /v1 wants one as bearer token
    #[arg(long, num_args = 1.., action = ArgAction::Set, env = "VLLM_API_KEY", hide_env_values = true)]
    pub api_key: Vec<String>,

    /// Seconds that open requests may take to finish after SIGTERM; 0 aborts them
    #[arg(long, default_value_t = 0)]
    pub shutdown_timeout: u64,

    /// Requests that are worked on at the same time; further ones wait
    #[arg(long, default_value_t = 256)]
    pub max_num_seqs: usize,

    /// Exit at once with code 0 (what the chart's hook Job runs)
    #[arg(long)]
    pub check_only: bool,
}

const VALUED: [&str; 8] = [
    "model",
    "served-model-name",
    "host",
    "port",
    "max-model-len",
    "api-key",
    "shutdown-timeout",
    "max-num-seqs",
];
const SWITCHES: [&str; 3] = ["check-only", "help", "version"];

impl Args {
    /// Reads a command line without the program's name. Gives the flags that were dropped beside the arguments.
    ///
    /// # Errors
    /// When a known flag has no value or one of the wrong form, and for `--help` and `--version`.
    pub fn read(words: impl IntoIterator<Item = String>) -> Result<(Self, Vec<String>), clap::Error> {
        let (known, dropped) = split_known(words);
        let args = Self::try_parse_from(std::iter::once("vllm-sim".to_owned()).chain(known))?;
        Ok((args, dropped))
    }

    /// The names that the model answers to; never empty.
    pub fn served_names(&self) -> Vec<String> {
        if self.served_model_name.is_empty() {
            vec![self.model.clone()]
        } else {
            self.served_model_name.clone()
        }
    }
}

/// Keeps the known flags with their values, spelled with dashes, and turns `serve MODEL` into `--model MODEL`.
fn split_known(words: impl IntoIterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut known, mut dropped) = (Vec::new(), Vec::new());
    let mut keep_values = false;
    let mut serve = false;
    for word in words {
        if let Some(flag) = word.strip_prefix("--") {
            let name = flag.split('=').next().unwrap_or_default().replace('_', "-");
            keep_values = VALUED.contains(&name.as_str());
            if keep_values || SWITCHES.contains(&name.as_str()) {
                let value = flag
                    .split_once('=')
                    .map(|(_, value)| format!("={value}"))
                    .unwrap_or_default();
                known.push(format!("--{name}{value}"));
            } else {
                dropped.push(format!("--{name}"));
            }
        } else if keep_values {
            known.push(word);
        } else if std::mem::take(&mut serve) {
            known.push(format!("--model={word}"));
        } else {
            serve = word == "serve";
        }
    }
    (known, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Args, Vec<String>) {
        Args::read(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn the_flags_of_a_vllm_chart_are_read_and_the_rest_is_named() {
        let (args, dropped) = read(
            "--model=/models/llama --served-model-name llama-2-7b llama --tensor-parallel-size 2 --enforce-eager \
             --max_model_len=4096 --dtype=half --port 9000",
        );
        assert_eq!(args.model, "/models/llama");
        assert_eq!(args.served_names(), ["llama-2-7b", "llama"]);
        assert_eq!((args.max_model_len, args.port), (4096, 9000));
        assert_eq!(dropped, ["--tensor-parallel-size", "--enforce-eager", "--dtype"]);
    }

    #[test]
    fn the_served_name_is_the_model_path_unless_given() {
        assert_eq!(read("--model org/name").0.served_names(), ["org/name"]);
    }

    #[test]
    fn the_serve_subcommand_takes_the_model_as_a_word() {
        assert_eq!(read("serve org/name --port 1").0.model, "org/name");
        assert_eq!(read("-m vllm.entrypoints.openai.api_server --model m").0.model, "m");
    }

    #[test]
    fn a_flag_given_twice_has_its_last_value() {
        let (args, _) = read("--port 1 --served-model-name a b --port=2 --served-model-name c");
        assert_eq!((args.port, args.served_names()), (2, vec!["c".to_owned()]));
    }

    #[test]
    fn a_known_flag_of_the_wrong_form_is_refused() {
        assert!(Args::read(["--port=many".to_owned()]).is_err());
    }
}
