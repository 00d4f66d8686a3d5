//! Bodies with a content encoding, and that each piece of a stream can be decoded when it arrives.

use chipp_proxy::emulator::Ends;

use crate::apps::{ask, streamed};
use crate::client::{Client, chat_request, says};
use crate::{emulator, judge};

const CODED: [(&str, &str); 3] = [("coded-gzip", "gzip"), ("coded-br", "br"), ("coded-zstd", "zstd")];

#[test]
fn coded_bodies_say_so_and_can_be_decoded() {
    for (app, token) in CODED {
        for stream in [false, true] {
            let reply = ask(&emulator(), app, stream, None, "hi").unwrap();
            assert_eq!(reply.head.header("content-encoding"), Some(token));
            assert_ne!(judge::decoded(Some(token), &reply.body).unwrap()[..], reply.body, "{app}");
            assert_eq!(judge::listen(&reply).text, "Hello! You said: \"hi\".", "{app}");
        }
    }
    let unknown = streamed("coded-unknown");
    assert_eq!(unknown.head.header("content-encoding"), Some("x-rot13"));
    assert!(unknown.text().contains("Uryyb!"));
    assert_eq!(judge::ends(&unknown), Ends::Broken);
}

#[test]
fn every_piece_of_a_coded_stream_can_be_decoded_when_it_arrives() {
    for (app, token) in CODED {
        let emulator = emulator();
        let mut client = Client::connect(emulator.addr());
        client.send(chat_request(&says(&format!("emu-{app}-1"), true, None, "hi"), ""));
        client.head().unwrap();
        let (mut coded, mut pieces) = (Vec::new(), 0);
        loop {
            let chunk = client.chunk().unwrap().unwrap();
            coded.extend_from_slice(&chunk);
            let plain = judge::decoded(Some(token), &coded).unwrap();
            let events = judge::events(std::str::from_utf8(&plain).unwrap());
            assert!(plain.ends_with(b"\n\n"), "{app}: a whole event");
            if chunk.is_empty() {
                break;
            }
            pieces += 1;
            if events.last().unwrap() != "[DONE]" {
                assert_eq!(events.len(), pieces, "{app}: one more with each piece");
            }
        }
        assert!(pieces > 8, "{app}");
    }
}
