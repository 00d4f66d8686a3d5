//! Sessions, limits and stored responses that several replicas share: what both stores have to do, and proxies on a real Redis that comes
//! and goes.
//!
//! What needs a `redis-server` is left out by `cargo test`, and run by `cargo test --test redis -- --ignored`, as
//! `tests/run` does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

mod archive;
mod contract;
mod kept;
mod leaving;
mod limits;
mod limits_in_redis;
mod limits_of_replicas;
mod replicas;
mod slots;
#[path = "../support/mod.rs"]
mod support;
