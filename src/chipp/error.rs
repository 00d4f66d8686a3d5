//! What went wrong, in Chipp's terms: its error bodies and broken replies, classified.

/// An error that Chipp reported: with a status, under a 200, or in mid-stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What it means.
    pub kind: ErrorKind,
    /// Chipp's own words, capped; for logs at debug level and, scrubbed, for 400s. Not for other clients' eyes.
    pub message: Option<String>,
}

/// The classes of errors that are treated differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: the key is missing, wrong, or another app's.
    InvalidKey,
    /// 401 "paid plan": the app's owner has to upgrade.
    PlanRequired,
    /// 402, or words for used-up credits or quota.
    QuotaExhausted,
    /// 404 `Unknown model`: the app does not exist.
    UnknownModel,
    /// A session id was sent that Chipp does not know (any more).
    UnknownSession,
    /// 400 and its like; `param` is the word in back-ticks, if there is one.
    InvalidRequest {
        /// The field that Chipp complains of.
        param: Option<String>,
    },
    /// 429.
    RateLimited,
    /// 503, 529: try later.
    Unavailable,
    /// 5xx, an unreadable page, or an error without a known class.
    Server,
}

/// How a reply can fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Chipp said so.
    Api(ApiError),
    /// The bytes ended without the dialect's end.
    Cut,
    /// A web page came in the reply's place.
    Html,
    /// No byte at all.
    Empty,
    /// It cannot be read as any known form of reply.
    Malformed,
    /// A line, an event or the whole exceeded its cap.
    TooLarge,
    /// The app gave up (`abort` in a stream).
    Aborted,
}
