//! Calls as apps write them, and whether they are calls of what is on offer.

use serde_json::{Map, Value};

use crate::openai::chat::{Called, CalledKind};
use crate::translate::schema::Checker;

/// The names under which apps put what a tool is given.
pub const INPUTS: [&str; 6] = ["arguments", "parameters", "args", "input", "kwargs", "tool_input"];

/// A tool that may be called.
#[derive(Debug)]
pub struct Callable {
    /// Its name.
    pub name: String,
    /// Which kind of tool.
    pub kind: CalledKind,
    /// What its arguments have to be; none for a tool that takes text.
    pub checker: Option<Checker>,
}

/// A call as an app wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw {
    name: String,
    input: Value,
}

/// The calls that a value makes; `None` if it makes none. `is_offered`: whether there is a tool of that name, without
/// which a name and arguments may be anything.
pub fn calls_in(value: &Value, is_offered: &impl Fn(&str) -> bool) -> Option<Vec<Raw>> {
    match value {
        Value::Array(items) => {
            let calls: Option<Vec<_>> = items.iter().map(|item| calls_in(item, is_offered)).collect();
            calls.map(|calls| calls.concat()).filter(|calls| !calls.is_empty())
        }
        Value::Object(fields) => {
            let held = ["tool_calls", "tool_call", "function_call"].iter().find_map(|key| fields.get(*key));
            match held {
                Some(Value::Array(items)) => Some(items.iter().map(Raw::of).collect()),
                Some(held) => Some(vec![Raw::of(held)]),
                None => {
                    let raw = Raw::of(value);
                    (is_bare_call(fields) && is_offered(&raw.name)).then(|| vec![raw])
                }
            }
        }
        _ => None,
    }
}

/// Whether an object has what a call has and nothing else: that of a tool's definition is none.
fn is_bare_call(fields: &Map<String, Value>) -> bool {
    const NAMES: [&str; 3] = ["name", "function", "tool"];
    let of_call = |key: &String| {
        let key = key.as_str();
        NAMES.contains(&key) || INPUTS.contains(&key) || matches!(key, "type" | "id" | "call_id" | "custom")
    };
    let holders = ["function", "custom"].iter().filter_map(|key| fields.get(*key).and_then(Value::as_object));
    let is_schema = |fields: &Map<String, Value>| {
        fields
            .get("parameters")
            .is_some_and(|given| given["type"] == "object" && given["properties"].is_object())
    };
    let objects = holders.chain([fields]);
    let mut is_call = NAMES.iter().any(|key| fields.contains_key(*key)) || fields.contains_key("custom");
    for object in objects {
        is_call &= object.keys().all(of_call) && !is_schema(object);
    }
    is_call
}

impl Raw {
    /// Whatever it is; without a name it is a call of nothing.
    fn of(value: &Value) -> Self {
        let Value::Object(fields) = value else {
            return Self { name: String::new(), input: Value::Null };
        };
        let inner = ["function", "custom"].iter().find_map(|key| fields.get(*key).and_then(Value::as_object));
        let fields = inner.unwrap_or(fields);
        let name =
            ["name", "function", "tool"].iter().find_map(|key| fields.get(*key).and_then(Value::as_str));
        let input = INPUTS.iter().find_map(|key| fields.get(*key));
        Self { name: name.unwrap_or_default().to_owned(), input: input.cloned().unwrap_or_default() }
    }

    /// The call, if there is such a tool, and it takes this.
    ///
    /// # Errors
    /// What is wrong, in words for who made it.
    pub fn check(self, tools: &[Callable]) -> Result<Called, String> {
        let Self { name, input } = self;
        if name.is_empty() {
            return Err("a call has no `name`".to_owned());
        }
        let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
            let known: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
            return Err(format!("there is no tool `{}`, only {}", excerpt(&name), known.join(", ")));
        };
        let input = match tool.kind {
            CalledKind::Custom => text(input),
            CalledKind::Function => {
                let arguments = arguments(input)
                    .ok_or_else(|| format!("the `arguments` of `{name}` are not a JSON object"))?;
                let problems = tool.checker.as_ref().map(|checker| checker.problems(&arguments));
                let problems = problems.unwrap_or_default();
                if !problems.is_empty() {
                    return Err(format!("the `arguments` of `{name}` are wrong: {}", problems.join("; ")));
                }
                arguments.to_string()
            }
        };
        Ok(Called { kind: tool.kind, name, input })
    }
}

/// An object, be it written as text. Nothing is an empty one.
fn arguments(input: Value) -> Option<Value> {
    match input {
        Value::Null => Some(Value::Object(Map::new())),
        Value::Object(_) => Some(input),
        Value::String(text) if text.trim().is_empty() => Some(Value::Object(Map::new())),
        Value::String(text) => serde_json::from_str(&text).ok().filter(Value::is_object),
        _ => None,
    }
}

/// Text, be it put into an object.
fn text(input: Value) -> String {
    match input {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Object(fields) => {
            let only = fields.get("input").or_else(|| fields.values().next()).filter(|_| fields.len() == 1);
            match only.and_then(Value::as_str) {
                Some(text) => text.to_owned(),
                None => Value::Object(fields).to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// The beginning of a name that an app made up.
fn excerpt(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tools() -> Vec<Callable> {
        let schema = json!({"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}});
        vec![
            Callable {
                name: "f".into(),
                kind: CalledKind::Function,
                checker: Some(Checker::new(schema).unwrap()),
            },
            Callable { name: "g".into(), kind: CalledKind::Function, checker: None },
            Callable { name: "sh".into(), kind: CalledKind::Custom, checker: None },
        ]
    }

    fn checked(value: &Value) -> Option<Vec<Result<Called, String>>> {
        let tools = tools();
        let calls = calls_in(value, &|name| tools.iter().any(|tool| tool.name == name))?;
        Some(calls.into_iter().map(|call| call.check(&tools)).collect())
    }

    #[test]
    fn the_spellings_of_a_call() {
        let expected = Called { kind: CalledKind::Function, name: "f".into(), input: r#"{"x":1}"#.into() };
        for value in [
            json!({"tool_calls": [{"name": "f", "arguments": {"x": 1}}]}),
            json!({"tool_calls": {"name": "f", "arguments": {"x": 1}}}),
            json!({"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}),
            json!({"tool_call": {"name": "f", "parameters": {"x": 1}}}),
            json!({"function_call": {"name": "f", "arguments": {"x": 1}}}),
            json!({"name": "f", "args": {"x": 1}}),
            json!({"type": "function", "name": "f", "arguments": {"x": 1}}),
            json!({"function": "f", "arguments": {"x": 1}}),
            json!({"tool": "f", "tool_input": {"x": 1}}),
            json!([{"name": "f", "input": {"x": 1}}]),
        ] {
            assert_eq!(checked(&value), Some(vec![Ok(expected.clone())]), "{value}");
        }
        let both = json!([{"name": "g"}, {"tool_calls": [{"name": "f", "arguments": {"x": 1}}]}]);
        assert_eq!(checked(&both).unwrap().len(), 2);
        assert_eq!(checked(&json!({"tool_calls": []})), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_call() {
        for value in [
            json!({"name": "Ann", "arguments": {"x": 1}}),
            json!({"type": "object"}),
            json!([{"name": "f"}, {"name": "Ann"}]),
            json!({"id": "f"}),
            json!({"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}),
            json!({"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}),
            json!([]),
            json!("f"),
        ] {
            assert_eq!(checked(&value), None, "{value}");
        }
    }

    #[test]
    fn what_a_tool_is_given() {
        let given = |name: &str, input: &Value| {
            let value = json!({"tool_calls": [{"name": name, "arguments": input}]});
            checked(&value).unwrap().remove(0).map(|called| called.input)
        };
        assert_eq!(given("g", &Value::Null).unwrap(), "{}");
        assert_eq!(given("g", &json!(" ")).unwrap(), "{}");
        assert_eq!(given("sh", &json!("ls")).unwrap(), "ls");
        assert_eq!(given("sh", &json!({"command": "ls"})).unwrap(), "ls");
        assert_eq!(given("sh", &json!({"a": 1, "b": 2})).unwrap(), r#"{"a":1,"b":2}"#);
        assert_eq!(given("f", &json!([1])).unwrap_err(), "the `arguments` of `f` are not a JSON object");
        assert_eq!(
            given("f", &json!({"x": "1"})).unwrap_err(),
            "the `arguments` of `f` are wrong: at /x: \"1\" is not of type \"integer\""
        );
        assert_eq!(given("h", &json!({})).unwrap_err(), "there is no tool `h`, only f, g, sh");
        assert_eq!(checked(&json!({"tool_calls": [1]})).unwrap(), [Err("a call has no `name`".to_owned())]);
    }
}
