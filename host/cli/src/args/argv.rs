//! `rollback` is the verb when none is typed.
//!
//! kubectl and Helm users put flags anywhere, also before the verb. clap reads a verb's flags behind it, so the line
//! is put in order first: the verb to the front, and `rollback` where there is none.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Command;

/// The verb when none is typed.
const DEFAULT: &str = "rollback";

/// Puts the arguments (without the program's name) in order: verb first, and the verb's own verb behind it.
pub(crate) fn in_order(command: &Command, mut args: Vec<OsString>) -> Vec<OsString> {
    let flags = flags_with_value(command);
    match first_word(&flags, &args) {
        Some(at) if is_verb(command, &args[at]) => {
            args[..=at].rotate_right(1);
            let verb = args[0].to_str().and_then(|word| command.find_subcommand(word));
            let rest = &mut args[1..];
            if let Some(group) = verb.filter(|verb| verb.has_subcommands())
                && let Some(at) = first_word(&flags, rest)
                && is_verb(group, &rest[at])
            {
                rest[..=at].rotate_right(1);
            }
            args
        }
        None if args.is_empty() || args.iter().any(asks_for_help) => args,
        _ => std::iter::once(DEFAULT.into()).chain(args).collect(),
    }
}

fn is_verb(command: &Command, word: &OsString) -> bool {
    word.to_str()
        .is_some_and(|word| word == "help" || command.find_subcommand(word).is_some())
}

fn asks_for_help(arg: &OsString) -> bool {
    ["-h", "--help", "-V", "--version"].iter().any(|flag| arg == flag)
}

/// Index of the first argument that is neither a flag nor a flag's value.
fn first_word(flags: &BTreeSet<String>, args: &[OsString]) -> Option<usize> {
    let mut is_value = false;
    for (at, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        if is_value {
            is_value = false;
        } else if text == "--" {
            return (at + 1 < args.len()).then_some(at + 1);
        } else if text.starts_with('-') && text.len() > 1 {
            is_value = flags.contains(text.as_ref());
        } else {
            return Some(at);
        }
    }
    None
}

/// `--flag` and `-f` of all verbs that take the next argument as their value.
fn flags_with_value(command: &Command) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for verb in command.get_subcommands() {
        flags.extend(flags_with_value(verb));
    }
    for arg in command.get_arguments() {
        let takes = arg.get_action().takes_values() && !arg.is_require_equals_set();
        if takes {
            flags.extend(arg.get_short().map(|short| format!("-{short}")));
            flags.extend(arg.get_long().map(|long| format!("--{long}")));
            for alias in arg.get_all_aliases().unwrap_or_default() {
                flags.insert(format!("--{alias}"));
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::verbs::Cli;

    fn ordered(line: &str) -> String {
        let args = line.split_whitespace().map(OsString::from).collect();
        let ordered = in_order(&Cli::command(), args);
        ordered
            .iter()
            .map(|arg| arg.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn without_a_verb_it_is_a_rollback() {
        assert_eq!(ordered("llama"), "rollback llama");
        assert_eq!(ordered("llama 0 production"), "rollback llama 0 production");
        assert_eq!(ordered("-n prod llama 3 --yes"), "rollback -n prod llama 3 --yes");
        assert_eq!(ordered("--yes"), "rollback --yes");
    }

    #[test]
    fn a_verb_is_found_behind_flags_and_their_values() {
        assert_eq!(ordered("-n plan history llama"), "history -n plan llama");
        assert_eq!(
            ordered("--context=x -o json status llama"),
            "status --context=x -o json llama"
        );
        assert_eq!(ordered("--kube-context c plan llama"), "plan --kube-context c llama");
        assert_eq!(ordered("plan llama -n x"), "plan llama -n x");
    }

    #[test]
    fn the_verb_of_a_verb_is_found_too() {
        assert_eq!(
            ordered("-n prod registry status llama"),
            "registry status -n prod llama"
        );
        assert_eq!(
            ordered("registry -n prod --yes disable llama"),
            "registry disable -n prod --yes llama"
        );
        assert_eq!(ordered("registry"), "registry");
    }

    #[test]
    fn a_flag_with_an_optional_value_does_not_swallow_the_release() {
        assert_eq!(ordered("--dry-run llama"), "rollback --dry-run llama");
    }

    #[test]
    fn asking_for_help_is_left_alone() {
        assert_eq!(ordered(""), "");
        assert_eq!(ordered("--help"), "--help");
        assert_eq!(ordered("help plan"), "help plan");
        assert_eq!(ordered("plan --help"), "plan --help");
    }
}
