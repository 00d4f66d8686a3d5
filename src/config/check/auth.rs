//! `auth`.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::limits::allowance;
use super::reader::{Read, Reader};
use crate::catalog::overlap;
use crate::config::choice::Mode;
use crate::config::raw::{RawAuth, RawKey, RawModels};
use crate::config::values::KeyHash;
use crate::config::{Auth, ClientKey};
use crate::ids::MAX_ID_BYTES;

/// `auth.mode`, `None` if it is wrong; without one, keys are wanted, as the safest.
pub(super) fn mode(reader: &mut Reader<'_>, raw: &RawAuth, listen: SocketAddr) -> Option<Mode> {
    let allowed = reader.value("auth.allow_open_on_network", raw.allow_open_on_network.as_ref());
    let mode = match reader.value("auth.mode", raw.mode.as_ref()) {
        Read::Good(mode) => mode,
        Read::Absent => Mode::Keys,
        Read::Bad => return None,
    };
    // A mistyped permission has been told; whether it was meant as one is unknown.
    let forbidden = matches!(allowed, Read::Absent | Read::Good(false));
    if mode == Mode::Open && forbidden && !listen.ip().to_canonical().is_loopback() {
        reader.problem(
            "auth.mode",
            "`open` lets anybody who reaches `server.listen` use your Chipp keys: listen on 127.0.0.1, use \
             `mode: keys`, or set `auth.allow_open_on_network: true`",
        );
    }
    Some(mode)
}

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawAuth, mode: Option<Mode>, models: &RawModels) -> Auth {
    let raw_keys = raw.keys.as_deref().unwrap_or_default();
    let keys = keys(reader, raw_keys, models);
    match mode {
        Some(Mode::Keys) => {
            if raw_keys.is_empty() {
                reader.problem(
                    "auth.keys",
                    "is empty, so nobody could call: `chipp-proxy key new NAME` makes an entry (or choose another \
                     `auth.mode`)",
                );
            }
            Auth::Keys(keys)
        }
        Some(Mode::Open | Mode::Passthrough) => {
            if !raw_keys.is_empty() {
                reader.problem(
                    "auth.keys",
                    "has no effect without `auth.mode: keys`: set that, or leave it out",
                );
            }
            if mode == Some(Mode::Open) { Auth::Open } else { Auth::Passthrough }
        }
        None => Auth::Keys(keys),
    }
}

fn keys(reader: &mut Reader<'_>, raw: &[RawKey], models: &RawModels) -> Vec<ClientKey> {
    let mut names = HashMap::new();
    let mut hashes = HashMap::new();
    let mut keys = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("auth.keys[{index}]");
        let name = name(reader, &format!("{path}.name"), raw, &mut names);
        let sha256 = sha256(reader, &format!("{path}.sha256"), raw, &mut hashes);
        let allowed = allowed_models(reader, &format!("{path}.models"), raw, models);
        let expires = reader.value(&format!("{path}.expires"), raw.expires.as_ref());
        let disabled = reader.value(&format!("{path}.disabled"), raw.disabled.as_ref());
        let trust_user = reader.value(&format!("{path}.trust_user"), raw.trust_user.as_ref());
        let limits = allowance(reader, &format!("{path}.limits"), raw.limits.as_ref());
        keys.push(ClientKey {
            name: name.unwrap_or_default(),
            sha256,
            models: allowed,
            expires: expires.good().map(|expiry| expiry.0),
            disabled: disabled.or(false),
            trust_user: trust_user.or(false),
            limits,
        });
    }
    keys
}

fn name(
    reader: &mut Reader<'_>,
    path: &str,
    raw: &RawKey,
    names: &mut HashMap<String, String>,
) -> Option<String> {
    let name = match reader.value(path, raw.name.as_ref()) {
        Read::Good(name) => name,
        Read::Bad => return None,
        Read::Absent => {
            reader.problem(path, "is missing: it stands for the key in logs and limits");
            return None;
        }
    };
    if name.len() > MAX_ID_BYTES || name.contains(|char: char| char.is_whitespace() || char.is_control()) {
        reader.problem(path, "must be a word without spaces, at most 255 bytes");
    }
    if let Some(first) = names.insert(name.clone(), path.to_owned()) {
        reader.problem(path, format!("is the same as {first}"));
    }
    Some(name)
}

fn sha256(
    reader: &mut Reader<'_>,
    path: &str,
    raw: &RawKey,
    hashes: &mut HashMap<KeyHash, String>,
) -> Vec<[u8; 32]> {
    let Some(list) = &raw.sha256 else {
        reader.problem(path, "is missing: `chipp-proxy key new NAME` makes a key and its hash");
        return Vec::new();
    };
    if !(1..=2).contains(&list.len_as_written()) {
        reader.problem(path, "must have one hash, or two while the key is changed");
    }
    let read = reader.list(path, Some(list)).or(Vec::new());
    for (path, hash) in &read {
        if let Some(first) = hashes.insert(*hash, path.clone()) {
            reader.problem(path, format!("is the same as {first}"));
        }
    }
    read.into_iter().map(|(_, hash)| hash.0).collect()
}

fn allowed_models(
    reader: &mut Reader<'_>,
    path: &str,
    raw: &RawKey,
    models: &RawModels,
) -> Option<Vec<String>> {
    let list = raw.models.as_ref()?;
    let read = reader.list(path, Some(list)).or(Vec::new());
    if list.len_as_written() == 0 {
        reader.problem(path, "is empty, so the key could use nothing: leave it out to allow all");
    }
    for (path, pattern) in &read {
        if !models.0.iter().any(|(alias, _)| overlap(pattern, alias)) {
            reader.problem(path, "matches none of `models`");
        }
    }
    Some(read.into_iter().map(|(_, pattern)| pattern).collect())
}
