//! The journal, after a crash, a bad disk or an editor.

use vllm_rollback_engine::journal::{Entry, RecordKind};
use vllm_rollback_engine::report::StateName;

use crate::record::{line, read};

/// A journal as it is found, and as [`damaged`] by what the bytes say.
///
/// - What was read, written out and read again is the same.
pub fn journal(data: &[u8]) {
    let found = read(data);
    let again = read(&written(&found.entries));
    assert_eq!((again.entries.len(), again.damaged), (found.entries.len(), None));
    // As text, since a number with a fraction may change in its last digit.
    let texts: Vec<_> = again.entries.iter().map(|entry| line(entry).unwrap()).collect();
    assert_eq!(read(&texts.concat()).entries, again.entries);

    // Four bytes for each of up to three changes, the rest is what the records say.
    let count = data.first().map_or(0, |byte| usize::from(byte % 4));
    let Some((changes, said)) = data.split_at_checked(1 + count * 4) else {
        return;
    };
    let changes: Vec<_> = changes[1..]
        .chunks(4)
        .map(|four| (i16::from_be_bytes([four[0], four[1]]).into(), four[2], four[3]))
        .collect();
    let texts: Vec<_> = said
        .split(|byte| *byte == 0)
        .take(4)
        .map(|one| String::from_utf8_lossy(one).into_owned())
        .collect();
    damaged(&texts, &changes);
}

/// Records with these texts, with bytes changed: at a place, where -1 is the last, by an exclusive or, and whether the text
/// ends there.
///
/// - Nothing but the records that were written is read, in their order from the first.
pub fn damaged(texts: &[String], changes: &[(i64, u8, u8)]) {
    let entries: Vec<_> = texts.iter().zip(1..).map(|(text, seq)| entry(seq, text)).collect();
    let whole = written(&entries);
    assert_eq!(read(&whole).entries, entries);
    let mut bytes = whole.clone();
    for (at, flip, end) in changes {
        let length = i64::try_from(bytes.len().max(1)).unwrap();
        let at = usize::try_from(at.rem_euclid(length)).unwrap();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= flip;
        }
        if end % 8 == 7 {
            bytes.truncate(at);
        }
    }
    let kept = read(&bytes).entries;
    assert!(
        entries.starts_with(&kept),
        "never written: {kept:?} from {}",
        String::from_utf8_lossy(&bytes)
    );
}

fn entry(seq: u64, text: &str) -> Entry {
    let edge = match seq % 3 {
        0 => RecordKind::Observed {
            evidence: vec![text.to_owned(), String::new()],
        },
        1 => RecordKind::Intent {
            key: text.to_owned(),
            data: serde_json::json!({ "prior": text }),
        },
        _ => RecordKind::Finished {
            exit_code: 10,
            summary: text.to_owned(),
        },
    };
    Entry {
        seq,
        run_id: "01J".to_owned(),
        at: "2026-01-02T03:04:05Z".to_owned(),
        state: StateName::Fenced,
        edge,
    }
}

fn written(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| line(entry).unwrap()).collect()
}
