//! What can be wrong with a request's body and its fields: every one a 400 `invalid_request_error`.
//!
//! `path` is the place as clients know it, `messages[2].content[0].type`; it becomes `param`.

use std::fmt::Display;

use super::{Error, ErrorType, Excerpt};

/// A 400 at a place.
fn invalid(path: &(impl Display + ?Sized), code: &'static str, message: String) -> Error {
    Error::new(400, ErrorType::InvalidRequest, Some(code), message).at(path.to_string())
}

impl Error {
    /// The body is not a JSON object. `hint` says what and where, without the body's own text.
    pub fn unparseable_body(hint: impl Display) -> Self {
        let message = format!(
            "We could not parse the JSON body of your request. (HINT: {hint}. The API expects a JSON object and nothing else in the body.)"
        );
        Self::new(400, ErrorType::InvalidRequest, None, message)
    }

    /// A required field is absent.
    pub fn missing_parameter(path: &(impl Display + ?Sized)) -> Self {
        let message = format!("Missing required parameter: '{path}'.");
        invalid(path, "missing_required_parameter", message)
    }

    /// A value of another JSON type than `expected`; both with their article: `an array of objects`, `null`.
    pub fn invalid_type(
        path: &(impl Display + ?Sized),
        expected: &(impl Display + ?Sized),
        got: &str,
    ) -> Self {
        let message = format!("Invalid type for '{path}': expected {expected}, but got {got} instead.");
        invalid(path, "invalid_type", message)
    }

    /// A string that is none of the known ones; `supported` as [`Listing`](crate::openai::json::Listing) prints it.
    pub fn invalid_value(path: &(impl Display + ?Sized), got: &str, supported: &impl Display) -> Self {
        let got = Excerpt(got);
        let message = format!("Invalid value: '{got}'. Supported values are: {supported}.");
        invalid(path, "invalid_value", message)
    }

    /// A string that is not of the form asked for: a name, an address.
    pub fn invalid_format(path: &(impl Display + ?Sized), expected: &str) -> Self {
        let message = format!("Invalid '{path}': the string has an invalid format. Expected {expected}.");
        invalid(path, "invalid_value", message)
    }

    /// An array without elements where one is needed.
    pub fn empty_array(path: &(impl Display + ?Sized)) -> Self {
        let message = format!(
            "Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        );
        invalid(path, "empty_array", message)
    }

    /// An array with more than `most` elements.
    pub fn array_too_long(path: &(impl Display + ?Sized), most: usize, got: usize) -> Self {
        let message = format!(
            "Invalid '{path}': array too long. Expected an array with maximum length {most}, but got an array with length {got} instead."
        );
        invalid(path, "array_above_max_length", message)
    }

    /// An empty string where text is needed.
    pub fn empty_string(path: &(impl Display + ?Sized)) -> Self {
        let message = format!(
            "Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."
        );
        invalid(path, "empty_string", message)
    }

    /// A string of more than `most` characters.
    pub fn string_too_long(path: &(impl Display + ?Sized), most: usize, got: usize) -> Self {
        let message = format!(
            "Invalid '{path}': string too long. Expected a string with maximum length {most}, but got a string with length {got} instead."
        );
        invalid(path, "string_above_max_length", message)
    }

    /// An object of more than `most` properties.
    pub fn too_many_properties(path: &(impl Display + ?Sized), most: usize, got: usize) -> Self {
        let message = format!(
            "Invalid '{path}': too many properties. Expected an object with at most {most} properties, but got an object with {got} properties instead."
        );
        invalid(path, "object_above_max_properties", message)
    }

    /// An integer above its greatest value.
    pub fn integer_above_max(path: &(impl Display + ?Sized), most: i128, got: &impl Display) -> Self {
        let message = format!(
            "Invalid '{path}': integer above maximum value. Expected a value <= {most}, but got {got} instead."
        );
        invalid(path, "integer_above_max_value", message)
    }

    /// An integer below its least value.
    pub fn integer_below_min(path: &(impl Display + ?Sized), least: i128, got: &impl Display) -> Self {
        let message = format!(
            "Invalid '{path}': integer below minimum value. Expected a value >= {least}, but got {got} instead."
        );
        invalid(path, "integer_below_min_value", message)
    }

    /// A number above its greatest value.
    pub fn decimal_above_max(path: &(impl Display + ?Sized), most: f64, got: &impl Display) -> Self {
        let message = format!(
            "Invalid '{path}': decimal above maximum value. Expected a value <= {most}, but got {got} instead."
        );
        invalid(path, "decimal_above_max_value", message)
    }

    /// A number below its least value.
    pub fn decimal_below_min(path: &(impl Display + ?Sized), least: f64, got: &impl Display) -> Self {
        let message = format!(
            "Invalid '{path}': decimal below minimum value. Expected a value >= {least}, but got {got} instead."
        );
        invalid(path, "decimal_below_min_value", message)
    }

    /// A field that OpenAI does not know, where the operator refuses such.
    pub fn unknown_parameter(path: &str) -> Self {
        let path = Excerpt(path);
        let message = format!("Unknown parameter: '{path}'.");
        invalid(&path, "unknown_parameter", message)
    }

    /// A field that OpenAI knows and this service does not act upon, where that matters; `instead` is a full
    /// sentence for the client's developer.
    pub fn unsupported_parameter(path: &str, instead: &str) -> Self {
        let message =
            format!("Unsupported parameter: '{}' is not supported with this model. {instead}", Excerpt(path));
        invalid(&Excerpt(path), "unsupported_parameter", message)
    }

    /// A value that OpenAI knows and this service does not act upon; `instead` is a full sentence for the client's
    /// developer.
    pub fn unsupported_value(path: &str, got: &str, instead: &str) -> Self {
        let (place, got) = (Excerpt(path), Excerpt(got));
        let message =
            format!("Unsupported value: '{place}' does not support {got} with this model. {instead}");
        invalid(&place, "unsupported_value", message)
    }

    /// A field that means something only beside another one, which is not there.
    pub fn needs(path: &'static str, other: &str) -> Self {
        let message = format!("The '{path}' parameter is only allowed when '{other}' is enabled.");
        Self::new(400, ErrorType::InvalidRequest, None, message).at(path)
    }

    /// A choice among tools that were not offered.
    pub fn needs_tools(path: &'static str, tools: &str) -> Self {
        let message =
            format!("Invalid value for '{path}': '{path}' is only allowed when '{tools}' are specified.");
        Self::new(400, ErrorType::InvalidRequest, None, message).at(path)
    }

    /// A schema that is none, or that cannot be used; `of` says whose, `why` is a full sentence.
    pub fn invalid_schema(path: &str, of: &str, code: &'static str, why: &str) -> Self {
        invalid(&Excerpt(path), code, format!("Invalid schema for {}: {why}", Excerpt(of)))
    }

    /// Two fields that contradict each other.
    pub fn contradiction(path: &'static str, other: &str) -> Self {
        let message = format!("Setting '{path}' and '{other}' at the same time is not supported.");
        invalid(path, "invalid_parameter_combination", message)
    }
}
