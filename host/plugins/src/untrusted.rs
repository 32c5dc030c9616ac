//! Texts that a check or a server wrote, made harmless and bounded before they enter a verdict, a log or an error.
//!
//! A verdict goes to terminals, JSON files and Kubernetes Events. Whoever prints must not have to think of terminal
//! sequences, fake line breaks or a summary of 20 MB (wasmtime docs/security.md, "Terminal Output"), so it is done once,
//! where the text comes in.

/// One line of at most `max` characters. Terminal sequences and control characters are gone, line breaks are spaces, and
/// the last character is an ellipsis when something was cut.
pub(crate) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut visible = anstream::adapter::strip_str(text)
        .flat_map(str::chars)
        .filter_map(harmless)
        .peekable();
    while visible.next_if(|c| *c == ' ').is_some() {}
    while let Some(c) = visible.next() {
        length += 1;
        if length == max && visible.peek().is_some() {
            out.push('…');
            return out;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// One line as [`line()`] gives it, of a text of any length: only its start is looked at.
pub(crate) fn start(text: &str, max: usize) -> String {
    line(&text[..text.floor_char_boundary(max * 8)], max)
}

/// The non-empty lines of a text, each as [`line()`] gives it, at most `count` of them.
pub(crate) fn lines(text: &str, count: usize, max: usize) -> Vec<String> {
    text.split(['\n', '\r'])
        .map(|one| line(one, max))
        .filter(|one| !one.is_empty())
        .take(count)
        .collect()
}

fn harmless(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' => Some(' '),
        c if c.is_control() || steers_direction(c) => None,
        c => Some(c),
    }
}

/// Marks and overrides that make a line read as something else (Trojan Source, CVE-2021-42574).
fn steers_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_sequences_and_line_breaks_cannot_fake_another_line() {
        assert_eq!(
            line("\u{1b}[2K\u{1b}[31mok\u{1b}[0m\nall checks passed", 80),
            "ok all checks passed"
        );
        assert!(!line("a\u{9b}31mb\u{202e}c", 80).contains(['\u{9b}', '\u{202e}']));
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(line("größer als", 6), "größe…");
        assert_eq!(line("größer", 6), "größer");
    }

    #[test]
    fn empty_lines_do_not_count() {
        assert_eq!(lines("\n\na\r\n\nb\nc", 2, 80), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_out_can_steer_a_terminal(text in "\\PC{0,40}|[\\x00-\\x{ff}]{0,40}", max in 1_usize..50) {
            let clean = line(&text, max);
            prop_assert!(clean.chars().count() <= max);
            prop_assert!(!clean.chars().any(|c| c.is_control() || steers_direction(c)));
        }
    }
}
