//! An OpenAI-compatible translating proxy for Chipp.
//!
//! Clients speak OpenAI's API and resend the whole history with every request; Chipp has an API of its own, and
//! remembers the history itself. The proxy stands between: it maps the model's alias to a Chipp app, finds the
//! session that holds this very conversation, sends only what is new, and writes the answer in OpenAI's strict shape.
//!
//! # The house
//!
//! Four storeys; a room uses rooms below it, never above.
//!
//! | storey | rooms | what for |
//! |---|---|---|
//! | roof | `main`, [`cli`], [`app`], [`sandbox`], [`explain`] | wiring, signals, exit codes; the dry run |
//! | 3 | [`api`] | HTTP towards clients: routes, headers, bodies, the one place where an error becomes HTTP |
//! | 2 | [`proxy`] | the use case: one exchange from its start to its settlement |
//! | 1 | [`session`] [`archive`] [`limits`] [`upstream`] [`redis`] [`config`] [`telemetry`] [`certificate`] | state and IO, at their rims only |
//! | ground | [`openai`] [`chipp`] [`translate`] [`catalog`] [`allowance`] [`ids`] [`secret`] | pure: no IO, no clock, no framework |
//! | annexe | [`emulator`] | a pretend Chipp; it imports nothing of the code that it judges |
//!
//! Two vocabularies meet in one place. [`chipp::Event`] is what any of Chipp's dialects decodes to, and what any of
//! OpenAI's shapes is written from; so a new dialect or a new shape is one piece of code, not one for each pair.
//!
//! # The life of a request
//!
//! 1. [`api`] finds the endpoint, begins the [`telemetry::Record`], and judges the credential: a
//!    [`proxy::Caller`] or 401, before the body is looked at.
//! 2. The body becomes an [`openai::chat::ChatRequest`], or a 400 that names the field. Other endpoints become one, too
//!    ([`proxy::Question`]): a text to be completed, a response with what it goes on from, which [`archive`] keeps.
//! 3. [`catalog`] gives the route, [`translate`] Chipp's messages, [`limits`] the permit, for which it may wait a little.
//!    If tools or JSON are asked for, the [terms](translate::terms) of that are told to the app in a message of their own.
//! 4. [`session::Turn::begin`] hashes the history and takes the session that holds the longest beginning of it.
//! 5. [`upstream`] sends what that session does not hold yet, and hands back a head and bytes. If that fails, it says
//!    whether the same app is worth another call; then other aliases are asked.
//! 6. [`chipp::stream`] (or [`chipp::Reply`]) decodes them into events. An app with tools answers in rounds, of which only
//!    the last one ends the reply. If they show that Chipp has forgotten the
//!    session, and nothing has gone out, the whole history is sent anew.
//!    Where there are terms, the calls or the JSON are taken out of what the app says; what is not as it should be is
//!    asked for once more, in the same session, which nobody goes on with then.
//! 7. [`openai::chunk`] (or [`openai::completion`], or their like for other endpoints) writes the answer. The head of a stream is held back until Chipp
//!    has shown that it answers, so that a failure before that is a real HTTP status.
//!    Of several answers ([`n`](openai::chat::ChatRequest::n)), each has steps 4 to 7 for itself.
//! 8. The exchange is settled once: the session put away before the last bytes go out, the counters, one log line.
//!
//! # Invariants
//!
//! - **Exact history.** What the session holds, and then what is sent, is what the client said: for every request
//!   that reaches Chipp. In doubt the session is forgotten and the history is replayed into a new one.
//! - **A session has one user.** It is taken out of the store while a request uses it, and only its own scope (the
//!   credential, the user, the app, the client's conversation id) can find it.
//! - **What goes out is what was asked for.** Calls are of tools on offer, with arguments that these take; JSON is valid,
//!   and nothing of it goes out before that is known. Else it is an error.
//! - **A reply ends in exactly one `Finish` or `Failure`.** Bytes that end without their dialect's end are a failure;
//!   a stream to a client ends in `[DONE]` only after a `Finish`.
//! - **Nothing is retried that may have been carried out**, unless the operator wants it: an app's actions can send
//!   e-mails. Clients' SDKs are told the same. And nothing at all is retried once a byte of the answer is out.
//! - **What a tool says is the tool's.** Its inputs, outputs and debug information never become text, ids or errors.
//! - **Nothing leaks.** No key, app id, session id, or text of a message reaches a log, a metric, or an error; secret
//!   types print as `***`.
//! - **Redis is never needed**, unless the operator wants limits to hold at that price. A call to it has a deadline and is
//!   made once; while it is away, it costs no time.
//! - **A request keeps one snapshot of the configuration**, and the next may have another: what a running server can take
//!   on, and what waits for a restart, is said in one place ([`config::diff`]).
//! - **No lock is held across an await**, and every buffer, queue, wait and loop has a named limit.
//! - **A panic ends one request**, with a 500 in OpenAI's shape, and not the process.

pub mod allowance;
pub mod api;
pub mod app;
pub mod archive;
pub mod catalog;
pub mod certificate;
pub mod chipp;
pub mod cli;
pub mod config;
pub mod emulator;
pub mod explain;
pub mod ids;
pub mod limits;
pub mod openai;
pub mod proxy;
pub mod redis;
pub mod sandbox;
pub mod secret;
pub mod session;
pub mod telemetry;
pub mod translate;
pub mod upstream;
