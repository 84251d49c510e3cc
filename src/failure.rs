// SPDX-License-Identifier: GPL-2.0

//! Why a request was refused, and what stopped it.

use kernel::prelude::*;

use crate::contexts::Contexts;

/// An errno, and the context that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Error,
    /// Empty when it was the arguments.
    pub(crate) context: Contexts,
}

impl Failure {
    /// Returns what makes a failure of `context` out of an error.
    pub(crate) fn of(context: impl Into<Contexts>) -> impl FnOnce(Error) -> Self {
        let context = context.into();
        move |errno| Self { errno, context }
    }

    /// The arguments make no sense.
    pub(crate) fn of_arguments(errno: Error) -> Self {
        Self {
            errno,
            context: Contexts::empty(),
        }
    }
}
