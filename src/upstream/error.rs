//! What can go wrong on the way to Chipp, and whether the request may have been carried out.
//!
//! Texts are constant: no URL, no key, nothing of the peer's.

use std::path::PathBuf;

use actix_http::error::ParseError;
use awc::error::{ConnectError, SendRequestError};

use super::dial::DialError;
use super::interim::TooLarge;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `upstream.base_url` cannot be used; the configuration's check should have said so.
    #[error("upstream.base_url is not an http or https address with a host, and without a query")]
    BaseUrl,
    /// `upstream.ca_file` cannot be read, or holds something else than certificates.
    #[error("upstream.ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS provider does not offer the protocol versions that it should.
    #[error("the TLS provider does not support the versions of TLS that are needed")]
    TlsVersions,
}

/// A request without an answer that may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SendError {
    /// What happened.
    pub kind: SendErrorKind,
    /// Whether Chipp may have acted on the request.
    pub sent: Sent,
}

/// Whether the other side may have seen the request, and so acted on it: an app's actions can send e-mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left: a retry is safe.
    Never,
    /// Some of it may have arrived.
    Unknown,
}

/// What happened to a request that failed before its answer could be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendErrorKind {
    /// The key or an id does not fit into a header.
    #[error("the request cannot be put into HTTP headers")]
    Unsendable,
    /// The name of the host has no address, or nobody could say.
    #[error("the upstream's host name cannot be resolved")]
    Resolve,
    /// Refused, unreachable, reset.
    #[error("cannot connect to the upstream")]
    Connect,
    /// The handshake failed; mostly a certificate that is not trusted.
    #[error("no TLS session with the upstream")]
    Tls,
    /// `timeouts.connect` ran out.
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    /// `timeouts.first_byte` ran out.
    #[error("the upstream did not answer in time")]
    HeadTimeout,
    /// The deadline of the whole exchange passed.
    #[error("the time for the whole request ran out")]
    TotalTimeout,
    /// The connection broke before the head of an answer was there.
    #[error("the upstream closed the connection without an answer")]
    Disconnected,
    /// What came is not HTTP.
    #[error("the upstream's answer is not HTTP")]
    Malformed,
    /// 101, which nobody asked for: what follows is no longer HTTP. Other interim responses are skipped.
    #[error("the upstream switched protocols")]
    Interim,
    /// The answer carries the correlation id of another request.
    #[error("the upstream's answer belongs to another request")]
    Mismatched,
    /// The body has a content coding that is not supported, or several.
    #[error("the upstream's answer has an unknown content coding")]
    UnknownCoding,
    /// A success whose body has neither a length nor chunks; awc would read it as empty.
    #[error("the upstream's answer does not say where it ends")]
    Unframed,
}

/// What a failure of the connect phase means. Nothing was sent, whatever it is.
pub(super) fn connecting(error: &ConnectError) -> SendErrorKind {
    match error {
        ConnectError::Resolver(_) | ConnectError::NoRecords => SendErrorKind::Resolve,
        ConnectError::Timeout => SendErrorKind::ConnectTimeout,
        ConnectError::Io(io) => DialError::of(io).map_or(SendErrorKind::Connect, |dial| match dial {
            DialError::Timeout => SendErrorKind::ConnectTimeout,
            DialError::Tls => SendErrorKind::Tls,
        }),
        // The first three cannot come from our own dialling; the enum is also open for more.
        ConnectError::SslIsNotSupported
        | ConnectError::H2(_)
        | ConnectError::Unresolved
        | ConnectError::Disconnected
        | _ => SendErrorKind::Connect,
    }
}

/// What a failure after connecting means. Something may have been sent, whatever it is:
/// awc's `Connect(Disconnected)`, of all names, is an end of file in place of an answer.
pub(super) fn sending(error: &SendRequestError) -> SendErrorKind {
    match error {
        SendRequestError::Response(parse) => match parse {
            ParseError::Io(io) if TooLarge::caused(io) => SendErrorKind::Malformed,
            ParseError::Io(_) | ParseError::Incomplete | ParseError::Timeout => SendErrorKind::Disconnected,
            ParseError::Method
            | ParseError::Uri(_)
            | ParseError::Version
            | ParseError::Header
            | ParseError::TooLarge
            | ParseError::Status
            | ParseError::Utf8(_)
            | _ => SendErrorKind::Malformed,
        },
        SendRequestError::Timeout => SendErrorKind::HeadTimeout,
        // Broken while writing or waiting; then what cannot happen to a plain HTTP/1.1 request.
        SendRequestError::Connect(_)
        | SendRequestError::Send(_)
        | SendRequestError::Body(_)
        | SendRequestError::Url(_)
        | SendRequestError::Http(_)
        | SendRequestError::H2(_)
        | SendRequestError::TunnelNotSupported
        | SendRequestError::Custom(..)
        | _ => SendErrorKind::Disconnected,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn failures_to_connect() {
        let cases = [
            (ConnectError::Resolver("no such name".into()), SendErrorKind::Resolve),
            (ConnectError::NoRecords, SendErrorKind::Resolve),
            (ConnectError::Timeout, SendErrorKind::ConnectTimeout),
            (ConnectError::Io(DialError::Timeout.into()), SendErrorKind::ConnectTimeout),
            (ConnectError::Io(DialError::Tls.into()), SendErrorKind::Tls),
            (ConnectError::Io(io::ErrorKind::ConnectionRefused.into()), SendErrorKind::Connect),
            (ConnectError::SslIsNotSupported, SendErrorKind::Connect),
            (ConnectError::Unresolved, SendErrorKind::Connect),
            (ConnectError::Disconnected, SendErrorKind::Connect),
        ];
        for (error, kind) in cases {
            assert_eq!(connecting(&error), kind, "{error:?}");
        }
    }

    #[test]
    fn failures_after_connecting() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let cases = [
            (SendRequestError::Connect(ConnectError::Disconnected), SendErrorKind::Disconnected),
            (SendRequestError::Send(reset()), SendErrorKind::Disconnected),
            (SendRequestError::Body("broken".into()), SendErrorKind::Disconnected),
            (SendRequestError::TunnelNotSupported, SendErrorKind::Disconnected),
            (SendRequestError::Timeout, SendErrorKind::HeadTimeout),
            (SendRequestError::Response(ParseError::Io(reset())), SendErrorKind::Disconnected),
            (
                SendRequestError::Response(ParseError::Io(io::Error::other(TooLarge))),
                SendErrorKind::Malformed,
            ),
            (SendRequestError::Response(ParseError::Incomplete), SendErrorKind::Disconnected),
            (SendRequestError::Response(ParseError::Header), SendErrorKind::Malformed),
            (SendRequestError::Response(ParseError::Version), SendErrorKind::Malformed),
            (SendRequestError::Response(ParseError::TooLarge), SendErrorKind::Malformed),
        ];
        for (error, kind) in cases {
            assert_eq!(sending(&error), kind, "{error:?}");
        }
    }
}
