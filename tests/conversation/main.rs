//! Conversations through the whole proxy: what Chipp heard is what the client said, whatever the client does.
//!
//! Every request that reaches Chipp in any of these tests is checked for that, by [`world::World`]; the tests
//! themselves say what `x-chipp-session` is to be, and how many messages are to be sent.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

mod choices;
mod doubt;
mod forgotten;
mod isolation;
mod leaving;
mod parallel;
mod relay;
mod runs;
mod side_requests;
mod spelling;
#[path = "../support/mod.rs"]
mod support;
mod turns;
mod words;
mod world;
