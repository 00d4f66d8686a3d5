//! The one table of the request's fields: what becomes of each, and how it is read.

use std::borrow::Cow;
use std::fmt;

use super::{DEFAULT_MAX_TOKENS, MAX_CHOICES, Prompt, TextRequest};
use crate::openai::Error;
use crate::openai::chat::Handling;
use crate::openai::chat::caps::{MAX_FIELDS, MAX_MODEL_CHARS, MAX_SEED, MAX_USER_CHARS};
use crate::openai::chat::legacy;
use crate::openai::json::{At, Object, Path, Value};

/// A field of the request.
#[derive(Clone, Copy)]
pub struct TextParameter {
    /// Its name in the body.
    pub name: &'static str,
    /// What becomes of it.
    pub handling: Handling,
    read: Read,
}

/// Checks a value and keeps what matters of it.
type Read = for<'a> fn(&mut Draft<'a>, At<'_, 'a>) -> Result<(), Error>;

impl fmt::Debug for TextParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.handling)
    }
}

const fn honoured(name: &'static str, read: Read) -> TextParameter {
    TextParameter { name, handling: Handling::Honoured, read }
}

const fn emulated(name: &'static str, read: Read) -> TextParameter {
    TextParameter { name, handling: Handling::Emulated, read }
}

const fn ignored(name: &'static str, read: Read) -> TextParameter {
    TextParameter { name, handling: Handling::Ignored, read }
}

const fn refused(name: &'static str, read: Read) -> TextParameter {
    TextParameter { name, handling: Handling::Refused, read }
}

/// Every field that OpenAI knows, those first that most requests have.
pub const PARAMETERS: &[TextParameter] = &[
    honoured("model", |draft, at| at.string_up_to(MAX_MODEL_CHARS).map(|model| draft.model = model)),
    honoured("prompt", |draft, at| {
        draft.prompt = Some(prompt(at)?);
        Ok(())
    }),
    emulated("max_tokens", |draft, at| {
        let count = at.integer(0..=u64::MAX.into())?;
        draft.max_tokens = Some(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(())
    }),
    ignored("temperature", |_, at| at.decimal(0.0..=2.0).map(drop)),
    honoured("stream", |draft, at| at.boolean().map(|stream| draft.stream = stream)),
    honoured("stream_options", |draft, at| {
        draft.include_usage = Some(legacy::stream_options(at)?);
        Ok(())
    }),
    emulated("stop", |draft, at| legacy::stop(at).map(|stop| draft.stop = stop)),
    emulated("n", |draft, at| {
        draft.n = Some(count(at, 1..=MAX_CHOICES.into())?);
        Ok(())
    }),
    emulated("echo", |draft, at| at.boolean().map(|echo| draft.echo = echo)),
    honoured("user", |draft, at| at.string_up_to(MAX_USER_CHARS).map(|user| draft.user = user)),
    ignored("top_p", |_, at| at.decimal(0.0..=1.0).map(drop)),
    ignored("frequency_penalty", |_, at| at.decimal(-2.0..=2.0).map(drop)),
    ignored("presence_penalty", |_, at| at.decimal(-2.0..=2.0).map(drop)),
    ignored("seed", |_, at| at.integer(-MAX_SEED..=MAX_SEED).map(drop)),
    ignored("logit_bias", |_, at| legacy::logit_bias(at)),
    refused("best_of", |draft, at| {
        draft.best_of = count(at, 0..=20)?;
        Ok(())
    }),
    refused("suffix", |draft, at| at.string().map(|suffix| draft.suffix = !suffix.is_empty())),
    refused("logprobs", |draft, at| {
        at.integer(0..=5)?;
        draft.logprobs = true;
        Ok(())
    }),
];

/// A small count.
fn count(at: At<'_, '_>, range: std::ops::RangeInclusive<i128>) -> Result<u32, Error> {
    // In range, so the fallback is never taken.
    Ok(u32::try_from(at.integer(range)?).unwrap_or_default())
}

/// Whether an array holds texts or tokens, its first element says.
fn prompt<'a>(at: At<'_, 'a>) -> Result<Prompt<'a>, Error> {
    const EXPECTED: &str = "one of a string, array of strings, array of integers, or array of integer arrays";
    const ANY: usize = usize::MAX;
    let token = |at: At<'_, 'a>| at.integer(0..=u32::MAX.into()).map(drop);
    let Value::Array(values) = at.value() else {
        return match at.value() {
            Value::String(_) => at.string().map(|text| Prompt::Texts(vec![text])),
            _ => Err(at.mismatch(EXPECTED)),
        };
    };
    match values.first() {
        Some(Value::Number(_)) => at.list(EXPECTED, 1..=ANY, token).map(|_| Prompt::Tokens),
        Some(Value::Array(_)) => {
            let tokens = |at: At<'_, 'a>| at.list("an array of integers", 1..=ANY, token);
            at.list(EXPECTED, 1..=ANY, tokens).map(|_| Prompt::Tokens)
        }
        _ => {
            let most = usize::try_from(MAX_CHOICES).unwrap_or(ANY);
            at.list(EXPECTED, 1..=most, text).map(Prompt::Texts)
        }
    }
}

/// As a function, since the method is not general enough in its lifetimes.
fn text<'a>(at: At<'_, 'a>) -> Result<Cow<'a, str>, Error> {
    at.string()
}

/// What was read so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a field of its own")]
struct Draft<'a> {
    model: Cow<'a, str>,
    prompt: Option<Prompt<'a>>,
    max_tokens: Option<u64>,
    stream: bool,
    include_usage: Option<bool>,
    stop: Vec<Cow<'a, str>>,
    n: Option<u32>,
    best_of: u32,
    echo: bool,
    user: Cow<'a, str>,
    suffix: bool,
    logprobs: bool,
    ignored: Vec<&'static str>,
    unknown: Vec<Cow<'a, str>>,
}

/// Reads the body's fields in their order, and then what they say together.
pub(super) fn read(body: Object<'_>) -> Result<TextRequest<'_>, Error> {
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
    fn field(&mut self, parameter: &TextParameter, value: Value<'a>) -> Result<(), Error> {
        if value == Value::Null && parameter.name != "model" {
            return Ok(());
        }
        (parameter.read)(self, At::new(value, Path::ROOT.key(parameter.name)))?;
        if parameter.handling == Handling::Ignored {
            self.ignored.push(parameter.name);
        }
        Ok(())
    }

    fn finish(self) -> Result<TextRequest<'a>, Error> {
        if self.model.is_empty() {
            return Err(Error::missing_parameter("model"));
        }
        // OpenAI would begin a document of its own then; an app has nothing to begin with.
        let prompt = self.prompt.ok_or_else(|| Error::missing_parameter("prompt"))?;
        if self.include_usage.is_some() && !self.stream {
            return Err(Error::needs("stream_options", "stream"));
        }
        let n = self.n.unwrap_or(1);
        if let Prompt::Texts(texts) = &prompt {
            let most = MAX_CHOICES / u32::try_from(texts.len()).unwrap_or(MAX_CHOICES).max(1);
            if n > most {
                return Err(Error::integer_above_max("n", most.into(), &n));
            }
        }
        // 0 is in the schema's range, and asks for none.
        if self.best_of > 0 && self.best_of < n {
            return Err(Error::integer_below_min("best_of", n.into(), &self.best_of));
        }
        Ok(TextRequest {
            model: self.model,
            prompt,
            n,
            best_of: self.best_of.max(n),
            echo: self.echo,
            stream: self.stream,
            include_usage: self.include_usage.unwrap_or_default(),
            stop: self.stop,
            max_tokens: self.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            user: Some(self.user).filter(|user| !user.is_empty()),
            suffix: self.suffix,
            logprobs: self.logprobs,
            ignored: self.ignored,
            unknown: self.unknown,
        })
    }
}
