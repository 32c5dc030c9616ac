//! Secrets in free text: logs, command lines, events, headers, configuration.

use super::forms::{is_issued, private_key, user_info};
use super::{BEGIN, hidden, is_secret_name};

/// Words that say how what follows is to be read.
const SCHEMES: [&str; 5] = ["bearer", "basic", "digest", "token", "apikey"];
/// Words that follow `bearer` in a sentence.
const NOT_BEARERS: [&str; 8] = [
    "token",
    "tokens",
    "auth",
    "authentication",
    "authorization",
    "scheme",
    "header",
    "is",
];

/// Hides what is secret by its name or its form: `--api-key X`, `HF_TOKEN=X`, `"password": "X"`, `Bearer X`,
/// `scheme://user:X@host`, private keys, keys of well-known issuers. What is hidden already stays as it is.
pub fn text(text: &str) -> String {
    let mut lines = Lines::default();
    text.split_inclusive('\n').map(|line| lines.redact(line)).collect()
}

/// A value that only names where the secret is: `$(HF_TOKEN)`, `${HF_TOKEN}`, `$HF_TOKEN`.
fn is_reference(value: &str) -> bool {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    value.strip_prefix('$').is_some_and(|rest| {
        let inner = rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .or_else(|| rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')))
            .unwrap_or(rest);
        is_name(inner) && !inner.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// The whole of it was hidden before.
fn is_hidden(value: &str) -> bool {
    let inner = value.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|hash| {
        hash.is_empty()
            || hash
                .strip_prefix(':')
                .is_some_and(|hash| hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()))
    })
}

/// Facts known from the lines before.
#[derive(Default)]
struct Lines {
    in_private_key: bool,
    /// Columns before a block of text (`password: |`), whose lines stand deeper.
    block: Option<usize>,
    /// The last value of a field `name` is a secret's.
    is_secret_variable: bool,
}

impl Lines {
    fn redact(&mut self, line: &str) -> String {
        let (words, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
        let columns = words.len() - words.trim_start().len();
        if self.block.is_some_and(|block| columns > block) && !words.trim().is_empty() {
            return format!("{}{}{end}", &words[..columns], keep_hidden(&words[columns..]));
        }
        if !words.trim().is_empty() {
            self.block = None;
        }
        if self.in_private_key {
            self.in_private_key = private_key(words, "END").is_none();
            return format!("{}{end}", keep_hidden(words));
        }
        if let Some(at) = private_key(words, "BEGIN") {
            // One line may hold all of it, with `\n` as two characters.
            self.in_private_key = private_key(words, "END").is_none();
            return format!("{}{}{end}", self.words(&words[..at]), hidden(&words[at..]));
        }
        self.words(words) + end
    }

    fn words(&mut self, line: &str) -> String {
        let mut scan = Scan {
            line,
            at: 0,
            out: String::with_capacity(line.len()),
        };
        while let Some(c) = scan.rest().chars().next() {
            if scan.rest().starts_with(BEGIN) {
                scan.keep(scan.rest().find('>').unwrap_or(BEGIN.len()));
            } else if is_word(c) {
                self.word(&mut scan);
            } else {
                scan.keep(c.len_utf8());
            }
        }
        scan.out
    }

    fn word(&mut self, scan: &mut Scan<'_>) {
        let length = scan.rest().find(|c| !is_word(c)).unwrap_or(scan.rest().len());
        let word = &scan.rest()[..length];
        if is_issued(word.trim_end_matches('.')) {
            scan.hide(length);
            return;
        }
        scan.keep(length);
        if let Some(rest) = scan.rest().strip_prefix("://") {
            scan.keep(3);
            if let Some((end, secret)) = user_info(word, rest) {
                let kept = secret.unwrap_or(0);
                scan.keep(kept);
                scan.hide_password(end - kept);
            }
            return;
        }
        if word.eq_ignore_ascii_case("bearer") {
            scan.bearer();
            return;
        }
        let spaced = spaced_name(&scan.line[..scan.at]);
        let names_variable = word == "name" || word == "value" && self.is_secret_variable;
        if !names_variable && !spaced && !is_secret_name(word) {
            return;
        }
        let Some(gap) = gap(scan.rest(), word) else {
            return;
        };
        if word == "name" {
            let value = scan.rest()[gap..].trim_start_matches(['"', '\'']);
            let end = value.find(|c| !is_word(c)).unwrap_or(value.len());
            self.is_secret_variable = is_secret_name(&value[..end]);
            return;
        }
        scan.keep(gap);
        let columns = scan.line.len() - scan.line.trim_start().len();
        if matches!(scan.rest().trim_end(), "|" | "|-" | "|+" | ">" | ">-" | ">+") {
            self.block = Some(columns);
            return;
        }
        scan.value(takes_line(word));
    }
}

/// `API key: X`. Not `secret key: X`, with which the kubelet names a key of a Secret that is not there.
fn spaced_name(before: &str) -> bool {
    let before = before.to_lowercase();
    let words = [
        "api key",
        "access key",
        "private key",
        "admin key",
        "master key",
        "api token",
        "access token",
    ];
    words.iter().any(|words| before.ends_with(words))
}

/// Letters, digits and what names and keys are made of.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// A header's value goes to the end of the line or of the quotes.
fn takes_line(word: &str) -> bool {
    let word = word.to_lowercase();
    ["authorization", "cookie", "auth"]
        .iter()
        .any(|end| word.ends_with(end))
}

/// Length of what stands between a name and its value; none when no value follows.
fn gap(rest: &str, name: &str) -> Option<usize> {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '\\');
    let blanks = |text: &str| text.len() - text.trim_start_matches([' ', '\t']).len();
    let quotes = rest.len() - rest.trim_start_matches(is_quote).len();
    let after = &rest[quotes..];
    let separator = blanks(after);
    let sign = after[separator..].chars().next()?;
    if matches!(sign, '=' | ':') {
        let mut gap = quotes + separator + 1;
        gap += usize::from(rest[gap..].starts_with(['>', '=']));
        gap += blanks(&rest[gap..]);
        return (!rest[gap..].is_empty()).then_some(gap);
    }
    // `--api-key X`, and as a list: `"--api-key", "X"`.
    if !name.starts_with("--") {
        return None;
    }
    let comma = usize::from(quotes > 0 && sign == ',');
    let gap = quotes + separator + comma + blanks(&after[separator + comma..]);
    let value = &rest[gap..];
    (gap > quotes && !value.is_empty() && !value.trim_start_matches(is_quote).starts_with('-')).then_some(gap)
}

/// A line, read up to `at`; what was read stands in `out` without secrets.
struct Scan<'l> {
    line: &'l str,
    at: usize,
    out: String,
}

impl<'l> Scan<'l> {
    fn rest(&self) -> &'l str {
        &self.line[self.at..]
    }

    fn keep(&mut self, length: usize) {
        self.out.push_str(&self.rest()[..length]);
        self.at += length;
    }

    fn hide(&mut self, length: usize) {
        self.put(length, keep_hidden);
    }

    /// In a URL, `$ecret` or `not` is a password as well; a bracketed reference and a row of stars are none.
    fn hide_password(&mut self, length: usize) {
        self.put(length, |password| match password.strip_prefix('$') {
            Some(rest) if !rest.starts_with(['(', '{']) => hidden(password),
            None if is_masked(password) => password.to_owned(),
            _ => shown(password),
        });
    }

    fn put(&mut self, length: usize, replaced: impl Fn(&str) -> String) {
        self.out.push_str(&replaced(&self.rest()[..length]));
        self.at += length;
    }

    fn bearer(&mut self) {
        let blanks = self.rest().len() - self.rest().trim_start().len();
        let word = &self.rest()[blanks..];
        let end = word
            .find(|c: char| c.is_whitespace() || "\"',;<>".contains(c))
            .unwrap_or(word.len());
        let plain = word[..end].trim_end_matches(['.', ':', ')']).to_lowercase();
        if blanks > 0 && !NOT_BEARERS.contains(&plain.as_str()) {
            self.keep(blanks);
            self.hide(end);
        }
    }

    /// Hides the value that begins here.
    fn value(&mut self, takes_line: bool) {
        let rest = self.rest();
        let quotes = rest.len() - rest.trim_start_matches(['\\', '"', '\'']).len();
        if let Some(mark) = rest[..quotes].chars().next_back() {
            // A quote behind a backslash is closed by another.
            let is_escaped = rest.starts_with('\\');
            self.keep(quotes.min(1 + usize::from(is_escaped)));
            let end = self.at + quoted_end(self.rest(), mark, is_escaped);
            self.scheme();
            self.hide(end.saturating_sub(self.at));
            return;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').unwrap_or(inner.len());
            self.keep(1);
            self.hide(end);
            return;
        }
        if rest.starts_with('{') {
            return;
        }
        if takes_line {
            self.scheme();
            let end = self.rest().find(['"', '\'']).unwrap_or(self.rest().len());
            self.hide(end);
            return;
        }
        let end = bare_end(rest);
        self.hide(end);
    }

    /// `Bearer`, which is no secret.
    fn scheme(&mut self) {
        let word = self.rest().split([' ', '"', '\'']).next().unwrap_or_default();
        if SCHEMES.contains(&word.to_lowercase().as_str()) && self.rest()[word.len()..].starts_with(' ') {
            self.keep(word.len() + 1);
        }
    }
}

fn quoted_end(text: &str, mark: char, is_escaped: bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if is_escaped && c == '\\' && text[at + 1..].starts_with(mark) {
            return at;
        }
        if !is_escaped && !escaped && c == mark {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// A value without quotes ends at a blank or a quote, or at a mark behind which another name begins or nothing follows.
fn bare_end(text: &str) -> usize {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
        .unwrap_or(text.len());
    let value = &text[..end];
    let is_cut = |at: &usize| {
        let next = &value[at + 1..];
        let name = next.find(|c| !is_word(c)).unwrap_or(next.len());
        name > 0 && next[name..].starts_with('=')
    };
    let marks = value.char_indices().filter(|(_, c)| matches!(c, ',' | ';' | '&'));
    let end = marks.map(|(at, _)| at).find(is_cut).unwrap_or(value.len());
    let value = value[..end].trim_end_matches([',', ';']);
    if is_reference(value) {
        return value.len();
    }
    value.trim_end_matches([',', ';', ')', ']', '}']).len()
}

/// Somebody else hid it.
fn is_masked(value: &str) -> bool {
    value.chars().all(|c| c == '*')
}

/// Values that say nothing are no secrets.
fn keep_hidden(value: &str) -> String {
    let says_nothing = matches!(
        value,
        "None" | "null" | "true" | "false" | "True" | "False" | "unset" | "not"
    );
    if says_nothing || is_masked(value) {
        value.to_owned()
    } else {
        shown(value)
    }
}

/// A secret value as it may be shown: as it is when it is empty, only names a place, or was hidden before.
pub(super) fn shown(secret: &str) -> String {
    let is_harmless = secret.is_empty() || is_reference(secret) || is_hidden(secret);
    if is_harmless { secret.to_owned() } else { hidden(secret) }
}
