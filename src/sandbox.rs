//! The proxy with the emulator behind it: to try a client without an account, a key, or a file.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::config::{Config, Environment};
use crate::emulator::BEHAVIOURS;

/// The sandbox's configuration: one alias for each of the emulator's behaviours, and any key is good.
///
/// # Errors
/// None that a caller can mend; it is a configuration like any other, and checked like one.
pub fn config(listen: SocketAddr, base_url: &str) -> anyhow::Result<Config> {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(text, "server: {{listen: '{listen}', admin: off}}");
    // Each alias is to show what it does, and not what becomes of it when it is tried again or left alone.
    let plainly = "retry: {attempts: 1}, breaker: {failures: off}";
    let _ = writeln!(text, "upstream: {{base_url: '{base_url}', api_key: sandbox, {plainly}}}");
    let _ = writeln!(text, "auth: {{mode: open, allow_open_on_network: true}}");
    let _ = writeln!(text, "models:");
    for behaviour in BEHAVIOURS {
        let _ = writeln!(text, "  {}: {}", behaviour.name, behaviour.app);
    }
    Config::parse(&text, &Environment::default()).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// What is printed when it listens: lines to paste.
pub fn welcome(listen: SocketAddr) -> String {
    format!(
        r#"An OpenAI-compatible API, with a pretend Chipp behind it: http://{listen}/v1

curl:
  curl http://{listen}/v1/chat/completions -H 'content-type: application/json' -d '{{"model": "gpt-4o", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

Python (pip install openai):
  python3 -c 'import openai; print(openai.OpenAI(base_url="http://{listen}/v1", api_key="any").chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Hello!"}}]).choices[0].message.content)'

Node (npm install openai):
  node --input-type=module -e 'import OpenAI from "openai"; const chat = await new OpenAI({{baseURL: "http://{listen}/v1", apiKey: "any"}}).chat.completions.create({{model: "gpt-4o", messages: [{{role: "user", content: "Hello!"}}]}}); console.log(chat.choices[0].message.content)'

Every other model shows one way in which Chipp behaves, or misbehaves: http://{listen}/v1/models
Stop with Ctrl-C.
"#
    )
}
