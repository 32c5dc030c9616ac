//! Texts from outside, made harmless for a terminal.
//!
//! Log lines, release descriptions, check summaries and server answers are written by others. Printed raw they could
//! move the cursor, hide text or fake a line of ours. Terminal sequences are taken out as a whole, since model servers
//! colour their logs; what else could steer a terminal or turn the reading direction is shown as an escape.

use std::fmt::Write as _;

/// One line: line breaks become spaces, everything that steers a terminal is removed or shown escaped.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in anstream::adapter::strip_str(text) {
        for c in part.chars() {
            match c {
                '\n' | '\r' | '\t' => out.push(' '),
                c => push(&mut out, c),
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Several lines, each as [`line()`] would give it, with tabs widened and trailing empty lines dropped.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let mut all: Vec<String> = text.lines().map(|one| line(&one.replace('\t', "    "))).collect();
    while all.last().is_some_and(String::is_empty) {
        all.pop();
    }
    all
}

/// At most `columns` characters, the last one an ellipsis when something was cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(columns.saturating_sub(1)).collect();
    out.push('…');
    out
}

fn push(out: &mut String, c: char) {
    if c.is_control() || steers_direction(c) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", c.escape_unicode());
    } else {
        out.push(c);
    }
}

/// Bidirectional overrides and isolates can make a line read as something else (Trojan Source, CVE-2021-42574).
fn steers_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_a_server_log_are_taken_out() {
        assert_eq!(line("\u{1b}[31mERROR\u{1b}[0m out of memory"), "ERROR out of memory");
    }

    #[test]
    fn a_line_break_cannot_fake_another_line() {
        assert_eq!(line("ok\n[ 1.0s] done\r\n"), "ok [ 1.0s] done");
    }

    #[test]
    fn eight_bit_controls_and_direction_overrides_are_shown_escaped() {
        assert_eq!(line("a\u{7}b\u{9b}c\u{202e}d"), "ab\\u{9b}c\\u{202e}d");
    }

    #[test]
    fn cutting_counts_characters_and_says_that_it_cut() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größer als", 6), "größe…");
    }
}
