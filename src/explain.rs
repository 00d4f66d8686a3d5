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
use crate::openai::chat::{self, Handling};
use crate::openai::json::{self, Value};
use crate::openai::{Error, responses, text_completion};
use crate::proxy::Question;
use crate::proxy::question::Asked;
use crate::session::{Fingerprinter, History, Local, Mode, Outcome, ScopeParts, Store, Turn};
use crate::translate;
use crate::translate::terms::Terms;

/// What stands for the caller in the hashes: without a key, any will do.
const NOBODY: &[u8] = &[0; 16];

/// What becomes of one request. Printed for a person.
#[derive(Debug)]
pub struct Explanation<'a> {
    model: Cow<'a, str>,
    route: Arc<Route>,
    endpoint: &'static str,
    stream: bool,
    choices: u32,
    prompts: u32,
    outcome: Outcome,
    sought: Sought,
    messages: Vec<chipp::Message<'static>>,
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

/// The fields of an endpoint's request, and what becomes of each.
type Fields = fn() -> Vec<(&'static str, Handling)>;

/// The endpoints that have parameters, below `/v1`.
pub const ENDPOINTS: [(&str, Fields); 3] = [
    ("chat/completions", || chat::PARAMETERS.iter().map(|of| (of.name, of.handling)).collect()),
    ("responses", || responses::PARAMETERS.iter().map(|of| (of.name, of.handling)).collect()),
    ("completions", || text_completion::PARAMETERS.iter().map(|of| (of.name, of.handling)).collect()),
];

/// The table of parameters, in Markdown: what `chipp-proxy explain` prints without a request.
pub fn parameter_table() -> String {
    let mut table = "| endpoint | handling | what that means | parameters |\n|---|---|---|---|\n".to_owned();
    for (endpoint, parameters) in ENDPOINTS {
        for handling in Handling::ALL {
            let names = parameters().into_iter().filter(|(_, of)| *of == handling);
            let names: Vec<_> = names.map(|(name, _)| format!("`{name}`")).collect();
            if !names.is_empty() {
                let (word, meaning) = (handling.as_str(), handling.meaning());
                // Writing into a string cannot fail.
                let _ = writeln!(table, "| {endpoint} | {word} | {meaning} | {} |", names.join(", "));
            }
        }
    }
    table
}

/// What becomes of a request with this body, in a proxy that has just started.
///
/// # Errors
/// What the client would get.
pub fn request<'a>(
    question: &'a Question,
    config: &Config,
    fingerprinter: &Fingerprinter,
) -> Result<Explanation<'a>, Error> {
    explain(question, config, fingerprinter).map_err(|error| question.spelled(error))
}

fn explain<'a>(
    question: &'a Question,
    config: &Config,
    fingerprinter: &Fingerprinter,
) -> Result<Explanation<'a>, Error> {
    if question.body().len() > config.server.body_limit {
        return Err(Error::body_too_large(config.server.body_limit));
    }
    let Asked { mut request, prompts, .. } = question.read(0)?;
    let route =
        config.models.resolve(&request.model).ok_or_else(|| Error::model_not_found(&request.model))?;
    let ignored = translate::request::parameters(&request, route, config.parameters)?;
    let terms = Terms::of(&request, route)?;
    let history = std::mem::take(&mut request.messages);
    let mut messages = translate::request::messages(history, route)?;
    if let Some(terms) = &terms {
        terms.tell(&mut messages);
    }
    let owned = |message: chipp::Message<'_>| chipp::Message {
        role: message.role,
        content: Cow::Owned(message.content.into_owned()),
    };
    let parts = ScopeParts {
        credential: NOBODY,
        user: request.user.as_deref(),
        app: route.app.as_str(),
        conversation: None,
    };
    let scope = fingerprinter.scope(parts);
    let mode = match config.sessions.strategy {
        Strategy::Off => Mode::Off,
        _ if !question.is_conversation() => Mode::Off,
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
        messages: messages.into_iter().map(owned).collect(),
        parameters: Parameters::of(question, ignored)?,
        endpoint: question.endpoint(),
        stream: request.stream,
        choices: request.n,
        prompts,
        route: Arc::clone(route),
        model: request.model,
    })
}

impl<'a> Parameters<'a> {
    /// `ignored`: those that have no effect, whatever the table says.
    fn of(question: &'a Question, ignored: Vec<Cow<'a, str>>) -> Result<Self, Error> {
        let known = ENDPOINTS.iter().find(|(endpoint, _)| *endpoint == question.endpoint());
        let known = known.map_or_else(Vec::new, |(_, parameters)| parameters());
        let mut given = Vec::new();
        let mut fields = json::parse(question.body())?.into_iter();
        while let Some((key, value)) = fields.next() {
            // Of equal keys the last one counts.
            let is_given = value != Value::Null && !fields.as_slice().iter().any(|(later, _)| *later == key);
            let parameter = known.iter().find(|(name, _)| *name == key);
            if let Some((_, handling)) = parameter.filter(|_| is_given && !ignored.contains(&key)) {
                given.push((*handling, key));
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
        writeln!(f, "endpoint    POST /v1/{}", self.endpoint)?;
        writeln!(f, "answer      {}", if self.stream { "a stream" } else { "plain" })?;
        if self.choices > 1 {
            writeln!(f, "  choices   {}, each with a call of its own", self.choices)?;
        }
        writeln!(f, "session     {}, in a proxy that has just started", self.outcome.as_str())?;
        writeln!(f, "  sought    {}", self.sought)?;
        let of = if self.prompts > 1 { " for the first prompt" } else { "" };
        writeln!(f, "messages    {}, all sent{of}", self.messages.len())?;
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
            Self::Nothing => f.write_str("none: no session is kept"),
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
