//! The configuration as an operator meets it: files that are wrong in every way and what is said about them, the
//! environment, the effective configuration, and the secrets that must not show.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all test code, helpers included"
)]

use std::time::Duration;

use chipp_proxy::catalog::{Images, Tools};
use chipp_proxy::config::{
    Auth, Config, Cors, Environment, Fault, LimitsStore, LogFormat, LogLevel, OnStoreFailure, Problems,
    Retry, Strategy, schema,
};
use chipp_proxy::translate::request::OnParameter;

const SECRET: &str = "sk-do-not-show-1234567890";
const DIGITS: &str = "91827364554637281900";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER_HASH: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";
const SHIPPED: &str = include_str!("../config.yaml");

fn environment(more: &[(&str, &str)]) -> Environment {
    let given = [("CHIPP_API_KEY", SECRET), ("EMPTY", ""), ("NUMBER", "7")];
    given.into_iter().chain(more.iter().copied()).collect()
}

/// Adds the sections that every file needs and this one does not have.
fn completed(text: &str) -> String {
    let needed = ["models: {a: app-1}", "upstream: {api_key: key-1}", "auth: {mode: open}"];
    let has = |line: &str| {
        let section = line.split_inclusive(':').next().unwrap();
        text.lines().any(|line| line.starts_with(section))
    };
    let missing = needed.iter().filter(|line| !has(line));
    missing.fold(text.to_owned() + "\n", |text, line| text + line + "\n")
}

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(&completed(text), &environment(&[]))
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// The problems as `path: message` lines.
fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A file, the path of its problem, words of the message. `HASH` stands for a good hash, `HASH2` for another.
type Case = (&'static str, &'static str, &'static str);

/// Each file has exactly one problem: at this path, with these words in it.
fn each_is_told(files: &[Case]) {
    for (text, path, words) in files {
        let text = text.replace("HASH2", OTHER_HASH).replace("HASH", HASH);
        let told = problems(&text);
        assert_eq!(told.len(), 1, "{text}\n{told:#?}");
        assert!(told[0].starts_with(&format!("{path}: ")), "{text}\n{told:#?}");
        assert!(told[0].contains(words), "{text}\n{told:#?}\nmisses: {words}");
    }
}

#[test]
fn text_that_is_not_yaml_is_told_with_its_line() {
    let deep = "a: ".to_owned() + &"[".repeat(100) + &"]".repeat(100);
    for (text, words) in [
        ("server: [", "  1 | server: ["),
        ("a: b: c", "  1 | a: b: c"),
        ("server:\n\tlisten: x", "  2 | "),
        ("server:\n  drain: 1s\n  drain: 2s", "duplicate mapping key `drain`"),
        ("models:\n  a: app-1\n  b: app-2\n  a: app-3", "  4 |   a: app-3"),
        ("server: {}\nserver: {}", "duplicate mapping key `server`"),
        ("server: *nowhere", "  1 | server: *nowhere"),
        ("server: {}\n---\nserver: {}", "document"),
        ("server: 'x", "1"),
        (&deep, "depth"),
    ] {
        let problems = Config::parse(text, &environment(&[])).unwrap_err().to_string();
        assert!(problems.contains(words), "{text}\n{problems}\nmisses: {words}");
    }
}

#[test]
fn unknown_keys_are_told_all_together_and_with_the_values_that_are_wrong() {
    let text = "sever: {listen: x}\nserver: {lisen: 1, workers: many, base_url: x}\nupstream: {api_key: k, timeouts: {first-byte: 1s}}\nmodels: {a: {app: b, hiden: true}}\nauth:\n  mode: open\n  mod: 1";
    assert_eq!(
        problems(text),
        [
            "sever: unknown key; did you mean `server`?",
            "server.lisen: unknown key; did you mean `listen`?",
            "server.base_url: unknown key; did you mean `upstream.base_url`?",
            "upstream.timeouts.first-byte: unknown key; did you mean `first_byte`?",
            "models.a.hiden: unknown key; did you mean `hidden`?",
            "auth.mod: unknown key; did you mean `mode`?",
            "server.workers: `many` is not a whole number",
        ]
    );
}

#[rustfmt::skip]
const SHAPES: &[Case] = &[
    ("zzz: 1", "zzz", "known here: auth, limits, models"),
    ("first_byte: 5s", "first_byte", "did you mean `upstream.timeouts.first_byte`?"),
    ("\"a\\nb\": 1", "a\\nb", "unknown key"),
    ("auth: {mode: keys, keys: [{name: x, sha256: HASH, model: a}]}", "auth.keys[0].model", "did you mean `models`?"),
    ("limits: {all: {rpm: 5}}", "limits.all.rpm", "requests_per_minute"),
    ("models: {a: {app: b, limits: {all: 5}}}", "models.a.limits.all", "unknown key"),
    ("server: 5", "server", "must be a section with the keys admin, body_limit"),
    ("server: [a]", "server", "must be a section"),
    ("server: {listen: [a]}", "server.listen", "must be one value"),
    ("server: {listen: {a: b}}", "server.listen", "must be one value"),
    ("models: x", "models", "must be a section of `alias: app` lines"),
    ("models: [a]", "models", "must be a section of `alias: app` lines"),
    ("models: {a: [b]}", "models.a", "must be a section with the keys api_key, api_key_file, app"),
    ("models: {a: }", "models.a", "has nothing behind it"),
    ("models: {a: 123}", "models.a", "put quotes around it"),
    ("models: {a: true}", "models.a", "put quotes around it"),
    ("auth: {mode: keys, keys: x}", "auth.keys", "must be a list"),
    ("auth: {mode: keys, keys: [x]}", "auth.keys[0]", "must be a section with the keys disabled, expires"),
    ("auth: {mode: keys, keys: [~]}", "auth.keys[0]", "has nothing behind it"),
    ("sessions: {user_headers: {a: b}}", "sessions.user_headers", "must be a list"),
    ("sessions: {user_headers: [[a]]}", "sessions.user_headers[0]", "must be one value"),
    ("sessions: {user_headers: [a, ~]}", "sessions.user_headers[1]", "has nothing behind it"),
];

#[test]
fn every_unknown_key_and_every_wrong_shape_is_told() {
    each_is_told(SHAPES);
}

#[rustfmt::skip]
const SERVER_AND_UPSTREAM: &[Case] = &[
    ("server: {listen: localhost}", "server.listen", "`localhost` is not an address"),
    ("server: {listen: \"127.0.0.1\"}", "server.listen", "write IP and port"),
    ("server: {listen: \"127.0.0.1:70000\"}", "server.listen", "is not an address"),
    ("server: {listen: off}", "server.listen", "is not an address"),
    ("server: {listen: \"\"}", "server.listen", "is empty"),
    ("server: {admin: on}", "server.admin", "or `off`"),
    ("server: {listen: \"127.0.0.1:9090\"}", "server.admin", "same address as `server.listen`"),
    ("server: {listen: \"127.0.0.1:90\", admin: \"0.0.0.0:90\"}", "server.admin", "same address"),
    ("server: {workers: -1}", "server.workers", "`-1` is not a whole number"),
    ("server: {workers: 1.5}", "server.workers", "is not a whole number"),
    ("server: {workers: 1025}", "server.workers", "from 0 (one per core) to 1024"),
    ("server: {body_limit: 10 apples}", "server.body_limit", "`10 apples` is not a size"),
    ("server: {body_limit: 1023}", "server.body_limit", "from 1KiB to 1GiB"),
    ("server: {body_limit: 2GiB}", "server.body_limit", "from 1KiB to 1GiB"),
    ("server: {drain: 30}", "server.drain", "`30` has no unit: write it like `30s`"),
    ("server: {drain: soon}", "server.drain", "is not a duration"),
    ("server: {drain: -5s}", "server.drain", "is not a duration"),
    ("server: {drain: 2h}", "server.drain", "at most 1h"),
    ("server: {keep_alive_comment: 0s}", "server.keep_alive_comment", "from 10ms to 1h, or `off`"),
    ("server: {keep_alive_comment: true}", "server.keep_alive_comment", "or `off`"),
    ("server: {timeouts: {head: 5}}", "server.timeouts.head", "has no unit"),
    ("server: {timeouts: {body: 1ms}}", "server.timeouts.body", "from 10ms to 1h"),
    ("server: {timeouts: {keep_alive: 2h}}", "server.timeouts.keep_alive", "from 10ms to 1h"),
    ("server: {tls: {key: /dev/null}}", "server.tls.cert", "is missing"),
    ("server: {tls: {cert: /dev/null}}", "server.tls.key", "is missing"),
    ("server: {tls: {cert: /nowhere/cert.pem, key: /dev/null}}", "server.tls.cert", "`/nowhere/cert.pem` cannot be read"),
    ("server: {tls: {cert: /dev/null, key: /nowhere/key.pem}}", "server.tls.key", "`/nowhere/key.pem` cannot be read"),
    ("server: {tls: {cert: /dev/null, key: /dev/null}}", "server.tls.cert", "has no certificate in it"),
    ("server: {cors: {origins: [a]}}", "server.cors.origins[0]", "`a` is not an origin"),
    ("server: {cors: {origins: [\"https://a\", \"https://a/b\"]}}", "server.cors.origins[1]", "without a path"),
    ("server: {cors: {origins: \"https://a/\"}}", "server.cors.origins[0]", "without a path"),
    ("server: {cors: {origins: \"https://*.a.example\"}}", "server.cors.origins[0]", "is not an origin"),
    ("server: {cors: {origins: []}}", "server.cors.origins", "is missing"),
    ("server: {cors: {}}", "server.cors.origins", "is missing"),
    ("upstream: {api_key: k, base_url: chipp}", "upstream.base_url", "is not a URL"),
    ("upstream: {api_key: k, base_url: \"ftp://a.b\"}", "upstream.base_url", "must begin with `https://`"),
    ("upstream: {api_key: k, base_url: \"https://\"}", "upstream.base_url", "is not a URL"),
    ("upstream: {api_key: k, base_url: \"https://u:pw@a.b\"}", "upstream.base_url", "user name or password"),
    ("upstream: {api_key: k, base_url: \"https://a.b/?x=1\"}", "upstream.base_url", "leave that out"),
    ("upstream: {api_key: k, base_url: \"https://a.b/#x\"}", "upstream.base_url", "leave that out"),
    ("upstream: {api_key: k, base_url: \"http://a.b:0\"}", "upstream.base_url", "has port 0"),
    ("upstream: {api_key: k, timeouts: {connect: 0s}}", "upstream.timeouts.connect", "from 1ms to 24h"),
    ("upstream: {api_key: k, timeouts: {total: 25h}}", "upstream.timeouts.total", "from 1ms to 24h"),
    ("upstream: {api_key: k, timeouts: {total: 5}}", "upstream.timeouts.total", "`5` has no unit"),
    ("upstream: {api_key: k, timeouts: {first_byte: 2m, total: 1m}}", "upstream.timeouts.first_byte", "not be longer than `upstream.timeouts.total`"),
    ("upstream: {api_key: k, timeouts: {idle: 11m}}", "upstream.timeouts.idle", "not be longer than `upstream.timeouts.total`"),
    ("upstream: {api_key: k, timeouts: {connect: 10s, first_byte: 9s}}", "upstream.timeouts.connect", "not be longer than `upstream.timeouts.first_byte`"),
    ("upstream: {api_key: k, ca_file: /nowhere/x.pem}", "upstream.ca_file", "cannot read `/nowhere/x.pem`: "),
    ("upstream: {api_key: k, reuse_connections: sometimes}", "upstream.reuse_connections", "neither `true` nor"),
    ("upstream: {api_key: k, retry: {attempts: 0}}", "upstream.retry.attempts", "must be from 1 to 10"),
    ("upstream: {api_key: k, retry: {attempts: 11}}", "upstream.retry.attempts", "must be from 1 to 10"),
    ("upstream: {api_key: k, retry: {backoff: 0s}}", "upstream.retry.backoff", "must be from 1ms to 24h"),
    ("upstream: {api_key: k, retry: {backoff: 2s, max_backoff: 1s}}", "upstream.retry.max_backoff", "must not be shorter than `upstream.retry.backoff`"),
    ("upstream: {api_key: k, retry: {on: [connect, anything]}}", "upstream.retry.on[1]", "use `connect` or `rate_limit` or `unavailable` or `timeout`"),
    ("upstream: {api_key: k, breaker: {failures: 0}}", "upstream.breaker.failures", "or `off`"),
    ("upstream: {api_key: k, breaker: {failures: 1001}}", "upstream.breaker.failures", "must be from 1 to 1000, or `off`"),
    ("upstream: {api_key: k, breaker: {window: 0s}}", "upstream.breaker.window", "must be from 1ms to 24h"),
    ("upstream: {api_key: k, breaker: {cooldown: 30}}", "upstream.breaker.cooldown", "has no unit"),
    ("upstream: {api_key: \"a b\"}", "upstream.api_key", "has a space"),
    ("upstream: {api_key: \"***\"}", "upstream.api_key", "is the mask of a secret"),
    ("upstream: {api_key: \"${EMPTY}\"}", "upstream.api_key", "is empty"),
    ("upstream: {api_key: \"${NOT_SET}\"}", "upstream.api_key", "variable `NOT_SET` is not set"),
    ("upstream: {api_key: k, api_key_file: f}", "upstream.api_key_file", "keep one of the two"),
    ("upstream: {api_key_file: /nowhere/key}", "upstream.api_key_file", "cannot read `/nowhere/key`: "),
    ("upstream: {}", "models.a.api_key", "is missing: set it, or `upstream.api_key`"),
];

#[test]
fn every_wrong_value_of_the_server_and_upstream_is_told() {
    each_is_told(SERVER_AND_UPSTREAM);
}

#[rustfmt::skip]
const MODELS_AND_AUTH: &[Case] = &[
    ("models: {}", "models", "is empty: name at least one alias"),
    ("models:", "models", "is empty"),
    ("models: {a b: app-1}", "models.a b", "spaces"),
    ("models: {\"a\\tb\": app-1}", "models.a\\tb", "spaces or control characters"),
    ("models: {\"\": app-1}", "models.", "must not be empty"),
    ("models: {\"a*b\": app-1}", "models.a*b", "one `*`, at its end"),
    ("models: {\"a**\": app-1}", "models.a**", "one `*`, at its end"),
    ("models: {\"${CHIPP_API_KEY}\": app-1}", "models.${CHIPP_API_KEY}", "not into aliases"),
    ("models: {a: \"b c\"}", "models.a", "is not an app's name id"),
    ("models: {a: \"\"}", "models.a", "is empty"),
    ("models: {a: {hidden: true}}", "models.a.app", "is missing"),
    ("models: {a: {app: ä}}", "models.a.app", "is not an app's name id"),
    ("models: {a: {app: b, hidden: maybe}}", "models.a.hidden", "neither `true` nor `false`"),
    ("models: {a: {app: b, tools: run}}", "models.a.tools", "`run` is not known here"),
    ("models: {a: {app: b, images: parts}}", "models.a.images", "yet; use `text` or `reject`"),
    ("models: {a: {app: b, fallbacks: [c]}}", "models.a.fallbacks[0]", "is not an alias of `models`"),
    ("models: {a: {app: b, fallbacks: [a]}}", "models.a.fallbacks[0]", "is the alias itself"),
    ("models: {a: {app: b, fallbacks: [c, c]}, c: d}", "models.a.fallbacks[1]", "is there twice"),
    ("models: {a: {app: b, fallbacks: [\"c*\"]}, \"c*\": d}", "models.a.fallbacks[0]", "is a pattern"),
    ("models: {a: {app: x, fallbacks: [b, c, d, e, f, g, h, i, j]}, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x, j: x}", "models.a.fallbacks", "has more than 8 entries"),
    ("models: {a: {app: b, limits: {concurrent: -1}}}", "models.a.limits.concurrent", "`-1` is not a whole number"),
    ("models: {a: {app: b, limits: {requests_per_minute: 0}}}", "models.a.limits.requests_per_minute", "leave it out"),
    ("models: {a: {app: b, api_key: c, api_key_file: d}}", "models.a.api_key_file", "keep one of the two"),
    ("models: {a: {app: b, api_key: \"c\\nd\"}}", "models.a.api_key", "a line break"),
    ("models: {a: {app: b, api_key: c}}\nauth: {mode: passthrough}", "models.a.api_key", "has no use"),
    ("models: {a: {app: b, api_key_file: c}}\nauth: {mode: passthrough}", "models.a.api_key_file", "has no use"),
    ("auth: {mode: closed}", "auth.mode", "use `open` or `keys` or `passthrough`"),
    ("auth: {mode: keys}", "auth.keys", "is empty, so nobody could call"),
    ("auth: {mode: keys, keys: []}", "auth.keys", "is empty, so nobody could call"),
    ("auth:", "auth.keys", "is empty, so nobody could call"),
    ("auth: {mode: open, keys: [{name: a, sha256: HASH}]}", "auth.keys", "no effect without `auth.mode: keys`"),
    ("auth: {mode: open, allow_open_on_network: yes}", "auth.allow_open_on_network", "neither `true`"),
    ("server: {listen: \"0.0.0.0:80\"}", "auth.mode", "set `auth.allow_open_on_network: true`"),
    ("server: {listen: \"[::]:80\"}\nauth: {mode: open, allow_open_on_network: false}", "auth.mode", "`open` lets"),
    ("auth: {mode: keys, keys: [{sha256: HASH}]}", "auth.keys[0].name", "is missing"),
    ("auth: {mode: keys, keys: [{name: a b, sha256: HASH}]}", "auth.keys[0].name", "without spaces"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH}, {name: a, sha256: HASH2}]}", "auth.keys[1].name", "auth.keys[0].name"),
    ("auth: {mode: keys, keys: [{name: a}]}", "auth.keys[0].sha256", "is missing"),
    ("auth: {mode: keys, keys: [{name: a, sha256: []}]}", "auth.keys[0].sha256", "one hash, or two"),
    ("auth: {mode: keys, keys: [{name: a, sha256: [abc]}]}", "auth.keys[0].sha256[0]", "64 hexadecimal digits"),
    ("auth: {mode: keys, keys: [{name: a, sha256: [HASH, HASH]}]}", "auth.keys[0].sha256[1]", "same as auth.keys[0].sha256[0]"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH}, {name: b, sha256: [HASH2, HASH]}]}", "auth.keys[1].sha256[1]", "same as auth.keys[0].sha256[0]"),
    ("auth: {mode: keys, keys: [{name: a, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]}", "auth.keys[0].sha256[0]", "of an empty key"),
    ("auth: {mode: keys, keys: [{name: a, sha256: zf86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]}", "auth.keys[0].sha256[0]", "not a hexadecimal digit"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, expires: tomorrow}]}", "auth.keys[0].expires", "is not a date"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, expires: 2027-02-30}]}", "auth.keys[0].expires", "is not a date"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, expires: 1969-01-01}]}", "auth.keys[0].expires", "is not a date"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, models: []}]}", "auth.keys[0].models", "could use nothing"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, models: [a, A]}]}", "auth.keys[0].models[1]", "matches none"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, models: \"a, b*\"}]}", "auth.keys[0].models[1]", "matches none"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, trust_user: 1}]}", "auth.keys[0].trust_user", "neither"),
    ("auth: {mode: keys, keys: [{name: a, sha256: HASH, limits: {tokens_per_minute: 5k}}]}", "auth.keys[0].limits.tokens_per_minute", "`5k` is not a whole number"),
];

#[test]
fn every_wrong_value_of_models_and_auth_is_told() {
    each_is_told(MODELS_AND_AUTH);
}

#[rustfmt::skip]
const OTHER_SECTIONS: &[Case] = &[
    ("sessions: {store: disk}", "sessions.store", "use `memory` or `redis`"),
    ("sessions: {ttl: 10ms}", "sessions.ttl", "from 1s to 365days"),
    ("sessions: {ttl: 10years}", "sessions.ttl", "from 1s to 365days"),
    ("sessions: {capacity: 0}", "sessions.capacity", "from 1 to 10000000"),
    ("sessions: {capacity: 10000001}", "sessions.capacity", "from 1 to 10000000"),
    ("sessions: {capacity: 99999999999999999999999}", "sessions.capacity", "is not a whole number"),
    ("sessions: {user_headers: [X User]}", "sessions.user_headers[0]", "`X User` is not a header's name"),
    ("sessions: {user_headers: [Authorization]}", "sessions.user_headers[0]", "cannot carry an id"),
    ("sessions: {user_headers: [A, a]}", "sessions.user_headers[1]", "same as sessions.user_headers[0]"),
    ("sessions: {user_headers: [A], conversation_headers: [B, A]}", "sessions.conversation_headers[1]", "same as sessions.user_headers[0]"),
    ("sessions: {expose: true, strategy: sticky}", "sessions.expose", "does not go with `strategy: sticky`"),
    ("responses: {store: disk}", "responses.store", "use `memory` or `redis`"),
    ("responses: {ttl: 10ms}", "responses.ttl", "from 1s to 365days"),
    ("responses: {max_bytes: 1023KiB}", "responses.max_bytes", "from 1MiB to 1TiB"),
    ("responses: {max_bytes: 1MiB, max_entry: 1025KiB}", "responses.max_entry", "not be larger than `responses.max_bytes`"),
    ("responses: {max_entry: 300MiB}", "responses.max_entry", "not be larger than `responses.max_bytes`"),
    ("responses: {max_entry: 513MiB}", "responses.max_entry", "from 1KiB to 512MiB"),
    ("responses: {max_entry: 5 apples}", "responses.max_entry", "`5 apples` is not a size"),
    ("limits: {store: disk}", "limits.store", "use `memory` or `redis`"),
    ("limits: {on_store_failure: panic}", "limits.on_store_failure", "use `local` or `deny`"),
    ("limits: {all: {requests_per_minute: 0}}", "limits.all.requests_per_minute", "leave it out"),
    ("limits: {key: {requests_per_minute: 4294967296}}", "limits.key.requests_per_minute", "from 1 to 4294967295"),
    ("limits: {all: {concurrent: 0}}", "limits.all.concurrent", "leave it out"),
    ("limits: {key: {tokens_per_minute: 0.5}}", "limits.key.tokens_per_minute", "`0.5` is not a whole number"),
    ("limits: {key: {tokens_per_day: \"\"}}", "limits.key.tokens_per_day", "is empty"),
    ("limits: {key: {tokens_per_minute: 5, tokens_per_day: 4}}", "limits.key.tokens_per_day", "not be less than `tokens_per_minute`"),
    ("limits: {user: {requests_per_day: many}}", "limits.user.requests_per_day", "`many` is not a whole number"),
    ("limits: {user: {requests_per_minute: 5, requests_per_day: 4}}", "limits.user.requests_per_day", "not be less than `requests_per_minute`"),
    ("limits: {user: {burst: 5}}", "limits.user.burst", "set that, or leave this out"),
    ("limits: {user: {burst: 5, requests_per_day: 9}}", "limits.user.burst", "set that, or leave this out"),
    ("limits: {user: {burst: 5, requests_per_minute: 4}}", "limits.user.burst", "not be more than `requests_per_minute`"),
    ("redis: {url: \"http://h\"}", "redis.url", "must begin with `redis://`"),
    ("redis: {url: \"redis://h\", url_file: h}", "redis.url_file", "stands beside `url`"),
    ("redis: {url_file: Cargo.toml}", "redis.url_file", "what is in `Cargo.toml` has a space"),
    ("redis: {url_file: /dev/null}", "redis.url_file", "`/dev/null` is an empty file"),
    ("redis: {prefix: a b}", "redis.prefix", "without spaces"),
    ("redis: {timeout: 100}", "redis.timeout", "has no unit"),
    ("redis: {timeout: 2m}", "redis.timeout", "from 1ms to 60s"),
    ("parameters: {unsupported: drop}", "parameters.unsupported", "use `ignore` or `reject`"),
    ("parameters: {unknown: drop}", "parameters.unknown", "use `ignore` or `reject`"),
    ("telemetry: {log: xml}", "telemetry.log", "use `json` or `pretty`"),
    ("telemetry: {level: chatty}", "telemetry.level", "use `error` or `warn` or `info` or `debug` or `trace`"),
    ("telemetry: {content: \"${NUMBER}\"}", "telemetry.content", "`${NUMBER}` is neither"),
    ("telemetry: {otlp: \"http://h:4317\"}", "telemetry.otlp", "not supported yet; use `off`"),
];

#[test]
fn every_wrong_value_of_the_other_sections_is_told() {
    each_is_told(OTHER_SECTIONS);
}

#[test]
fn aliases_are_not_longer_than_ids() {
    let alias = "x".repeat(255);
    assert!(parse(&format!("models: {{{alias}: app-1}}")).is_ok());
    let told = problems(&format!("models: {{{alias}x: app-1}}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("longer than 255 bytes"), "{told:?}");
}

#[test]
#[cfg(feature = "redis")]
fn what_is_in_redis_needs_its_address() {
    for (text, setting) in [
        ("sessions: {store: redis}", "sessions.store"),
        ("sessions: {store: redis}\nredis: {prefix: p}", "sessions.store"),
        ("responses: {store: redis}", "responses.store"),
        ("limits: {store: redis}", "limits.store"),
    ] {
        let told = problems(text);
        let expected = format!("redis.url: is needed with `{setting}: redis`");
        assert!(told.len() == 1 && told[0].starts_with(&expected), "{told:?}");
    }
    let limits = good("limits: {store: redis, on_store_failure: deny}\nredis: {url: \"redis://h\"}").limits;
    assert_eq!((limits.store, limits.on_store_failure), (LimitsStore::Redis, OnStoreFailure::Deny));
    let config = good("sessions: {store: redis}\nredis: {url: \"redis://h\"}");
    assert_eq!(
        (config.sessions.store, config.redis.unwrap().prefix.as_str()),
        (chipp_proxy::config::SessionStore::Redis, "chipp-proxy")
    );
}

#[test]
fn a_build_without_redis_refuses_it() {
    for section in ["sessions", "responses", "limits"] {
        let told = problems(&format!("{section}: {{store: redis}}\nredis: {{url: \"redis://h\"}}"));
        let expected = format!("{section}.store: `redis` is not part of this build");
        let is_told = told.iter().any(|line| line.starts_with(&expected));
        assert_eq!(is_told, !cfg!(feature = "redis"), "{told:?}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let told = problems(
        "server: {drain: 30, workers: x}\nupstream: {api_key: \"${NO}\"}\nmodels: {a b: c, d: {}}\nauth: {mode: keys, keys: [{name: k}]}\nsessions: {store: disk}",
    );
    let paths: Vec<_> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "server.workers",
            "server.drain",
            "upstream.api_key",
            "models.a b",
            "models.d.app",
            "auth.keys[0].sha256",
            "sessions.store",
        ]
    );
}

/// A limit that is set.
fn number(limit: Option<std::num::NonZeroU32>) -> u32 {
    limit.map_or(0, std::num::NonZero::get)
}

#[test]
fn what_is_written_arrives() {
    let text = format!(
        "
server: {{listen: \"[::1]:0\", admin: off, workers: 3, body_limit: 64KiB, drain: 0s, keep_alive_comment: false}}
upstream:
  base_url: HTTP://Chipp.internal:8000/api/v1//
  api_key: default-key
  timeouts: {{total: 1m}}
  retry: {{attempts: 3, backoff: 10s, on: \"timeout, reset\"}}
  breaker: {{failures: off, window: 1m}}
  reuse_connections: false
models:
  zeta: 0123
  alpha: {{app: 0456, api_key: own-key, hidden: true, tools: ignore, images: reject, fallbacks: [gpt-4.1, zeta], limits: {{requests_per_minute: 7}}}}
  \"gpt-*\": \"${{APP:-app-9}}\"
  gpt-4.1: app-2
auth:
  mode: keys
  keys:
    - {{name: web, sha256: [sha256:{HASH}, {upper}], models: [zeta, \"gpt-4*\", gpt-4o-mini], expires: 2027-01-01, disabled: true, trust_user: true, limits: {{requests_per_minute: 9}}}}
    - {{name: all, sha256: {third}, expires: 2027-01-01T00:00:01Z}}
sessions: {{strategy: off, ttl: 90s, capacity: 5, user_headers: [], conversation_headers: \"X-A, x-b\"}}
responses: {{ttl: 2h, max_bytes: 1GiB, max_entry: 64KiB}}
limits: {{all: {{requests_per_minute: 9, burst: 2, requests_per_day: 10, tokens_per_minute: 3, tokens_per_day: 4, concurrent: 5}}, key: {{}}, user: {{tokens_per_day: 6}}}}
redis: {{url: \"rediss://user:pass@redis.internal:6380/2\", prefix: \"p:\", timeout: 20ms}}
parameters: {{unsupported: reject, unknown: reject}}
telemetry: {{log: pretty, level: debug, content: true, otlp: false}}
",
        upper = OTHER_HASH.to_uppercase(),
        third = "ab".repeat(32),
    );
    let config = good(&text);
    assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
    assert_eq!(config.server.admin, None);
    assert_eq!((config.server.workers, config.server.body_limit), (3, 65536));
    assert_eq!(config.server.drain, Duration::ZERO);
    assert_eq!(config.server.keep_alive_comment, None);
    assert_eq!(config.upstream.base_url, "http://chipp.internal:8000/api/v1");
    assert!(!config.upstream.reuse_connections);
    let timeouts = config.upstream.timeouts;
    let minute = Duration::from_secs(60);
    assert_eq!((timeouts.total, timeouts.first_byte, timeouts.idle), (minute, minute, minute));
    assert_eq!(timeouts.connect, Duration::from_secs(10));

    let Retry { attempts, backoff, max_backoff, on } = &config.upstream.retry;
    assert_eq!((*attempts, *backoff, *max_backoff), (3, Duration::from_secs(10), Duration::from_secs(10)));
    assert_eq!(on, &[Fault::Timeout, Fault::Reset]);
    let breaker = config.upstream.breaker;
    assert_eq!((breaker.failures, breaker.window), (None, minute));

    let route = |model: &str| config.models.resolve(model).unwrap();
    let key = |model: &str| route(model).key.as_ref().unwrap().expose().to_owned();
    assert_eq!(route("zeta").app.as_str(), "0123");
    assert_eq!((key("zeta"), key("alpha")), ("default-key".into(), "own-key".into()));
    assert_eq!(route("alpha").app.as_str(), "0456");
    assert_eq!((route("alpha").tools, route("alpha").images), (Tools::Ignore, Images::Reject));
    assert_eq!(number(route("alpha").limits.unwrap().requests_per_minute), 7);
    let fallbacks: Vec<&str> = route("alpha").fallbacks.iter().map(|alias| &**alias).collect();
    assert_eq!(fallbacks, ["gpt-4.1", "zeta"]);
    assert_eq!(route("gpt-4o").app.as_str(), "app-9");
    assert_eq!(route("gpt-4.1").app.as_str(), "app-2");
    assert_eq!(config.models.listed().collect::<Vec<_>>(), ["zeta", "gpt-4.1"]);

    let Auth::Keys(keys) = &config.auth else { panic!("{:?}", config.auth) };
    assert_eq!((keys[0].sha256[0][..2].to_vec(), keys[0].sha256[1][0]), (vec![0x9f, 0x86], 0x60));
    assert_eq!(keys[0].models.as_deref().unwrap(), ["zeta", "gpt-4*", "gpt-4o-mini"]);
    assert_eq!((keys[0].expires, keys[1].expires), (Some(1_798_761_600), Some(1_798_761_601)));
    assert!(keys[0].trust_user && !keys[1].trust_user);
    assert!(keys[0].disabled && !keys[1].disabled);
    assert_eq!((&keys[1].models, keys[1].sha256[0]), (&None, [0xab; 32]));
    assert_eq!(config.sessions.strategy, Strategy::Off);
    assert_eq!((config.sessions.ttl, config.sessions.capacity), (Duration::from_secs(90), 5));
    assert_eq!(config.responses.ttl, Duration::from_secs(7200));
    assert_eq!((config.responses.max_bytes, config.responses.max_entry), (1 << 30, 65536));
    assert!(config.sessions.user_headers.is_empty());
    assert_eq!(config.sessions.conversation_headers, ["x-a", "x-b"]);
    let all = config.limits.all;
    let requests = [all.requests_per_minute, all.burst, all.requests_per_day];
    let others = [all.tokens_per_minute, all.tokens_per_day, all.concurrent];
    assert_eq!((requests.map(number), others.map(number)), ([9, 2, 10], [3, 4, 5]));
    assert!(config.limits.key.is_empty());
    assert_eq!(number(config.limits.user.tokens_per_day), 6);
    assert_eq!(number(keys[0].limits.unwrap().requests_per_minute), 9);
    assert!(keys[1].limits.is_none());
    let redis = config.redis.unwrap();
    assert_eq!(redis.url.expose(), "rediss://user:pass@redis.internal:6380/2");
    assert_eq!((redis.prefix.as_str(), redis.timeout), ("p:", Duration::from_millis(20)));
    assert_eq!(config.parameters.unsupported, OnParameter::Reject);
    assert_eq!(config.telemetry.log, LogFormat::Pretty);
    assert!(config.telemetry.content);
    assert_eq!(config.telemetry.level, LogLevel::Debug);
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    let of = |origins: &str| good(&format!("server: {{cors: {{origins: {origins}}}}}")).server.cors.unwrap();
    let only = |origins: &[&str]| Cors::Only(origins.iter().map(|origin| (*origin).to_owned()).collect());
    assert_eq!(
        of("[HTTPS://Chat.Example.com:443, \"http://b:80\"]"),
        only(&["https://chat.example.com", "http://b"])
    );
    assert_eq!(
        of("\"http://localhost:3000, app://obsidian.md\""),
        only(&["http://localhost:3000", "app://obsidian.md"])
    );
    for any in ["\"*\"", "[\"*\"]", "[\"https://a\", \"*\"]"] {
        assert_eq!(of(any), Cors::Any);
    }
    assert_eq!(good("").server.cors, None);
}

#[test]
fn what_is_allowed_is_not_refused() {
    for text in [
        "server: {listen: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}",
        "server: {listen: \"127.0.0.5:80\"}",
        "server: {listen: \"[::ffff:127.0.0.1]:80\"}",
        "server: {listen: \"0.0.0.0:80\"}\nauth: {mode: open, allow_open_on_network: true}",
        "server: {listen: \"0.0.0.0:80\"}\nauth: {mode: passthrough}",
        "server: {listen: \"10.0.0.1:80\", admin: \"10.0.0.2:80\"}\nauth: {mode: passthrough}",
        "server: {workers: \"${NUMBER}\", body_limit: 1048576}\nsessions:\nlimits: {all: ~}",
        "upstream: {api_key: \"${NOT_SET}\"}\nauth: {mode: passthrough}",
        "upstream: {}\nmodels: {a: {app: b, api_key: c}}",
        "upstream: {}\nauth: {mode: passthrough}",
        "models: {\"*\": app-1, openai/gpt-4o: app-2, ünïcode: app-3}",
        "upstream: {api_key: k, retry: {on: []}}",
        "models: {a: {app: x, fallbacks: [b]}, b: {app: y, fallbacks: [a]}}",
        "redis: {prefix: p}",
        "redis: {url: \"unix:///run/redis.sock\"}",
        "models: {a: &long {app: b, hidden: true}, c: {<<: *long, hidden: false}}",
    ] {
        good(text);
    }
}

#[test]
fn keys_can_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (one, other) = (file("one", "key-one\r\n"), file("other", "key-other"));
    let config = good(&format!(
        "upstream: {{api_key_file: {one}, ca_file: {other}}}\nmodels: {{a: b, c: {{app: d, api_key_file: {other}}}}}"
    ));
    let key = |model: &str| config.models.resolve(model).unwrap().key.clone().unwrap();
    assert_eq!((key("a").expose(), key("c").expose()), ("key-one", "key-other"));
    for (name, text, words) in
        [("empty", "\n", "is an empty file"), ("two-lines", "secret-1\nsecret-2\n", "a line break")]
    {
        let path = file(name, text);
        let told = problems(&format!("upstream: {{api_key_file: {path}}}"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("upstream.api_key_file: ") && told[0].contains(words), "{told:?}");
        assert!(told[0].contains(&path) && !told[0].contains("secret-"), "{told:?}");
    }
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, completed("")).unwrap();
    assert!(Config::load(&config, &environment(&[])).is_ok());
    let missing = folder.path().join("missing.yaml");
    let problems = Config::load(&missing, &environment(&[])).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("cannot read {}: ", missing.display())), "{problems}");
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "from-file").unwrap();
    let variables = [
        ("CHIPP_PROXY__SERVER__LISTEN", "127.0.0.1:1234"),
        ("CHIPP_PROXY__SERVER__ADMIN", "off"),
        ("CHIPP_PROXY__SERVER__WORKERS", "007"),
        ("CHIPP_PROXY__SERVER__DRAIN", ""),
        ("CHIPP_PROXY__UPSTREAM__TIMEOUTS__CONNECT", "3s"),
        ("CHIPP_PROXY__UPSTREAM__API_KEY_FILE", key.to_str().unwrap()),
        ("CHIPP_PROXY__SESSIONS__USER_HEADERS", "X-One, X-Two"),
        ("CHIPP_PROXY__LIMITS__ALL__REQUESTS_PER_MINUTE", "12"),
        ("CHIPP_PROXY__TELEMETRY__LOG", "pretty"),
        ("chipp_proxy__server__listen", "127.0.0.1:1"),
        ("CHIPP_PROXY_CONFIG", "somewhere"),
    ];
    let text = format!(
        "server: {{workers: 2, drain: 5s, body_limit: 2MiB}}
upstream: {{api_key: \"${{NOT_SET}}\", timeouts: {{idle: 4s}}}}
models: {{Zeta: z-1, gpt-4.1: b-2, alpha: c-3}}
auth:
  mode: keys
  keys: [{{name: k, sha256: {HASH}, models: [Zeta]}}]
sessions: {{conversation_headers: []}}"
    );
    let config = Config::parse(&text, &environment(&variables)).unwrap();
    assert_eq!(config.server.listen.port(), 1234);
    assert_eq!((config.server.admin, config.server.workers), (None, 7));
    assert_eq!(config.server.drain, Duration::from_secs(5));
    assert_eq!(config.server.body_limit, 2 << 20);
    assert_eq!(config.upstream.timeouts.connect, Duration::from_secs(3));
    assert_eq!(config.upstream.timeouts.idle, Duration::from_secs(4));
    assert_eq!(config.sessions.user_headers, ["x-one", "x-two"]);
    assert!(config.sessions.conversation_headers.is_empty());
    assert_eq!(number(config.limits.all.requests_per_minute), 12);
    assert_eq!(config.telemetry.log, LogFormat::Pretty);
    assert_eq!(config.models.listed().collect::<Vec<_>>(), ["Zeta", "gpt-4.1", "alpha"]);
    assert_eq!(config.models.resolve("alpha").unwrap().key.as_ref().unwrap().expose(), "from-file");
    let Auth::Keys(keys) = &config.auth else { panic!("{:?}", config.auth) };
    assert_eq!(keys[0].models.as_deref().unwrap(), ["Zeta"]);
}

#[test]
fn the_environment_is_taken_literally() {
    let variables = [("CHIPP_PROXY__UPSTREAM__API_KEY", "a$$b${CHIPP_API_KEY}")];
    let config = Config::parse(&completed(""), &environment(&variables)).unwrap();
    let key = config.models.resolve("a").unwrap().key.clone().unwrap();
    assert_eq!(key.expose(), "a$$b${CHIPP_API_KEY}");
}

#[test]
fn variables_that_set_nothing_are_told() {
    let variables = [
        ("CHIPP_PROXY__SERVER__LISEN", "x"),
        ("CHIPP_PROXY__SERVER", "x"),
        ("CHIPP_PROXY__MODELS__GPT__APP", "x"),
        ("CHIPP_PROXY__AUTH__KEYS", "x"),
        ("CHIPP_PROXY__NOTHING_LIKE_IT", "x"),
        ("CHIPP_PROXY__server__drain", "1s"),
        ("CHIPP_PROXY__SERVER__WORKERS", SECRET),
        ("CHIPP_PROXY__REDIS__URL", SECRET),
    ];
    let problems = Config::parse(&completed(""), &environment(&variables)).unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "CHIPP_PROXY__AUTH__KEYS: `auth.keys` can only be set in the file; use `${NAME}` in a value there",
            "CHIPP_PROXY__MODELS__GPT__APP: `models` can only be set in the file; use `${NAME}` in a value there",
            "CHIPP_PROXY__NOTHING_LIKE_IT: unknown key",
            "CHIPP_PROXY__SERVER: names a section; set one of its keys",
            "CHIPP_PROXY__SERVER__LISEN: unknown key; did you mean `CHIPP_PROXY__SERVER__LISTEN`?",
            "CHIPP_PROXY__server__drain: write it in capitals: `CHIPP_PROXY__SERVER__DRAIN`",
            "server.workers: `${CHIPP_PROXY__SERVER__WORKERS}` is not a whole number",
            "redis.url: is not a URL: write it like `redis://127.0.0.1:6379`",
        ]
    );
}

/// Every key of the schema that has a full name, as its variable.
fn variables_of_the_schema() -> Vec<String> {
    fn walk(root: &serde_json::Value, node: &serde_json::Value, name: &str, names: &mut Vec<String>) {
        let node = node["$ref"].as_str().map_or(node, |pointer| root.pointer(&pointer[1..]).unwrap());
        let larger = node["anyOf"]
            .as_array()
            .and_then(|choices| choices.iter().find(|choice| choice["$ref"].is_string()));
        if let Some(choice) = larger {
            return walk(root, choice, name, names);
        }
        match node["properties"].as_object() {
            None => names.push(name.to_owned()),
            Some(keys) => {
                for (key, value) in keys {
                    walk(root, value, &format!("{name}__{}", key.to_uppercase()), names);
                }
            }
        }
    }
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let mut names = Vec::new();
    walk(&schema, &schema, "CHIPP_PROXY", &mut names);
    names
}

#[test]
fn no_value_from_the_environment_is_ever_shown() {
    let names = variables_of_the_schema();
    assert!(names.len() > 50, "{names:?}");
    let names = names.iter().filter(|name| !name.ends_with("_HEADERS"));
    for (name, value) in names.flat_map(|name| [(name, SECRET), (name, DIGITS)]) {
        let environment = environment(&[(name, value)]);
        let shown = match Config::parse(&completed(""), &environment) {
            Ok(config) => format!("{config:?}\n{}\n{environment:?}", config.show()),
            Err(problems) => format!("{problems}\n{problems:?}"),
        };
        assert!(!shown.contains(value), "{name}: {shown}");
    }
    for text in [
        "server: {listen: \"${CHIPP_API_KEY}\"}",
        "server: {drain: \"${CHIPP_API_KEY} ${NOT_SET}\"}",
        "server: {unknown: \"${CHIPP_API_KEY}\", workers: \"x${CHIPP_API_KEY}\"}",
        "models: {a: \"${CHIPP_API_KEY} b\"}",
        "models: {a: {app: b, tools: \"${CHIPP_API_KEY}\", api_key: \"${CHIPP_API_KEY} \"}}",
        "models: {a: [\"${CHIPP_API_KEY}\"]}",
        "auth: {mode: keys, keys: [{name: \"${CHIPP_API_KEY} x\", sha256: \"${CHIPP_API_KEY}\", models: [\"${CHIPP_API_KEY}\"], expires: \"${CHIPP_API_KEY}\"}]}",
        "auth: {mode: keys, keys: [{name: a, sha256: [HASH, \"${CHIPP_API_KEY}\"]}]}",
        "upstream: {api_key: \"${CHIPP_API_KEY}\", base_url: \"${CHIPP_API_KEY}\"}",
        "upstream: {api_key: \"${CHIPP_API_KEY}\", ttl: [",
        "sessions: {user_headers: \"${CHIPP_API_KEY}:\", capacity: \"${CHIPP_API_KEY}\"}",
    ] {
        let shown = problems(text).join("\n");
        assert!(!shown.is_empty() && !shown.contains(SECRET), "{text}\n{shown}");
    }
}

#[test]
fn keys_written_into_the_file_are_not_shown_either() {
    for text in [
        "upstream: {api_key: \"sk-plain key\"}",
        "models:\n  a:\n    app: b\n    api_key: sk-plain-1 [\n    - {",
        "models:\n  a:\n    api_key: [sk-plain-1]",
        "upstream: {api_key: [sk-plain-1}",
        "upstream:\n  api_key: |\n    sk-plain-1\n   sk-plain-2",
        "auth: {mode: keys, keys: [{name: a, sha256: sk-plain-1}]}",
        "upstream: {api_key: k, base_url: \"https://user:sk-plain@host\"}",
        "redis: {url: \"redis://:sk-plain@host/x\"}",
        "redis: {url: \"redis://:sk-plain@\"}",
        "redis: {url: sk-plain}",
    ] {
        let shown = problems(text).join("\n");
        assert!(!shown.is_empty() && !shown.contains("sk-plain"), "{text}\n{shown}");
    }
    let config = good(
        "upstream: {api_key: sk-plain-1}\nmodels: {a: b, c: {app: d, api_key: sk-plain-2}}\nredis: {url: \"redis://:sk-plain-3@h\"}",
    );
    let shown = format!("{config:?}\n{config:#?}\n{}", config.show());
    assert!(shown.contains("***") && !shown.contains("sk-plain"), "{shown}");
}

#[test]
fn the_shipped_file_runs_with_nothing_but_the_key() {
    let environment = environment(&[("CHIPP_PROXY__SERVER__WORKERS", "4")]);
    let config = Config::parse(SHIPPED, &environment).unwrap();
    assert_eq!(config.models.resolve("gpt-4o").unwrap().key.as_ref().unwrap().expose(), SECRET);
    assert_eq!(config.show(), EFFECTIVE);

    let problems = Config::parse(SHIPPED, &Environment::default()).unwrap_err().to_string();
    assert_eq!(problems, "upstream.api_key: the environment variable `CHIPP_API_KEY` is not set");
    let passthrough = [("CHIPP_PROXY__AUTH__MODE", "passthrough")].into_iter().collect();
    assert!(Config::parse(SHIPPED, &passthrough).is_ok());
}

const EFFECTIVE: &str = r#"server:
  listen: 127.0.0.1:8080
  admin: 127.0.0.1:9090
  workers: 4
  body_limit: 10MiB
  drain: 30s
  keep_alive_comment: 15s
  timeouts:
    head: 5s
    body: 2m
    keep_alive: 1m 15s
upstream:
  base_url: https://app.chipp.ai/api/v1
  timeouts:
    connect: 10s
    first_byte: 5m
    idle: 2m
    total: 10m
  retry:
    attempts: 2
    backoff: 250ms
    max_backoff: 5s
    "on":
    - connect
    - rate_limit
    - unavailable
  breaker:
    failures: 5
    window: 30s
    cooldown: 15s
  learn_session: stream
  empty_reply: return
  reuse_connections: true
models:
  gpt-4o:
    app: myapp-123
    api_key: "***"
    hidden: false
    tools: emulate
    images: text
auth:
  mode: open
sessions:
  strategy: conversation
  store: memory
  ttl: 1day
  capacity: 100000
  user_headers:
  - x-user-id
  - x-openwebui-user-id
  conversation_headers:
  - x-conversation-id
  - x-openwebui-chat-id
  expose: false
responses:
  store: memory
  ttl: 30days
  max_bytes: 256MiB
  max_entry: 16MiB
limits:
  store: memory
  on_store_failure: local
parameters:
  unsupported: ignore
  unknown: ignore
telemetry:
  log: json
  level: info
  content: false
  otlp: "off"
"#;

/// The shipped file with everything switched on that is commented out and supported.
fn everything() -> String {
    let uncommented = SHIPPED.lines().filter_map(|line| {
        let hint = line.trim_start().strip_prefix("# ");
        match hint {
            Some(_) if !line.starts_with(' ') || line.contains("_file:") || line.contains("tls:") => None,
            Some(setting)
                if setting.contains("not supported yet")
                    && !setting.contains(": reject ")
                    && !setting.contains(": text ") =>
            {
                None
            }
            Some(_) => Some(line.replacen("# ", "", 1)),
            None => Some(line.replace("mode: open", "mode: keys")),
        }
    });
    uncommented.map(|line| line + "\n").collect()
}

#[test]
fn what_the_shipped_file_offers_in_comments_is_right() {
    let environment = environment(&[("SUPPORT_KEY", "support-key"), ("WEB_KEY_SHA256", HASH)]);
    let config = Config::parse(&everything(), &environment).unwrap();
    assert_eq!(config.models.routes().count(), 3);
    assert_eq!(number(config.limits.user.requests_per_minute), 60);
    assert_eq!(number(config.limits.key.burst), 60);
    let Auth::Keys(keys) = &config.auth else { panic!("{:?}", config.auth) };
    assert_eq!(number(keys[0].limits.unwrap().concurrent), 5);
    assert!(matches!(&config.auth, Auth::Keys(keys) if keys.len() == 1));
}

#[test]
fn what_is_shown_reads_back() {
    let environment = environment(&[("SUPPORT_KEY", "support-key"), ("WEB_KEY_SHA256", HASH)]);
    let shown = Config::parse(&everything(), &environment).unwrap().show();
    let secrets = shown.replacen("url: \"***\"", "url: redis://h", 1).replace("***", "some-key");
    let again = Config::parse(&secrets, &environment).unwrap();
    assert_eq!(again.show(), shown);
}

#[test]
fn the_shipped_file_has_every_key() {
    fn keys(node: &serde_json::Value, found: &mut Vec<String>) {
        match node {
            serde_json::Value::Object(map) => {
                if let Some(properties) = map.get("properties").and_then(serde_json::Value::as_object) {
                    found.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| keys(value, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    keys(&serde_json::from_str(&schema()).unwrap(), &mut found);
    assert!(found.len() > 70, "{found:?}");
    let words: Vec<_> = SHIPPED.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').collect();
    for key in found {
        assert!(words.contains(&key.as_str()), "config.yaml does not have `{key}`");
    }
}

#[test]
fn the_committed_schema_is_current() {
    let committed = include_str!("../deploy/config.schema.json");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        value(committed) == value(&schema()),
        "run `chipp-proxy schema > deploy/config.schema.json` and commit it"
    );
    assert!(SHIPPED.starts_with("# yaml-language-server: $schema=deploy/config.schema.json\n"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_cut_or_insertion_makes_it_panic(at in 0..SHIPPED.len(), length in 0..200_usize, new in "[\\[\\]{}:#&*!|>'\"$\\-\n a0é]{0,5}") {
        let head: String = SHIPPED.chars().take(at).collect();
        let tail: String = SHIPPED.chars().skip(at + length).collect();
        let _ = Config::parse(&(head + &new + &tail), &environment(&[]));
    }
}
