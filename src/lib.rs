//! chipp-proxy.

pub mod api;
pub mod app;
pub mod catalog;
pub mod chipp;
pub mod cli;
pub mod config;
pub mod emulator;
pub mod ids;
pub mod limits;
pub mod openai;
pub mod proxy;
pub mod sandbox;
pub mod session;
pub mod telemetry;
pub mod translate;
pub mod upstream;
