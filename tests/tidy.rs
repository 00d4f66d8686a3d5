//! The house kept in order: who may know whom, how long a file may be, and that each says what it is for.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines without its tests. Tables and fixtures are data, and are not counted.
const MAX_LINES: usize = 500;

/// What each room may use of the others: those below it, never those above.
const ROOMS: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("secret", &[]),
    ("openai", &["ids"]),
    ("chipp", &["ids"]),
    ("allowance", &[]),
    ("catalog", &["allowance", "ids", "secret"]),
    ("translate", &["openai", "chipp", "catalog", "ids"]),
    ("redis", &["secret"]),
    ("session", &["chipp", "ids", "redis"]),
    ("archive", &["ids", "redis"]),
    ("limits", &["allowance", "config", "redis"]),
    ("certificate", &[]),
    (
        "config",
        &["allowance", "catalog", "certificate", "ids", "limits", "redis", "secret", "session", "translate"],
    ),
    ("upstream", &["config", "ids", "secret"]),
    ("telemetry", &["config", "ids"]),
    (
        "proxy",
        &[
            "openai",
            "chipp",
            "translate",
            "allowance",
            "catalog",
            "ids",
            "redis",
            "secret",
            "session",
            "archive",
            "limits",
            "upstream",
            "config",
            "telemetry",
        ],
    ),
    ("api", &["openai", "archive", "catalog", "ids", "config", "session", "telemetry", "proxy"]),
    ("emulator", &["ids"]),
    ("sandbox", &["config", "emulator"]),
    ("explain", &["openai", "chipp", "translate", "catalog", "config", "session", "proxy"]),
    ("app", &["api", "certificate", "config", "proxy", "telemetry", "upstream"]),
    ("cli", &["app", "config", "emulator", "explain", "proxy", "sandbox", "session", "telemetry"]),
    ("lib", &[]),
    ("main", &[]),
];

/// Crates that only one room (or a few) may touch: one crate behind one door.
const DOORS: &[(&str, &[&str])] = &[
    ("awc", &["upstream"]),
    ("actix_tls", &["app", "upstream"]),
    ("rustls", &["certificate", "upstream"]),
    ("governor", &["limits"]),
    ("dashmap", &["session"]),
    // The crate; the room of that name is `crate::redis`.
    (" ::redis", &["redis"]),
    ("actix_web", &["api", "app"]),
    ("prometheus_client", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("serde_saphyr", &["config"]),
    ("schemars", &["config"]),
    ("clap", &["cli"]),
];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn room_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its tests and comments.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    name == "tests" || name.ends_with("_tests") || path.components().any(|part| part.as_os_str() == "tests")
}

/// Every name that follows `before` in the text, up to the next `::` or end of a word.
fn names_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(before).map(move |(at, _)| {
        let rest = text.get(at + before.len()..).unwrap_or_default();
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    })
}

#[test]
fn arrows_between_rooms_go_down() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in sources().iter().filter(|path| !is_test(path)) {
        let room = room_of(path);
        let Some(below) = allowed.get(room.as_str()) else {
            wrong.push(format!("{room}: a room that the table does not have"));
            continue;
        };
        let text = code(&fs::read_to_string(path).unwrap());
        for used in names_after(&text, "crate::") {
            let is_room = allowed.contains_key(used);
            if is_room && used != room && !below.contains(&used) {
                wrong.push(format!("{}: {room} may not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn crates_stay_behind_their_doors() {
    let mut wrong = Vec::new();
    for path in sources() {
        let room = room_of(&path);
        let text = code(&fs::read_to_string(&path).unwrap());
        for (name, rooms) in DOORS {
            let is_used = text.contains(&format!("{name}::"));
            if is_used && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: {name} belongs to {rooms:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text).lines().count();
        let is_table = path.file_stem().is_some_and(|name| name == "table");
        if lines > MAX_LINES && !is_table && !is_test(&path) {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") && !is_test(&path) {
            wrong.push(format!("{}: does not say what it is for", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_top_level_is_what_it_should_be() {
    const TOP: &[&str] = &[
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "config.yaml",
        "deploy",
        "docs",
        "findings",
        "src",
        "target",
        "tests",
    ];
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let odd: Vec<String> =
        names.filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?}");
}
