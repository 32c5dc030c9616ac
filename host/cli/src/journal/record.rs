//! A record as one line: JSON whose last field is a checksum, so that a line that a crash tore, or that somebody
//! edited, is told from one that was written.

use vllm_rollback_engine::journal::{Entry, Journalled, RecordKind};

/// Text before the checksum: eight hex digits of CRC-32 over the record without this field.
const FIELD: &str = ",\"crc32\":\"";
/// Text after the checksum.
const END: &str = "\"}";

/// Fields of a record.
const FIELDS: usize = 5;

/// The line, with its line break.
///
/// # Errors
/// When the record cannot be written as JSON.
pub(crate) fn line(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_string(entry)?;
    let sum = crc32fast::hash(text.as_bytes());
    // The closing brace moves behind the checksum.
    text.pop();
    Ok(format!("{text}{FIELD}{sum:08x}{END}\n").into_bytes())
}

/// Reads a journal. A last line without its end is what a crash leaves, and is passed over.
pub(crate) fn read(text: &[u8]) -> Journalled {
    let mut journalled = Journalled::default();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    for (at, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        match record(line) {
            Some(entry) => journalled.entries.push(entry),
            None => {
                journalled.damaged = Some(at + 1);
                break;
            }
        }
    }
    journalled
}

fn record(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
    let Some((record, sum)) = line.rsplit_once(FIELD) else {
        // Before checksums. In a line that has one, whose name was damaged, there is a field too many.
        let fields: serde_json::Map<_, _> = serde_json::from_str(line).ok()?;
        return (fields.len() == FIELDS).then(|| serde_json::from_value(fields.into()).ok())?;
    };
    let sum = u32::from_str_radix(sum.strip_suffix(END)?, 16).ok()?;
    let record = format!("{record}}}");
    (crc32fast::hash(record.as_bytes()) == sum).then(|| serde_json::from_str(&record).ok())?
}

/// A record as a sentence for people.
pub(crate) fn sentence(entry: &Entry) -> String {
    let Entry { state, at, edge, .. } = entry;
    match edge {
        RecordKind::Intent { key, .. } => {
            format!("{at}: about to do \"{key}\", towards {state}; whether it was done is not recorded")
        }
        RecordKind::Observed { evidence } => {
            let first = evidence.first().map(|line| format!(": {line}")).unwrap_or_default();
            format!("{at}: {state} was reached{first}")
        }
        RecordKind::Finished { exit_code, summary } => format!("{at}: ended with {exit_code}: {summary}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vllm_rollback_engine::report::StateName;

    use super::*;

    fn entry(seq: u64, text: &str) -> Entry {
        Entry {
            seq,
            run_id: "01J".into(),
            at: "2026-01-02T03:04:05Z".into(),
            state: StateName::Fenced,
            edge: RecordKind::Intent {
                key: text.into(),
                data: serde_json::json!({ "prior": text }),
            },
        }
    }

    fn journal(entries: &[Entry]) -> Vec<u8> {
        entries.iter().flat_map(|entry| line(entry).unwrap()).collect()
    }

    #[test]
    fn a_line_is_json_with_a_checksum() {
        let text = String::from_utf8(line(&entry(1, "stop")).unwrap()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["crc32"].as_str().unwrap().len(), 8);
        assert_eq!(json["seq"], 1);
    }

    #[test]
    fn a_line_of_an_older_version_is_read() {
        let old = br#"{"seq":1,"run_id":"01J","at":"2026-01-02T03:04:05Z","state":"fenced","edge":{"edge":"observed","evidence":["no endpoint"]}}
"#;
        assert_eq!(read(old).entries.len(), 1);
    }

    #[test]
    fn a_line_that_was_changed_is_told_with_its_number() {
        let text = String::from_utf8(journal(&[entry(1, "stop"), entry(2, "stop")])).unwrap();
        let changed = text.replacen("\"seq\":2", "\"seq\":3", 1);
        let read = read(changed.as_bytes());
        assert_eq!((read.entries.len(), read.damaged), (1, Some(2)));
    }

    proptest! {
        #[test]
        fn whatever_a_crash_tears_the_records_before_it_are_read(
            texts in prop::collection::vec("[^\n]{0,40}", 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let entries: Vec<Entry> = texts.iter().zip(1..).map(|(text, seq)| entry(seq, text)).collect();
            let whole = journal(&entries);
            prop_assert_eq!(&read(&whole).entries, &entries);
            let torn = &whole[..cut.index(whole.len())];
            let kept = read(torn);
            prop_assert_eq!(kept.damaged, None);
            let complete = torn.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(&kept.entries[..], &entries[..complete]);
        }

        #[test]
        fn a_flipped_bit_never_becomes_another_record(
            text in "[a-z\"\\\\]{0,20}",
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let one = entry(1, &text);
            let mut bytes = journal(std::slice::from_ref(&one));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            for read in read(&bytes).entries {
                prop_assert_eq!(&read, &one);
            }
        }
    }
}
