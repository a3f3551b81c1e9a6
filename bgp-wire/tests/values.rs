//! Typed values stored and read again, and made of any octets.

#![cfg(all(feature = "arbitrary", feature = "serde"))]
#![expect(clippy::unwrap_used, reason = "test code")]

mod support;

use core::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use support::{config, four};
use tortie_bgp_wire::{
    AddPath, Afi, Aggregator, Attribute, AttributeCode, AttributeFlags, CapabilityCode, ClassicPrefix,
    Community, ErrorAction, ErrorCode, ExtendedCommunity, ExtendedCommunityKind, Family, FamilySet,
    FlaggedAttribute, HoldTime, Ipv6ExtendedCommunity, Label, LargeCommunity, Message, MessageType, NextHop,
    Nlri, Origin, PathsLimit, RestartFamily, Role, RouteDistinguisher, RouteTargetPrefix, Safi, Session,
    SrPolicy, UpdateParts,
};

/// A value of these octets is the same after it was stored.
fn stored<T: for<'a> Arbitrary<'a> + Serialize + DeserializeOwned + Debug + PartialEq>(bytes: &[u8]) {
    let Ok(value) = T::arbitrary(&mut Unstructured::new(bytes)) else { return };
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
}

fn refused<T: DeserializeOwned + Debug>(text: &str, why: &str) {
    let error = serde_json::from_str::<T>(text).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn what_a_value_may_not_be_is_refused() {
    refused::<Origin>("3", "an ORIGIN is 0, 1 or 2");
    refused::<HoldTime>("2", "a hold time is 0, or 3 seconds and more");
    refused::<FamilySet>(r#"[{"afi":9,"safi":9}]"#, "afi9-safi9");
    refused::<RouteTargetPrefix>("[31,1,[0,0,0,0,0,0,0,0]]", "0, or 32 to 96, bits");
    let prefix: ClassicPrefix = serde_json::from_str(r#"[null,"10.255.255.255/9"]"#).unwrap();
    assert_eq!(
        (prefix.sent().to_string(), prefix.net().to_string()),
        ("10.255.0.0/9".into(), "10.128.0.0/9".into())
    );
    assert_eq!(serde_json::to_string(&Community::of(1, 2)).unwrap(), "65538");
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn every_value_can_be_stored(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for store in [
            stored::<AddPath>,
            stored::<Afi>,
            stored::<Aggregator>,
            stored::<AttributeCode>,
            stored::<AttributeFlags>,
            stored::<CapabilityCode>,
            stored::<ClassicPrefix>,
            stored::<Community>,
            stored::<ErrorAction>,
            stored::<ErrorCode>,
            stored::<ExtendedCommunity>,
            stored::<ExtendedCommunityKind>,
            stored::<Family>,
            stored::<FamilySet>,
            stored::<HoldTime>,
            stored::<Ipv6ExtendedCommunity>,
            stored::<Label>,
            stored::<LargeCommunity>,
            stored::<MessageType>,
            stored::<NextHop>,
            stored::<Origin>,
            stored::<PathsLimit>,
            stored::<RestartFamily>,
            stored::<Role>,
            stored::<RouteDistinguisher>,
            stored::<RouteTargetPrefix>,
            stored::<Safi>,
            stored::<Session>,
            stored::<SrPolicy>,
        ] as [fn(&[u8]); 29] {
            store(&bytes);
        }
    }

    #[test]
    fn attributes_and_destinations_are_good(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(attribute) = Attribute::arbitrary(&mut Unstructured::new(&bytes)) {
            let list = [FlaggedAttribute::from(attribute)];
            let mut buf = [0; 4096];
            let len = UpdateParts { withdrawn: &[], attributes: &list, announced: &[] }.encode(&mut buf, &four()).unwrap();
            let message = Message::decode(&buf[..len], &four()).unwrap().0;
            let Message::Update(update) = message else { return Err(TestCaseError::fail("no UPDATE")) };
            prop_assert_eq!(update.attributes().collect::<Vec<_>>(), [Ok(attribute)]);
        }
        if let Ok(nlri) = Nlri::arbitrary(&mut Unstructured::new(&bytes)) {
            let mut buf = [0; 4096];
            prop_assert_eq!(nlri.encode(&mut buf), Ok(nlri.encoded_len()));
        }
    }
}
