//! What changed between two configurations, by the names of the fields, and which of it a running server can take on.

use super::show::Node;
use super::{Auth, Config};

/// What only a restart takes on: sections and keys.
const RESTART: &[&str] = &[
    "server.listen",
    "server.admin",
    "server.workers",
    "server.tls",
    "server.timeouts.head",
    "server.timeouts.keep_alive",
    "upstream.base_url",
    "upstream.timeouts.connect",
    "upstream.timeouts.first_byte",
    "upstream.timeouts.idle",
    "upstream.ca_file",
    "upstream.reuse_connections",
    "sessions.store",
    "sessions.ttl",
    "sessions.capacity",
    "responses",
    "limits.store",
    "limits.on_store_failure",
    "redis",
    "telemetry.log",
];

/// Fields that changed, `models.support.app`; never their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that new requests go by.
    pub live: Vec<String>,
    /// Those that keep their old value until the server is started anew.
    pub restart: Vec<String>,
}

impl Config {
    /// What of `wanted` a server that runs with this configuration can go by, and what changes with it.
    pub fn renewed(&self, mut wanted: Self) -> (Self, Changes) {
        let mut changes = changes(self, &wanted);
        // It was found safe for the address in the file, which is not the one where the server listens.
        let is_opened = matches!(wanted.auth, Auth::Open) && !matches!(self.auth, Auth::Open);
        if is_opened && wanted.server.listen != self.server.listen {
            wanted.auth = self.auth.clone();
            let is_of_auth = |name: &String| name.starts_with("auth.");
            changes.restart.extend(changes.live.extract_if(.., |name| is_of_auth(name)));
        }
        wanted.server.listen = self.server.listen;
        wanted.server.admin = self.server.admin;
        wanted.server.workers = self.server.workers;
        wanted.server.tls.clone_from(&self.server.tls);
        wanted.server.timeouts.head = self.server.timeouts.head;
        wanted.server.timeouts.keep_alive = self.server.timeouts.keep_alive;
        wanted.upstream.base_url.clone_from(&self.upstream.base_url);
        wanted.upstream.timeouts.connect = self.upstream.timeouts.connect;
        wanted.upstream.timeouts.first_byte = self.upstream.timeouts.first_byte;
        wanted.upstream.timeouts.idle = self.upstream.timeouts.idle;
        wanted.upstream.ca_file.clone_from(&self.upstream.ca_file);
        wanted.upstream.reuse_connections = self.upstream.reuse_connections;
        wanted.sessions.store = self.sessions.store;
        wanted.sessions.ttl = self.sessions.ttl;
        wanted.sessions.capacity = self.sessions.capacity;
        wanted.responses = self.responses.clone();
        wanted.limits.store = self.limits.store;
        wanted.limits.on_store_failure = self.limits.on_store_failure;
        wanted.redis.clone_from(&self.redis);
        wanted.telemetry.log = self.telemetry.log;
        (wanted, changes)
    }
}

/// What is not the same in both.
fn changes(old: &Config, new: &Config) -> Changes {
    let mut names = Vec::new();
    compare("", &old.node(), &new.node(), &mut names);
    let needs_restart = |name: &String| {
        RESTART
            .iter()
            .any(|key| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let (restart, live) = names.into_iter().partition(needs_restart);
    Changes { live, restart }
}

fn compare(path: &str, old: &Node, new: &Node, names: &mut Vec<String>) {
    let (Node::Section(old), Node::Section(new)) = (old, new) else {
        if !is_same(old, new) {
            names.push(path.to_owned());
        }
        return;
    };
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let find = |keys: &'_ [(String, Node)], key: &str| keys.iter().position(|(other, _)| other == key);
    for (key, node) in old {
        match find(new, key).and_then(|at| new.get(at)) {
            Some((_, other)) => compare(&below(key), node, other, names),
            None => names.push(below(key)),
        }
    }
    names.extend(new.iter().filter(|(key, _)| find(old, key).is_none()).map(|(key, _)| below(key)));
}

fn is_same(old: &Node, new: &Node) -> bool {
    match (old, new) {
        (Node::Text(old), Node::Text(new)) => old == new,
        (Node::Secret(old), Node::Secret(new)) => old.expose() == new.expose(),
        (Node::Number(old), Node::Number(new)) => old == new,
        (Node::Bool(old), Node::Bool(new)) => old == new,
        (Node::List(old), Node::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_same(old, new))
        }
        (Node::Section(old), Node::Section(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|((key, old), (other, new))| key == other && is_same(old, new))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(yaml: &str) -> Config {
        Config::parse(yaml, &Environment::default()).unwrap()
    }

    const OLD: &str = "models: {a: {app: app-1, api_key: k1}, b: {app: app-2, api_key: k2}}\nauth: {mode: keys, keys: [{name: w, sha256: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]}]}\n";

    #[test]
    fn names_of_what_changed() {
        let new = OLD.replace("k1", "k9").replace("b: {", "c: {").replace("name: w", "name: x");
        let (config, changes) = config(OLD).renewed(self::config(&new));
        assert_eq!(changes.live, ["models.a.api_key", "models.b", "models.c", "auth.keys"]);
        assert!(changes.restart.is_empty());
        assert!(config.models.resolve("c").is_some());
    }

    #[test]
    fn what_needs_a_restart_keeps_its_value() {
        let new = format!(
            "{OLD}server: {{listen: '127.0.0.1:1', admin: off, workers: 3, drain: 1s, timeouts: {{head: 1s, body: 2s, keep_alive: 3s}}}}\n\
             upstream: {{base_url: 'http://x', reuse_connections: false, timeouts: {{connect: 1s, first_byte: 2s, idle: 3s, total: 9s}}}}\n\
             sessions: {{store: redis, ttl: 1h, capacity: 7}}\nresponses: {{store: redis, ttl: 1h, max_bytes: 2MiB, max_entry: 2KiB}}\nlimits: {{store: redis, on_store_failure: deny}}\nredis: {{url: 'redis://x'}}\ntelemetry: {{log: pretty}}\n"
        );
        let (old, new) = (config(OLD), config(&new));
        let (config, changed) = old.renewed(new);
        assert_eq!(changed.live, ["server.drain", "server.timeouts.body", "upstream.timeouts.total"]);
        assert_eq!(changed.restart.len(), 21, "{changed:?}");
        assert!(changes(&old, &config).restart.is_empty());
        assert_eq!(changes(&old, &config).live, changed.live);
    }

    #[test]
    fn a_door_is_not_opened_on_an_address_for_which_it_was_not_meant() {
        let old = config(&format!("{OLD}server: {{listen: '0.0.0.0:8080'}}\n"));
        let new = config("models: {a: {app: app-1, api_key: k1}}\nauth: {mode: open}\n");
        let (config, changes) = old.renewed(new);
        assert!(matches!(config.auth, Auth::Keys(_)));
        assert!(changes.restart.contains(&"auth.mode".to_owned()), "{changes:?}");
    }
}
