//! What OpenAI offers and Chipp has nothing for. Such a path is not just unknown: who asks for it has the right
//! address, and is told what there is instead.

/// Endpoints of OpenAI's that are not served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported {
    /// Where they begin, below `/v1`; all of whole pieces of a path.
    below: &'static str,
    /// What is found there, as in "Chipp has no …".
    pub(super) what: &'static str,
    /// A sentence for the client's developer.
    pub(super) instead: &'static str,
}

const CHAT: &str = "Use POST /v1/chat/completions.";
const HISTORY: &str = "Send the conversation to POST /v1/chat/completions; it is kept in Chipp's sessions.";
const TEXT_ONLY: &str = "There is only text: use POST /v1/chat/completions.";
const ONE_BY_ONE: &str = "Send the requests one by one to POST /v1/chat/completions.";
const IN_THE_APP: &str =
    "What an app knows and can do is set up in Chipp; ask it by POST /v1/chat/completions.";
const OFFERED: &str = "There are POST /v1/chat/completions and GET /v1/models.";

/// All of them. An endpoint that comes to be served leaves the table.
const TABLE: &[Unsupported] = &[
    row("assistants", "assistants", HISTORY),
    row("audio", "audio", TEXT_ONLY),
    row("batches", "batches", ONE_BY_ONE),
    // Below the endpoint itself: those that `store` would keep.
    row("chat/completions", "stored chat completions", HISTORY),
    row("chatkit", "ChatKit", CHAT),
    row("containers", "containers", IN_THE_APP),
    row("embeddings", "embeddings", OFFERED),
    row("evals", "evals", OFFERED),
    row("files", "files", IN_THE_APP),
    row("fine_tuning", "fine-tuning", IN_THE_APP),
    row("images", "image generation", TEXT_ONLY),
    row("moderations", "moderations", OFFERED),
    row("organization", "organization API", OFFERED),
    row("projects", "projects API", OFFERED),
    row("realtime", "realtime API", "Use POST /v1/chat/completions with 'stream'."),
    row("responses/compact", "compaction of responses", HISTORY),
    row("responses/input_tokens", "counting of input tokens", OFFERED),
    row("skills", "skills", IN_THE_APP),
    row("threads", "threads", HISTORY),
    row("uploads", "uploads", IN_THE_APP),
    row("vector_stores", "vector stores", IN_THE_APP),
    row("videos", "videos", TEXT_ONLY),
];

const fn row(below: &'static str, what: &'static str, instead: &'static str) -> Unsupported {
    Unsupported { below, what, instead }
}

/// The entry for a path below `/v1`, if there is one.
pub(super) fn find(path: &str) -> Option<&'static Unsupported> {
    TABLE.iter().find(|entry| {
        let rest = path.strip_prefix(entry.below);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;
    use crate::api::route::{Routed, route};

    #[test]
    fn whole_pieces_of_a_path_count() {
        for (path, what) in [
            ("embeddings", "embeddings"),
            ("audio/speech", "audio"),
            ("threads/t_1/runs/r_1", "threads"),
            ("chat/completions/chatcmpl-1/messages", "stored chat completions"),
        ] {
            assert_eq!(find(path).map(|entry| entry.what), Some(what), "{path}");
        }
        for path in ["", "embedding", "embeddingsx", "/embeddings", "x/files", "chat", "Files", "v1/files"] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    /// Who serves one of these takes it out of the table.
    #[test]
    fn nothing_that_is_served_is_called_unsupported() {
        for entry in TABLE {
            for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD] {
                for start in ["/v1/", "/"] {
                    let path = format!("{start}{}/x", entry.below);
                    assert_eq!(route(&method, &path), Routed::Unsupported(entry), "{method} {path}");
                }
            }
        }
    }
}
