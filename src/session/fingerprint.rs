//! Keyed hashes of histories: equal for what means the same, different for what differs.
//!
//! One incremental BLAKE3 pass over the history; at each answer in it the state so far is a *head*. The key of
//! the pass is the scope, so a head from one scope is never one in another, and nobody outside can compute any.

use std::sync::{PoisonError, RwLock};

use crate::chipp::{Message, Role};
use crate::ids::ChatSessionId;

/// How many beginnings of a history are looked up, the longest first. A session that holds less than the last
/// that many answers is replayed: deep branches are rare, and a look-up must stay bounded.
pub(super) const MAX_CANDIDATES: usize = 32;

/// The key of all hashes of a process, or of all replicas that share a store.
///
/// A turn hashes with the key that was there when it began.
pub struct Fingerprinter {
    key: RwLock<[u8; blake3::KEY_LEN]>,
}

/// What parts one caller's conversations from another's.
#[derive(Clone, Copy, Debug)]
pub struct ScopeParts<'a> {
    /// Who calls.
    pub credential: &'a [u8],
    /// Whose behalf it is on, if that is known.
    pub user: Option<&'a str>,
    /// Which app answers.
    pub app: &'a str,
    /// The client's own id of the conversation, if it sends one.
    pub conversation: Option<&'a str>,
}

/// A key that belongs to one scope alone.
#[derive(Clone)]
pub struct Scope([u8; blake3::KEY_LEN]);

/// The name under which a session is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head([u8; 16]);

/// The hash of a history so far.
#[derive(Clone)]
pub struct History(blake3::Hasher);

impl Fingerprinter {
    /// With a key that nobody knows.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; blake3::KEY_LEN];
        getrandom::fill(&mut key)?;
        Ok(Self { key: RwLock::new(key) })
    }

    pub(super) fn key(&self) -> [u8; blake3::KEY_LEN] {
        *self.key.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with another key. What was kept under the one before is not found any more.
    pub(super) fn adopt(&self, key: [u8; blake3::KEY_LEN]) {
        if self.key() != key {
            *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        }
    }

    /// The scope of a request.
    pub fn scope(&self, parts: ScopeParts<'_>) -> Scope {
        let mut hasher = blake3::Hasher::new_keyed(&self.key());
        let texts = [Some(parts.credential), parts.user.map(str::as_bytes), Some(parts.app.as_bytes())];
        for text in texts.into_iter().chain([parts.conversation.map(str::as_bytes)]) {
            // Length and presence go in as well, so that no two lists of parts run into one.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(text.unwrap_or_default());
        }
        Scope(*hasher.finalize().as_bytes())
    }

    /// A short keyed hash of some text, to tell callers apart without keeping what they sent.
    pub fn digest(&self, text: &[u8]) -> [u8; 16] {
        first_half(blake3::keyed_hash(&self.key(), text))
    }
}

impl Scope {
    /// Enough of it to count by.
    pub fn short(&self) -> [u8; 16] {
        first_half(blake3::Hash::from_bytes(self.0))
    }
}

/// First bytes of what is hashed for slots; those of histories are roles.
const STICKY: u8 = 0xfe;
const NAMED: u8 = 0xff;

impl Scope {
    /// The slot of the one session of this scope that begins with these messages.
    pub(super) fn sticky(&self, opening: &[Message<'_>]) -> Head {
        let mut history = History::new(self);
        history.0.update(&[STICKY]);
        for message in opening {
            history.push(message.role, &message.content);
        }
        history.head()
    }

    /// The slot of a session that clients know by its id.
    pub(super) fn named(&self, session: &ChatSessionId) -> Head {
        let mut history = History::new(self);
        history.0.update(&[NAMED]).update(session.as_str().as_bytes());
        history.head()
    }
}

impl Head {
    /// From 32 hexadecimal digits.
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        u128::from_str_radix(digits, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl History {
    /// The empty history.
    pub fn new(scope: &Scope) -> Self {
        Self(blake3::Hasher::new_keyed(&scope.0))
    }

    /// The whole history, and the heads under which a session may be kept that holds a beginning of it: with
    /// the number of messages held, the longest first. A beginning ends with an answer, and leaves something to send.
    pub fn of(scope: &Scope, messages: &[Message<'_>]) -> (Self, Vec<(usize, Head)>) {
        let last = messages.len().saturating_sub(1);
        let is_candidate =
            |(at, message): &(usize, &Message<'_>)| *at < last && message.role == Role::Assistant;
        let candidates = messages.iter().enumerate().filter(is_candidate).count();
        let mut skip = candidates.saturating_sub(MAX_CANDIDATES);
        let mut heads = Vec::with_capacity(candidates - skip);
        let mut history = Self::new(scope);
        for (at, message) in messages.iter().enumerate() {
            history.push(message.role, &message.content);
            if is_candidate(&(at, message)) {
                if skip == 0 {
                    heads.push((at + 1, history.head()));
                } else {
                    skip -= 1;
                }
            }
        }
        heads.reverse();
        (history, heads)
    }

    /// Adds a message. White space at its end is not part of its meaning: clients trim answers.
    pub fn push(&mut self, role: Role, content: &str) {
        let content = content.trim_end();
        let mut frame = [0; 9];
        let (first, length) = frame.split_at_mut(1);
        first.copy_from_slice(&[role as u8]);
        length.copy_from_slice(&(content.len() as u64).to_le_bytes());
        self.0.update(&frame);
        self.0.update(content.as_bytes());
    }

    /// The head of a session that holds all this.
    pub fn head(&self) -> Head {
        Head(first_half(self.0.finalize()))
    }
}

fn first_half(hash: blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(hash.as_bytes().split_at(16).0);
    half
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprinter(***)")
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scope(***)")
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Head(***)")
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("History(***)")
    }
}
