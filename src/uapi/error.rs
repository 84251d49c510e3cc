// SPDX-License-Identifier: GPL-2.0-only

use std::{fmt, io};

use rustix::io::Errno;

use crate::Contexts;

/// What the calls of this crate that carry a request return.
///
/// ```no_run
/// use unshare_device::{Contexts, Device, Request};
///
/// fn private_directories(device: &Device) -> unshare_device::Result<Contexts> {
///     // SAFETY: The descriptor table stays.
///     unsafe { device.commit(&Request::new().unshare(Contexts::FS)) }
/// }
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was refused. Nothing has changed.
///
/// Shown as `CLONE_NEWNET: Operation not permitted (os error 1)`, or, when it was no context but the
/// arguments, the pidfd among them, as `request refused: Invalid argument (os error 22)`.
///
/// ```
/// use unshare_device::{Contexts, Errno, Error};
///
/// fn advice(error: Error) -> String {
///     match (error.errno, error.context) {
///         (Errno::PERM, Contexts::USER) => "user namespaces are denied here".to_owned(),
///         (Errno::NOSPC, context) => format!("too many of {context}"),
///         _ => error.to_string(),
///     }
/// }
///
/// let error = Error { errno: Errno::NOSPC, context: Contexts::NET };
/// assert_eq!(advice(error), "too many of CLONE_NEWNET");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the kernel answered; for a context that unshare(2) knows too, the same as there.
    pub errno: Errno,
    /// The one context that stopped the request; empty when it was the arguments, or
    /// the task that the pidfd stands for.
    pub context: Contexts,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.context.is_empty() {
            write!(f, "request refused: {}", self.errno)
        } else {
            write!(f, "{}: {}", self.context, self.errno)
        }
    }
}

// No source(): Display says all that the errno would say again.
impl std::error::Error for Error {}

/// Keeps the kind, and the error itself as what `into_inner` returns; `raw_os_error` is lost.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.errno.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_context_and_the_reason() {
        let mut error = Error {
            errno: Errno::PERM,
            context: Contexts::NET,
        };
        assert_eq!(
            error.to_string(),
            "CLONE_NEWNET: Operation not permitted (os error 1)"
        );
        assert_eq!(
            io::Error::from(error).kind(),
            io::ErrorKind::PermissionDenied
        );

        error = Error {
            errno: Errno::INVAL,
            context: Contexts::empty(),
        };
        assert_eq!(
            error.to_string(),
            "request refused: Invalid argument (os error 22)"
        );
    }
}
