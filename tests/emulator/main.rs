//! The emulator does what its documentation says: looked at through raw sockets, without any of the
//! code that it judges.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what is missing in a test ends it"
)]

mod apps;
mod client;
mod coded;
mod events;
mod judge;
mod rounds;
mod sessions;
mod wire;

use std::time::Duration;

use chipp_proxy::emulator::{Emulator, Options};

/// An emulator whose slow apps are quick.
fn emulator() -> Emulator {
    start(Options::default())
}

fn start(options: Options) -> Emulator {
    let quick = Options { think: Duration::from_millis(5), word_pause: Duration::from_millis(1), ..options };
    Emulator::start(quick).unwrap()
}
