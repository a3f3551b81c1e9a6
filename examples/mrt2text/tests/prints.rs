//! What the program prints: of files made here, and of archives where there are some.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tortie_bgp_wire::mrt::{
    Body, MessageForm, PathAttributes, Peer, PeerIndexTable, Peering, Record, RecordType, Rib, RibEntry,
    RibGeneric, SessionMessage, State, StateChange, TableDump, Timestamp, UnknownBody,
};
use tortie_bgp_wire::{
    AsPath, Attribute, AttributeCode, AttributeFlags, Communities, Community, Evpn, Family, KEEPALIVE,
    LargeCommunities, LargeCommunity, NextHop, Nlri, Origin, RawAttribute, Session, UpdateBuilder,
};

const TIME: Timestamp = Timestamp::new(1_171_158_060);

/// Runs the program on what comes from standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mrt2text"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What it prints of these octets; it finds nothing to complain about.
fn lines(arguments: &[&str], input: &[u8]) -> Vec<String> {
    let output = run(arguments, input);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn encode(time: Timestamp, body: Body<'_>) -> Vec<u8> {
    let record = Record::new(time, body);
    let mut buf = vec![0; record.encoded_len()];
    record.encode(&mut buf).unwrap();
    buf
}

fn peering() -> Peering {
    Peering::new(64512, [192, 0, 2, 1].into(), 64513, [192, 0, 2, 2].into())
}

/// A record of a message that announces these, with four-octet AS numbers.
fn announce(
    time: Timestamp,
    form: MessageForm,
    attributes: &[Attribute<'_>],
    next_hop: NextHop,
    nets: &[&str],
) -> Vec<u8> {
    let mut session = Session::default();
    session.four_octet_as = true;
    let family = if next_hop.address().is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
    let mut buf = [0; 4096];
    let mut update = UpdateBuilder::announce(&mut buf, &session, family, next_hop, attributes).unwrap();
    nets.iter().for_each(|net| update.push(net.parse().unwrap()).unwrap());
    encode(time, Body::Message(SessionMessage::new(peering(), form, update.finish())))
}

/// Messages and a state, and what is not printed.
fn updates() -> Vec<u8> {
    let path = [64512, 4_200_000_001];
    let communities = [Community::of(64512, 1), Community::NO_EXPORT, Community::NO_ADVERTISE];
    let large = [LargeCommunity::new(64512, 1, 2)];
    let rich = [
        Attribute::Origin(Origin::INCOMPLETE),
        Attribute::AsPath(AsPath::sequence(&path)),
        Attribute::Med(7),
        Attribute::LocalPref(100),
        Attribute::AtomicAggregate,
        Attribute::Aggregator(tortie_bgp_wire::Aggregator::new(64512, [192, 0, 2, 9].into())),
        Attribute::Communities(Communities::list(&communities)),
        Attribute::LargeCommunities(LargeCommunities::list(&large)),
    ];
    let v4 = NextHop::Ipv4([192, 0, 2, 1].into());
    let v6 = NextHop::Ipv6LinkLocal {
        global: "2001:db8::1".parse().unwrap(),
        link_local: "fe80::1".parse().unwrap(),
    };
    // A sequence of 64512, a set of 64513 and 64514.
    let set = [2, 1, 0, 0, 0xfc, 0, 1, 2, 0, 0, 0xfc, 1, 0, 0, 0xfc, 2];
    let set = [Attribute::Origin(Origin::EGP), Attribute::AsPath(AsPath::from_wire(&set, true).unwrap())];
    let withdrawn = [&[0xff; 16][..], &[0, 26, 2, 0, 3, 16, 10, 1, 0, 0]].concat();
    let with_path = [&[0xff; 16][..], &[0, 29, 2, 0, 6, 0, 0, 0, 5, 8, 10, 0, 0]].concat();
    let message = |form, bytes| Body::Message(SessionMessage::new(peering(), form, bytes));
    [
        announce(TIME, MessageForm::RECEIVED, &rich, v4, &["10.0.0.0/26", "10.0.0.64/26"]),
        announce(TIME.with_microseconds(42), MessageForm::SENT, &set, v6, &["2001:db8:1::/48"]),
        encode(TIME, message(MessageForm::RECEIVED, &withdrawn)),
        encode(TIME, message(MessageForm::RECEIVED.with_path_identifiers(), &with_path)),
        encode(TIME, message(MessageForm::RECEIVED, &KEEPALIVE)),
        encode(TIME, Body::Unknown(UnknownBody::new(RecordType::ISIS, 0, b"isis"))),
        encode(TIME, Body::StateChange(StateChange::new(peering(), State::ESTABLISHED, State::IDLE))),
    ]
    .concat()
}

const UPDATES: [&str; 6] = [
    "BGP4MP|1171158060|A|192.0.2.1|64512|10.0.0.0/26|64512 4200000001|INCOMPLETE|192.0.2.1|100|7|64512:1 no-export no-advertise|AG|64512 192.0.2.9|",
    "BGP4MP|1171158060|A|192.0.2.1|64512|10.0.0.64/26|64512 4200000001|INCOMPLETE|192.0.2.1|100|7|64512:1 no-export no-advertise|AG|64512 192.0.2.9|",
    "BGP4MP_ET_LOCAL|1171158060.000042|A|192.0.2.2|64513|2001:db8:1::/48|64512 {64513,64514}|EGP|2001:db8::1|0|0||NAG||",
    "BGP4MP|1171158060|W|192.0.2.1|64512|10.1.0.0/16",
    "BGP4MP_AP|1171158060|W|192.0.2.1|64512|10.0.0.0/8|5",
    "BGP4MP|1171158060|STATE|192.0.2.1|64512|6|1",
];

#[test]
fn messages_are_printed() {
    assert_eq!(lines(&[], &updates()), UPDATES);
    assert_eq!(lines(&["-", "--as-sets", "keep"], &updates()), UPDATES);
    assert_eq!(lines(&[], &[]), [""; 0]);
}

// RFC 9774 §3: such a route is treated as withdrawn.
#[test]
fn as_sets_are_withdrawn_where_that_is_wanted() {
    let mut wanted = UPDATES.map(str::to_owned);
    wanted[2] = "BGP4MP_ET_LOCAL|1171158060.000042|W|192.0.2.2|64513|2001:db8:1::/48".into();
    assert_eq!(lines(&["--as-sets", "withdraw"], &updates()), wanted);
}

#[test]
fn json_makes_nothing_up() {
    let found = lines(&["--json"], &updates());
    assert_eq!(found.len(), UPDATES.len());
    assert_eq!(
        found[2],
        r#"{"type":"BGP4MP_ET_LOCAL","time":1171158060,"microseconds":42,"action":"announce","peer":"192.0.2.2","peer_as":64513,"family":"ipv6-unicast","prefix":"2001:db8:1::/48","as_path":[64512,{"set":[64513,64514]}],"origin":"EGP","next_hop":"2001:db8::1","link_local_next_hop":"fe80::1","atomic_aggregate":false}"#
    );
    let first: serde_json::Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!(first["large_communities"], serde_json::json!(["64512:1:2"]));
    assert_eq!(first["communities"][1], "65535:65281");
    assert_eq!(first["aggregator"], serde_json::json!({ "as": 64512, "address": "192.0.2.9" }));
    let last: serde_json::Value = serde_json::from_str(&found[5]).unwrap();
    let state = serde_json::json!({ "type": "BGP4MP", "time": 1_171_158_060, "action": "state", "peer": "192.0.2.1",
        "peer_as": 64512, "old": 6, "new": 1 });
    assert_eq!(last, state);
}

/// A RIB: two peers, routes with and without path identifiers, of other families, of the old type, of nobody.
fn rib() -> Vec<u8> {
    let v6 = "2001:db8::1".parse().unwrap();
    let peers = [
        Peer::new([192, 0, 2, 1].into(), [192, 0, 2, 1].into(), 64512),
        Peer::new([192, 0, 2, 2].into(), v6, 64513),
    ];
    let path = [64512];
    let classic = [
        Attribute::Origin(Origin::IGP),
        Attribute::AsPath(AsPath::sequence(&path)),
        Attribute::NextHop([192, 0, 2, 1].into()),
    ];
    let next_hop = [&[16][..], &[0x20, 1, 0x0d, 0xb8], &[0; 11], &[1]].concat();
    let reach = RawAttribute::new(AttributeFlags::OPTIONAL, AttributeCode::MP_REACH, &next_hop);
    let short = [classic[0], classic[1], Attribute::Unknown(reach)];
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let classic = PathAttributes::encode(&classic.map(Into::into), &mut a).unwrap();
    let short = PathAttributes::encode(&short.map(Into::into), &mut b).unwrap();
    let route = |peer, attributes| RibEntry::new(peer, 5, attributes);
    let plain = [route(0, classic), route(1, short)];
    let paths = [route(1, short).with_path_id(7), route(1, PathAttributes::new(&[])).with_path_id(8)];
    // EVPN type 3: RD 0:64512:1, Ethernet tag 0, 192.0.2.1.
    let evpn = [0, 0, 0xfc, 0, 0, 0, 0, 1, 0, 0, 0, 0, 32, 192, 0, 2, 1];
    let evpn = Nlri::Evpn(Evpn::new(3, &evpn).unwrap());
    // ORIGIN IGP, AS_PATH 64512 in two octets, NEXT_HOP 192.0.2.1.
    let old = [0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, 0xfc, 0, 0x40, 3, 4, 192, 0, 2, 1];
    let net = |text: &str| text.parse().unwrap();
    let old = TableDump::new(
        net("10.0.0.0/8"),
        5,
        [192, 0, 2, 1].into(),
        64512,
        PathAttributes::two_octet_as(&old),
    );
    [
        Body::PeerIndexTable(PeerIndexTable::new([192, 0, 2, 9].into(), &peers)),
        Body::Rib(Rib::unicast(0, net("10.0.0.0/26"), &plain[..1])),
        Body::Rib(Rib::unicast(1, net("2001:db8:1::/48"), &plain[1..])),
        Body::Rib(Rib::unicast(2, net("2001:db8:2::/48"), &paths)),
        Body::Rib(Rib::multicast(3, net("10.0.0.0/24"), &plain[..1])),
        Body::RibGeneric(RibGeneric::new(4, evpn, &plain[..1])),
        Body::TableDump(old),
    ]
    .into_iter()
    .flat_map(|body| encode(TIME, body))
    .collect()
}

#[test]
fn ribs_are_printed() {
    let output = run(&[], &rib());
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "mrt2text: -: destinations left out, being no prefixes: 1; --json has them\n"
    );
    let wanted = [
        "TABLE_DUMP2|1171158060|B|192.0.2.1|64512|10.0.0.0/26|64512|IGP|192.0.2.1|0|0||NAG||",
        "TABLE_DUMP2|1171158060|B|2001:db8::1|64513|2001:db8:1::/48|64512|IGP|2001:db8::1|0|0||NAG||",
        "TABLE_DUMP2_AP|1171158060|B|2001:db8::1|64513|2001:db8:2::/48|7|64512|IGP|2001:db8::1|0|0||NAG||",
        "TABLE_DUMP2_AP|1171158060|B|2001:db8::1|64513|2001:db8:2::/48|8||INCOMPLETE|255.255.255.255|0|0||NAG||",
        "TABLE_DUMP2|1171158060|B|192.0.2.1|64512|10.0.0.0/24|64512|IGP|192.0.2.1|0|0||NAG||",
        "TABLE_DUMP|1171158060|B|192.0.2.1|64512|10.0.0.0/8|64512|IGP|192.0.2.1|0|0||NAG||",
    ];
    assert!(String::from_utf8(output.stdout).unwrap().lines().eq(wanted));

    let json = lines(&["--json"], &rib());
    let evpn: serde_json::Value = serde_json::from_str(&json[5]).unwrap();
    assert_eq!((&evpn["family"], &evpn["action"]), (&"l2vpn-evpn".into(), &"rib".into()));
    assert_eq!(evpn["nlri"], "03110000fc00000000010000000020c0000201");
    let multicast: serde_json::Value = serde_json::from_str(&json[4]).unwrap();
    assert_eq!(multicast["family"], "ipv4-multicast");
    let missing: serde_json::Value = serde_json::from_str(&json[3]).unwrap();
    assert_eq!((missing.get("next_hop"), missing.get("origin"), missing.get("as_path")), (None, None, None));
}

#[test]
fn compressed_files_are_read() {
    let (folder, data) = (tempfile::tempdir().unwrap(), updates());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&data).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(&data).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    for (name, octets) in [("a.gz", &gzip), ("b.bz2", &bzip2), ("c", &data), ("misnamed.bz2", &gzip)] {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).unwrap();
        assert_eq!(lines(&[path.to_str().unwrap()], &[]), UPDATES, "{name}");
        assert_eq!(lines(&[], octets), UPDATES, "{name}");
    }
    // Pieces that were compressed by themselves.
    assert_eq!(lines(&[], &[&gzip[..], &gzip].concat()), [UPDATES, UPDATES].concat());
    assert_eq!(lines(&[], &[&bzip2[..], &bzip2].concat()), [UPDATES, UPDATES].concat());
}

#[test]
fn what_cannot_be_read_is_said() {
    let (data, output) = (updates(), |input: &[u8]| run(&[], input));
    // Cut within the last record.
    let cut = output(&data[..data.len() - 1]);
    assert!(!cut.status.success());
    assert_eq!(String::from_utf8(cut.stdout).unwrap().lines().count(), UPDATES.len() - 1);
    assert!(String::from_utf8(cut.stderr).unwrap().contains("it ends within the record at"));

    // A state with an octet too many, a message with a bad length, routes of a peer that is not there, a path with AS 0:
    // the others are there.
    let mut bad = encode(TIME, Body::StateChange(StateChange::new(peering(), State::IDLE, State::CONNECT)));
    bad.push(0);
    bad[11] += 1;
    let message =
        encode(TIME, Body::Message(SessionMessage::new(peering(), MessageForm::RECEIVED, &KEEPALIVE[..18])));
    let nobody = [RibEntry::new(9, 5, PathAttributes::new(&[]))];
    let nobody = encode(TIME, Body::Rib(Rib::unicast(0, "10.0.0.0/8".parse().unwrap(), &nobody)));
    let zero = TableDump::new(
        "10.0.0.0/8".parse().unwrap(),
        5,
        [192, 0, 2, 1].into(),
        64512,
        PathAttributes::two_octet_as(&[0x40, 2, 4, 2, 1, 0, 0]),
    );
    let zero = encode(TIME, Body::TableDump(zero));
    let some = output(&[&bad[..], &message, &nobody, &zero, &data].concat());
    assert!(some.status.success());
    let (said, printed) = (String::from_utf8(some.stderr).unwrap(), String::from_utf8(some.stdout).unwrap());
    let wanted = [
        "mrt2text: -: record at 0: octets left over: 1 at byte 36",
        "mrt2text: -: record at 37: message is incomplete at byte 0",
        "mrt2text: -: record at 87: peer 9 is not in the table of 0 before",
        "mrt2text: -: record at 115: an attribute is left out: malformed AS path at byte 0",
    ];
    assert!(said.lines().eq(wanted), "{said}");
    assert!(printed.lines().skip(1).eq(UPDATES));

    let missing = run(&["/nowhere/at/all"], &[]);
    assert!(!missing.status.success());
    assert!(
        String::from_utf8(missing.stderr).unwrap().starts_with("mrt2text: cannot open /nowhere/at/all: ")
    );
}

#[test]
fn many_warnings_become_one() {
    let mut bad = encode(TIME, Body::StateChange(StateChange::new(peering(), State::IDLE, State::CONNECT)));
    bad.push(0);
    bad[11] += 1;
    let said = String::from_utf8(run(&[], &bad.repeat(15)).stderr).unwrap();
    assert_eq!(said.lines().count(), 11);
    assert!(said.ends_with("mrt2text: -: 5 more records with something wrong\n"));
}

#[test]
fn archives_are_printed_as_the_old_tool_prints_them() {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else {
        skip("TORTIE_DATA is not set");
        return;
    };
    let folder = Path::new(&folder).join("bgp");
    let mut files = 0;
    for entry in std::fs::read_dir(folder.join("ris-expected")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".bgp.gz").unwrap();
        let archive = folder.join("ris").join(name);
        let output = run(&["--as-sets", "keep", archive.to_str().unwrap()], &[]);
        let mut wanted = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut wanted).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}");
        assert!(output.stdout == wanted, "{name} is printed differently");
        files += 1;
    }
    assert_eq!(files, 5);
}

#[expect(clippy::print_stdout, reason = "whoever runs the tests should know")]
fn skip(reason: &str) {
    println!("skipped: {reason}");
}
