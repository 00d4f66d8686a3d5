//! Several answers to one request (`n`): as many calls of Chipp side by side, each in a session of its own, so that
//! whichever answer the client goes on with is remembered.
//!
//! Before the first byte, one call that fails fails the request. After it, the others speak on to their ends, and then
//! the client is told.

use std::fmt;
use std::pin::Pin;

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{SelectAll, Stream, StreamExt as _, unfold};

use crate::openai::Error;
use crate::openai::usage::Usage;
use crate::proxy::answer::Answer;
use crate::proxy::call::Call;
use crate::proxy::exchange::{Exchange, Refused};
use crate::proxy::live::{End, Live};
use crate::proxy::writer::{self, Writer};
use crate::translate;
use crate::translate::reply::UsageSource;

/// The plain answer.
pub(super) async fn answer(first: Call) -> Result<Answer, Box<Refused>> {
    let ask = first.ask.clone();
    let (mut exchange, mut calls) = spread(first).await?;
    let judged = try_join_all(calls.iter_mut().map(Call::judged)).await;
    let judged = match judged {
        Ok(judged) => judged,
        Err(error) => {
            // Each of them knows how far it came.
            exchange.is_repeatable();
            absorb(&mut exchange, calls);
            return Err(Refused::new(error, exchange));
        }
    };
    let concluded = calls.iter_mut().zip(judged).map(|(call, judged)| call.conclude(judged));
    let concluded = join_all(concluded).await;
    let usages: Vec<_> = concluded.iter().map(|one| one.usage).collect();
    let (usage, source, spent) = translate::reply::total(&usages, ask.prompts);
    let echoes: Vec<&str> = calls.iter().map(|call| &*call.attempt.echo).collect();
    let (body, _) = writer::whole(&ask, &concluded, &echoes, usage);
    absorb(&mut exchange, calls);
    exchange.complete(usage, source, spent).await;
    Ok(Answer::Plain { exchange, body })
}

/// A call for each choice. The request's own exchange stands apart from theirs.
async fn spread(mut first: Call) -> Result<(Exchange, Vec<Call>), Box<Refused>> {
    let aside = first.exchange.aside();
    let mut exchange = std::mem::replace(&mut first.exchange, aside);
    let mut others = Vec::new();
    for choice in 1..first.ask.choices {
        match first.beside(&exchange, choice).await {
            Ok(call) => others.push(call),
            Err(error) => return Err(Refused::new(error, exchange)),
        }
    }
    exchange.goes_out();
    let mut calls = vec![first];
    calls.append(&mut others);
    Ok((exchange, calls))
}

fn absorb(exchange: &mut Exchange, calls: Vec<Call>) {
    for (index, call) in calls.into_iter().enumerate() {
        exchange.absorb(index, &call.exchange);
    }
}

/// Several running answers in one stream.
pub(super) struct Choices {
    pub(super) exchange: Exchange,
    /// For the end of the stream, which belongs to no choice.
    writer: Writer,
    voices: SelectAll<Voice>,
    /// How many have not ended.
    running: usize,
    /// How many prompts they answer.
    prompts: u32,
    /// By their index.
    usages: Vec<(Usage, UsageSource)>,
    /// What the first one that broke has broken with.
    broken: Option<Error>,
}

type Voice = Pin<Box<dyn Stream<Item = Said>>>;

/// What one of them brings.
struct Said {
    events: Vec<u8>,
    /// Which one it was, what it tells of itself, and how it ended; once it has.
    end: Option<Box<(usize, Exchange, End)>>,
}

impl Choices {
    /// Sends the requests, and reads on until every answer has shown that it is one.
    pub(super) async fn open(first: Call) -> Result<Self, Box<Refused>> {
        let (writer, prompts) = (Writer::of(&first), first.ask.prompts);
        let (mut exchange, calls) = spread(first).await?;
        let opened = calls.into_iter().zip(0_u32..).map(|(call, index)| {
            let writer = writer.of_choice(index, &call);
            Live::open(call, writer)
        });
        let lives = match try_join_all(opened).await {
            Ok(lives) => lives,
            Err(refused) => {
                exchange.absorb(0, &refused.exchange);
                return Err(Refused::new(refused.error, exchange));
            }
        };
        if let Some(first) = lives.first() {
            exchange.follow(&first.call.exchange);
        }
        exchange.record.status = 200;
        let running = lives.len();
        let voices = lives.into_iter().enumerate().map(|(index, live)| voice(index, live));
        Ok(Self {
            exchange,
            writer,
            voices: voices.collect(),
            running,
            prompts,
            usages: vec![(Usage::default(), UsageSource::Upstream); running],
            broken: None,
        })
    }

    /// The next events for the client; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let Said { mut events, end } = self.voices.next().await?;
            if let Some(end) = end {
                self.note(*end);
                if self.running == 0 {
                    self.close(&mut events).await;
                }
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// We broke in the middle.
    pub(super) fn panicked(&mut self, out: &mut Vec<u8>) {
        let error = Error::internal();
        self.exchange.broke(&error);
        self.writer.fail(&error, out);
    }

    fn note(&mut self, (index, aside, end): (usize, Exchange, End)) {
        self.running -= 1;
        self.exchange.absorb(index, &aside);
        match end {
            Ok(usage) => {
                if let Some(place) = self.usages.get_mut(index) {
                    *place = usage;
                }
            }
            Err(error) => self.broken = self.broken.take().or(Some(error)),
        }
    }

    /// The end of the stream: a true one only if every answer has ended well.
    async fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(error) = &self.broken {
            self.exchange.broke(error);
            self.writer.fail(error, out);
            return;
        }
        let (usage, source, spent) = translate::reply::total(&self.usages, self.prompts);
        self.exchange.complete(usage, source, spent).await;
        self.writer.done(usage, out);
    }
}

/// One answer as a stream of what it brings, up to the end of its body.
fn voice(index: usize, live: Live) -> Voice {
    Box::pin(unfold(live, move |mut live| async move {
        let events = live.next().await?;
        let end = live.take_end().map(|end| {
            let aside = live.call.exchange.aside();
            Box::new((index, std::mem::replace(&mut live.call.exchange, aside), end))
        });
        Some((Said { events, end }, live))
    }))
}

impl fmt::Debug for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choices")
    }
}
