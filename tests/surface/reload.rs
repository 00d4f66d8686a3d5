//! Another configuration for the real program while it runs: by its file, by SIGHUP, and by asking at the admin address.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use chipp_proxy::emulator::{Emulator, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::raw::{Answer, ask, connect, parse, post, read_head};
use crate::support::PATIENCE;
use crate::support::program::Program;
use crate::{question, sha256};

/// The program with a file that can change, before an emulator.
struct Scene {
    emulator: Emulator,
    folder: TempDir,
    program: Program,
}

impl Scene {
    fn start(more: &str) -> Self {
        Self::with(more, Some("chipp_proxy=info"))
    }

    fn with(more: &str, filter: Option<&str>) -> Self {
        let options =
            Options { think: Duration::from_millis(1), word_pause: Duration::ZERO, ..Options::default() };
        let emulator = Emulator::start(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, yaml(&emulator, more)).unwrap();
        Self { program: Program::start(&file, filter), emulator, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn write(&self, more: &str) {
        // As a whole, since the program may look at any moment.
        let whole = self.file().with_extension("new");
        fs::write(&whole, yaml(&self.emulator, more)).unwrap();
        fs::rename(whole, self.file()).unwrap();
    }

    /// `POST /reload`
    fn reload(&self) -> Answer {
        ask(self.program.admin, "POST", "/reload", &[], b"")
    }

    fn chat(&self, model: &str) -> Answer {
        post(self.program.listen, &[], question(model).to_string().as_bytes())
    }

    fn chat_with_key(&self, key: &str) -> Answer {
        let key = format!("Bearer {key}");
        post(self.program.listen, &[("authorization", &key)], question("a").to_string().as_bytes())
    }

    /// A counter or gauge; 0 if it is not there.
    fn metric(&self, name: &str) -> u64 {
        let metrics = ask(self.program.admin, "GET", "/metrics", &[], b"");
        let metrics = String::from_utf8(metrics.body).unwrap();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    fn reloads(&self, result: &str) -> u64 {
        self.metric(&format!("chipp_proxy_config_reloads_total{{result=\"{result}\"}}"))
    }

    /// Stops it; gives the lines of its log.
    fn stop(self) -> Vec<Value> {
        let (log, code) = self.program.stop();
        assert_eq!(code, Some(0), "{log}");
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
    }
}

fn yaml(emulator: &Emulator, more: &str) -> String {
    format!(
        "server: {{listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 2}}\n\
         upstream: {{base_url: '{}', api_key: live_test}}\n{more}\n",
        emulator.base_url()
    )
}

const ONE: &str = "models: {a: emu-gpt-4o-1}\nauth: {mode: open}";
const TWO: &str = "models: {a: emu-gpt-4o-1, b: emu-dialect-b-1}\nauth: {mode: open}";

#[test]
fn a_file_that_is_written_anew_is_read_and_one_that_is_only_touched_is_not() {
    let scene = Scene::start(ONE);
    assert_eq!(scene.chat("b").status, 404);
    scene.write(TWO);
    until("the new alias", || scene.chat("b").status == 200);
    assert_eq!((scene.reloads("renewed"), scene.reloads("unchanged")), (1, 0));

    let touched = fs::File::options().append(true).open(scene.file()).unwrap();
    touched.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    scene.write(TWO);
    scene.write(ONE);
    until("the alias is gone", || scene.chat("b").status == 404);
    assert_eq!((scene.reloads("renewed"), scene.reloads("unchanged")), (2, 0));
    assert!(scene.metric("chipp_proxy_config_last_reload_success_timestamp_seconds") > 1_700_000_000);
}

#[test]
fn links_that_are_swapped_as_kubernetes_does_it() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let publish = |version: &str, more: &str| {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("config.yaml"), yaml(&emulator, more)).unwrap();
        symlink(version, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish("..1", ONE);
    symlink(Path::new("..data").join("config.yaml"), root.join("config.yaml")).unwrap();
    let program = Program::serve(&root.join("config.yaml"), "chipp_proxy=info");
    let ask = |model: &str| post(program.listen, &[], question(model).to_string().as_bytes()).status;
    assert_eq!(ask("b"), 404);
    publish("..2", TWO);
    fs::remove_dir_all(root.join("..1")).unwrap();
    until("the new alias", || ask("b") == 200);
    program.stop();
}

#[test]
fn sighup_has_the_files_read_again() {
    let scene = Scene::start(ONE);
    scene.program.hang_up();
    until("it is read", || scene.reloads("unchanged") + scene.reloads("renewed") >= 1);
    assert_eq!(scene.chat("a").status, 200);
    let log = scene.stop();
    assert!(log.iter().any(|line| line["message"] == "the configuration is as it was"), "{log:#?}");
}

#[test]
fn whoever_asks_is_told_what_changed_and_what_waits_for_a_restart() {
    let scene = Scene::start(ONE);
    let same = scene.reload();
    assert_eq!((same.status, &same.json["status"]), (200, &json!("applied")), "{same:?}");
    assert_eq!((&same.json["changed"], &same.json["restart"]), (&json!([]), &json!([])));
    let yaml = yaml(&scene.emulator, TWO).replace("workers: 2", "workers: 3");
    fs::write(scene.file(), yaml).unwrap();
    let changed = scene.reload();
    assert_eq!(changed.status, 200, "{changed:?}");
    // Unless it was quicker by itself.
    if changed.json["changed"] != json!([]) {
        assert_eq!(changed.json["changed"], json!(["models.b"]));
        assert_eq!(changed.json["restart"], json!(["server.workers"]));
    }
    assert_eq!(scene.chat("b").status, 200);
    let wrong = ask(scene.program.admin, "GET", "/reload", &[], b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
    let log = scene.stop();
    let said = |message: &str| log.iter().find(|line| line["message"] == message).unwrap()["fields"].clone();
    assert_eq!(said("new requests go by the new configuration"), "models.b");
    assert_eq!(said("these fields keep their value until a restart"), "server.workers");
}

#[test]
fn a_bad_file_leaves_the_last_good_one_in_use() {
    let scene = Scene::start(TWO);
    assert_eq!(scene.metric("chipp_proxy_config_last_reload_successful"), 1);
    scene.write("models: {a: {app: emu-gpt-4o-1, image: text}, 'x y': emu-gpt-4o-1}\nauth: {mode: open}\nlimits: {all: {concurrent: 0}}");
    let kept = scene.reload();
    assert_eq!((kept.status, &kept.json["status"]), (422, &json!("kept")), "{kept:?}");
    let problems = kept.json["problems"].as_array().unwrap();
    let fields: Vec<_> = problems.iter().map(|problem| problem["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"models.a.image") && fields.contains(&"limits.all.concurrent"), "{fields:?}");
    assert!(problems.iter().all(|problem| !problem["message"].as_str().unwrap().is_empty()));
    assert!(scene.reloads("kept") >= 1);
    assert_eq!(scene.metric("chipp_proxy_config_last_reload_successful"), 0);
    assert_eq!(scene.chat("b").status, 200);
    fs::remove_file(scene.file()).unwrap();
    assert_eq!(scene.reload().status, 422);
    assert_eq!(scene.chat("b").status, 200);
    scene.write(ONE);
    until("it is good again", || scene.metric("chipp_proxy_config_last_reload_successful") == 1);
    assert_eq!(scene.chat("b").status, 404);
    let log = scene.stop();
    let kept: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "the new configuration cannot be used, the old one stays")
        .collect();
    assert!(kept.iter().any(|line| line["fields"].as_str().unwrap().contains("models.a.image")), "{log:#?}");
    assert!(kept.iter().all(|line| line["level"] == "WARN" && line["fields"] != ""));
}

#[test]
fn keys_come_and_go() {
    let keys =
        |entries: &str| format!("models: {{a: emu-gpt-4o-1}}\nauth: {{mode: keys, keys: [{entries}]}}");
    let entry = |name: &str, more: &str| {
        format!("{{name: {name}, sha256: ['{}']{more}}}", sha256(&format!("key-of-{name}")))
    };
    let scene = Scene::start(&keys(&entry("ann", "")));
    assert_eq!(
        (scene.chat_with_key("key-of-ann").status, scene.chat_with_key("key-of-bob").status),
        (200, 401)
    );
    scene.write(&keys(&[entry("ann", ", disabled: true"), entry("bob", "")].join(", ")));
    until("the new key", || scene.chat_with_key("key-of-bob").status == 200);
    let disabled = scene.chat_with_key("key-of-ann");
    let unknown = scene.chat_with_key("key-of-amy");
    disabled.is_error((401, "invalid_request_error", Some("invalid_api_key"), None));
    let message = |answer: &Answer| answer.json["error"]["message"].as_str().unwrap().replace("ann", "amy");
    assert_eq!(message(&disabled), message(&unknown));
    scene.write(&keys(&entry("ann", "")));
    until("the old key again", || scene.chat_with_key("key-of-ann").status == 200);
    assert_eq!(scene.chat_with_key("key-of-bob").status, 401);
}

#[test]
fn limits_change_and_what_has_been_used_is_used() {
    let limits = |number: u32| format!("{ONE}\nlimits: {{all: {{requests_per_day: {number}}}}}");
    let scene = Scene::start(&limits(2));
    let left = |answer: &Answer| answer.header("x-ratelimit-remaining-requests").to_owned();
    assert_eq!(left(&scene.chat("a")), "1");
    scene.write(&limits(1000));
    scene.reload();
    until("the new limit", || scene.chat("a").header("x-ratelimit-limit-requests") == "1000");
    scene.write(&limits(1));
    until("the limit is small again", || scene.chat("a").status == 429);
}

#[test]
fn the_level_of_the_log_changes_unless_rust_log_decides() {
    let level = |level: &str| format!("{ONE}\ntelemetry: {{level: {level}}}");
    for (filter, is_turned) in [(None, true), (Some("chipp_proxy=info"), false)] {
        let scene = Scene::with(&level("info"), filter);
        assert_eq!(scene.chat("a").status, 200);
        scene.write(&level("warn"));
        until("it is read", || scene.reloads("renewed") >= 1);
        assert_eq!(scene.chat("a").status, 200);
        let log = scene.stop();
        let requests = log.iter().filter(|line| line["message"] == "request").count();
        assert_eq!(requests, if is_turned { 1 } else { 2 }, "{log:#?}");
        let is_told = log.iter().any(|line| line["message"] == "RUST_LOG decides what is logged");
        assert_eq!(is_told, !is_turned);
    }
}

#[test]
fn a_stream_that_runs_keeps_what_it_began_with() {
    const GATED: &str = "models: {a: emu-gpt-4o-1, g: emu-gated-1}\nauth: {mode: open}";
    let scene = Scene::start(GATED);
    let body =
        json!({"model": "g", "stream": true, "messages": [{"role": "user", "content": "open sesame"}]});
    let body = body.to_string();
    scene.emulator.open("open sesame");
    let mut stream = connect(scene.program.listen);
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    scene.write(ONE);
    until("it is read", || scene.reloads("renewed") >= 1);
    assert_eq!(scene.chat("g").status, 404);
    scene.emulator.open_wide("open sesame");
    let mut rest = head.into_bytes();
    stream.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8(parse(&rest).body).unwrap().ends_with("data: [DONE]\n\n"));
}

#[test]
fn fifty_reloads_under_load_drop_no_request() {
    const RELOADS: usize = 50;
    const CLIENTS: usize = 8;
    let numbered =
        |number: usize| format!("{TWO}\nlimits: {{all: {{requests_per_day: {}}}}}", 1_000_000 + number);
    let scene = Scene::start(&numbered(0));
    let is_over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    let agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    let agent = ureq::Agent::from(agent);
    let url = format!("http://{}/v1/chat/completions", scene.program.listen);
    std::thread::scope(|threads| {
        for client in 0..CLIENTS {
            let (agent, url, is_over, asked) = (&agent, &url, &is_over, &asked);
            threads.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let mut body = question(if client % 2 == 0 { "a" } else { "b" });
                    body["stream"] = json!(client % 4 < 2);
                    let mut response = agent
                        .post(url)
                        .header("content-type", "application/json")
                        .send(body.to_string())
                        .unwrap();
                    assert_eq!(response.status(), 200);
                    let text = response.body_mut().read_to_string().unwrap();
                    assert_eq!(body["stream"] == true, text.ends_with("data: [DONE]\n\n"), "{text}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for number in 1..=RELOADS {
            let before = asked.load(Ordering::SeqCst);
            scene.write(&numbered(number));
            assert_eq!(scene.reload().status, 200);
            until("requests pass", || asked.load(Ordering::SeqCst) > before + CLIENTS);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(scene.reloads("renewed") >= 50, "{}", scene.reloads("renewed"));
    assert_eq!(scene.reloads("kept"), 0);
    assert_eq!(scene.chat("a").header("x-ratelimit-limit-requests"), "1000050");
}
