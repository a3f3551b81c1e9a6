//! Values that JSON writes as text: CIDRs, AS numbers, and words of a growing list.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Parses `address/length`, or a bare address as a single one; IPv4-mapped IPv6 is IPv4.
pub(crate) fn parse_cidr_or_ip(text: &str) -> Result<IpNet, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_error| format!("`{text}` is not an address or CIDR"))?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => max,
        Some(digits) => {
            // `parse` alone would admit a sign.
            let plain = !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
            let length: u16 = digits
                .parse()
                .ok()
                .filter(|_| plain)
                .ok_or_else(|| format!("`{text}` is not a CIDR: `{digits}` is not a prefix length"))?;
            u8::try_from(length)
                .ok()
                .filter(|length| *length <= max)
                .ok_or_else(|| format!("`{text}` is not a CIDR: prefix length {length} exceeds {max}"))?
        }
    };
    let canonical = address.to_canonical();
    let length = if canonical != address { length.checked_sub(96) } else { Some(length) };
    let length = length.ok_or_else(|| format!("`{text}` is wider than the IPv4-mapped range"))?;
    IpNet::new(canonical, length).map_err(|error| format!("`{text}` is not a CIDR: {error}"))
}

/// (De)serializes an `IpNet` that must be written with a prefix length.
pub(super) mod cidr {
    use super::*;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<IpNet, D::Error> {
        let text = String::deserialize(input)?;
        if !text.contains('/') {
            return Err(Error::custom(format!("`{text}` is not a CIDR: it has no `/<length>`")));
        }
        parse_cidr_or_ip(&text).map_err(Error::custom)
    }

    pub(in super::super) fn serialize<S: Serializer>(net: &IpNet, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(net)
    }
}

/// (De)serializes an optional `IpNet`; a bare address is a single one.
pub(super) mod optional_cidr {
    use super::*;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<IpNet>, D::Error> {
        match Option::<String>::deserialize(input)?.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => parse_cidr_or_ip(text).map(Some).map_err(Error::custom),
        }
    }

    pub(in super::super) fn serialize<S: Serializer>(
        net: &Option<IpNet>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match net {
            Some(net) => output.collect_str(net),
            None => output.serialize_none(),
        }
    }
}

/// An `IpNet` inside a list; a bare address is a single one.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct CidrOrIp(IpNet);

impl TryFrom<String> for CidrOrIp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_cidr_or_ip(&text).map(Self)
    }
}

/// Deserializes a list of CIDRs or addresses, so that an error names the element.
pub(super) fn cidr_list<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<IpNet>, D::Error> {
    let list = Option::<Vec<CidrOrIp>>::deserialize(input)?.unwrap_or_default();
    Ok(list.into_iter().map(|CidrOrIp(net)| net).collect())
}

/// Deserializes `null` as the default.
pub(super) fn null_default<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

/// An autonomous system number: JSON number or text, `64512` or `0.64512`; written as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with a spelling")]
pub struct AsNumber(pub u32);

impl fmt::Display for AsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AsNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an AS number (0-4294967295, or high.low)");
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match text.split_once('.') {
            Some((high, low)) if digits(high) && digits(low) => {
                let high: u16 = high.parse().map_err(|_error| wrong())?;
                let low: u16 = low.parse().map_err(|_error| wrong())?;
                Ok(Self(u32::from(high) << 16 | u32::from(low)))
            }
            None if digits(text) => text.parse().map(Self).map_err(|_error| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for AsNumber {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for AsNumber {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = AsNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number (0-4294967295, or \"high.low\")")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<AsNumber, E> {
                let wrong = || E::invalid_value(Unexpected::Unsigned(number), &self);
                u32::try_from(number).map(AsNumber).map_err(|_error| wrong())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<AsNumber, E> {
                let wrong = || E::invalid_value(Unexpected::Signed(number), &self);
                u32::try_from(number).map(AsNumber).map_err(|_error| wrong())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AsNumber, E> {
                text.parse().map_err(E::custom)
            }
        }

        input.deserialize_any(Number)
    }
}

/// Declares an enum of words in which an unknown word survives a round trip.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A word that this version does not know.
            Other(String),
        }

        impl $name {
            /// The words that are known, for messages.
            pub(super) const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as records spell it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// An error if the word is not known.
            pub(super) fn check(&self, path: &str, errors: &mut Vec<super::FieldError>) {
                if let Self::Other(word) = self {
                    let message = format!("`{word}` is not one of {}", Self::WORDS.join(", "));
                    errors.push(super::FieldError::new(path, message));
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidrs_and_addresses() {
        for (text, want) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1/24", "10.0.0.1/24"),
            ("fd00::1", "fd00::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:1.2.3.4", "1.2.3.4/32"),
        ] {
            assert_eq!(parse_cidr_or_ip(text).map(|net| net.to_string()).as_deref(), Ok(want), "{text}");
        }
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/24",
            "fd00::/129",
            "10.0.0.0/+8",
            "::ffff:1.2.3.4/95",
        ] {
            assert!(parse_cidr_or_ip(text).is_err(), "{text}");
        }
        let error = parse_cidr_or_ip("10.77.0.0/33").unwrap_err();
        assert!(error.contains("prefix length 33 exceeds 32"), "{error}");
    }

    #[test]
    fn as_numbers_in_both_notations() {
        for (json, want) in
            [("64512", 64512), ("\"64512\"", 64512), ("\"1.10\"", 65546), ("4294967295", u32::MAX), ("0", 0)]
        {
            assert_eq!(serde_json::from_str::<AsNumber>(json).unwrap(), AsNumber(want), "{json}");
        }
        for json in ["-1", "4294967296", "\"1.65536\"", "\"1.\"", "\"\"", "\"+1\"", "1.5", "null", "\"AS1\""]
        {
            assert!(serde_json::from_str::<AsNumber>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&AsNumber(65546)).unwrap(), "65546");
    }
}
