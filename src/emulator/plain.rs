//! Plain replies, in every form that has been seen.

use super::behaviour::{Form, Tale};
use super::exchange::Exchange;
use super::script::{Script, Step, quote};

/// The reply to a request that asked for no stream, or got none.
pub(super) fn script(mut exchange: Exchange<'_>) -> Script {
    let body = body(&exchange);
    let store = exchange.store();
    let (mut script, mut headers) = exchange.begin();
    headers.push(("content-type", "application/json"));
    let short = exchange.talk.form == Form::Short;
    if short || exchange.talk.tale == Tale::Stall {
        script.short_reply(&headers, body.as_bytes());
        if !short {
            script.step(Step::Hang);
        }
        return script;
    }
    match exchange.talk.tale {
        Tale::Rounds(rounds) if rounds.gated => script.step(exchange.gate()),
        Tale::ToolUse | Tale::Rounds(_) => script.step(Step::Pause(exchange.options.think)),
        Tale::Gated => script.step(exchange.gate()),
        _ => {}
    }
    let unfinished = matches!(exchange.talk.tale, Tale::Takeover | Tale::Incomplete);
    script.steps.extend(store.filter(|_| !unfinished));
    script.reply(200, &headers, body.as_bytes());
    script
}

/// A stream request answered with the bare text.
pub(super) fn text(mut exchange: Exchange<'_>) -> Script {
    let store = exchange.store();
    let (mut script, mut headers) = exchange.begin();
    headers.push(("content-type", "text/plain; charset=utf-8"));
    script.steps.extend(store);
    script.stream_head(&headers);
    script.piece(exchange.said.as_bytes());
    script.end();
    script
}

fn body(exchange: &Exchange<'_>) -> String {
    let session = &exchange.session;
    let content = quote(&exchange.said);
    let message = format!(r#"{{"role":"assistant","content":{content}}}"#);
    match exchange.talk.form {
        Form::Sparse => {
            format!(r#"{{"chatSessionId":"{session}","choices":[{{"message":{message}}}]}}"#)
        }
        Form::Message => format!(r#"{{"chatSessionId":"{session}","message":{content}}}"#),
        Form::Response => format!(r#"{{"chatSessionId":"{session}","response":{content}}}"#),
        form => {
            let finish = exchange.talk.finish.replace('-', "_");
            let choice = format!(r#"{{"index":0,"message":{message},"finish_reason":"{finish}"}}"#);
            let choices = if form == Form::NoChoices { "" } else { &choice };
            let usage = usage(exchange);
            let Exchange { serial, created, app, .. } = exchange;
            format!(
                r#"{{"chatSessionId":"{session}","id":"chatcmpl-{serial}","object":"chat.completion","created":{created},"model":"{app}","choices":[{choices}]{usage}}}"#
            )
        }
    }
}

fn usage(exchange: &Exchange<'_>) -> String {
    if exchange.talk.form == Form::NoUsage {
        return String::new();
    }
    let prompt = exchange.usage.prompt;
    let total = prompt + exchange.usage.completion.unwrap_or_default();
    let completion = exchange.usage.completion.map_or_else(|| "null".to_owned(), |tokens| tokens.to_string());
    format!(
        r#","usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}}}"#
    )
}
