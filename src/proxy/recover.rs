//! Answers without a word: an app's turn can end on a tool step.
//!
//! What it did may have had effects, so it is never asked again; but what it said may stand in its transcript.

use std::time::Duration;

use tokio::time::Instant;

use crate::chipp::LastAnswer;
use crate::config::EmptyReply;
use crate::ids::ChatSessionId;
use crate::openai::Error;
use crate::proxy::call::Call;
use crate::proxy::error;
use crate::proxy::failed::Failed;

/// How long the transcript is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest transcript that is taken, in bytes.
const MAX_TRANSCRIPT_BYTES: usize = 16 << 20;

impl Call {
    /// What is to be said in place of nothing: `None` if nothing is to be said.
    pub(super) async fn fill(&mut self, named: Option<&ChatSessionId>) -> Result<Option<String>, Failed> {
        match self.worker.snapshot.config.upstream.empty_reply {
            EmptyReply::Return => Ok(None),
            EmptyReply::Error => Err(self.said_nothing()),
            EmptyReply::Transcript => {
                let Some(answer) = self.last_answer(named).await else {
                    return Err(self.said_nothing());
                };
                self.exchange.record.metrics().answers_recovered.inc();
                if !answer.is_alone {
                    // The session holds more than the client gets.
                    self.attempt.doubt();
                }
                Ok(Some(answer.text))
            }
        }
    }

    async fn last_answer(&mut self, named: Option<&ChatSessionId>) -> Option<LastAnswer> {
        // Another session than the one that was meant holds another conversation.
        let named = named.filter(|named| !self.is_forgotten(Some(named)));
        let session = named.or_else(|| self.attempt.session())?.clone();
        let deadline = (Instant::now() + PATIENCE).min(self.deadline);
        let id = self.exchange.record.request_id.clone();
        let started = std::time::Instant::now();
        let client = self.worker.client.clone();
        let asked = async {
            let sent = client.transcript(&self.attempt.key, &session, id.as_str(), deadline).await;
            let mut reply = sent.map_err(error::send_kind)?;
            let body = reply.body.collect(MAX_TRANSCRIPT_BYTES).await.map_err(error::body_kind)?;
            Ok((reply.status, body))
        };
        let told: Result<_, &str> = asked.await;
        self.exchange.waited(started.elapsed());
        match told {
            Ok((200, body)) => LastAnswer::parse(&body),
            Ok(_) => None,
            Err(cause) => {
                self.exchange.record.upstream_failed(cause);
                None
            }
        }
    }

    fn said_nothing(&mut self) -> Failed {
        self.exchange.record.upstream_failed("empty");
        Failed::said_nothing(Error::empty_reply())
    }
}
