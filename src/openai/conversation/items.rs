//! Items as clients add them to a conversation: checked, and written in the form in which they are kept and shown.
//!
//! What is left away is filled in: an id, a status, a type. Text without parts becomes one part. Annotations and
//! log-probabilities of texts are not kept.

use std::borrow::Cow;

use serde::Serialize;

use crate::ids::ItemId;
use crate::openai::Error;
use crate::openai::json::{At, Fields, Value};

/// Longest id of an item or a call (OpenAI's), in characters.
const MAX_ID_CHARS: usize = 64;

/// Longest name of a tool (OpenAI's), in characters.
const MAX_NAME_CHARS: usize = 128;

/// More than a body holds.
const ANY: usize = usize::MAX;

/// An item in the form in which it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    /// Its id.
    pub id: String,
    /// Its JSON.
    pub json: String,
}

#[derive(Serialize)]
struct Whole<'i, 'a> {
    id: &'i str,
    #[serde(flatten)]
    item: Item<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Message {
        role: &'static str,
        status: &'static str,
        content: Vec<Part<'a>>,
    },
    FunctionCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
        status: &'static str,
    },
    FunctionCallOutput {
        call_id: Cow<'a, str>,
        output: Output<'a>,
        status: &'static str,
    },
    CustomToolCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, str>,
        status: &'static str,
    },
    CustomToolCallOutput {
        call_id: Cow<'a, str>,
        output: Output<'a>,
        status: &'static str,
    },
    Reasoning {
        summary: Vec<Part<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Part<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<Cow<'a, str>>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    InputText { text: Cow<'a, str> },
    InputImage { image_url: Option<Cow<'a, str>>, file_id: Option<Cow<'a, str>>, detail: &'static str },
    InputFile(InputFile<'a>),
    OutputText { text: Cow<'a, str>, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: Cow<'a, str> },
    SummaryText { text: Cow<'a, str> },
    ReasoningText { text: Cow<'a, str> },
}

#[derive(Serialize)]
struct InputFile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_url: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Message,
    FunctionCall,
    FunctionCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    Reasoning,
}

#[derive(Clone, Copy)]
enum PartKind {
    InputText,
    InputImage,
    InputFile,
    OutputText,
    Refusal,
}

const KINDS: &[(&str, Kind)] = &[
    ("message", Kind::Message),
    ("function_call", Kind::FunctionCall),
    ("function_call_output", Kind::FunctionCallOutput),
    ("custom_tool_call", Kind::CustomToolCall),
    ("custom_tool_call_output", Kind::CustomToolCallOutput),
    ("reasoning", Kind::Reasoning),
];

const INPUT_PARTS: &[(&str, PartKind)] = &[
    ("input_text", PartKind::InputText),
    ("input_image", PartKind::InputImage),
    ("input_file", PartKind::InputFile),
];

const OUTPUT_PARTS: &[(&str, PartKind)] = &[
    ("output_text", PartKind::OutputText),
    ("refusal", PartKind::Refusal),
    // Clients write the assistant's earlier words so, too.
    ("input_text", PartKind::OutputText),
];

const ROLES: &[(&str, &str)] =
    &[("user", "user"), ("assistant", "assistant"), ("system", "system"), ("developer", "developer")];

const STATUSES: &[(&str, &str)] =
    &[("completed", "completed"), ("in_progress", "in_progress"), ("incomplete", "incomplete")];

const DETAILS: &[(&str, &str)] =
    &[("low", "low"), ("high", "high"), ("auto", "auto"), ("original", "original")];

/// A message of the user's.
pub(super) fn user_message(text: &str) -> NewItem {
    let content = vec![Part::InputText { text: Cow::Borrowed(text) }];
    let item = Item::Message { role: "user", status: "completed", content };
    kept(ItemId::mint(Kind::Message.prefix()).as_str().to_owned(), item)
}

/// Reads one item.
pub(super) fn item(at: At<'_, '_>) -> Result<NewItem, Error> {
    let mut fields = at.object()?;
    let kind = fields.optional("type").map(|at| at.choice(KINDS)).transpose()?.unwrap_or(Kind::Message);
    let given = fields.optional("id").map(id).transpose()?;
    let item = match kind {
        Kind::Message => message(&mut fields)?,
        Kind::FunctionCall => Item::FunctionCall {
            call_id: call_id(&mut fields)?,
            name: fields.required("name")?.name(MAX_NAME_CHARS)?,
            arguments: fields.required("arguments")?.string()?,
            status: status(&mut fields)?,
        },
        Kind::FunctionCallOutput => Item::FunctionCallOutput {
            call_id: call_id(&mut fields)?,
            output: output(fields.required("output")?)?,
            status: status(&mut fields)?,
        },
        Kind::CustomToolCall => Item::CustomToolCall {
            call_id: call_id(&mut fields)?,
            name: fields.required("name")?.name(MAX_NAME_CHARS)?,
            input: fields.required("input")?.string()?,
            status: status(&mut fields)?,
        },
        Kind::CustomToolCallOutput => Item::CustomToolCallOutput {
            call_id: call_id(&mut fields)?,
            output: output(fields.required("output")?)?,
            status: status(&mut fields)?,
        },
        Kind::Reasoning => reasoning(&mut fields)?,
    };
    let id = given.unwrap_or_else(|| ItemId::mint(kind.prefix()).as_str().to_owned());
    Ok(kept(id, item))
}

fn kept(id: String, item: Item<'_>) -> NewItem {
    // Plain texts: writing them does not fail.
    let json = serde_json::to_string(&Whole { id: &id, item }).unwrap_or_default();
    NewItem { id, json }
}

impl Kind {
    /// What ids of such items begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg_",
            Self::FunctionCall => "fc_",
            Self::FunctionCallOutput => "fco_",
            Self::CustomToolCall => "ctc_",
            Self::CustomToolCallOutput => "ctco_",
            Self::Reasoning => "rs_",
        }
    }
}

fn message<'a>(fields: &mut Fields<'_, 'a>) -> Result<Item<'a>, Error> {
    let role = fields.required("role")?.choice(ROLES)?;
    let is_output = role == "assistant";
    let content = fields.required("content")?;
    let content = match content.value() {
        Value::String(_) if is_output => vec![output_text(content.string()?)],
        Value::String(_) => vec![Part::InputText { text: content.string()? }],
        Value::Array(_) => {
            let kinds = if is_output { OUTPUT_PARTS } else { INPUT_PARTS };
            content.list("an array of objects", 0..=ANY, |at| part(at, kinds))?
        }
        _ => return Err(content.mismatch("one of a string or array of objects")),
    };
    Ok(Item::Message { role, status: status(fields)?, content })
}

fn reasoning<'a>(fields: &mut Fields<'_, 'a>) -> Result<Item<'a>, Error> {
    let text = |at: At<'_, 'a>| at.object()?.required("text")?.string();
    let summary = fields
        .required("summary")?
        .list("an array of objects", 0..=ANY, |at| Ok(Part::SummaryText { text: text(at)? }))?;
    let content = fields
        .optional("content")
        .map(|at| at.list("an array of objects", 0..=ANY, |at| Ok(Part::ReasoningText { text: text(at)? })));
    let content = content.transpose()?.unwrap_or_default();
    let encrypted_content = fields.optional("encrypted_content").map(At::string).transpose()?;
    Ok(Item::Reasoning { summary, content, encrypted_content })
}

fn part<'a>(at: At<'_, 'a>, kinds: &[(&str, PartKind)]) -> Result<Part<'a>, Error> {
    let mut fields = at.object()?;
    let kind = fields.required("type")?.choice(kinds)?;
    let text = |fields: &mut Fields<'_, 'a>, key| fields.optional(key).map(At::string).transpose();
    Ok(match kind {
        PartKind::InputText => Part::InputText { text: fields.required("text")?.string()? },
        PartKind::OutputText => output_text(fields.required("text")?.string()?),
        PartKind::Refusal => Part::Refusal { refusal: fields.required("refusal")?.string()? },
        PartKind::InputImage => Part::InputImage {
            image_url: text(&mut fields, "image_url")?,
            file_id: text(&mut fields, "file_id")?,
            detail: fields.optional("detail").map(|at| at.choice(DETAILS)).transpose()?.unwrap_or("auto"),
        },
        PartKind::InputFile => Part::InputFile(InputFile {
            file_id: text(&mut fields, "file_id")?,
            filename: text(&mut fields, "filename")?,
            file_data: text(&mut fields, "file_data")?,
            file_url: text(&mut fields, "file_url")?,
        }),
    })
}

fn output<'a>(at: At<'_, 'a>) -> Result<Output<'a>, Error> {
    match at.value() {
        Value::String(_) => at.string().map(Output::Text),
        Value::Array(_) => {
            at.list("an array of objects", 0..=ANY, |at| part(at, INPUT_PARTS)).map(Output::Parts)
        }
        _ => Err(at.mismatch("one of a string or array of objects")),
    }
}

fn output_text(text: Cow<'_, str>) -> Part<'_> {
    Part::OutputText { text, annotations: [], logprobs: [] }
}

fn status(fields: &mut Fields<'_, '_>) -> Result<&'static str, Error> {
    let status = fields.optional("status").map(|at| at.choice(STATUSES)).transpose()?;
    Ok(status.unwrap_or("completed"))
}

fn call_id<'a>(fields: &mut Fields<'_, 'a>) -> Result<Cow<'a, str>, Error> {
    let at = fields.required("call_id")?;
    let path = *at.path();
    let id = at.string_up_to(MAX_ID_CHARS)?;
    if id.is_empty() { Err(Error::empty_string(&path)) } else { Ok(id) }
}

/// An id has to fit into a path, and into a line.
fn id(at: At<'_, '_>) -> Result<String, Error> {
    at.name(MAX_ID_CHARS).map(Cow::into_owned)
}
