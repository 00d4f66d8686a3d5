//! The way to Chipp: the only room with awc.
