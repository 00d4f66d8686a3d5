//! The opening of a stream: the request is sent until an answer has shown that it is one, in the session that was meant or
//! in a new one.

use std::collections::VecDeque;
use std::time::Instant;

use crate::chipp::{self, Event};
use crate::ids::ChatSessionId;
use crate::openai::chunk::pieces;
use crate::proxy::call::Call;
use crate::proxy::failed::Failed;
use crate::proxy::source::{Read, Source};
use crate::upstream::Accept;

/// Sends the request until an answer shows that it is one, in the session that was meant or in a new one.
pub(super) async fn open(call: &mut Call) -> Result<(Source, VecDeque<Event>), Failed> {
    loop {
        let reply = call.connect().await?;
        if call.attempt.accept == Accept::Json {
            match call.read(reply).await? {
                Some(answer) => return Ok(as_stream(answer)),
                None => continue,
            }
        }
        let mut source = Source::new(reply);
        let mut events = VecDeque::new();
        let started = Instant::now();
        let proof = prove(call, &mut source, &mut events).await;
        call.exchange.waited(started.elapsed());
        match proof? {
            Proof::Answers => {
                fill(call, &source, &mut events).await?;
                source.comment_every = call.worker.snapshot.config.server.keep_alive_comment;
                return Ok((source, events));
            }
            Proof::Forgotten => call.replay()?,
        }
    }
}

/// A plain reply as the events of a stream.
fn as_stream(answer: chipp::Reply) -> (Source, VecDeque<Event>) {
    let mut events: VecDeque<Event> =
        pieces(&answer.text).map(|piece| Event::Text(piece.to_owned())).collect();
    events.extend(answer.usage.map(Event::Usage));
    events.push_back(Event::Finish(answer.finish));
    (Source::read_already(answer.session), events)
}

/// The session that was named last.
pub(super) fn named_in(events: &VecDeque<Event>) -> Option<&ChatSessionId> {
    events.iter().rev().find_map(|event| match event {
        Event::Session(session) => Some(session),
        _ => None,
    })
}

/// An answer that ends before it has said anything may be found elsewhere.
async fn fill(call: &mut Call, source: &Source, events: &mut VecDeque<Event>) -> Result<(), Failed> {
    let says = |event: &Event| matches!(event, Event::Text(_));
    let Some(end) = events.iter().position(|event| matches!(event, Event::Finish(_))) else { return Ok(()) };
    if events.iter().any(says) {
        return Ok(());
    }
    let named = named_in(events).or(source.named.as_ref()).cloned();
    if let Some(text) = call.fill(named.as_ref()).await? {
        events.insert(end, Event::Text(text));
    }
    Ok(())
}

/// What the first events show.
enum Proof {
    /// Text, or the end of an answer.
    Answers,
    /// Chipp does not know the session any more.
    Forgotten,
}

async fn prove(call: &mut Call, source: &mut Source, events: &mut VecDeque<Event>) -> Result<Proof, Failed> {
    let mut seen = 0;
    loop {
        // Then nobody may send the turn again, whatever is said of its session.
        let has_acted = source.decoder.has_called_tools();
        for event in events.iter().skip(seen) {
            match event {
                Event::Text(_) | Event::Finish(_) => return Ok(Proof::Answers),
                Event::Session(session) if !has_acted && call.is_forgotten(Some(session)) => {
                    return Ok(Proof::Forgotten);
                }
                Event::Failure(failure) if !has_acted && call.is_lost_session(failure) => {
                    return Ok(Proof::Forgotten);
                }
                Event::Failure(failure) => return Err(call.failure(failure)),
                Event::Session(_) | Event::Usage(_) | Event::Withdrawn(_) => {}
            }
        }
        seen = events.len();
        if let Read::Broken(broken) = source.read(events).await {
            return Err(call.broken(broken));
        }
    }
}
