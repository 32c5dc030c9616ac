//! Text of another program on its way to a terminal.

/// Characters of one line of evidence.
pub const LINE: usize = 200;

/// `text` as one printable line of at most 200 characters.
///
/// Control characters and those that reorder or hide text are escaped; what is cut off leaves a `…`. Doing it twice
/// changes nothing.
///
/// ```
/// assert_eq!(vllm_rollback_plugin::text::line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
/// ```
pub fn line(text: &str) -> String {
    excerpt(text, LINE)
}

/// As [`line()`], with another bound.
pub fn excerpt(text: &str, most: usize) -> String {
    // One more than fits is enough to know that something has to be cut off.
    let mut kept: Vec<char> = text.chars().take(most + 1).flat_map(printable).take(most + 1).collect();
    if kept.len() > most {
        kept.truncate(most.saturating_sub(1));
        kept.push('…');
    }
    kept.into_iter().collect()
}

/// The same for bytes that should be text, as the body of an answer should.
pub fn body(bytes: &[u8], most: usize) -> String {
    // A character has at most four bytes.
    let start = &bytes[..bytes.len().min((most + 1) * 4)];
    excerpt(&String::from_utf8_lossy(start), most)
}

fn printable(character: char) -> impl Iterator<Item = char> {
    let hidden =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let escaped = hidden || character.is_control();
    let spelled = match character {
        // `escape_default` spells the ones that have a short name.
        '\n' | '\r' | '\t' => Some(character.escape_default().to_string()),
        _ if escaped => Some(character.escape_unicode().to_string()),
        _ => None,
    };
    let plain = spelled.is_none().then_some(character);
    spelled
        .unwrap_or_default()
        .chars()
        .collect::<Vec<_>>()
        .into_iter()
        .chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let cut = line(&"ü".repeat(300));
        assert_eq!(cut.chars().count(), LINE);
        assert!(cut.ends_with("ü…"));
        assert_eq!(line(&"ü".repeat(LINE)), "ü".repeat(LINE));
    }

    #[test]
    fn what_moves_the_cursor_or_reorders_text_is_spelled_out() {
        assert_eq!(
            line("\u{1b}]0;x\u{7}\r\u{202e}\u{9b}"),
            "\\u{1b}]0;x\\u{7}\\r\\u{202e}\\u{9b}"
        );
    }

    #[test]
    fn doing_it_twice_changes_nothing() {
        for text in ["plain", "a\nb", &"\u{1b}".repeat(400), &"\\n".repeat(150)] {
            assert_eq!(line(&line(text)), line(text));
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_still_one_line() {
        assert_eq!(body(b"ok\xff\n", 20), "ok\u{fffd}\\n");
        assert_eq!(body(&[b'x'; 5_000], 10), "xxxxxxxxx…");
    }
}
