//! Which app answers to a name: aliases, patterns, and the list made from them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::allowance::Allowance;
use crate::ids::AppId;
use crate::secret::Secret;

/// What an alias stands for.
#[derive(Clone, Debug)]
pub struct Route {
    /// The alias or pattern as the file has it; also the label in logs and metrics.
    pub alias: Arc<str>,
    /// The app.
    pub app: AppId,
    /// Its key; `None` where the client brings it (`auth.mode: passthrough`).
    pub key: Option<Secret>,
    /// Left out of the model list.
    pub hidden: bool,
    /// What becomes of images.
    pub images: Images,
    /// What becomes of tools that may be called.
    pub tools: Tools,
    /// Aliases that answer in its place when it fails; exact names of other routes.
    pub fallbacks: Vec<Arc<str>>,
    /// `limits` of this alias, over all callers.
    pub limits: Option<Allowance>,
}

/// `images` of an alias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Images {
    /// The URL is put into the text.
    #[default]
    Text,
    /// 400.
    Reject,
}

/// `tools` of an alias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tools {
    /// The app is told of them, and its calls are taken out of what it says.
    #[default]
    Emulate,
    /// 400.
    Reject,
    /// Left out, and named in `x-chipp-ignored-params`.
    Ignore,
}

/// `created` of every entry of `GET /v1/models`, 2025-01-01 in Unix time. Chipp tells no date of an app; a constant
/// keeps the list the same over restarts and replicas.
pub const CREATED: u64 = 1_735_689_600;

/// All aliases. Names are compared exactly, capitals included.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Every route, in the file's order.
    routes: Vec<Arc<Route>>,
    exact: HashMap<String, Arc<Route>>,
    /// Literal prefix and route, the longest prefix first.
    patterns: Vec<(String, Arc<Route>)>,
}

impl Catalog {
    /// Builds it from the file's entries in their order; a name that ends in `*` is a pattern.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut catalog = Self::default();
        for route in routes {
            let route = Arc::new(route);
            if let Some(prefix) = route.alias.strip_suffix('*') {
                catalog.patterns.push((prefix.to_owned(), Arc::clone(&route)));
            } else {
                catalog.exact.insert(route.alias.to_string(), Arc::clone(&route));
            }
            catalog.routes.push(route);
        }
        catalog.patterns.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        catalog
    }

    /// The route of a requested model: the alias of that name, else the pattern with the longest literal prefix.
    pub fn resolve(&self, model: &str) -> Option<&Arc<Route>> {
        self.exact.get(model).or_else(|| {
            let pattern = self.patterns.iter().find(|(prefix, _)| model.starts_with(prefix.as_str()));
            pattern.map(|(_, route)| route)
        })
    }

    /// The names that `GET /v1/models` shows, in the file's order. Patterns have no name to show.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        let shown = self.routes.iter().filter(|route| !route.hidden && !route.alias.ends_with('*'));
        shown.map(|route| &*route.alias)
    }

    /// Every route, exact ones and patterns, in the file's order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }
}

/// Whether `pattern` (an alias, or a prefix and `*`) covers `model`.
pub fn covers(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => model.starts_with(prefix),
        None => pattern == model,
    }
}

/// Whether some model's name is covered by both.
pub fn overlap(one: &str, other: &str) -> bool {
    match (one.strip_suffix('*'), other.strip_suffix('*')) {
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
        (Some(_), None) => covers(one, other),
        (None, _) => covers(other, one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(alias: &str, app: &str) -> Route {
        Route {
            alias: alias.into(),
            app: AppId::parse(app).unwrap(),
            key: None,
            hidden: alias.starts_with("secret"),
            images: Images::default(),
            tools: Tools::default(),
            fallbacks: Vec::new(),
            limits: None,
        }
    }

    #[test]
    fn exact_beats_pattern_and_the_longest_prefix_wins() {
        let catalog = Catalog::new([
            route("*", "any"),
            route("gpt-*", "gpt"),
            route("gpt-4*", "four"),
            route("gpt-4o", "omni"),
        ]);
        let app = |model: &str| catalog.resolve(model).map(|route| route.app.as_str().to_owned());
        assert_eq!(app("gpt-4o"), Some("omni".into()));
        assert_eq!(app("gpt-4o-mini"), Some("four".into()));
        assert_eq!(app("gpt-3"), Some("gpt".into()));
        assert_eq!(app("o1"), Some("any".into()));
    }

    #[test]
    fn the_list_keeps_the_order_and_leaves_out_hidden_and_patterns() {
        let catalog =
            Catalog::new([route("b", "1"), route("secret", "2"), route("x-*", "3"), route("a", "4")]);
        assert_eq!(catalog.listed().collect::<Vec<_>>(), ["b", "a"]);
        assert!(catalog.resolve("secret").is_some());
        assert!(catalog.resolve("nobody").is_none());
        assert!(catalog.resolve("B").is_none());
        let all: Vec<_> = catalog.routes().map(|route| &*route.alias).collect();
        assert_eq!(all, ["b", "secret", "x-*", "a"]);
    }

    #[test]
    fn patterns_overlap_if_one_name_fits_both() {
        for (one, other) in
            [("a", "a"), ("gpt-*", "gpt-4o"), ("gpt-4*", "gpt-*"), ("*", "x"), ("*", "y*"), ("a*", "a")]
        {
            assert!(overlap(one, other), "{one} {other}");
            assert!(overlap(other, one), "{other} {one}");
        }
        for (one, other) in [("a", "b"), ("gpt-*", "o1"), ("a*", "b*"), ("ab*", "a"), ("A", "a")] {
            assert!(!overlap(one, other), "{one} {other}");
            assert!(!overlap(other, one), "{other} {one}");
        }
    }
}
