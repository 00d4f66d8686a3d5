//! Tools for apps that only speak text: how calls and their results are written in a conversation, how they are found
//! in what an app says, and whether they are calls of what is on offer.

pub mod call;
pub mod find;
mod text;

pub use text::{result, written};
