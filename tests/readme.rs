//! README.md and docs/ against the program: configurations are right, tables complete, links lead somewhere.

#![expect(clippy::unwrap_used, reason = "the functions around the tests are tests, too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chipp_proxy::config::{Config, Environment};
use chipp_proxy::explain::ENDPOINTS;
use chipp_proxy::telemetry::Metrics;

const README: &str = include_str!("../README.md");

/// The texts between ```` ```yaml ```` and ```` ``` ````.
fn yaml_blocks() -> Vec<&'static str> {
    let after_opening = README.split("```yaml\n").skip(1);
    after_opening.filter_map(|text| text.split("\n```").next()).collect()
}

#[test]
fn every_configuration_is_right() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let environment: Environment =
        [("CHIPP_API_KEY", "live_1"), ("SUPPORT_KEY", "live_2"), ("CLIENT_KEY_SHA256", hash)]
            .into_iter()
            .collect();
    let blocks = yaml_blocks();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        if let Err(problems) = Config::parse(block, &environment) {
            panic!("{block}\n{problems}");
        }
    }
}

#[test]
fn the_table_of_parameters_is_what_explain_prints() {
    let program = env!("CARGO_BIN_EXE_chipp-proxy");
    let output = std::process::Command::new(program).arg("explain").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let after = README.split("<!-- what `chipp-proxy explain` prints -->\n").nth(1).unwrap();
    let told = after.split("<!-- its end -->").next().unwrap();
    assert_eq!(told, String::from_utf8(output.stdout).unwrap());
    // And nothing is told of twice, or not at all.
    for (endpoint, parameters) in ENDPOINTS {
        let rows = told.lines().filter(|row| row.starts_with(&format!("| {endpoint} |")));
        let mut rows: Vec<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
        rows.sort_unstable();
        let mut names: Vec<&str> = parameters().iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(rows, names);
    }
}

/// The names of all metrics.
fn metrics() -> BTreeSet<String> {
    let mut metrics = Metrics::new();
    metrics.show_redis();
    // Those with labels show once they were counted.
    let alias: Arc<str> = "a".into();
    metrics.request(Some(&alias), 200, Duration::ZERO, Duration::ZERO);
    metrics.outcome("new");
    metrics.denied("key");
    metrics.upstream_error("cut");
    metrics.session_store_failures("take", 1);
    metrics.limit_store_failures("take", 1);
    metrics.archive_failures("read", 1);
    metrics.retry("connect");
    metrics.unknown_finish_words("ui_message", 1);
    metrics.breaker(&alias, "open", 2);
    metrics.certificate_reloaded("renewed");
    metrics.config_kept();
    let rendered = metrics.render();
    let types = rendered.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_table_of_metrics_is_the_programs() {
    let expected = metrics();
    let rows = README.lines().filter(|line| line.starts_with("| `chipp_proxy_"));
    let told: BTreeSet<String> = rows.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect();
    assert_eq!(told, expected);
}

/// README.md and what is in docs/, by path.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let paths = docs.filter(|path| path.extension().is_some_and(|ext| ext == "md"));
    let all = paths.chain([root.join("README.md")]);
    all.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn what_documents_link_to_is_there() {
    let documents = documents();
    let mut missing = Vec::new();
    for (path, text) in &documents {
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let has_anchor = || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            if !target.exists() || !(anchor.is_empty() || has_anchor()) {
                missing.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(README.contains("](deploy/Dockerfile)") && documents.len() > 1);
}

#[test]
fn metrics_in_documents_are_the_programs() {
    let names = metrics();
    for (path, text) in documents() {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|word| word.starts_with("chipp_proxy_") && !word.ends_with('_')) {
            let name = word.strip_suffix("_total").unwrap_or(word);
            assert!(names.contains(name), "{}: {word}", path.display());
        }
    }
}
