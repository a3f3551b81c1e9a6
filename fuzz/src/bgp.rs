//! BGP messages and streams of them.

use tortie_bgp_wire::{
    DecodeError, DecodeErrorKind, EXTENDED_MAX_LEN, EncodeError, FamilySet, Framer, HEADER_LEN, Header,
    MAX_LEN, Message, Nlri, Session, Update, UpdateBuilder, UpdateParts,
};

/// The sessions that the first octet of the input chooses from.
fn session(choice: u8) -> Session {
    let mut session = Session::default();
    session.four_octet_as = choice & 1 != 0;
    session.external = choice & 2 != 0;
    session
}

/// A message, after one octet that chooses the session: decoding is total, and encoding what was decoded gives it back.
pub fn check_bgp_decode(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let session = session(*choice);
    let (message, rest) = match Message::decode(bytes, &session) {
        Ok(decoded) => decoded,
        Err(error) => return check_error(&error, bytes),
    };
    let whole = &bytes[..bytes.len() - rest.len()];
    assert_eq!(usize::from(Header::decode(bytes).expect("decoded before").len()), whole.len());

    let mut buf = [0; MAX_LEN];
    let len = message.encode(&mut buf, &session).expect("what was decoded can be encoded");
    assert_eq!(message.encoded_len(&session), Ok(len));
    assert_eq!(&buf[..len], whole);
    assert!(message.encode(&mut buf[..len - 1], &session).is_err(), "a buffer that is too small");

    if let Message::Update(update) = message {
        // Reading everything does not panic, and agrees with itself.
        let attributes = update.attributes().filter(Result::is_ok).count();
        let errors = update.attributes().filter_map(Result::err).count();
        assert!(attributes + errors >= update.attributes().flatten().count());
        update.attributes().filter_map(Result::err).for_each(|error| check_error(&error, whole));
        if let Some(error) = update.disposition() {
            check_error(&error, whole);
        } else {
            assert_eq!(errors, 0, "an error that the disposition does not know");
        }
        let _ = update.next_hop(tortie_bgp_wire::Family::IPV4_UNICAST);
        let _ = update.next_hop(tortie_bgp_wire::Family::IPV6_UNICAST);
        if update.end_of_rib().is_some() {
            assert_eq!(update.announcements().count() + update.withdrawals().count(), 0);
        }

        // The same routes go to a peer with AS numbers of the other width.
        let mut other = session;
        other.four_octet_as = !session.four_octet_as;
        if let Ok(len) = update.encode(&mut buf, &other) {
            let (again, _) = Message::decode(&buf[..len], &other).expect("what was encoded decodes");
            let Message::Update(again) = again else { panic!("an UPDATE stays one") };
            assert!(again.announcements().eq(update.announcements()));
            assert!(again.withdrawals().eq(update.withdrawals()));
        }
    }
}

/// An error points into the message, and can be answered.
fn check_error(error: &DecodeError, message: &[u8]) {
    assert!(usize::from(error.offset()) <= message.len().max(HEADER_LEN), "{error:?}");
    let notification = error.notification(message);
    let mut buf = [0; MAX_LEN];
    let len = notification.encode(&mut buf).expect("a NOTIFICATION fits");
    let (again, _) = Message::decode(&buf[..len], &Session::default()).expect("it decodes");
    assert_eq!(again, Message::Notification(notification));
    assert!(error.to_string().is_ascii());
}

/// A message of any family, after one octet that chooses what was agreed on: the view and the typed values are written as they
/// were read, and each destination survives in a message of its own.
pub fn check_bgp_roundtrip(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let mut session = session(*choice);
    session.extended_message = choice & 4 != 0;
    if choice & 8 != 0 {
        session.ipv6_next_hops = FamilySet::ALL;
    }
    if choice & 16 != 0 {
        (session.add_path_receive, session.add_path_send) = (FamilySet::ALL, FamilySet::ALL);
    }
    let Ok((message, rest)) = Message::decode(bytes, &session) else { return };
    let whole = &bytes[..bytes.len() - rest.len()];
    let mut buf = vec![0; EXTENDED_MAX_LEN];
    let len = message.encode(&mut buf, &session).expect("what was decoded can be encoded");
    assert_eq!(&buf[..len], whole);
    let Message::Update(update) = message else { return };

    let attributes: Vec<_> = update.attributes().kept().collect();
    let withdrawn: Vec<_> = update.classic_withdrawals().collect();
    let announced: Vec<_> = update.classic_announcements().collect();
    let parts = UpdateParts { withdrawn: &withdrawn, attributes: &attributes, announced: &announced };
    let broken = |error: DecodeError| error.kind() == DecodeErrorKind::MalformedAttributeList;
    if !update.attributes().filter_map(Result::err).any(broken) {
        let len = parts.encode(&mut buf, &session).expect("what was read can be written");
        assert_eq!(&buf[..len], whole);
    }
    let paths = |prefixes: &[tortie_bgp_wire::ClassicPrefix]| -> Vec<_> {
        prefixes.iter().map(|p| (p.path_id(), Nlri::from(ipnet::IpNet::V4(p.net())))).collect()
    };
    assert!(update.withdrawn_paths().take(withdrawn.len()).eq(paths(&withdrawn)));
    assert!(update.announced_paths().collect::<Vec<_>>().ends_with(&paths(&announced)));
    alone(&update, &session);
}

/// Sends each destination again, alone.
fn alone(update: &Update<'_>, session: &Session) {
    let mut buf = vec![0; EXTENDED_MAX_LEN];
    let reread = |bytes: &[u8], id: Option<u32>, nlri: &Nlri<'_>, announced: bool| {
        let (message, _) = Message::decode(bytes, session).expect("what was built decodes");
        let Message::Update(update) = message else { panic!("an UPDATE was built") };
        let found = if announced { update.announced_paths().next() } else { update.withdrawn_paths().next() };
        assert_eq!(found, Some((id, *nlri)));
    };
    for (id, nlri) in update.announced_paths().take(16) {
        // A family without a next hop, or one this crate cannot read.
        let Some(next_hop) = update.next_hop(nlri.family()) else { continue };
        match UpdateBuilder::announce(&mut buf, session, nlri.family(), next_hop, &[]) {
            Ok(mut builder) => match send(&mut builder, id, &nlri) {
                true => reread(builder.finish(), id, &nlri, true),
                false => assert!(!nlri.family().is_known() || nlri.encoded_len() > 3900),
            },
            Err(error) => assert!(matches!(error, EncodeError::WrongFamily { .. }), "{error}"),
        }
    }
    for (id, nlri) in update.withdrawn_paths().take(16) {
        let mut builder = UpdateBuilder::withdraw(&mut buf, session, nlri.family()).expect("there is room");
        match send(&mut builder, id, &nlri) {
            true => reread(builder.finish(), id, &nlri, false),
            false => assert!(!nlri.family().is_known() || nlri.encoded_len() > 3900),
        }
    }
}

/// Whether there was room. An unknown family has its whole field as one, without path identifiers.
fn send(builder: &mut UpdateBuilder<'_>, id: Option<u32>, nlri: &Nlri<'_>) -> bool {
    match builder.push_path(id, nlri) {
        Ok(()) => true,
        Err(EncodeError::Full) => false,
        Err(error) => panic!("{error}: {nlri:?}"),
    }
}

/// A stream in pieces: the framer finds the messages that a look at the whole stream finds, whatever the pieces.
///
/// The first octet seeds the sizes of the pieces.
pub fn check_bgp_stream(data: &[u8]) {
    let Some((seed, stream)) = data.split_first() else { return };

    // The whole stream at once.
    let mut want = Vec::new();
    let mut at = stream;
    let mut failure = None;
    while at.len() >= HEADER_LEN {
        match Header::decode(at) {
            Ok(header) if usize::from(header.len()) <= at.len() => {
                let (message, rest) = at.split_at(usize::from(header.len()));
                want.push(message.to_vec());
                at = rest;
            }
            Ok(_) => break,
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }

    let mut framer = Framer::new();
    let mut got = Vec::new();
    let mut failed = None;
    let mut size = usize::from(*seed);
    let mut left = stream;
    while !left.is_empty() && failed.is_none() {
        size = (size * 31 + 7) % 97;
        let (mut piece, rest) = left.split_at((size + 1).min(left.len()));
        left = rest;
        loop {
            match framer.next(piece) {
                Ok((Some(message), rest)) => {
                    got.push(message.to_vec());
                    piece = rest;
                }
                Ok((None, rest)) => {
                    assert!(rest.is_empty());
                    break;
                }
                Err(error) => {
                    assert_eq!(framer.next(&[]), Err(error), "a failure is for ever");
                    failed = Some(error);
                    break;
                }
            }
        }
        assert!(framer.held() < MAX_LEN);
    }
    assert_eq!(got, want);
    assert_eq!(failed, failure);
    if failed.is_none() {
        assert_eq!(framer.held(), at.len());
    }
    for message in got {
        let _ = Message::decode(&message, &session(*seed)).map(|(message, _)| {
            if let Message::Update(update) = message {
                assert!(update.announcements().count() <= MAX_LEN);
            }
        });
    }
}
