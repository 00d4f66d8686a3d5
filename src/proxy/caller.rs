//! Who calls: decided once, by the credential, before anything else of a request is looked at.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::allowance::Allowance;
use crate::archive::Owner;
use crate::catalog::covers;
use crate::config::{Auth, ClientKey};
use crate::openai::Error;
use crate::secret::Secret;
use crate::session::Fingerprinter;

/// A caller who may come in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A digest that stands for the credential in scopes and limits.
    pub digest: [u8; 16],
    /// Its name in the log, if it has one.
    pub name: Option<Arc<str>>,
    /// Aliases and patterns that it may use; `None` = all.
    pub models: Option<Vec<String>>,
    /// Its own limits, instead of `limits.key`.
    pub limits: Option<Allowance>,
    /// Whether its identity and conversation headers are believed.
    pub trust: Trust,
    /// The Chipp key that it brought (`auth.mode: passthrough`).
    pub chipp_key: Option<Secret>,
}

/// Whether a caller's word on whose behalf it calls is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its identity and conversation headers count.
    Headers,
    /// Only the body's `user` counts: the key alone stands for whoever is behind it.
    BodyOnly,
}

impl Caller {
    /// Judges the credential that a request brought. `now` in Unix seconds.
    ///
    /// # Errors
    /// 401 in OpenAI's words; the same for keys that are unknown, wrong, disabled, or expired.
    pub fn authenticate(
        auth: &Auth,
        credential: Option<&str>,
        fingerprinter: &Fingerprinter,
        now: u64,
    ) -> Result<Self, Error> {
        let open = Self {
            digest: [0; 16],
            name: None,
            models: None,
            limits: None,
            trust: Trust::Headers,
            chipp_key: None,
        };
        let keys = match auth {
            Auth::Open => return Ok(open),
            Auth::Passthrough => {
                let key = credential.ok_or_else(Error::no_api_key)?;
                let digest = fingerprinter.digest(key.as_bytes());
                return Ok(Self {
                    digest,
                    trust: Trust::BodyOnly,
                    chipp_key: Some(Secret::new(key)),
                    ..open
                });
            }
            Auth::Keys(keys) => keys,
        };
        let given = credential.ok_or_else(Error::no_api_key)?;
        let hash: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        let is_good =
            |entry: &&ClientKey| !entry.disabled && entry.expires.is_none_or(|expires| now < expires);
        let entry = find(keys, &hash).filter(is_good);
        let entry = entry.ok_or_else(|| Error::wrong_api_key(given))?;
        Ok(Self {
            digest: fingerprinter.digest(entry.name.as_bytes()),
            name: Some(entry.name.as_str().into()),
            models: entry.models.clone(),
            limits: entry.limits,
            trust: if entry.trust_user { Trust::Headers } else { Trust::BodyOnly },
            chipp_key: None,
        })
    }

    /// Whose what it keeps is: the same for as long as its credential has its name, also after a restart.
    pub fn owner(&self) -> Owner {
        match (&self.chipp_key, &self.name) {
            (Some(key), _) => Owner::of("chipp key", key.expose().as_bytes()),
            (None, Some(name)) => Owner::of("key", name.as_bytes()),
            (None, None) => Owner::of("anybody", b""),
        }
    }

    /// Whether it may use (and see) a model.
    pub fn may_use(&self, model: &str) -> bool {
        let Some(models) = &self.models else { return true };
        models.iter().any(|pattern| covers(pattern, model))
    }
}

/// The entry of a hash. Every entry is compared, each in constant time, so that the time tells nothing.
fn find<'a>(keys: &'a [ClientKey], hash: &[u8; 32]) -> Option<&'a ClientKey> {
    let hash = blake3::Hash::from_bytes(*hash);
    let mut found = None;
    for entry in keys {
        for known in &entry.sha256 {
            if blake3::Hash::from_bytes(*known) == hash {
                found = Some(entry);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, keys: &[&str]) -> ClientKey {
        ClientKey {
            name: name.into(),
            sha256: keys.iter().map(|key| Sha256::digest(key.as_bytes()).into()).collect(),
            models: Some(vec!["gpt-*".into(), "support".into()]),
            expires: Some(1000),
            disabled: name == "disabled",
            trust_user: name == "trusted",
            limits: None,
        }
    }

    fn authenticate(auth: &Auth, credential: Option<&str>, now: u64) -> Result<Caller, Error> {
        Caller::authenticate(auth, credential, &Fingerprinter::random().unwrap(), now)
    }

    #[test]
    fn keys_old_and_new_are_good_until_they_expire() {
        let entries =
            [entry("web", &["old", "new"]), entry("trusted", &["other"]), entry("disabled", &["off"])];
        let auth = Auth::Keys(entries.into());
        assert_eq!(authenticate(&auth, Some("old"), 1).unwrap().name.as_deref(), Some("web"));
        assert_eq!(authenticate(&auth, Some("new"), 999).unwrap().trust, Trust::BodyOnly);
        assert_eq!(authenticate(&auth, Some("other"), 1).unwrap().trust, Trust::Headers);
        for (bad, now) in [("new", 1000), ("off", 1), ("odd", 1)] {
            let error = authenticate(&auth, Some(bad), now).unwrap_err();
            assert_eq!((error.status, error.code), (401, Some("invalid_api_key")));
        }
    }

    #[test]
    fn no_key_and_a_wrong_key_are_different_errors() {
        let auth = Auth::Keys(vec![entry("web", &["good"])]);
        let none = authenticate(&auth, None, 1).unwrap_err();
        assert_eq!((none.status, none.code), (401, None));
        let wrong = authenticate(&auth, Some("sk-1234567890abcdefgh"), 1).unwrap_err();
        assert_eq!((wrong.status, wrong.code), (401, Some("invalid_api_key")));
        assert!(!wrong.message.contains("567890"), "{}", wrong.message);
        let short = authenticate(&auth, Some("secret"), 1).unwrap_err();
        assert!(!short.message.contains("secret"));
    }

    #[test]
    fn models_are_allowed_by_name_and_pattern() {
        let auth = Auth::Keys(vec![entry("web", &["good"])]);
        let caller = authenticate(&auth, Some("good"), 1).unwrap();
        assert!(caller.may_use("gpt-4o") && caller.may_use("support"));
        assert!(!caller.may_use("support2") && !caller.may_use("secret"));
    }

    #[test]
    fn what_is_kept_is_the_same_owners_after_a_restart() {
        let keys = || Auth::Keys(vec![entry("web", &["old", "new"]), entry("trusted", &["other"])]);
        let owner = |auth: &Auth, key| authenticate(auth, Some(key), 1).unwrap().owner();
        assert_eq!(owner(&keys(), "old"), owner(&keys(), "new"));
        assert_ne!(owner(&keys(), "old"), owner(&keys(), "other"));
        assert_eq!(owner(&Auth::Passthrough, "a"), owner(&Auth::Passthrough, "a"));
        assert_ne!(owner(&Auth::Passthrough, "a"), owner(&Auth::Passthrough, "b"));
        assert_ne!(owner(&Auth::Passthrough, "web"), owner(&keys(), "old"));
    }

    #[test]
    fn passthrough_keeps_the_key_apart() {
        let caller = authenticate(&Auth::Passthrough, Some("live_1"), 1).unwrap();
        assert_eq!(caller.chipp_key.as_ref().map(Secret::expose), Some("live_1"));
        assert!(!format!("{caller:?}").contains("live_1"));
        assert_eq!(authenticate(&Auth::Passthrough, None, 1).unwrap_err().status, 401);
    }
}
