//! What an answer has to be where that is more than text: calls of tools, JSON. What an app is told of it, and what is
//! made of what the app says then.
//!
//! The instructions are one system message, the same for the same request: so a session that has them is found, and they
//! are not sent into it again.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::{Route, Tools};
use crate::chipp;
use crate::openai::Error;
use crate::openai::chat::{
    CallForm, Called, CalledKind, ChatRequest, Format, Offer, Tool, ToolChoice, ToolInput,
};
use crate::translate::format::Shape;
use crate::translate::schema::{Checker, Unusable};
use crate::translate::tools::call::{Callable, INPUTS, calls_in};
use crate::translate::tools::find::{self, Found, Lead};
use crate::translate::tools::written;

/// Most problems that an app is told of.
const MAX_PROBLEMS: usize = 5;

/// What an answer has to be.
#[derive(Clone, Debug)]
pub struct Terms(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Option<Calls>,
    shape: Option<Shape>,
    instructions: String,
}

/// What may be called.
#[derive(Debug)]
struct Calls {
    tools: Vec<Callable>,
    must: bool,
    is_parallel: bool,
    form: CallForm,
}

/// How an app's text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The app has said all.
    Complete,
    /// Before a stop sequence.
    Stop,
    /// At a limit of tokens.
    Length,
    /// By a filter.
    Filtered,
}

/// What is made of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it has to be.
    Good(Heard),
    /// It is not.
    Bad(Problems),
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The text that [`Reader::push`] has not given yet.
    pub rest: String,
    /// The tools that are called.
    pub calls: Vec<Called>,
    /// Whether that is all of what the app said, and as it will be told when the client comes back.
    pub is_faithful: bool,
}

/// What is wrong with an answer, in words for the app.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Terms {
    /// Those of a request; `None` if any text will do.
    ///
    /// # Errors
    /// 400 for a schema that is none, or that cannot be used.
    pub fn of(request: &ChatRequest<'_>, route: &Route) -> Result<Option<Self>, Error> {
        let offer = request.offer.as_ref().filter(|_| route.tools == Tools::Emulate);
        if offer.is_none() && request.format == Format::Text {
            return Ok(None);
        }
        let calls = offer.map(Calls::of).transpose()?;
        let shape = shape(&request.format)?;
        let instructions = instructions(offer, &request.format);
        Ok(Some(Self(Arc::new(Inner { calls, shape, instructions }))))
    }

    /// What an app is told.
    pub fn instructions(&self) -> &str {
        &self.0.instructions
    }

    /// Puts the instructions into a history: after what it opens with.
    pub fn tell(&self, messages: &mut Vec<chipp::Message<'_>>) {
        let opening = messages.iter().take_while(|message| message.role == chipp::Role::System).count();
        let content = Cow::Owned(self.0.instructions.clone());
        messages.insert(opening, chipp::Message { role: chipp::Role::System, content });
    }

    /// Reads one answer.
    pub fn reader(&self) -> Reader {
        let is_held = self.0.shape.is_some() || self.0.calls.as_ref().is_none_or(|calls| calls.must);
        Reader { terms: Arc::clone(&self.0), said: String::new(), sent: 0, scanned: 0, is_held }
    }

    /// How calls are told to the client.
    pub fn form(&self) -> CallForm {
        self.0.calls.as_ref().map_or(CallForm::Tools, |calls| calls.form)
    }

    /// What an app is told whose answer is not what it has to be.
    pub fn repair(&self, problems: &Problems) -> String {
        let mut text = "Your last answer cannot be used:".to_owned();
        for problem in problems.0.iter().take(MAX_PROBLEMS) {
            // Writing into a string cannot fail.
            let _ = write!(text, "\n- {problem}");
        }
        text.push_str("\nAnswer again, with nothing but JSON as you were told, without a code fence and without other words");
        text.push_str(match (&self.0.calls, &self.0.shape) {
            (Some(calls), _) if calls.must => ": {\"tool_calls\":[…]}.",
            (Some(_), None) => ": {\"tool_calls\":[…]}; or, if no tool is needed, in words alone.",
            (Some(_), Some(_)) => ": {\"tool_calls\":[…]}, or the answer.",
            (None, _) => ".",
        });
        text
    }
}

impl Calls {
    fn of(offer: &Offer<'_>) -> Result<Self, Error> {
        let tools = offer.tools.iter().map(|tool| callable(tool, offer)).collect::<Result<_, _>>()?;
        Ok(Self {
            tools,
            must: offer.choice == ToolChoice::Required,
            is_parallel: offer.is_parallel && offer.form == CallForm::Tools,
            form: offer.form,
        })
    }

    fn is_offered(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }

    /// Whether something that is no JSON was to be a call: it says so, or it has the name of a tool and what that is given.
    fn is_meant(&self, text: &str, found: &Found) -> bool {
        let place = text.as_bytes().get(found.range.start..).unwrap_or_default();
        let head = place.get(..find::MAX_LEAD_BYTES).unwrap_or(place);
        let has = |word: &str| memchr::memmem::find(head, word.as_bytes()).is_some();
        let is_said = ["\"tool_call", "\"function_call", "<tool_call", "<function_call"].into_iter().any(has);
        let is_named = || self.tools.iter().any(|tool| has(&format!("\"{}\"", tool.name)));
        is_said || (INPUTS.iter().any(|key| has(&format!("\"{key}\""))) && is_named())
    }
}

fn callable(tool: &Tool<'_>, offer: &Offer<'_>) -> Result<Callable, Error> {
    let name = tool.name.to_string();
    match &tool.input {
        ToolInput::Text { .. } => Ok(Callable { name, kind: CalledKind::Custom, checker: None }),
        ToolInput::Arguments { schema, .. } => {
            let checker = schema.as_ref().map(|schema| checker(schema)).transpose();
            let checker = checker.map_err(|unusable| {
                let holder = if offer.form == CallForm::Tools { ".function" } else { "" };
                let path = format!("{}[{}]{holder}.parameters", offer.field, tool.place);
                let of = format!("function '{name}'");
                Error::invalid_schema(&path, &of, "invalid_function_parameters", &why(&unusable))
            })?;
            Ok(Callable { name, kind: CalledKind::Function, checker })
        }
    }
}

fn shape(format: &Format<'_>) -> Result<Option<Shape>, Error> {
    let schema = match format {
        Format::Text => return Ok(None),
        Format::JsonObject => return Ok(Some(Shape::Object)),
        Format::JsonSchema(schema) => schema,
    };
    let Some(tree) = &schema.schema else { return Ok(Some(Shape::Any)) };
    let checker = checker(tree).map_err(|unusable| {
        let of = format!("response_format '{}'", schema.name);
        let path = "response_format.json_schema.schema";
        Error::invalid_schema(path, &of, "invalid_json_schema", &why(&unusable))
    })?;
    Ok(Some(Shape::Schema(checker)))
}

fn checker(schema: &crate::openai::json::Value<'_>) -> Result<Checker, Unusable> {
    // Only a map with keys that are no strings, or a number that is none, could fail.
    Checker::new(serde_json::to_value(schema).unwrap_or_default())
}

fn why(unusable: &Unusable) -> String {
    match unusable {
        Unusable::TooLarge => "It is too large or nests too deep.".to_owned(),
        Unusable::Remote => "A '$ref' leads to another document; only '#…' is supported.".to_owned(),
        Unusable::Invalid(place) if place.is_empty() => "It is not a valid JSON Schema.".to_owned(),
        Unusable::Invalid(place) => format!("It is not a valid JSON Schema at '{place}'."),
    }
}

/// What an app is told of tools and formats.
fn instructions(offer: Option<&Offer<'_>>, format: &Format<'_>) -> String {
    let mut text = String::new();
    if let Some(offer) = offer {
        tell_tools(offer, &mut text);
    }
    let form = match format {
        Format::Text => return text,
        Format::JsonObject => "one JSON object".to_owned(),
        Format::JsonSchema(schema) => {
            let mut told = Map::new();
            told.insert("name".to_owned(), schema.name.to_string().into());
            if let Some(description) = &schema.description {
                told.insert("description".to_owned(), description.to_string().into());
            }
            match &schema.schema {
                None => "JSON".to_owned(),
                Some(tree) => {
                    told.insert("schema".to_owned(), serde_json::to_value(tree).unwrap_or_default());
                    format!("JSON that is valid against the JSON Schema in\n{}", Value::Object(told))
                }
            }
        }
    };
    if offer.is_some() {
        text.push_str("\n\nWhen you call no tool, answer with ");
    } else {
        text.push_str("Answer with ");
    }
    text.push_str(&form);
    text.push_str("\nand with nothing else: no code fence, no words before or after it.");
    text
}

fn tell_tools(offer: &Offer<'_>, text: &mut String) {
    let definitions: Vec<String> = offer.tools.iter().map(definition).collect();
    let is_text = |tool: &Tool<'_>| matches!(tool.input, ToolInput::Text { .. });
    text.push_str("You can call tools. These are on offer:\n[");
    text.push_str(&definitions.join(",\n"));
    text.push_str("]\nTo call them, answer with nothing but JSON of this form: no code fence, no words before or after it.\n");
    text.push_str(r#"{"tool_calls":[{"name":"the tool's name","arguments":{}}]}"#);
    text.push_str("\nThe arguments have to be valid against the tool's parameters.");
    if offer.tools.iter().any(is_text) {
        text.push_str(
            " A tool of the type custom has no arguments: it takes text, as a string under \"input\".",
        );
    }
    text.push_str(
        " What a tool gives comes in the next message, after a line like [result of the tool's name].",
    );
    text.push_str(match (offer.is_parallel, offer.form) {
        (true, CallForm::Tools) => " Several tools can be called in one answer.",
        _ => " Only one tool can be called in one answer.",
    });
    text.push_str(match offer.choice {
        ToolChoice::Auto => " Call tools only where they are needed; else answer as usual.",
        ToolChoice::Required => " Your next answer has to be a call.",
    });
}

/// A tool as its users define it, in the order in which they do.
fn definition(tool: &Tool<'_>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut inner = format!("{{\"name\":{}", quoted(&tool.name));
    if let Some(description) = &tool.description {
        let _ = write!(inner, ",\"description\":{}", quoted(description));
    }
    match &tool.input {
        ToolInput::Arguments { schema, .. } => {
            let parameters = schema.as_ref().and_then(|schema| serde_json::to_string(schema).ok());
            let parameters = parameters.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#);
            format!(r#"{{"type":"function","function":{inner},"parameters":{parameters}}}}}"#)
        }
        ToolInput::Text { grammar } => {
            if let Some(grammar) = grammar {
                let _ = write!(inner, ",\"grammar\":{}", quoted(grammar));
            }
            format!(r#"{{"type":"custom","custom":{inner}}}}}"#)
        }
    }
}

/// Reads an answer as it comes.
#[derive(Debug)]
pub struct Reader {
    terms: Arc<Inner>,
    /// All that the app has said.
    said: String,
    /// How much of it the client has.
    sent: usize,
    /// How much of it is prose for sure.
    scanned: usize,
    /// Nothing more goes out before the end.
    is_held: bool,
}

impl Reader {
    /// Takes more text; gives what the client can have of it now, which may be nothing.
    pub fn push(&mut self, text: &str) -> String {
        self.said.push_str(text);
        if self.is_held {
            return String::new();
        }
        self.scanned = match find::next(&self.said, self.scanned) {
            None => self.said.len(),
            Some((at, lead)) => {
                self.is_held = matches!(lead, Lead::Yes(_));
                at
            }
        };
        let end = self.said.get(..self.scanned).unwrap_or_default().trim_end().len().max(self.sent);
        let out = self.said.get(self.sent..end).unwrap_or_default().to_owned();
        self.sent = end;
        out
    }

    /// The text has ended.
    pub fn finish(self, ended: Ended) -> Verdict {
        let is_whole = matches!(ended, Ended::Complete | Ended::Stop);
        if let Some(calls) = &self.terms.calls {
            let found = find::all(&self.said);
            match self.calls(calls, &found) {
                Ok(Some(heard)) => return Verdict::Good(heard),
                Err(problems) if is_whole => return Verdict::Bad(problems),
                Ok(None) if is_whole && calls.must => {
                    return Verdict::Bad(Problems(vec!["it calls no tool".to_owned()]));
                }
                Ok(None) | Err(_) => {}
            }
            if !is_whole {
                // What may have become a call is none.
                let end = find::next(&self.said, 0).map_or(self.said.len(), |(start, _)| start);
                return Verdict::Good(self.prose(end));
            }
        }
        let Some(shape) = &self.terms.shape else { return Verdict::Good(self.prose(self.said.len())) };
        match shape.take(&self.said) {
            Ok(json) => Verdict::Good(Heard {
                is_faithful: is_whole && self.said.trim_end() == json,
                rest: json.to_owned(),
                calls: Vec::new(),
            }),
            Err(problems) if is_whole => Verdict::Bad(Problems(problems)),
            Err(_) => Verdict::Good(Heard { rest: String::new(), calls: Vec::new(), is_faithful: false }),
        }
    }

    /// The text up to here. A JSON format leaves no room for prose.
    fn prose(&self, end: usize) -> Heard {
        let rest = self.said.get(self.sent..end).filter(|_| self.terms.shape.is_none()).unwrap_or_default();
        Heard { rest: rest.to_owned(), calls: Vec::new(), is_faithful: end == self.said.len() }
    }

    /// The calls in what the app said, with the words before them; `None` if it makes none.
    fn calls(&self, calls: &Calls, found: &[Found]) -> Result<Option<Heard>, Problems> {
        let mut called = Vec::new();
        let mut problems = Vec::new();
        let mut start = None;
        let mut end = 0;
        for one in found {
            let between = self.said.get(end..one.range.start).unwrap_or_default();
            if start.is_some() && !find::is_packing(between) {
                // What comes behind other words was not said to us: some go on with results that they make up.
                break;
            }
            let made = one.value.as_ref().map(|value| calls_in(value, &|name| calls.is_offered(name)));
            match made {
                Some(Some(made)) => {
                    start = start.or(Some(one.range.start));
                    end = one.range.end;
                    if made.is_empty() {
                        problems.push("its list of calls is empty".to_owned());
                    }
                    for call in made {
                        match call.check(&calls.tools) {
                            Ok(call) => called.push(call),
                            Err(problem) => problems.push(problem),
                        }
                    }
                }
                None if calls.is_meant(&self.said, one) => {
                    problems.push("the JSON of its calls is not valid".to_owned());
                }
                Some(None) | None => {}
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let Some(start) = start else { return Ok(None) };
        let whole = called.len();
        if !calls.is_parallel {
            // The app will make the others when it has the result of this one.
            called.truncate(1);
        }
        let words = self.said.get(..start).unwrap_or_default().trim_end();
        let words = if self.terms.shape.is_some() { "" } else { words };
        let is_faithful = called.len() == whole && self.says_just(&called, found, words);
        let rest = words.get(self.sent..).unwrap_or_default().to_owned();
        Ok(Some(Heard { rest, calls: called, is_faithful }))
    }

    /// Whether the app has said these words and these calls and nothing else, be it spelled in another way.
    fn says_just(&self, calls: &[Called], found: &[Found], words: &str) -> bool {
        let [Found { range, value: Some(value) }] = found else { return false };
        let is_bare = self.said.get(range.start..).is_some_and(|text| text.starts_with('{'));
        let is_last = range.end == self.said.trim_end().len();
        let before = self.said.get(..range.start).unwrap_or_default().trim_end();
        let told = serde_json::from_str::<Value>(&written("", calls));
        is_bare && is_last && before == words && told.is_ok_and(|told| told == *value)
    }
}

#[cfg(test)]
mod tests;
