//! The error object of the CNI specification, and its codes.

use core::fmt;

use serde::Serialize;

use crate::version::Version;

/// A code of the error object. Below 100 they are the specification's (CNI SPEC 1.1.0 §Error), above they are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The version of the configuration is not supported.
    IncompatibleVersion = 1,
    /// A field of the configuration asks for what this plugin does not do; the message names field and value.
    UnsupportedField = 2,
    /// The container's network namespace does not exist.
    UnknownContainer = 3,
    /// An environment variable is missing or wrong; the message names it.
    BadEnvironment = 4,
    /// Reading the configuration failed.
    Io = 5,
    /// The configuration is not JSON.
    Decode = 6,
    /// The configuration is JSON, but a field of it is wrong; the message names it.
    BadConfig = 7,
    /// A passing condition: the runtime should try again.
    TryAgain = 11,
    /// A defect of the plugin.
    Internal = 100,
    /// No address can be had.
    Address = 101,
    /// The kernel refused a step of the set-up.
    Network = 102,
    /// The datastore refused a read or write.
    Datastore = 103,
}

/// What went wrong, for the runtime: a code, one sentence, and the causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// The code.
    pub(crate) code: Code,
    /// One short sentence.
    pub(crate) message: String,
    /// The causes, or nothing.
    pub(crate) details: String,
}

impl Error {
    /// An error with that code and message, without details.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: String::new() }
    }

    /// An error caused by another: the causes, outermost first, become the details.
    pub(crate) fn caused(code: Code, message: impl Into<String>, cause: &dyn core::error::Error) -> Self {
        let mut details = cause.to_string();
        let mut next = cause.source();
        while let Some(inner) = next {
            details.push_str(": ");
            details.push_str(&inner.to_string());
            next = inner.source();
        }
        Self { code, message: message.into(), details }
    }

    /// The same error with those details.
    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The error object that the specification wants on standard output.
    pub(crate) fn to_json(&self, version: Version) -> String {
        let wire = Wire {
            cni_version: version.as_str(),
            code: self.code as u32,
            msg: &self.message,
            details: &self.details,
        };
        serde_json::to_string(&wire).unwrap_or_else(|_| {
            // Strings and a number always encode; this line only keeps the type honest.
            String::from("{\"cniVersion\":\"0.3.1\",\"code\":100,\"msg\":\"the error could not be encoded\"}")
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.details.is_empty() {
            write!(f, ": {}", self.details)?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    cni_version: &'a str,
    code: u32,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_has_the_fields_of_the_specification() {
        let error = Error::new(Code::TryAgain, "later").details("because \"so\"");
        let value: serde_json::Value = serde_json::from_str(&error.to_json(Version::V0_3_0)).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"cniVersion": "0.3.0", "code": 11, "msg": "later", "details": "because \"so\""})
        );
    }

    #[test]
    fn causes_are_listed_outermost_first() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer")
            }
        }
        impl core::error::Error for Outer {
            fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Error::caused(Code::Io, "message", &Outer(std::io::Error::other("inner")));
        assert_eq!(error.details, "outer: inner");
    }
}
