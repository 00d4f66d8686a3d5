//! The names and the forms of headers that have no constant elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::header::HeaderName;

pub(super) const API_KEY: HeaderName = HeaderName::from_static("api-key");
pub(super) const OPENAI_PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
pub(super) const OPENAI_VERSION: HeaderName = HeaderName::from_static("openai-version");
pub(super) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(super) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
pub(super) const X_CHAT_SESSION_ID: HeaderName = HeaderName::from_static("x-chat-session-id");
pub(super) const X_CHIPP_IGNORED_PARAMS: HeaderName = HeaderName::from_static("x-chipp-ignored-params");
pub(super) const X_CHIPP_SESSION: HeaderName = HeaderName::from_static("x-chipp-session");
pub(super) const X_CHIPP_USAGE: HeaderName = HeaderName::from_static("x-chipp-usage");
/// Limit, remaining, reset: of requests.
pub(super) const X_RATELIMIT_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
/// The same of tokens.
pub(super) const X_RATELIMIT_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Longest list of names in a header, in bytes: servers in front of us take some 4 KiB for the whole head.
const MAX_NAMES_BYTES: usize = 512;

/// Names, parted by commas, as a header can have them: a client may call its fields whatever it likes. Whole names
/// only, and `...` for those for which there is no room.
pub(super) fn names(list: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_graphic();
    if list.len() <= MAX_NAMES_BYTES && list.bytes().all(fits) {
        return Cow::Borrowed(list);
    }
    let mut names: String =
        list.chars().map(|letter| if u8::try_from(letter).is_ok_and(fits) { letter } else { '?' }).collect();
    if names.len() > MAX_NAMES_BYTES {
        let end = names.get(..=MAX_NAMES_BYTES).and_then(|head| head.rfind(',')).map_or(0, |comma| comma + 1);
        names.truncate(end);
        names.push_str("...");
    }
    Cow::Owned(names)
}

/// A duration as OpenAI's rate limit headers have it, rounded up: `17ms`, `1s`, `6m0s`, `1h0m0s`.
pub(super) fn reset(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let seconds = millis.div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_fit_a_header() {
        assert_eq!(names("seed,top_p"), "seed,top_p");
        assert_eq!(names("a\r\nb: c,\u{e4}"), "a??b:?c,?");
        let long = "x".repeat(MAX_NAMES_BYTES);
        assert_eq!(names(&long), long);
        assert_eq!(names(&format!("seed,{long}")), "seed,...");
        assert_eq!(names(&format!("{long},seed")), format!("{long},..."));
        assert_eq!(names(&format!("{long}x")), "...");
    }

    #[test]
    fn resets_are_written_as_openai_writes_them() {
        for (millis, text) in [
            (0, "0ms"),
            (17, "17ms"),
            (1000, "1s"),
            (1001, "2s"),
            (59_999, "1m0s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(reset(Duration::from_millis(millis)), text);
        }
        assert_eq!(reset(Duration::from_micros(1)), "1ms");
    }
}
