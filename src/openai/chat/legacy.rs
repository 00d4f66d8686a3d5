//! Readers of the nested fields that legacy completions take just as chat does.

use std::borrow::Cow;

use super::options;
use crate::openai::Error;
use crate::openai::json::At;

/// `stop`, without empty sequences.
pub(in crate::openai) fn stop<'a>(at: At<'_, 'a>) -> Result<Vec<Cow<'a, str>>, Error> {
    options::stop(at)
}

/// `stream_options`; gives `include_usage`.
pub(in crate::openai) fn stream_options(at: At<'_, '_>) -> Result<bool, Error> {
    options::stream_options(at)
}

/// `logit_bias`.
pub(in crate::openai) fn logit_bias(at: At<'_, '_>) -> Result<(), Error> {
    options::logit_bias(at)
}
