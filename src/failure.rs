// SPDX-License-Identifier: GPL-2.0

//! Why a request fails: the errno, and the context that it is about.

use kernel::prelude::*;

use crate::contexts::Contexts;

/// The failure of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Error,
    /// The context that stopped the request; empty for the errors of the arguments and the target.
    pub(crate) context: Contexts,
}

impl Failure {
    /// Returns a function that makes a failure of `context` from an errno.
    pub(crate) fn of(context: impl Into<Contexts>) -> impl FnOnce(Error) -> Self {
        let context = context.into();
        move |errno| Self { errno, context }
    }

    /// Returns a failure of the arguments or the target.
    pub(crate) fn of_arguments(errno: Error) -> Self {
        Self {
            errno,
            context: Contexts::empty(),
        }
    }
}
