//! The checks of the fields that nest: items, tools, formats; and how they are told back.

use std::borrow::Cow;

use crate::openai::Error;
use crate::openai::chat::caps::{ANY, MAX_MESSAGES, MAX_NAME_CHARS};
use crate::openai::chat::options::{FORMATS, Kind, format_schema};
use crate::openai::chat::tools::{function, tree};
use crate::openai::chat::{Choice, Format, Tool, ToolInput};
use crate::openai::conversation;
use crate::openai::json::{At, Value};
use crate::openai::responses::Given;

/// Tools that OpenAI runs itself.
const HOSTED: &[&str] = &[
    "file_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "computer",
    "computer_use",
    "computer_use_preview",
    "mcp",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "shell",
    "apply_patch",
    "namespace",
    "tool_search",
];

/// What can be included, and whether that is log probabilities.
pub(super) const INCLUDES: &[(&str, bool)] = &[
    ("file_search_call.results", false),
    ("web_search_call.results", false),
    ("web_search_call.action.sources", false),
    ("message.input_image.image_url", false),
    ("computer_call_output.output.image_url", false),
    ("code_interpreter_call.outputs", false),
    ("reasoning.encrypted_content", false),
    ("message.output_text.logprobs", true),
];

/// `text`
pub(super) struct Text<'a> {
    pub(super) format: Format<'a>,
    /// Whether `verbosity` was given, which has no effect.
    pub(super) has_verbosity: bool,
    /// How it is told back.
    pub(super) echo: String,
}

pub(super) fn input(at: At<'_, '_>) -> Result<Vec<Given>, Error> {
    match at.value() {
        Value::String(_) => Ok(vec![Given::Item(conversation::user_message(&at.string()?))]),
        Value::Array(_) => {
            let mut place = 0;
            at.list("one of a string or array of objects", 0..=MAX_MESSAGES, |at| {
                let given = match reference(&at)? {
                    Some(id) => Given::Reference(id, place),
                    None => Given::Item(conversation::item(at)?),
                };
                place += 1;
                Ok(given)
            })
        }
        _ => Err(at.mismatch("one of a string or array of objects")),
    }
}

/// The id, if it is an `item_reference`: that may also be an id and nothing else.
fn reference(at: &At<'_, '_>) -> Result<Option<String>, Error> {
    let Value::Object(object) = at.value() else { return Ok(None) };
    let is_reference = match object.get("type") {
        Some(Value::String(kind)) => kind == "item_reference",
        None | Some(Value::Null) => object.get("role").is_none() && object.get("id").is_some(),
        Some(_) => false,
    };
    if !is_reference {
        return Ok(None);
    }
    At::new(Value::Object(object.clone()), *at.path())
        .object()?
        .required("id")?
        .string()
        .map(|id| Some(id.into_owned()))
}

/// A tool, and how it is told back.
pub(super) fn tool<'a>(at: At<'_, 'a>) -> Result<(Tool<'a>, String), Error> {
    let path = at.path().to_string();
    let mut fields = at.object()?;
    let kind = fields.required("type")?;
    if let Value::String(hosted) = kind.value()
        && HOSTED.contains(&&**hosted)
    {
        let instead = "Only tools of the types 'function' and 'custom' can be offered; what an app can do by itself is set up in Chipp.";
        return Err(Error::unsupported_value(&format!("{path}.type"), &format!("'{hosted}'"), instead));
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let described = |tool: &Tool<'_>| {
        let description = tool.description.as_ref().map(|text| format!(",\"description\":{}", quoted(text)));
        description.unwrap_or_default()
    };
    if kind.choice(&[("function", true), ("custom", false)])? {
        let is_strict = fields.optional("strict").map(At::boolean).transpose()?.unwrap_or(true);
        let tool = function(&mut fields)?;
        let ToolInput::Arguments { schema, .. } = &tool.input else { return Err(Error::internal()) };
        let schema = schema.as_ref().and_then(|schema| serde_json::to_string(schema).ok());
        let schema = schema.as_deref().unwrap_or("null");
        let echo = format!(
            r#"{{"type":"function","name":{}{},"parameters":{schema},"strict":{is_strict}}}"#,
            quoted(&tool.name),
            described(&tool)
        );
        return Ok((tool, echo));
    }
    let name = fields.required("name")?.name(MAX_NAME_CHARS)?;
    let description = fields.optional("description").map(At::string).transpose()?;
    let (mut grammar, mut format_echo) = (None, r#"{"type":"text"}"#.to_owned());
    if let Some(at) = fields.optional("format") {
        format_echo = serde_json::to_string(at.value()).unwrap_or(format_echo);
        let mut format = at.object()?;
        if format.required("type")?.choice(&[("text", false), ("grammar", true)])? {
            grammar = Some(format.required("definition")?.string()?);
            format.required("syntax")?.choice(&[("lark", ()), ("regex", ())])?;
        }
    }
    let tool = Tool { place: 0, name, description, input: ToolInput::Text { grammar } };
    let echo = format!(
        r#"{{"type":"custom","name":{}{},"format":{format_echo}}}"#,
        quoted(&tool.name),
        described(&tool)
    );
    Ok((tool, echo))
}

/// `tool_choice`: a word, or an object that names what may or must be called.
pub(super) fn tool_choice<'a>(at: At<'_, 'a>) -> Result<Choice<'a>, Error> {
    match at.value() {
        Value::String(_) => {
            let word = at.choice(&[("none", None), ("auto", Some(false)), ("required", Some(true))])?;
            Ok(word.map_or(Choice::Never, Choice::Any))
        }
        Value::Object(_) => {
            let mut fields = at.object()?;
            if !fields.required("type")?.choice(&[
                ("function", true),
                ("custom", true),
                ("allowed_tools", false),
            ])? {
                let must = fields.required("mode")?.choice(&[("auto", false), ("required", true)])?;
                let tools = fields.required("tools")?;
                let names = tools
                    .list("an array of objects", 0..=ANY, |at| at.object()?.required("name")?.string())?;
                return Ok(Choice::Some(must, names));
            }
            Ok(Choice::One(fields.required("name")?.string()?))
        }
        _ => Err(at.mismatch("one of a string or object")),
    }
}

/// `text`: the format of the answer.
pub(super) fn text<'a>(at: At<'_, 'a>) -> Result<Text<'a>, Error> {
    let mut fields = at.object()?;
    let verbosity = fields
        .optional("verbosity")
        .map(|at| at.choice(&[("low", "low"), ("medium", "medium"), ("high", "high")]));
    let verbosity = verbosity.transpose()?;
    let mut echo = Cow::Borrowed(r#"{"type":"text"}"#);
    let mut read = Format::Text;
    if let Some(at) = fields.optional("format") {
        let mut format = at.object()?;
        read = match format.required("type")?.choice(FORMATS)? {
            Kind::Text => Format::Text,
            Kind::JsonObject => {
                echo = Cow::Borrowed(r#"{"type":"json_object"}"#);
                Format::JsonObject
            }
            Kind::JsonSchema => {
                let schema = format.required("schema")?;
                let told = tree(schema)?;
                let json = serde_json::to_string(&told).unwrap_or_default();
                let Format::JsonSchema(mut shape) = format_schema(&mut format)? else {
                    return Err(Error::internal());
                };
                shape.schema = Some(told);
                let quoted = |text: &str| serde_json::Value::from(text).to_string();
                let description =
                    shape.description.as_ref().map(|text| format!(",\"description\":{}", quoted(text)));
                echo = Cow::Owned(format!(
                    r#"{{"type":"json_schema","name":{}{},"schema":{json},"strict":{}}}"#,
                    quoted(&shape.name),
                    description.unwrap_or_default(),
                    shape.strict
                ));
                Format::JsonSchema(shape)
            }
        };
    }
    let has_verbosity = verbosity.is_some();
    let verbosity = verbosity.map(|word| format!(",\"verbosity\":\"{word}\"")).unwrap_or_default();
    Ok(Text { format: read, has_verbosity, echo: format!("{{\"format\":{echo}{verbosity}}}") })
}

pub(super) fn reasoning(at: At<'_, '_>) -> Result<String, Error> {
    const EFFORTS: &[(&str, &str)] = &[
        ("none", "none"),
        ("minimal", "minimal"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "xhigh"),
    ];
    const SUMMARIES: &[(&str, &str)] = &[("auto", "auto"), ("concise", "concise"), ("detailed", "detailed")];
    let mut fields = at.object()?;
    let effort = fields.optional("effort").map(|at| at.choice(EFFORTS)).transpose()?;
    let summary = fields.optional("summary").map(|at| at.choice(SUMMARIES)).transpose()?;
    fields.optional("generate_summary").map(|at| at.choice(SUMMARIES)).transpose()?;
    let word = |word: Option<&str>| word.map_or("null".to_owned(), |word| format!("\"{word}\""));
    Ok(format!(r#"{{"effort":{},"summary":{}}}"#, word(effort), word(summary)))
}
