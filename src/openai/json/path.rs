//! Where a value stands in the body: a chain of borrowed steps, which becomes text only when an error is made.

use std::fmt;

use crate::openai::error::Excerpt;

/// A place, as `param` names it: `messages[2].content[0].type`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The body itself.
    pub const ROOT: Self = Self { parent: None, step: Step::Root };

    /// A field of this object.
    #[must_use]
    pub fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// An element of this array.
    #[must_use]
    pub fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => {
                let nested = self.parent.is_some_and(|parent| !matches!(parent.step, Step::Root));
                write!(f, "{}{}", if nested { "." } else { "" }, Excerpt(key))
            }
        }
    }
}
