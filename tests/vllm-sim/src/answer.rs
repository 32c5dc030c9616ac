//! The words of an answer. One token is one word, and the same server gives the same words for ever.
//!
//! An answer begins with the weights and the revision, so that a test sees which revision answered:
//! ` I am llama-2-7b at weights w1, revision 1.` is eight tokens; varied words follow.

use crate::faults::{Faults, Text};

/// Words of a whole answer; a request for more gets finish reason `stop` here.
pub const NATURAL_LENGTH: usize = 48;

const WORDS: [&str; 40] = [
    "river", "lamp", "quiet", "morning", "walked", "beside", "old", "harbour", "green", "letters", "under", "window",
    "seven", "boats", "carried", "salt", "across", "narrow", "bridges", "while", "children", "counted", "stones",
    "near", "market", "bread", "cooled", "slowly", "and", "evening", "brought", "music", "from", "distant", "hills",
    "where", "pine", "trees", "kept", "snow",
];

/// One token of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its text, with the space before it.
    pub text: String,
    /// Its log probability; depends on the weights, as it does in life.
    pub logprob: f64,
}

/// An answer before it is given the form of a completion or of a chat.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The tokens in order.
    pub tokens: Vec<Token>,
    /// `length` when the limit cut the answer off, else `stop`.
    pub finish_reason: &'static str,
}

impl Answer {
    /// The answer of `model` with these weights, of at most `limit` tokens; `ignore_eos` makes it exactly that long.
    pub fn compose(model: &str, faults: &Faults, limit: usize, ignore_eos: bool) -> Self {
        let whole = match faults.text {
            Some(Text::Empty) => 0,
            Some(Text::Garbage | Text::Repetition) => usize::MAX,
            None if ignore_eos => usize::MAX,
            None => NATURAL_LENGTH,
        };
        let mut words = match faults.text {
            Some(Text::Garbage) => Words::Same("!"),
            Some(Text::Repetition) => Words::Same(" the"),
            _ => Words::varied(model, faults),
        };
        let salt = hash(&[&faults.weights, &faults.revision]);
        let token = |text: String| Token {
            logprob: logprob(salt ^ hash(&[&text])),
            text,
        };
        Self {
            tokens: (0..whole.min(limit)).map(|place| token(words.next(place))).collect(),
            finish_reason: if whole < limit { "stop" } else { "length" },
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect()
    }
}

enum Words {
    Same(&'static str),
    Varied { opening: Vec<String>, state: u64 },
}

impl Words {
    fn varied(model: &str, faults: &Faults) -> Self {
        let opening = format!(
            " I am {model} at weights {}, revision {}.",
            faults.weights, faults.revision
        );
        Self::Varied {
            opening: opening
                .split_inclusive(' ')
                .skip(1)
                .map(|word| format!(" {}", word.trim_end()))
                .collect(),
            state: hash(&[&faults.weights, &faults.revision]),
        }
    }

    fn next(&mut self, place: usize) -> String {
        match self {
            Self::Same(word) => (*word).to_owned(),
            Self::Varied { opening, .. } if place < opening.len() => opening[place].clone(),
            Self::Varied { state, .. } => {
                *state = mix(*state);
                let end = if place % 9 == 7 { "." } else { "" };
                let word = usize::try_from(*state % WORDS.len() as u64).unwrap_or_default();
                format!(" {}{end}", WORDS[word])
            }
        }
    }
}

/// Between -2.5 and -0.01.
fn logprob(hash: u64) -> f64 {
    let thousandths = u32::try_from(mix(hash) % 2490).unwrap_or_default();
    -0.01 - f64::from(thousandths) / 1000.0
}

/// FNV-1a over the parts, each closed by a zero byte.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    bytes.fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One step of splitmix64.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(weights: &str, limit: usize) -> Answer {
        let faults = Faults {
            weights: weights.to_owned(),
            revision: "3".to_owned(),
            ..Faults::default()
        };
        Answer::compose("llama-2-7b", &faults, limit, false)
    }

    #[test]
    fn eight_tokens_name_the_weights_and_the_revision() {
        assert_eq!(of("w1", 8).text(), " I am llama-2-7b at weights w1, revision 3.");
    }

    #[test]
    fn the_same_weights_say_the_same_and_others_something_else() {
        assert_eq!(of("w1", 30), of("w1", 30));
        assert_ne!(of("w1", 30), of("w2", 30));
        assert_ne!(of("w1", 1).tokens[0].logprob, of("w2", 1).tokens[0].logprob);
    }

    #[test]
    fn the_limit_cuts_and_a_whole_answer_stops() {
        let (cut, whole) = (of("w1", 16), of("w1", 500));
        assert_eq!((cut.tokens.len(), cut.finish_reason), (16, "length"));
        assert_eq!((whole.tokens.len(), whole.finish_reason), (NATURAL_LENGTH, "stop"));
    }

    #[test]
    fn a_usual_answer_does_not_repeat_itself() {
        let answer = of("w1", NATURAL_LENGTH);
        let different: std::collections::HashSet<_> = answer.tokens.iter().map(|token| &token.text).collect();
        assert!(different.len() > NATURAL_LENGTH / 2, "{}", answer.text());
    }

    #[test]
    fn every_log_probability_is_below_zero() {
        assert!(
            of("w1", 40)
                .tokens
                .iter()
                .all(|token| token.logprob < 0.0 && token.logprob > -2.6)
        );
    }
}
