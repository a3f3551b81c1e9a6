//! VERSION.

use serde_json::{Value, json};

use crate::version::Version;

/// Which versions are supported. Whatever the input is, even of a version that is not supported, this is answered: runtimes
/// ask before they know.
pub(crate) fn answer(input: &[u8]) -> String {
    let asked = serde_json::from_slice::<Value>(input).ok();
    let asked = asked.as_ref().and_then(|value| value.get("cniVersion")).and_then(Value::as_str);
    let version = asked.and_then(Version::parse).unwrap_or(Version::NEWEST);
    json!({
        "cniVersion": version.as_str(),
        "supportedVersions": Version::ALL.map(Version::as_str),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_in_the_version_asked_for_or_in_its_newest() {
        for (input, want) in [
            (r#"{"cniVersion":"0.2.0"}"#, "0.2.0"),
            (r#"{"cniVersion":"1.0.0"}"#, "0.3.1"),
            ("", "0.3.1"),
            ("{", "0.3.1"),
        ] {
            let answer: Value = serde_json::from_str(&answer(input.as_bytes())).unwrap();
            assert_eq!(answer["cniVersion"], want, "{input}");
            assert_eq!(answer["supportedVersions"], json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1"]));
        }
    }
}
