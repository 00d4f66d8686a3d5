//! What becomes of a request, told without sending it; and the table of parameters, as the README has it too.
//!
//! It asks the same code that answers requests: the reader, the catalog, the translation, the hashes of histories. Nothing
//! is connected to and nothing is stored, so the sessions are those of a proxy that has just started, and what a
//! client says in headers is not known: its key, its conversation, its wishes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::catalog::Route;
use crate::chipp;
use crate::config::{Config, Strategy};
use crate::openai::Error;
use crate::openai::chat::{ChatRequest, Handling, PARAMETERS};
use crate::openai::json::{self, Value};
use crate::session::{Fingerprinter, History, Local, Mode, Outcome, ScopeParts, Store, Turn};
use crate::translate;

/// What stands for the caller in the hashes: without a key, any will do.
const NOBODY: &[u8] = &[0; 16];

/// What becomes of one request. Printed for a person.
#[derive(Debug)]
pub struct Explanation<'a> {
    model: Cow<'a, str>,
    route: Arc<Route>,
    stream: bool,
    outcome: Outcome,
    sought: Sought,
    messages: Vec<chipp::Message<'a>>,
    parameters: Parameters<'a>,
}

/// Which session is looked for.
#[derive(Debug)]
enum Sought {
    /// None.
    Nothing,
    /// One that holds so many messages of the history, and no others; the longest first.
    Beginning(Vec<usize>),
    /// The one of this user.
    OfUser(String),
}

/// The names of the fields that were given, by what becomes of them.
#[derive(Debug, Default)]
struct Parameters<'a> {
    /// By their handling in the table, but for those below.
    given: Vec<(Handling, Cow<'a, str>)>,
    /// As `x-chipp-ignored-params` has them.
    ignored: Vec<Cow<'a, str>>,
}

/// The table of parameters, in Markdown: what `chipp-proxy explain` prints without a request.
pub fn parameter_table() -> String {
    let mut table = "| handling | what that means | parameters |\n|---|---|---|\n".to_owned();
    for handling in Handling::ALL {
        let names = PARAMETERS.iter().filter(|parameter| parameter.handling == handling);
        let names: Vec<_> = names.map(|parameter| format!("`{}`", parameter.name)).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(table, "| {} | {} | {} |", handling.as_str(), handling.meaning(), names.join(", "));
    }
    table
}

/// What becomes of a request with this body, in a proxy that has just started.
///
/// # Errors
/// What the client would get.
pub fn request<'a>(
    body: &'a [u8],
    config: &Config,
    fingerprinter: &Fingerprinter,
) -> Result<Explanation<'a>, Error> {
    if body.len() > config.server.body_limit {
        return Err(Error::body_too_large(config.server.body_limit));
    }
    let mut request = ChatRequest::parse(body)?;
    let route =
        config.models.resolve(&request.model).ok_or_else(|| Error::model_not_found(&request.model))?;
    let ignored = translate::request::parameters(&request, route, config.parameters)?;
    let messages = translate::request::messages(std::mem::take(&mut request.messages), route)?;
    let parts = ScopeParts {
        credential: NOBODY,
        user: request.user.as_deref(),
        app: route.app.as_str(),
        conversation: None,
    };
    let scope = fingerprinter.scope(parts);
    let mode = match config.sessions.strategy {
        Strategy::Off => Mode::Off,
        Strategy::Sticky if request.user.is_some() => Mode::Sticky,
        Strategy::Sticky | Strategy::Conversation => Mode::Conversation,
    };
    let sought = match (&mode, &request.user) {
        (Mode::Sticky, Some(user)) => Sought::OfUser(user.to_string()),
        (Mode::Conversation, _) => {
            let (_, heads) = History::of(&scope, &messages);
            Sought::Beginning(heads.into_iter().map(|(holds, _)| holds).collect())
        }
        _ => Sought::Nothing,
    };
    let empty = Store::Memory(Local::new(config.sessions.ttl, config.sessions.capacity));
    let outcome = Turn::begin(&Arc::new(empty), mode, &scope, &messages).outcome();
    Ok(Explanation {
        outcome,
        sought,
        messages,
        parameters: Parameters::of(body, ignored)?,
        stream: request.stream,
        route: Arc::clone(route),
        model: request.model,
    })
}

impl<'a> Parameters<'a> {
    /// `ignored`: those that have no effect, whatever the table says.
    fn of(body: &'a [u8], ignored: Vec<Cow<'a, str>>) -> Result<Self, Error> {
        let mut given = Vec::new();
        let mut fields = json::parse(body)?.into_iter();
        while let Some((key, value)) = fields.next() {
            // Of equal keys the last one counts.
            let is_given = value != Value::Null && !fields.as_slice().iter().any(|(later, _)| *later == key);
            let parameter = PARAMETERS.iter().find(|parameter| parameter.name == key);
            if let Some(parameter) = parameter.filter(|_| is_given && !ignored.contains(&key)) {
                given.push((parameter.handling, key));
            }
        }
        Ok(Self { given, ignored })
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model       {:?}", self.model)?;
        writeln!(f, "  alias     {}", self.route.alias)?;
        writeln!(f, "  app       {}", self.route.app.as_str())?;
        if !self.route.fallbacks.is_empty() {
            writeln!(f, "  fallbacks {}", self.route.fallbacks.join(", "))?;
        }
        writeln!(f, "answer      {}", if self.stream { "a stream" } else { "plain" })?;
        writeln!(f, "session     {}, in a proxy that has just started", self.outcome.as_str())?;
        writeln!(f, "  sought    {}", self.sought)?;
        writeln!(f, "messages    {}, all sent", self.messages.len())?;
        for message in &self.messages {
            let role = match message.role {
                chipp::Role::System => "system",
                chipp::Role::User => "user",
                chipp::Role::Assistant => "assistant",
            };
            // As JSON, so that lines and control characters in the text are seen and do nothing.
            let text = serde_json::to_string(&message.content).map_err(|_| fmt::Error)?;
            writeln!(f, "  {role:<9} {text}")?;
        }
        writeln!(f, "parameters")?;
        self.parameters.fmt(f)
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none: the strategy is off"),
            Self::OfUser(user) => write!(f, "the one of user {user:?}, for this app and opening"),
            Self::Beginning(lengths) if lengths.is_empty() => {
                f.write_str("none: no answer stands before the last message")
            }
            Self::Beginning(lengths) => {
                let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
                write!(f, "one that holds exactly the first {} messages", lengths.join(" or "))
            }
        }
    }
}

impl fmt::Display for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for handling in Handling::ALL {
            let given = self.given.iter().filter(|(of, _)| *of == handling).map(|(_, name)| name);
            let names = match handling {
                Handling::Ignored => listed(&self.ignored),
                Handling::Honoured | Handling::Emulated | Handling::Refused => listed(given),
            };
            let meaning = match handling {
                // Else there would be an error, and no explanation.
                Handling::Refused => "asks for nothing that Chipp has not, so it passes",
                other => other.meaning(),
            };
            if !names.is_empty() {
                writeln!(f, "  {:<9} {names}: {meaning}", handling.as_str())?;
            }
        }
        Ok(())
    }
}

/// Names with commas. Those that OpenAI does not know can be anything.
fn listed<'n>(names: impl IntoIterator<Item = &'n Cow<'n, str>>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.escape_debug().to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
