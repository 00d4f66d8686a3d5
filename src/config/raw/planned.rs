//! Sections of the file format that this version does not support: known, so that using one is a clear problem and
//! an editor knows their keys.

use super::{Deserialize, JsonSchema, List, Serialize};

/// `server.cors`. Not supported yet.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCors {
    /// Origins that may call.
    pub origins: Option<List<String>>,
}
