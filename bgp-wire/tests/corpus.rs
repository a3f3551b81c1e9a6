//! Real messages, where there are some: `TORTIE_BGP_CORPUS` names a file of messages, each after its length (u32, big-endian).

mod support;

use support::{four, walk};
use tortie_bgp_wire::Message;

#[test]
fn every_message_of_the_corpus_encodes_to_itself() {
    let Ok(path) = std::env::var("TORTIE_BGP_CORPUS") else {
        println!("skipped: TORTIE_BGP_CORPUS names no file");
        return;
    };
    let data = std::fs::read(path).unwrap();
    let (mut rest, mut good, mut bad, mut judged, mut sum) = (&data[..], 0, 0, 0, 0_u64);
    let mut buf = vec![0; 65536];
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap());
        rest = tail;
        match Message::decode(bytes, &four()) {
            Ok((message, left)) => {
                good += 1;
                sum = sum.wrapping_add(walk(&message));
                if let Message::Update(update) = message {
                    judged += i32::from(update.disposition().is_some());
                    let len = update.encode(&mut buf, &four()).unwrap();
                    assert_eq!(&buf[..len], &bytes[..bytes.len() - left.len()]);
                }
            }
            Err(error) => {
                bad += 1;
                println!("{error}");
            }
        }
    }
    println!("{good} decoded, {bad} refused, {judged} with an error that RFC 7606 judges, checksum {sum}");
    assert!(good + bad > 0);
}
