//! One walk over an object as a manifest has it and as it lives, and two questions to it: are the manifest's fields live,
//! and is nothing else there?

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::quantity::Quantity;
use crate::redaction;

/// Fields by which elements of a list are matched, best first (merge keys of k8s.io/api v0.35 `core/v1`).
const MERGE_KEYS: [&str; 5] = ["mountPath", "name", "containerPort", "port", "key"];
/// A value longer than this is cut when shown.
const SHOWN: usize = 200;

/// Relation of a difference to the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// A field that it has is not live as it says, or a list that it has is live with one element more.
    Declared,
    /// Only the live object has the field. The API server may have filled it in.
    Undeclared,
}

/// A field that is not alike on both sides. Values are as they may be shown: without secrets, and not too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `spec.template.spec.containers[vllm].env[X].value`.
    pub path: String,
    /// Relation to the manifest.
    pub against: Against,
    /// In the manifest; none when it is not there.
    pub wanted: Option<String>,
    /// In the cluster; none when it is not there.
    pub live: Option<String>,
}

/// Compares a part of two objects of one kind. `path` leads to it, as `["spec", "template"]`; empty for the whole object.
pub fn compare(fields: &Fields, path: &[&str], wanted: &Value, live: &Value) -> Vec<Difference> {
    let shown = [wanted, live].map(|side| redaction::part(fields, path, side));
    let sides = Sides {
        wanted: Side {
            raw: wanted,
            shown: &shown[0],
        },
        live: Side {
            raw: live,
            shown: &shown[1],
        },
    };
    differences(fields, path, sides)
}

/// All that the manifest says is live; more may be there, as after defaulting.
pub fn is_live(fields: &Fields, path: &[&str], wanted: &Value, live: &Value) -> bool {
    // Nothing of it is shown, so nothing needs to be redacted.
    let [wanted, live] = [wanted, live].map(|side| Side { raw: side, shown: side });
    let found = differences(fields, path, Sides { wanted, live });
    found.iter().all(|one| one.against == Against::Undeclared)
}

fn differences(fields: &Fields, path: &[&str], sides: Sides<'_>) -> Vec<Difference> {
    let mut walk = Walk {
        fields,
        keys: path.iter().map(|key| (*key).to_owned()).collect(),
        found: Vec::new(),
    };
    walk.values(&path.join("."), sides);
    walk.found
}

/// The object as the API server stores it: a Secret's `stringData` becomes `data`.
pub fn as_stored(object: &Value) -> Value {
    let mut stored = object.clone();
    if object["kind"] == "Secret"
        && let Some(map) = stored.as_object_mut()
        && let Some(Value::Object(plain)) = map.remove("stringData")
    {
        let data = map.entry("data").or_insert(Value::Null);
        for (key, value) in plain {
            data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    stored
}

/// The API drops zero values of its own types, or leaves them out.
pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
    }
}

/// A value, and the same without secrets: redaction changes texts only, so both have one shape.
#[derive(Clone, Copy)]
struct Side<'a> {
    raw: &'a Value,
    shown: &'a Value,
}

static NULL: Value = Value::Null;

impl<'a> Side<'a> {
    const ABSENT: Side<'static> = Side {
        raw: &NULL,
        shown: &NULL,
    };

    fn get(self, key: &str) -> Self {
        Self {
            raw: self.raw.get(key).unwrap_or(&NULL),
            shown: self.shown.get(key).unwrap_or(&NULL),
        }
    }

    fn items(self) -> Option<Vec<Self>> {
        let (raw, shown) = (self.raw.as_array()?, self.shown.as_array()?);
        Some(raw.iter().zip(shown).map(|(raw, shown)| Self { raw, shown }).collect())
    }
}

#[derive(Clone, Copy)]
struct Sides<'a> {
    wanted: Side<'a>,
    live: Side<'a>,
}

struct Walk<'f> {
    fields: &'f Fields,
    /// Keys of maps on the way here, without elements of lists.
    keys: Vec<String>,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn values(&mut self, path: &str, sides: Sides<'_>) {
        let Sides { wanted, live } = sides;
        match (wanted.raw, live.raw) {
            (one, other) if is_nothing(one) && is_nothing(other) => {}
            (Value::Object(one), Value::Object(other)) => self.maps(path, one, other, sides),
            (Value::Array(_), Value::Array(_)) => self.lists(path, sides),
            // A word that stands for a default: `clusterIP: ""`. In a map of texts it is the value.
            (one, _) if is_nothing(one) && !(one.is_string() && self.fields.keeps_text(&self.keys)) && is_open(one) => {
                self.record(path, Against::Undeclared, sides);
            }
            (one, other) if self.is_same(one, other) => {}
            _ => self.record(path, Against::Declared, sides),
        }
    }

    fn maps(&mut self, path: &str, wanted: &Map<String, Value>, live: &Map<String, Value>, sides: Sides<'_>) {
        let more = live.keys().filter(|key| !wanted.contains_key(*key));
        for key in wanted.keys().chain(more) {
            self.keys.push(key.clone());
            let inner = Sides {
                wanted: sides.wanted.get(key),
                live: sides.live.get(key),
            };
            self.values(&field(path, key), inner);
            self.keys.pop();
        }
    }

    /// Lists of named things are compared by name, as the API merges them; others by place.
    fn lists(&mut self, path: &str, sides: Sides<'_>) {
        let (Some(wanted), Some(live)) = (sides.wanted.items(), sides.live.items()) else {
            return;
        };
        let by = |list: &[Side<'_>], key| by_key(list.iter().map(|side| side.raw), key).is_some();
        let key = MERGE_KEYS.into_iter().find(|key| by(&wanted, key) && by(&live, key));
        let Some(key) = key else {
            if wanted.len() != live.len() {
                self.record(path, Against::Declared, sides);
                return;
            }
            for (at, (wanted, live)) in wanted.into_iter().zip(live).enumerate() {
                self.values(&format!("{path}[{at}]"), Sides { wanted, live });
            }
            return;
        };
        let find = |list: &[Side<'_>], one: &Side<'_>| list.iter().position(|side| side.raw[key] == one.raw[key]);
        for one in &wanted {
            let live = find(&live, one).map_or(Side::ABSENT, |at| live[at]);
            self.element(path, key, Sides { wanted: *one, live });
        }
        // A list that is set is owned as a whole: an element more is a leftover.
        for one in live.iter().filter(|one| find(&wanted, one).is_none()) {
            let wanted = Side::ABSENT;
            self.element(path, key, Sides { wanted, live: *one });
        }
    }

    fn element(&mut self, path: &str, key: &str, sides: Sides<'_>) {
        let name = [sides.wanted, sides.live].map(|side| word(&side.raw[key]));
        let path = format!("{path}[{}]", name.into_iter().flatten().next().unwrap_or_default());
        if sides.wanted.raw.is_null() || sides.live.raw.is_null() {
            self.record(&path, Against::Declared, sides);
        } else {
            self.values(&path, sides);
        }
    }

    fn is_same(&self, wanted: &Value, live: &Value) -> bool {
        if wanted == live {
            return true;
        }
        if self.fields.is_quantity(&self.keys) {
            return Quantity::read(wanted).is_some_and(|amount| Quantity::read(live) == Some(amount));
        }
        match (wanted, live) {
            // `1` and `1.0`; whole numbers were compared exactly.
            (Value::Number(a), Value::Number(b)) => (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
            _ => false,
        }
    }

    fn record(&mut self, path: &str, against: Against, sides: Sides<'_>) {
        let Sides { wanted, live } = sides;
        let mut texts = [wanted, live].map(|side| (!side.raw.is_null()).then(|| cut(side.shown)));
        if texts[0] == texts[1] {
            // What differs was cut off or hidden.
            for (text, side) in texts.iter_mut().zip([wanted, live]) {
                *text = Some(format!(
                    "{} {}",
                    text.take().unwrap_or_default(),
                    redaction::hidden(&side.raw.to_string())
                ));
            }
        }
        let [wanted, live] = texts;
        self.found.push(Difference {
            path: path.to_owned(),
            against,
            wanted,
            live,
        });
    }
}

/// The API server fills in a default where nothing, an empty text or an empty map stands; not for `false`, `0` or `[]`.
fn is_open(value: &Value) -> bool {
    matches!(value, Value::Null | Value::String(_) | Value::Object(_))
}

fn cut(value: &Value) -> String {
    let text = word(value).unwrap_or_else(|| value.to_string());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The elements by the value of a key that all of them have, each another; none when it is not so.
fn by_key<'a>(items: impl IntoIterator<Item = &'a Value>, key: &str) -> Option<BTreeMap<String, &'a Value>> {
    let mut map = BTreeMap::new();
    for item in items {
        let name = word(item.get(key)?)?;
        if map.insert(name, item).is_some() {
            return None;
        }
    }
    Some(map)
}

/// The elements of several lists by the first key that tells them apart in all; none when the API has no such key for them.
pub(crate) fn elements<const N: usize>(lists: [&[Value]; N]) -> Option<[BTreeMap<String, &Value>; N]> {
    MERGE_KEYS.into_iter().find_map(|key| {
        let maps: Option<Vec<_>> = lists.iter().map(|list| by_key(*list, key)).collect();
        maps?.try_into().ok()
    })
}

/// `spec.limits[nvidia.com/gpu]`: keys of labels and resources hold dots.
pub(crate) fn field(path: &str, key: &str) -> String {
    match (path.is_empty(), key.contains(['.', '/'])) {
        (_, true) => format!("{path}[{key}]"),
        (true, false) => key.to_owned(),
        (false, false) => format!("{path}.{key}"),
    }
}

#[cfg(test)]
mod tests;
