//! Text that no working model gives: one unit over and over, signs without a word, bytes that are no characters.
//!
//! Broken weights, quantisation or kernels show like this with a 200 (vllm-project/vllm#21034, #21601, #9769). The
//! rules are coarse on purpose: a working model must not be kept out of traffic for a dull answer.

/// Longest unit, in characters, whose repetition is looked for. A token is rarely longer.
const LONGEST_UNIT: usize = 16;
/// A unit has to come this often in a row. Ten tokens of one or two alternating ones reach it.
const TIMES: usize = 5;
/// Shorter texts are not judged.
const SHORTEST: usize = 8;

/// Why a trimmed text is degenerate, as in `the answer is …`.
pub(crate) fn degenerate(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let broken = characters
        .iter()
        .filter(|character| **character == char::REPLACEMENT_CHARACTER)
        .count();
    if broken * 3 >= characters.len() && broken > 1 {
        return Some("mostly bytes that are no characters".to_owned());
    }
    if characters.len() < SHORTEST {
        return None;
    }
    if !characters.iter().any(|character| character.is_alphanumeric()) {
        return Some("signs without a word".to_owned());
    }
    let unit = repeated(&characters)?;
    Some(format!("{unit:?} over and over"))
}

/// The shortest unit whose run fills at least four fifths of the text.
///
/// The text is trimmed, so the space after its last word counts as if it were there.
fn repeated(text: &[char]) -> Option<String> {
    (1..=LONGEST_UNIT.min((text.len() + 1) / TIMES)).find_map(|period| {
        let (start, length) = longest_run(text, period);
        let fills = length * 5 >= text.len() * 4;
        let unit = || text[start..start + period].iter().collect::<String>().trim().to_owned();
        (fills && (length + 1) / period >= TIMES).then(unit)
    })
}

/// Start and length of the longest stretch in which every character equals the one `period` before it.
fn longest_run(text: &[char], period: usize) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for place in period..=text.len() {
        if place < text.len() && text[place] == text[place - period] {
            continue;
        }
        let length = place - start;
        if length > best.1 {
            best = (start, length);
        }
        start = place + 1 - period;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_over_and_over_is_degenerate() {
        assert_eq!(
            degenerate("the the the the the the the the the the").unwrap(),
            "\"the\" over and over"
        );
        assert_eq!(degenerate("aaaaaaaaaa").unwrap(), "\"a\" over and over");
        assert_eq!(
            degenerate("So the the the the the the the the the").unwrap(),
            "\"the\" over and over"
        );
        assert!(degenerate("答答答答答答答答答答").is_some());
    }

    #[test]
    fn two_alternating_tokens_are_degenerate() {
        assert!(degenerate("yes no yes no yes no yes no yes no").is_some());
        assert!(degenerate("0101010101").is_some());
    }

    #[test]
    fn signs_without_a_word_are_degenerate() {
        assert_eq!(degenerate("!!!!!!!!!!").unwrap(), "signs without a word");
        assert!(degenerate("?!,.;:-!?!").is_some());
    }

    #[test]
    fn bytes_that_are_no_characters_are_degenerate() {
        assert!(degenerate("\u{fffd}\u{fffd}a\u{fffd}").is_some());
        assert_eq!(degenerate("caf\u{fffd} au lait"), None);
    }

    #[test]
    fn ordinary_answers_are_not() {
        for text in [
            "I'm doing well, thank you! How can I",
            "Paris.",
            "Paris, Paris, and again Paris",
            "I am fine. I am fine. I am",
            "ha ha ha",
            "1, 2, 3, 4, 5, 6, 7, 8",
            "…",
            "😀😀",
            "您好,我很好,谢谢",
            "I am llama-2-7b at weights w1, revision 1. quiet boats",
        ] {
            assert_eq!(degenerate(text), None, "{text}");
        }
    }
}
