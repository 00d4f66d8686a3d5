//! What goes wrong, and what is done about it, as a table: a row is a test. Each says what the client sees, and what
//! reaches Chipp; and always, whatever reaches it, Chipp hears just what the client said.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

#[path = "../support/mod.rs"]
mod support;

mod breaker;
mod fallbacks;
mod leaving;
mod scene;

use std::time::Duration;

use scene::{Calls, Row, Saw, Turn, Ways};

/// A row of the table: what the app does, and what comes of it.
macro_rules! faults {
    ($($(#[doc = $doc:literal])? $name:ident: $row:expr => $saw:expr, $calls:expr;)*) => {
        $(
            $(#[doc = $doc])?
            #[test]
            fn $name() {
                let row: Row = $row;
                for is_stream in row.ways.each() {
                    let (saw, calls) = row.play(*is_stream);
                    let (expected, heard): (Saw, Calls) = ($saw, $calls);
                    assert_eq!(saw, expected, "what the client sees; streamed: {is_stream}");
                    assert_eq!(calls, heard, "what reaches Chipp; streamed: {is_stream}");
                }
            }
        )*
    };
}

/// In the second turn of a conversation.
const fn later(does: &'static str) -> Row {
    Row {
        does,
        turn: Turn::Second,
        retry: "",
        timeouts: "",
        spares: &[],
        ways: Ways::Both,
        takes: Duration::ZERO,
    }
}

/// In the first one.
const fn first(does: &'static str) -> Row {
    Row { turn: Turn::First, ..later(does) }
}

impl Row {
    /// More is tried again than by default.
    const fn on(self, retry: &'static str) -> Self {
        Self { retry, ..self }
    }

    /// Other aliases stand in.
    const fn spares(self, spares: &'static [&'static str]) -> Self {
        Self { spares, ..self }
    }

    /// An app that does not answer is not waited for for long.
    const fn impatient(self) -> Self {
        Self { timeouts: "timeouts: {first_byte: 2s}, ", ..self }
    }

    const fn streamed(self) -> Self {
        Self { ways: Ways::Streamed, ..self }
    }

    /// It cannot have been faster than that.
    const fn takes(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }
}

const ANY: &str = "on: [connect, rate_limit, unavailable, timeout, server_error, reset], ";

/// An answer; `session` is what its head says of it.
fn answer(session: &'static str) -> Saw {
    Saw { status: 200, code: "", session, should_retry: "", retry_after: "", next: "replayed" }
}

/// An error.
fn error(status: u16, code: &'static str) -> Saw {
    Saw { status, code, session: "", should_retry: "", retry_after: "", next: "replayed" }
}

fn upstream_error() -> Saw {
    error(502, "upstream_error")
}

impl Saw {
    /// The SDK is told not to try again: the proxy has, or the app may have carried the request out.
    fn tried(self) -> Self {
        Self { should_retry: "false", ..self }
    }

    fn wait(self, seconds: &'static str) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// The session is as it was, and the client's next turn goes on in it.
    fn untouched(self) -> Self {
        Self { next: "continued", ..self }
    }

    /// There was no session yet.
    fn at_first(self) -> Self {
        Self { next: "", ..self }
    }
}

/// The newest message, in the session that holds the others.
const ONE: (&str, &str, usize) = ("asked", "same", 1);
/// The whole history, in a new session.
const ALL: (&str, &str, usize) = ("asked", "new", 3);
const FIRST: (&str, &str, usize) = ("asked", "new", 1);

/// The whole history, in a new session of a fallback.
const fn spare(name: &'static str) -> (&'static str, &'static str, usize) {
    (name, "new", 3)
}

faults! {
    // Tried again.
    a_503: later("once-503") => answer("replayed"), vec![ONE, ALL];
    a_503_of_a_new_conversation: first("once-503") => answer("new").at_first(), vec![FIRST, FIRST];
    a_503_that_lasts: later("unavailable-503") => upstream_error().tried(), vec![ONE, ALL];
    a_429_whose_wait_is_short: later("once-429").takes(Duration::from_secs(1)) => answer("continued"), vec![ONE, ONE];
    a_429_without_a_wait: later("rate-429-bare") => error(429, "rate_limit_exceeded").tried().untouched(), vec![ONE, ONE];
    a_429_whose_wait_is_long: later("rate-429-hour") => error(429, "rate_limit_exceeded").tried().wait("3600").untouched(), vec![ONE];
    nothing_if_attempts_are_one: later("once-503").on("attempts: 1, ") => upstream_error().tried(), vec![ONE];
    three_attempts: later("unavailable-503").on("attempts: 3, ") => upstream_error().tried(), vec![ONE, ALL, ALL];
    a_503_that_is_not_named: later("once-503").on("on: [connect], ") => upstream_error().tried(), vec![ONE];

    // Not by default, since the app may have done its work.
    a_500: later("once-500") => upstream_error().tried(), vec![ONE];
    a_500_that_is_named: later("once-500").on(ANY) => answer("replayed"), vec![ONE, ALL];
    a_500_after_its_work: later("error-500-after-store").on(ANY) => upstream_error().tried(), vec![ONE, ALL];
    a_502_page: later("html-502") => upstream_error().tried(), vec![ONE];
    a_reset: later("once-reset") => upstream_error().tried(), vec![ONE];
    a_reset_that_is_named: later("once-reset").on(ANY) => answer("replayed"), vec![ONE, ALL];
    a_reset_after_its_work: later("reset-after-store").on(ANY) => upstream_error().tried(), vec![ONE, ALL];
    silence: later("silent").impatient() => error(504, "upstream_timeout").tried(), vec![ONE];
    silence_that_is_named: later("silent").impatient().on(ANY) => error(504, "upstream_timeout").tried(), vec![ONE, ALL];
    an_interim_head: later("interim-103") => answer("continued"), vec![ONE];
    an_error_under_200: later("error-under-200") => upstream_error().tried(), vec![ONE];
    a_page_under_200: later("html-for-stream").on(ANY) => upstream_error().tried(), vec![ONE, ALL];
    nothing_under_200: later("empty-200").on(ANY) => upstream_error().tried(), vec![ONE, ALL];
    a_plain_reply_that_is_cut: later("cut-plain").on(ANY) => upstream_error().tried(), vec![ONE, ALL];
    a_stream_that_begins_with_an_error: later("error-first").streamed().on(ANY) => upstream_error().tried(), vec![ONE, ALL];

    // Never, once text is out.
    a_stream_that_is_cut: later("cut-c").streamed().on(ANY).spares(&["gpt-4o"])
        => Saw { status: 200, session: "continued", ..upstream_error() }, vec![ONE];
    a_stream_that_breaks_with_an_error: later("stream-error-c").streamed().on(ANY).spares(&["gpt-4o"])
        => Saw { status: 200, session: "continued", ..upstream_error() }, vec![ONE];

    // Nobody would do better.
    a_400: later("image-unsupported-400").on(ANY).spares(&["gpt-4o"]) => error(400, "").untouched(), vec![ONE];

    // Fallbacks.
    a_500_with_a_fallback: later("error-500").spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, spare("gpt-4o")];
    a_fallback_for_a_new_conversation: first("error-500").spares(&["gpt-4o"])
        => answer("new").at_first(), vec![FIRST, ("gpt-4o", "new", 1)];
    a_wrong_key: later("key-401") => error(502, "upstream_auth_failed").tried().untouched(), vec![ONE];
    a_wrong_key_with_a_fallback: later("key-401").spares(&["gpt-4o"]) => answer("replayed").untouched(), vec![ONE, spare("gpt-4o")];
    a_plan_with_a_fallback: later("plan-401").spares(&["gpt-4o"]) => answer("replayed").untouched(), vec![ONE, spare("gpt-4o")];
    credits_with_a_fallback: later("credits-402").spares(&["gpt-4o"]) => answer("replayed").untouched(), vec![ONE, spare("gpt-4o")];
    a_429_with_a_fallback: later("rate-429-hour").spares(&["gpt-4o"]) => answer("replayed").untouched(), vec![ONE, spare("gpt-4o")];
    a_503_with_a_fallback: later("unavailable-503").spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, ALL, spare("gpt-4o")];
    a_reset_with_a_fallback: later("reset-before").spares(&["dialect-a"]) => answer("replayed"), vec![ONE, spare("dialect-a")];
    silence_with_a_fallback: later("silent").impatient().spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, spare("gpt-4o")];
    a_page_with_a_fallback: later("html-for-stream").spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, spare("gpt-4o")];
    nothing_with_a_fallback: later("empty-200").spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, spare("gpt-4o")];
    a_cut_with_a_fallback: later("cut-plain").spares(&["gpt-4o"]) => answer("replayed"), vec![ONE, spare("gpt-4o")];
    the_second_fallback: later("error-500").spares(&["html-502", "dialect-b"])
        => answer("replayed"), vec![ONE, spare("html-502"), spare("dialect-b")];
    a_fallback_is_tried_again_too: later("error-500").spares(&["flaky-503"])
        => answer("replayed"), vec![ONE, spare("flaky-503"), spare("flaky-503")];
    /// The client is told what the app that it asked for said.
    no_fallback_helps: later("error-500").spares(&["rate-429-hour", "image-unsupported-400"])
        => upstream_error().tried(), vec![ONE, spare("rate-429-hour"), spare("image-unsupported-400")];
}
