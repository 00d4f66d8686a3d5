//! `responses`.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

use super::reader::{Read, Reader};
use crate::config::raw::RawResponses;
use crate::config::{Responses, ResponsesStore};
use crate::redis;

const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const TTL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 60 * 60);
const MAX_BYTES: ByteSize = ByteSize::mib(256);
const MAX_BYTES_RANGE: RangeInclusive<ByteSize> = ByteSize::mib(1)..=ByteSize::tib(1);
const MAX_ENTRY: ByteSize = ByteSize::mib(16);
/// Redis takes no larger values.
const MAX_ENTRY_RANGE: RangeInclusive<ByteSize> = ByteSize::kib(1)..=ByteSize::mib(512);

pub(super) fn check(reader: &mut Reader<'_>, raw: &RawResponses) -> Responses {
    let store = reader.value("responses.store", raw.store.as_ref()).or(ResponsesStore::Memory);
    if store == ResponsesStore::Redis && !redis::IS_BUILT_IN {
        reader
            .problem("responses.store", "`redis` is not part of this build (feature `redis`); use `memory`");
    }
    let ttl = reader.within("responses.ttl", raw.ttl.as_ref(), &TTL_RANGE, "from 1s to 365days");
    let max_bytes =
        reader.within("responses.max_bytes", raw.max_bytes.as_ref(), &MAX_BYTES_RANGE, "from 1MiB to 1TiB");
    let max_entry =
        reader.within("responses.max_entry", raw.max_entry.as_ref(), &MAX_ENTRY_RANGE, "from 1KiB to 512MiB");
    let max_bytes = max_bytes.or(MAX_BYTES);
    let max_entry = match max_entry {
        Read::Good(max_entry) if store == ResponsesStore::Memory && max_entry > max_bytes => {
            reader.problem("responses.max_entry", "must not be larger than `responses.max_bytes`");
            max_bytes
        }
        max_entry => max_entry.or(MAX_ENTRY.min(max_bytes)),
    };
    let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    Responses { store, ttl: ttl.or(TTL), max_bytes: bytes(max_bytes), max_entry: bytes(max_entry) }
}
