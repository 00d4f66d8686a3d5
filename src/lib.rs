//! chipp-proxy.

pub mod catalog;
pub mod chipp;
pub mod config;
pub mod emulator;
pub mod ids;
pub mod openai;
pub mod upstream;
