//! One YAML document as the JSON that Helm makes of it.
//!
//! Helm reads with sigs.k8s.io/yaml, that is YAML 1.1 with the leniency of go.yaml.in/yaml v2: the last of two equal keys
//! wins, `<<` merges (what stands later wins, merged or not), keys become text. `tests/manifest/helm.jsonl` holds what it
//! makes of each case.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use granit_parser::{Event, Options, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::scalar;

/// Deepest nesting that is read: what walks over objects calls itself for each level.
const DEPTH: usize = 256;
/// Most values of one document, those that aliases repeat included.
const VALUES: usize = 2_000_000;

/// Trouble at a line and a column of the document, both from 1; without the text, which may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Reads the first document of the text; none when it holds nothing but comments.
pub(super) fn read(text: &str) -> Result<Option<Value>, Trouble> {
    let text = without_leading_tabs(text);
    let mut options = Options::default();
    options.emit_comments = false;
    let mut loader = Loader::default();
    let mut events = Parser::new_from_str_with_options(&text, options);
    while let Some(next) = events.next_event() {
        let (event, span) = next.map_err(|error| trouble_at(error.marker().line(), error.marker().col()))?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        loader
            .take(event)
            .ok_or_else(|| trouble_at(span.start.line(), span.start.col()))?;
    }
    Ok(loader.root)
}

fn trouble_at(line: usize, column: usize) -> Trouble {
    Trouble {
        line,
        column: column + 1,
    }
}

/// Tabs at the beginning of a line as blanks. Helm takes them only inside brackets and quotes, where both are the same; the
/// parser here takes only blanks.
fn without_leading_tabs(text: &str) -> Cow<'_, str> {
    // No document begins inside brackets or quotes.
    if !text.contains("\n\t") {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let rest = line.trim_start_matches('\t');
        " ".repeat(line.len() - rest.len()) + rest
    });
    Cow::Owned(lines.collect())
}

/// A map or list that is not closed yet, with its anchor.
struct Open {
    anchor: usize,
    node: Node,
}

enum Node {
    List(Vec<Value>),
    Map(Map<String, Value>, Key),
}

/// Kind of the next value of a map.
enum Key {
    Missing,
    Known(String),
    /// `<<`: its value is a map or a list of maps.
    Merge,
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    /// Values with an anchor, and of how many values each is made.
    anchors: HashMap<usize, (Value, usize)>,
    root: Option<Value>,
    values: usize,
}

impl Loader {
    /// None when Helm would refuse the document here.
    fn take(&mut self, event: Event<'_>) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let is_merge = is_plain && tag.is_none() && text == "<<";
                if is_merge && let Some(Node::Map(_, key @ Key::Missing)) = self.innermost() {
                    *key = Key::Merge;
                    return Some(());
                }
                let value = typed(&text, is_plain, tag.as_deref())?;
                self.put(value, anchor, 1)
            }
            Event::Alias(anchor) => {
                let (value, size) = self.anchors.get(&anchor)?.clone();
                self.put(value, 0, size)
            }
            Event::SequenceStart(_, anchor, _) => self.push(anchor, Node::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.push(anchor, Node::Map(Map::new(), Key::Missing)),
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { anchor, node } = self.open.pop()?;
                let value = match node {
                    Node::List(items) => Value::Array(items),
                    Node::Map(map, _) => Value::Object(map),
                };
                self.put(value, anchor, 1)
            }
            _ => Some(()),
        }
    }

    fn push(&mut self, anchor: usize, node: Node) -> Option<()> {
        self.open.push(Open { anchor, node });
        (self.open.len() <= DEPTH).then_some(())
    }

    fn innermost(&mut self) -> Option<&mut Node> {
        self.open.last_mut().map(|open| &mut open.node)
    }

    fn put(&mut self, value: Value, anchor: usize, size: usize) -> Option<()> {
        self.values += size;
        if self.values > VALUES {
            return None;
        }
        if anchor != 0 {
            let size = count(&value);
            self.values += size;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        match self.innermost() {
            None => self.root = Some(value),
            Some(Node::List(items)) => items.push(value),
            Some(Node::Map(map, key)) => match std::mem::replace(key, Key::Missing) {
                Key::Missing => *key = Key::Known(scalar::key(value)?),
                Key::Known(name) => {
                    map.insert(name, value);
                }
                Key::Merge => merge(map, value)?,
            },
        }
        Some(())
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Of several maps the first wins, over what stands before in the map itself too.
fn merge(map: &mut Map<String, Value>, value: Value) -> Option<()> {
    match value {
        Value::Object(more) => map.extend(more),
        Value::Array(several) => {
            for one in several.into_iter().rev() {
                map.extend(one.as_object()?.clone());
            }
        }
        _ => return None,
    }
    Some(())
}

fn typed(text: &str, is_plain: bool, tag: Option<&Tag>) -> Option<Value> {
    let Some(tag) = tag else {
        return if is_plain {
            scalar::resolve(text)
        } else {
            Some(text.into())
        };
    };
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("binary") => {
            let compact: String = text.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(compact).ok()?;
            String::from_utf8(bytes).ok().map(Value::from)
        }
        Some("null" | "bool" | "int" | "float") => scalar::resolve(text),
        _ => Some(text.into()),
    }
}
