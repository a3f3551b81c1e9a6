//! Objects as JSON, wherever the fields of their kind stand.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::{Body, FieldError, Kind, Metadata, Resource, Unknown, field};

/// An object with a `spec`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", bound = "S: Kind", expecting = "an object with a spec")]
struct WithSpec<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Reads an object; an error names the field.
pub(super) fn read<'de, S: Kind, D: Deserializer<'de>>(input: D) -> Result<Resource<S>, FieldError> {
    match S::BODY {
        Body::Spec => {
            let WithSpec { api_version, kind, metadata, spec, unknown } = field::decode(input)?;
            Ok(Resource { api_version, kind, metadata, spec, unknown })
        }
        Body::Whole => {
            let mut fields: Map<String, Value> = field::decode(input)?;
            Ok(Resource {
                api_version: take(&mut fields, "apiVersion")?,
                kind: take(&mut fields, "kind")?,
                metadata: take(&mut fields, "metadata")?,
                spec: field::decode(Value::Object(fields))?,
                unknown: Unknown::new(),
            })
        }
    }
}

fn take<T: DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Result<T, FieldError> {
    let missing = || FieldError::new("", format!("missing field `{name}`"));
    field::decode(fields.remove(name).ok_or_else(missing)?).map_err(|error| {
        let path = if error.path.is_empty() { name.to_owned() } else { format!("{name}.{}", error.path) };
        FieldError { path, ..error }
    })
}

impl<'de, S: Kind> Deserialize<'de> for Resource<S> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        read(input).map_err(D::Error::custom)
    }
}

impl<S: Kind> Serialize for Resource<S> {
    fn serialize<O: Serializer>(&self, output: O) -> Result<O::Ok, O::Error> {
        let mut map = output.serialize_map(None)?;
        map.serialize_entry("apiVersion", &self.api_version)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("metadata", &self.metadata)?;
        match S::BODY {
            Body::Spec => map.serialize_entry("spec", &self.spec)?,
            Body::Whole => {
                let fields = serde_json::to_value(&self.spec).map_err(O::Error::custom)?;
                for (name, value) in fields.as_object().into_iter().flatten() {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        for (name, value) in &self.unknown {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
