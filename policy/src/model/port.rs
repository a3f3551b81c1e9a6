//! A port, a range of ports or a named port, as documents write them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Ports that a rule names: an integer, `"80"`, `"8000:8080"` or a name.
///
/// Source: calico@87c15906f2 api/pkg/lib/numorstring/port.go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the closed grammar of the field")]
pub enum Port {
    /// One port.
    Number(u16),
    /// All ports from `min` to `max`, both included; `min <= max` if it was parsed.
    Range {
        /// The first.
        min: u16,
        /// The last.
        max: u16,
    },
    /// A port that endpoints name; `[a-zA-Z0-9_.-]`, 1 to 128 of them, if it was parsed.
    Named(String),
}

/// Longest name of a port, in bytes.
const MAX_NAME_LEN: usize = 128;

/// Why a text is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// A number above 65535, or below 0.
    #[error("port number is not in 0..=65535")]
    OutOfRange,
    /// A range that ends before it begins.
    #[error("port range {min}:{max} ends before it begins")]
    Backwards {
        /// The first port.
        min: u16,
        /// The last port.
        max: u16,
    },
    /// Neither a number, a range nor a name.
    #[error("expected a port number, a range like \"8000:8080\" or a port name of [a-zA-Z0-9_.-]")]
    Malformed,
}

impl Port {
    /// The port that this text is.
    ///
    /// # Errors
    ///
    /// [`PortError`]: a number or range out of bounds, or a name with other characters.
    pub fn parse(text: &str) -> Result<Self, PortError> {
        let number = |digits: &str| digits.parse::<u16>().map_err(|_| PortError::OutOfRange);
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if all_digits(text) {
            return number(text).map(Self::Number);
        }
        if let Some((min, max)) = text.split_once(':').filter(|(min, max)| all_digits(min) && all_digits(max))
        {
            let (min, max) = (number(min)?, number(max)?);
            return if min <= max {
                Ok(Self::Range { min, max })
            } else {
                Err(PortError::Backwards { min, max })
            };
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if (1..=MAX_NAME_LEN).contains(&text.len()) && text.bytes().all(named) {
            Ok(Self::Named(text.to_owned()))
        } else {
            Err(PortError::Malformed)
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Range { min, max } => write!(f, "{min}:{max}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl From<u16> for Port {
    fn from(port: u16) -> Self {
        Self::Number(port)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(port) => serializer.serialize_u16(*port),
            Self::Range { .. } | Self::Named(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortVisitor;
        impl Visitor<'_> for PortVisitor {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port number, a range like \"8000:8080\" or a port name")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Port, E> {
                u16::try_from(value).map(Port::Number).map_err(|_| E::custom(PortError::OutOfRange))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Port, E> {
                u16::try_from(value).map(Port::Number).map_err(|_| E::custom(PortError::OutOfRange))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Port, E> {
                Port::parse(value).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(PortVisitor)
    }
}
