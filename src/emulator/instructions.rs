//! Following a system message as a model would: calling a tool that it describes, filling a JSON schema
//! that it shows. Small and honest: it looks for the JSON itself, not for anybody's wording around it.

use serde_json::{Map, Value, json};

use super::record::Message;

/// How many places of a message are tried as the beginning of JSON.
const TRIES: usize = 256;
/// How deep a schema is followed.
const DEPTH: usize = 16;
/// Most repetitions when a text or a list has a least length.
const LEAST: u64 = 64;

/// The answer that the newest system message with tools or a schema asks for; `None` without one.
///
/// A tool is called as `{"tool_calls":[{"name":…,"arguments":{…}}]}`; once its result has come, it is told, or the schema
/// filled if there is one. A result begins with a bracket, `[result of …]`; after a call, anything else is no result.
pub(super) fn obey(systems: &[&Message], last_answer: Option<&str>, newest: &str) -> Option<String> {
    let values: Vec<Value> = systems.iter().rev().flat_map(|message| embedded(&message.content)).collect();
    let tools: Vec<&Value> = values.iter().flat_map(tools_in).collect();
    let has_called = last_answer.is_some_and(|answer| answer.contains(r#"{"tool_calls":"#));
    let has_result = has_called && newest.starts_with('[');
    if !tools.is_empty() && !has_result {
        return call(&tools, newest);
    }
    if let Some(schema) = values.iter().find_map(schema_in) {
        return Some(fill(schema, schema, DEPTH).to_string());
    }
    if has_result {
        return Some(format!("The tool said: {newest}"));
    }
    let json_wanted = systems.iter().any(|message| message.content.contains("JSON"));
    json_wanted.then(|| json!({ "answer": newest }).to_string())
}

/// All JSON objects and arrays in a text.
fn embedded(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = text;
    for _ in 0..TRIES {
        let Some((_, from)) = rest.find(['{', '[']).and_then(|at| rest.split_at_checked(at)) else {
            break;
        };
        let mut values = serde_json::Deserializer::from_str(from).into_iter();
        let skip = if let Some(Ok(value)) = values.next() {
            found.push(value);
            values.byte_offset()
        } else {
            1
        };
        rest = from.get(skip..).unwrap_or_default();
    }
    found
}

/// The function definitions in a value: itself, the items of a list, or of a field `tools`.
fn tools_in(value: &Value) -> Vec<&Value> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Object(object) => match object.get("tools") {
            Some(Value::Array(items)) => items.as_slice(),
            _ => std::slice::from_ref(value),
        },
        _ => &[],
    };
    let definitions = items.iter().map(|item| item.get("function").unwrap_or(item));
    definitions.filter(|tool| tool["name"].is_string() && tool["parameters"].is_object()).collect()
}

fn call(tools: &[&Value], newest: &str) -> Option<String> {
    let named = |tool: &&&Value| tool["name"].as_str().is_some_and(|name| newest.contains(name));
    let tool = tools.iter().find(named).or(tools.first())?;
    let parameters = &tool["parameters"];
    let call = json!({ "name": tool["name"], "arguments": fill(parameters, parameters, DEPTH) });
    Some(json!({ "tool_calls": [call] }).to_string())
}

/// A JSON schema: the value itself, or its field `schema`.
fn schema_in(value: &Value) -> Option<&Value> {
    let schema = value.get("schema").unwrap_or(value);
    ["properties", "type", "anyOf", "$ref", "enum"]
        .iter()
        .any(|key| schema.get(key).is_some())
        .then_some(schema)
}

/// The simplest value that a schema allows.
fn fill(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| fill(target, root, depth));
    }
    if let Some(value) = schema.get("const").or(schema["enum"].get(0)) {
        return value.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return fill(first, root, depth);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => Value::from(text(schema)),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => {
            let items = schema["minItems"].as_u64().unwrap_or(1).min(LEAST);
            (0..items).map(|_| fill(&schema["items"], root, depth)).collect()
        }
        _ => {
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten();
            let filled = fields.map(|(name, field)| (name.clone(), fill(field, root, depth)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
    }
}

fn text(schema: &Value) -> String {
    let least = schema["minLength"].as_u64().unwrap_or(0).min(LEAST);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let mut text = String::from("example");
    while (text.len() as u64) < least {
        text.push('.');
    }
    text.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obeyed(system: &str, last_answer: Option<&str>, newest: &str) -> Option<String> {
        obey(&[&Message::new("system", system)], last_answer, newest)
    }

    #[test]
    fn a_tool_is_called_and_its_result_told() {
        let system = r#"You have tools { see below }:
            [{"type":"function","function":{"name":"time","parameters":{"type":"object"}}},
             {"type":"function","function":{"name":"weather","parameters":{"type":"object",
               "properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":2}}}}}] Use them."#;
        let call = obeyed(system, None, "the weather?").unwrap();
        let call: Value = serde_json::from_str(&call).unwrap();
        assert_eq!(call, json!({"tool_calls":[{"name":"weather","arguments":{"city":"example","days":2}}]}));
        let told = obeyed(system, Some(r#"{"tool_calls":[]}"#), "[result of weather]\nsunny").unwrap();
        assert_eq!(told, "The tool said: [result of weather]\nsunny");
        assert_eq!(
            obeyed(system, Some(r#"{"tool_calls":[]}"#), "No, the weather!").unwrap(),
            call.to_string()
        );
        let both = format!(r#"{system} Then: {{"name":"n","schema":{{"type":"boolean"}}}}"#);
        assert_eq!(obeyed(&both, Some(r#"{"tool_calls":[]}"#), "[result]").unwrap(), "true");
    }

    #[test]
    fn a_schema_is_filled() {
        let system = r##"Answer with JSON for {"name":"x","schema":{"type":"object","$defs":{"n":{"enum":["red"]}},
            "properties":{"colour":{"$ref":"#/$defs/n"},"list":{"type":"array","minItems":2,
            "items":{"anyOf":[{"type":"boolean"}]}},"code":{"type":["string","null"],"maxLength":3}}}}"##;
        let filled: Value = serde_json::from_str(&obeyed(system, None, "go").unwrap()).unwrap();
        assert_eq!(filled, json!({"colour":"red","list":[true,true],"code":"exa"}));
    }

    #[test]
    fn json_without_a_schema_is_an_object_and_a_schema_may_turn_in_a_circle() {
        assert_eq!(obeyed("Reply in JSON.", None, "hi").unwrap(), r#"{"answer":"hi"}"#);
        assert!(obeyed(r##"{"type":"object","properties":{"x":{"$ref":"#"}}}"##, None, "hi").is_some());
        assert_eq!(obeyed("Be kind. {", None, "hi"), None);
    }
}
