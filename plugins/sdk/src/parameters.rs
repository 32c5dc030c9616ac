//! Parameters: one declaration gives the type, the defaults and the JSON Schema.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Settings that an operator can give to a check. Made by [`parameters!`](crate::parameters!).
pub trait Parameters: DeserializeOwned + Default {
    /// JSON Schema of each parameter, by name.
    fn properties() -> Map<String, Value>;
}

/// A check without parameters; any that is given is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl Parameters for NoParameters {
    fn properties() -> Map<String, Value> {
        Map::new()
    }
}

/// JSON Schema (2020-12) of a parameters object.
pub fn schema<P: Parameters>() -> String {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": P::properties(),
    })
    .to_string()
}

/// Reads the JSON object that the host hands over; an empty text is an empty object.
///
/// # Errors
/// A sentence that names the unknown parameter, or the one of the wrong type, and lists those that there are.
pub fn read<P: Parameters>(json: &str) -> Result<P, String> {
    let text = if json.trim().is_empty() { "{}" } else { json };
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(given) = &value else {
        return Err("a JSON object is wanted".to_owned());
    };
    let known = P::properties();
    if let Some(key) = given.keys().find(|key| !known.contains_key(*key)) {
        let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
        let hint = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        return Err(format!("there is no `{key}`; {hint}"));
    }
    // One at a time first, so that the message names the parameter and not a column of the text.
    for (key, one) in given {
        let alone = json!({ key: one });
        serde_json::from_value::<P>(alone).map_err(|error| format!("`{key}`: {error}"))?;
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// A type that a parameter can have.
pub trait ParameterType {
    /// Returns the JSON Schema of the settings.
    fn schema() -> Value;
}

macro_rules! parameter_type {
    ($($type:ty => $schema:tt),* $(,)?) => {
        $(impl ParameterType for $type {
            fn schema() -> Value {
                json!($schema)
            }
        })*
    };
}

parameter_type! {
    bool => { "type": "boolean" },
    u32 => { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 },
    u64 => { "type": "integer", "minimum": 0 },
    f64 => { "type": "number" },
    String => { "type": "string" },
    Vec<String> => { "type": "array", "items": { "type": "string" } },
}

/// One entry of [`Parameters::properties`]; for the macro.
#[doc(hidden)]
pub fn property<T: ParameterType>(description: &[&str], default: Value) -> Value {
    let mut schema = T::schema();
    if let Value::Object(members) = &mut schema {
        members.insert(
            "description".to_owned(),
            Value::String(description.concat().trim().to_owned()),
        );
        members.insert("default".to_owned(), default);
    }
    schema
}

/// Declares the parameters of a check: documented fields, each with its default.
///
/// ```
/// vllm_rollback_plugin::parameters! {
///     /// What the operator may set.
///     pub struct Parameters {
///         /// Longest time for one answer, in milliseconds.
///         max_latency_ms: u32 = 3_000,
///     }
/// }
/// assert_eq!(Parameters::default().max_latency_ms, 3_000);
/// let why = vllm_rollback_plugin::read::<Parameters>(r#"{"max_latency": 5}"#).unwrap_err();
/// assert_eq!(why, "there is no `max_latency`; it has `max_latency_ms`");
/// ```
#[macro_export]
macro_rules! parameters {
    (
        $(#[$outer:meta])*
        $visibility:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, $crate::serde::Deserialize)]
        #[serde(crate = "vllm_rollback_plugin::serde", default, deny_unknown_fields)]
        $visibility struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::Parameters for $name {
            fn properties() -> $crate::serde_json::Map<::std::string::String, $crate::serde_json::Value> {
                let defaults = <Self as ::core::default::Default>::default();
                [$((
                    ::core::stringify!($field).to_owned(),
                    $crate::property::<$type>(&[$($doc),+], $crate::serde_json::Value::from(defaults.$field)),
                ),)*]
                .into_iter()
                .collect()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    parameters! {
        /// For the tests.
        struct Sample {
            /// Number of tries,
            /// at most.
            times: u32 = 3,
            /// Words to look for.
            words: Vec<String> = vec!["a".to_owned()],
        }
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        assert_eq!(read::<Sample>("{}"), Ok(Sample::default()));
        assert_eq!(read::<Sample>(""), Ok(Sample::default()));
        assert_eq!(
            read::<Sample>(r#"{"times": 5}"#),
            Ok(Sample {
                times: 5,
                ..Sample::default()
            })
        );
    }

    #[test]
    fn an_unknown_parameter_is_named_beside_the_known_ones() {
        assert_eq!(
            read::<Sample>(r#"{"tmies": 5}"#).unwrap_err(),
            "there is no `tmies`; it has `times`, `words`"
        );
        assert_eq!(
            read::<NoParameters>(r#"{"x": 5}"#).unwrap_err(),
            "there is no `x`; it has none"
        );
    }

    #[test]
    fn a_parameter_of_the_wrong_type_is_named() {
        let why = read::<Sample>(r#"{"words": [], "times": "five"}"#).unwrap_err();
        assert!(why.starts_with("`times`: invalid type: string \"five\""), "{why}");
        assert_eq!(read::<Sample>("[]").unwrap_err(), "a JSON object is wanted");
    }

    #[test]
    fn the_schema_carries_types_defaults_and_descriptions() {
        let schema: Value = serde_json::from_str(&schema::<Sample>()).unwrap();
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(
            schema["properties"]["times"],
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 3, "description": "Number of tries, at most."})
        );
        assert_eq!(schema["properties"]["words"]["default"], json!(["a"]));
    }
}
