//! The one table of the request's fields: what becomes of each, and how it is read.

use std::borrow::Cow;
use std::fmt;

use super::caps::{
    MAX_FIELDS, MAX_MESSAGES, MAX_MODEL_CHARS, MAX_SAFETY_IDENTIFIER_CHARS, MAX_SEED, MAX_USER_CHARS,
};
use super::offer::{Choice, Format, Tool};
use super::{ChatRequest, Message, message, options, tools};
use crate::openai::Error;
use crate::openai::json::{At, Object, Path, Value};

/// What becomes of a field that has a value other than null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It does what OpenAI says.
    Honoured,
    /// The proxy does what Chipp does not.
    Emulated,
    /// It is checked, has no effect, and is named in `x-chipp-ignored-params`.
    Ignored,
    /// Values that ask for more than one plain text are 400, unless the alias's settings ignore them.
    Refused,
}

impl Handling {
    /// Each of them, what is best for a client first.
    pub const ALL: [Self; 4] = [Self::Honoured, Self::Emulated, Self::Ignored, Self::Refused];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Emulated => "emulated",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
        }
    }

    /// What it means, as the README and `chipp-proxy explain` have it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Honoured => "does what OpenAI says",
            Self::Emulated => "the proxy does what Chipp does not",
            Self::Ignored => "has no effect, and is named in x-chipp-ignored-params",
            Self::Refused => "a 400 for values that ask for what Chipp has not",
        }
    }
}

/// A field of the request.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name in the body.
    pub name: &'static str,
    /// What becomes of it.
    pub handling: Handling,
    read: Read,
}

/// Checks a value and keeps what matters of it.
type Read = for<'a> fn(&mut Draft<'a>, At<'_, 'a>) -> Result<(), Error>;

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.handling)
    }
}

const fn honoured(name: &'static str, read: Read) -> Parameter {
    let handling = Handling::Honoured;
    Parameter { name, handling, read }
}

const fn emulated(name: &'static str, read: Read) -> Parameter {
    let handling = Handling::Emulated;
    Parameter { name, handling, read }
}

const fn ignored(name: &'static str, read: Read) -> Parameter {
    let handling = Handling::Ignored;
    Parameter { name, handling, read }
}

const fn refused(name: &'static str, read: Read) -> Parameter {
    let handling = Handling::Refused;
    Parameter { name, handling, read }
}

/// Every field that OpenAI knows, those first that most requests have.
pub const PARAMETERS: &[Parameter] = &[
    honoured("model", |draft, at| at.string_up_to(MAX_MODEL_CHARS).map(|model| draft.model = model)),
    honoured("messages", |draft, at| {
        let messages = at.list("an array of objects", 1..=MAX_MESSAGES, message::message)?;
        draft.messages = Some(messages);
        Ok(())
    }),
    honoured("stream", |draft, at| at.boolean().map(|stream| draft.stream = stream)),
    honoured("stream_options", |draft, at| {
        draft.include_usage = Some(options::stream_options(at)?);
        Ok(())
    }),
    ignored("temperature", |_, at| at.decimal(0.0..=2.0).map(drop)),
    emulated("max_tokens", |draft, at| {
        draft.max_tokens = Some(token_count(at)?);
        Ok(())
    }),
    emulated("max_completion_tokens", |draft, at| {
        draft.max_completion_tokens = Some(token_count(at)?);
        Ok(())
    }),
    ignored("top_p", |_, at| at.decimal(0.0..=1.0).map(drop)),
    emulated("stop", |draft, at| options::stop(at).map(|stop| draft.stop = stop)),
    honoured("user", |draft, at| at.string_up_to(MAX_USER_CHARS).map(|user| draft.user = user)),
    honoured("safety_identifier", |draft, at| {
        draft.safety_identifier = at.string_up_to(MAX_SAFETY_IDENTIFIER_CHARS)?;
        Ok(())
    }),
    honoured("metadata", |_, at| options::metadata(at)),
    honoured("store", |_, at| at.boolean().map(drop)),
    emulated("n", |draft, at| {
        // In range, so the fallback is never taken.
        draft.n = u32::try_from(at.integer(1..=128)?).unwrap_or(1);
        Ok(())
    }),
    emulated("tools", |draft, at| tools::tools(at).map(|tools| draft.tools = tools)),
    emulated("tool_choice", |draft, at| {
        draft.tool_choice = Some(tools::tool_choice(at)?);
        Ok(())
    }),
    emulated("parallel_tool_calls", |draft, at| at.boolean().map(|may| draft.is_serial = !may)),
    emulated("response_format", |draft, at| {
        draft.format = options::response_format(at)?;
        Ok(())
    }),
    ignored("frequency_penalty", |_, at| at.decimal(-2.0..=2.0).map(drop)),
    ignored("presence_penalty", |_, at| at.decimal(-2.0..=2.0).map(drop)),
    ignored("seed", |_, at| at.integer(-MAX_SEED..=MAX_SEED).map(drop)),
    ignored("logit_bias", |_, at| options::logit_bias(at)),
    refused("logprobs", |draft, at| at.boolean().map(|logprobs| draft.logprobs = logprobs)),
    refused("top_logprobs", |draft, at| {
        at.integer(0..=20)?;
        draft.top_logprobs = true;
        Ok(())
    }),
    ignored("reasoning_effort", |_, at| at.choice(EFFORTS)),
    ignored("verbosity", |_, at| at.choice(&[("low", ()), ("medium", ()), ("high", ())])),
    ignored("service_tier", |_, at| at.choice(TIERS)),
    ignored("prompt_cache_key", |_, at| at.string().map(drop)),
    ignored("prompt_cache_retention", |_, at| at.choice(RETENTIONS)),
    ignored("prediction", |_, at| options::prediction(at)),
    ignored("web_search_options", |_, at| options::web_search_options(at)),
    refused("modalities", |draft, at| {
        draft.audio_modality = options::modalities(at)?;
        Ok(())
    }),
    refused("audio", |draft, at| {
        options::audio(at)?;
        draft.audio = true;
        Ok(())
    }),
    emulated("functions", |draft, at| tools::functions(at).map(|functions| draft.functions = functions)),
    emulated("function_call", |draft, at| {
        draft.function_call = Some(tools::function_call(at)?);
        Ok(())
    }),
];

const EFFORTS: &[(&str, ())] =
    &[("none", ()), ("minimal", ()), ("low", ()), ("medium", ()), ("high", ()), ("xhigh", ())];
const TIERS: &[(&str, ())] = &[("auto", ()), ("default", ()), ("flex", ()), ("scale", ()), ("priority", ())];
/// The schema has `in_memory`; OpenAI's SDKs were typed with a hyphen for a time.
const RETENTIONS: &[(&str, ())] = &[("in_memory", ()), ("24h", ()), ("in-memory", ())];

fn token_count(at: At<'_, '_>) -> Result<u64, Error> {
    let count = at.integer(1..=u64::MAX.into())?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// What was read so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a field of its own")]
struct Draft<'a> {
    model: Cow<'a, str>,
    messages: Option<Vec<Message<'a>>>,
    stream: bool,
    include_usage: Option<bool>,
    stop: Vec<Cow<'a, str>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: u32,
    user: Cow<'a, str>,
    safety_identifier: Cow<'a, str>,
    format: Format<'a>,
    logprobs: bool,
    top_logprobs: bool,
    audio: bool,
    audio_modality: bool,
    tools: Vec<Tool<'a>>,
    tool_choice: Option<Choice<'a>>,
    is_serial: bool,
    functions: Vec<Tool<'a>>,
    function_call: Option<Choice<'a>>,
    ignored: Vec<&'static str>,
    unknown: Vec<Cow<'a, str>>,
}

/// Reads the body's fields in their order, and then what they say together.
pub(super) fn read(body: Object<'_>) -> Result<ChatRequest<'_>, Error> {
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
        match PARAMETERS.iter().find(|parameter| parameter.name == key) {
            None => draft.unknown.push(key),
            Some(parameter) => draft.field(parameter, value)?,
        }
    }
    draft.finish()
}

impl<'a> Draft<'a> {
    fn field(&mut self, parameter: &Parameter, value: Value<'a>) -> Result<(), Error> {
        let required = matches!(parameter.name, "model" | "messages");
        if value == Value::Null && !required {
            return Ok(());
        }
        (parameter.read)(self, At::new(value, Path::ROOT.key(parameter.name)))?;
        if parameter.handling == Handling::Ignored {
            self.ignored.push(parameter.name);
        }
        Ok(())
    }

    fn finish(self) -> Result<ChatRequest<'a>, Error> {
        if self.model.is_empty() {
            return Err(Error::missing_parameter("model"));
        }
        if self.include_usage.is_some() && !self.stream {
            return Err(Error::needs("stream_options", "stream"));
        }
        if self.top_logprobs && !self.logprobs {
            return Err(Error::needs("top_logprobs", "logprobs"));
        }
        let max_tokens = match (self.max_tokens, self.max_completion_tokens) {
            (Some(old), Some(new)) if old != new => {
                return Err(Error::contradiction("max_tokens", "max_completion_tokens"));
            }
            (old, new) => new.or(old),
        };
        let (tools, functions) = ((self.tools, self.tool_choice), (self.functions, self.function_call));
        let offer = tools::offer(tools, !self.is_serial, functions)?;
        let audio = if self.audio_modality { Some("modalities") } else { self.audio.then_some("audio") };
        let user = [self.safety_identifier, self.user];
        Ok(ChatRequest {
            model: self.model,
            messages: self.messages.ok_or_else(|| Error::missing_parameter("messages"))?,
            stream: self.stream,
            include_usage: self.include_usage.unwrap_or_default(),
            stop: self.stop,
            max_tokens,
            n: self.n.max(1),
            user: user.into_iter().find(|user| !user.is_empty()),
            format: self.format,
            logprobs: self.logprobs,
            audio,
            offer,
            ignored: self.ignored,
            unknown: self.unknown,
        })
    }
}
