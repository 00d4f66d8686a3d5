//! A pretend Chipp, for tests, for the sandbox, and for whoever has no account.
