//! The one table of the request's fields: what becomes of each, and how it is read.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::openai::Error;
use crate::openai::chat::caps::{
    ANY, MAX_FIELDS, MAX_MODEL_CHARS, MAX_SAFETY_IDENTIFIER_CHARS, MAX_TOOLS, MAX_USER_CHARS,
};
use crate::openai::chat::{CallForm, Choice, Format, Handling, Offer, Tool};
use crate::openai::conversation::{self, NewItem};
use crate::openai::json::{self, At, Object, Path, Value};
use crate::openai::responses::fields;

/// Fewest tokens that an answer may be limited to (OpenAI's).
const MIN_OUTPUT_TOKENS: i128 = 16;

/// A checked request.
#[derive(Debug)]
pub struct ResponseRequest<'a> {
    /// The alias asked for.
    pub model: Cow<'a, str>,
    /// `input`; text alone is a message of the user's.
    pub input: Vec<Given>,
    /// `instructions`
    pub instructions: Option<Cow<'a, str>>,
    /// `stream`
    pub stream: bool,
    /// `max_output_tokens`
    pub max_output_tokens: Option<u64>,
    /// The tools that may be called.
    pub offer: Option<Offer<'a>>,
    /// `text.format`
    pub format: Format<'a>,
    /// `previous_response_id`
    pub previous: Option<Cow<'a, str>>,
    /// `conversation`
    pub conversation: Option<Cow<'a, str>>,
    /// `store`
    pub store: bool,
    /// `safety_identifier`, else `user`: who is asking on the client's side.
    pub user: Option<Cow<'a, str>>,
    /// Fields that are valid, were given a value other than null, and that the proxy leaves without effect; in the request's order.
    pub ignored: Vec<&'static str>,
    /// Fields that OpenAI does not know; in the request's order.
    pub unknown: Vec<Cow<'a, str>>,
    /// The fields of the answer that repeat the request's, as JSON: `"metadata":{},…`.
    pub echo: String,
}

/// An element of `input`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// An item.
    Item(NewItem),
    /// The id of one that was said before, and its place in `input`.
    Reference(String, usize),
}

/// A field of the request.
#[derive(Clone, Copy)]
pub struct ResponseParameter {
    /// Its name in the body.
    pub name: &'static str,
    /// What becomes of it.
    pub handling: Handling,
    read: Read,
}

/// Checks a value and keeps what matters of it.
type Read = for<'a> fn(&mut Draft<'a>, At<'_, 'a>) -> Result<(), Error>;

impl fmt::Debug for ResponseParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.handling)
    }
}

const fn honoured(name: &'static str, read: Read) -> ResponseParameter {
    ResponseParameter { name, handling: Handling::Honoured, read }
}

const fn emulated(name: &'static str, read: Read) -> ResponseParameter {
    ResponseParameter { name, handling: Handling::Emulated, read }
}

const fn ignored(name: &'static str, read: Read) -> ResponseParameter {
    ResponseParameter { name, handling: Handling::Ignored, read }
}

const fn refused(name: &'static str, read: Read) -> ResponseParameter {
    ResponseParameter { name, handling: Handling::Refused, read }
}

/// Every field that OpenAI knows, those first that most requests have.
pub const PARAMETERS: &[ResponseParameter] = &[
    honoured("model", |draft, at| at.string_up_to(MAX_MODEL_CHARS).map(|model| draft.model = model)),
    honoured("input", |draft, at| {
        draft.input = Some(fields::input(at)?);
        Ok(())
    }),
    honoured("instructions", |draft, at| at.string().map(|text| draft.instructions = Some(text))),
    honoured("stream", |draft, at| at.boolean().map(|stream| draft.stream = stream)),
    honoured("stream_options", |draft, at| {
        at.object()?.optional("include_obfuscation").map(At::boolean).transpose()?;
        draft.stream_options = true;
        Ok(())
    }),
    honoured("previous_response_id", |draft, at| at.string().map(|id| draft.previous = Some(id))),
    honoured("conversation", |draft, at| {
        draft.conversation = Some(match at.value() {
            Value::String(_) => at.string()?,
            Value::Object(_) => at.object()?.required("id")?.string()?,
            _ => return Err(at.mismatch("one of a string or object")),
        });
        Ok(())
    }),
    honoured("store", |draft, at| at.boolean().map(|store| draft.store = Some(store))),
    honoured("metadata", |draft, at| conversation::metadata(at).map(|json| draft.metadata = Some(json))),
    honoured("user", |draft, at| at.string_up_to(MAX_USER_CHARS).map(|user| draft.user = user)),
    honoured("safety_identifier", |draft, at| {
        draft.safety_identifier = at.string_up_to(MAX_SAFETY_IDENTIFIER_CHARS)?;
        Ok(())
    }),
    emulated("max_output_tokens", |draft, at| {
        let count = at.integer(MIN_OUTPUT_TOKENS..=u64::MAX.into())?;
        draft.max_output_tokens = Some(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(())
    }),
    emulated("tools", |draft, at| {
        draft.tools = at.list("an array of objects", 0..=MAX_TOOLS, fields::tool)?;
        Ok(())
    }),
    emulated("tool_choice", |draft, at| {
        draft.tool_choice_echo = serde_json::to_string(at.value()).ok();
        draft.tool_choice = Some(fields::tool_choice(at)?);
        Ok(())
    }),
    emulated("parallel_tool_calls", |draft, at| at.boolean().map(|may| draft.is_serial = !may)),
    emulated("text", |draft, at| {
        let text = fields::text(at)?;
        if text.has_verbosity {
            draft.ignored.push("text.verbosity");
        }
        draft.format = text.format;
        draft.text_echo = Some(text.echo);
        Ok(())
    }),
    ignored("temperature", |draft, at| at.decimal(0.0..=2.0).map(|value| draft.temperature = Some(value))),
    ignored("top_p", |draft, at| at.decimal(0.0..=1.0).map(|value| draft.top_p = Some(value))),
    honoured("truncation", |draft, at| {
        draft.truncates = at.choice(&[("auto", true), ("disabled", false)])?;
        Ok(())
    }),
    ignored("reasoning", |draft, at| fields::reasoning(at).map(|echo| draft.reasoning_echo = Some(echo))),
    ignored("include", |_, at| {
        at.list("an array of strings", 0..=ANY, |at| {
            let path = at.path().to_string();
            if at.choice(fields::INCLUDES)? {
                let instead = "Chipp gives no log probabilities.";
                return Err(Error::unsupported_value(&path, "log probabilities", instead));
            }
            Ok(())
        })
        .map(drop)
    }),
    ignored("service_tier", |_, at| {
        at.choice(&[("auto", ()), ("default", ()), ("flex", ()), ("scale", ()), ("priority", ())])
    }),
    ignored("prompt_cache_key", |draft, at| at.string().map(|key| draft.prompt_cache_key = Some(key))),
    ignored("prompt_cache_retention", |_, at| {
        at.choice(&[("in_memory", ()), ("24h", ()), ("in-memory", ())])
    }),
    ignored("max_tool_calls", |draft, at| {
        draft.max_tool_calls = Some(at.integer(1..=i128::from(u32::MAX))?);
        Ok(())
    }),
    ignored("context_management", |_, at| {
        at.list("an array of objects", 1..=ANY, |at| at.object().map(drop)).map(drop)
    }),
    refused("background", |_, at| {
        if at.boolean()? {
            let instead = "Responses are given at once; use 'stream' for those that take long.";
            return Err(Error::unsupported_parameter("background", instead));
        }
        Ok(())
    }),
    refused("top_logprobs", |_, at| {
        if at.integer(0..=20)? > 0 {
            return Err(Error::unsupported_parameter("top_logprobs", "Chipp gives no log probabilities."));
        }
        Ok(())
    }),
    refused("prompt", |_, at| {
        at.object()?.required("id")?.string()?;
        Err(Error::unsupported_parameter(
            "prompt",
            "Templates are not kept here; send 'instructions' and 'input'.",
        ))
    }),
];

impl<'a> ResponseRequest<'a> {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// A 400 in OpenAI's words that names the first bad field.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        read(json::parse(body)?)
    }
}

/// What was read so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a field of its own")]
struct Draft<'a> {
    model: Cow<'a, str>,
    input: Option<Vec<Given>>,
    instructions: Option<Cow<'a, str>>,
    stream: bool,
    stream_options: bool,
    previous: Option<Cow<'a, str>>,
    conversation: Option<Cow<'a, str>>,
    store: Option<bool>,
    metadata: Option<String>,
    user: Cow<'a, str>,
    safety_identifier: Cow<'a, str>,
    max_output_tokens: Option<u64>,
    max_tool_calls: Option<i128>,
    /// Each with its own JSON.
    tools: Vec<(Tool<'a>, String)>,
    tool_choice: Option<Choice<'a>>,
    tool_choice_echo: Option<String>,
    is_serial: bool,
    format: Format<'a>,
    text_echo: Option<String>,
    reasoning_echo: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    truncates: bool,
    prompt_cache_key: Option<Cow<'a, str>>,
    ignored: Vec<&'static str>,
    unknown: Vec<Cow<'a, str>>,
}

fn read(body: Object<'_>) -> Result<ResponseRequest<'_>, Error> {
    if body.len() > MAX_FIELDS {
        return Err(Error::too_many_properties("body", MAX_FIELDS, body.len()));
    }
    let mut draft = Draft::default();
    let mut fields = body.into_iter();
    while let Some((key, value)) = fields.next() {
        // Of equal keys the last one counts.
        if fields.as_slice().iter().any(|(later, _)| *later == key) {
            continue;
        }
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == key) else {
            draft.unknown.push(key);
            continue;
        };
        if value == Value::Null && parameter.name != "model" {
            continue;
        }
        (parameter.read)(&mut draft, At::new(value, Path::ROOT.key(parameter.name)))?;
        if parameter.handling == Handling::Ignored {
            draft.ignored.push(parameter.name);
        }
    }
    draft.finish()
}

impl<'a> Draft<'a> {
    fn finish(mut self) -> Result<ResponseRequest<'a>, Error> {
        if self.model.is_empty() {
            return Err(Error::missing_parameter("model"));
        }
        if self.stream_options && !self.stream {
            return Err(Error::needs("stream_options", "stream"));
        }
        if self.previous.is_some() && self.conversation.is_some() {
            return Err(Error::contradiction("previous_response_id", "conversation"));
        }
        if self.input.is_none() && self.previous.is_none() && self.conversation.is_none() {
            return Err(Error::missing_parameter("input"));
        }
        let echo = self.echo();
        let tools = std::mem::take(&mut self.tools).into_iter().map(|(tool, _)| tool).collect();
        let choice = self.tool_choice.take();
        let offer = Offer::of("tools", "tool_choice", tools, choice, !self.is_serial, CallForm::Tools)?;
        Ok(ResponseRequest {
            model: self.model,
            input: self.input.unwrap_or_default(),
            instructions: self.instructions.filter(|text| !text.is_empty()),
            stream: self.stream,
            max_output_tokens: self.max_output_tokens,
            offer,
            format: self.format,
            previous: self.previous,
            conversation: self.conversation,
            store: self.store.unwrap_or(true),
            user: [self.safety_identifier, self.user].into_iter().find(|user| !user.is_empty()),
            ignored: self.ignored,
            unknown: self.unknown,
            echo,
        })
    }

    /// The fields of the answer that repeat the request's, with OpenAI's defaults.
    fn echo(&self) -> String {
        let quoted = |text: &Option<Cow<'_, str>>| {
            text.as_ref().map_or("null".to_owned(), |text| serde_json::Value::from(&**text).to_string())
        };
        let number = |value: Option<i128>| value.map_or("null".to_owned(), |value| value.to_string());
        let conversation = match &self.conversation {
            None => "null".to_owned(),
            Some(_) => format!("{{\"id\":{}}}", quoted(&self.conversation)),
        };
        let tools: Vec<&str> = self.tools.iter().map(|(_, json)| json.as_str()).collect();
        let fields = [
            ("instructions", quoted(&self.instructions)),
            ("max_output_tokens", number(self.max_output_tokens.map(i128::from))),
            ("max_tool_calls", number(self.max_tool_calls)),
            ("previous_response_id", quoted(&self.previous)),
            ("conversation", conversation),
            ("tools", format!("[{}]", tools.join(","))),
            ("tool_choice", self.tool_choice_echo.clone().unwrap_or_else(|| "\"auto\"".to_owned())),
            ("parallel_tool_calls", (!self.is_serial).to_string()),
            ("text", self.text_echo.clone().unwrap_or_else(|| r#"{"format":{"type":"text"}}"#.to_owned())),
            (
                "reasoning",
                self.reasoning_echo.clone().unwrap_or_else(|| r#"{"effort":null,"summary":null}"#.to_owned()),
            ),
            ("temperature", decimal(self.temperature)),
            ("top_p", decimal(self.top_p)),
            ("top_logprobs", "0".to_owned()),
            ("truncation", if self.truncates { "\"auto\"" } else { "\"disabled\"" }.to_owned()),
            ("background", "false".to_owned()),
            ("service_tier", "\"default\"".to_owned()),
            ("metadata", self.metadata.clone().unwrap_or_else(|| conversation::NO_METADATA.to_owned())),
        ];
        let mut echo = String::new();
        for (key, value) in &fields {
            // Writing into a string cannot fail.
            let _ = write!(echo, "{}\"{key}\":{value}", if echo.is_empty() { "" } else { "," });
        }
        // Not null where they are not given: OpenAI's schema wants text.
        for (key, value) in [("user", &self.user), ("safety_identifier", &self.safety_identifier)] {
            if !value.is_empty() {
                let _ = write!(echo, ",\"{key}\":{}", serde_json::Value::from(&**value));
            }
        }
        if let Some(key) = &self.prompt_cache_key {
            let _ = write!(echo, ",\"prompt_cache_key\":{}", serde_json::Value::from(&**key));
        }
        echo
    }
}

fn decimal(value: Option<f64>) -> String {
    serde_json::Value::from(value.unwrap_or(1.0)).to_string()
}
