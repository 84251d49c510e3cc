// SPDX-License-Identifier: GPL-2.0-only

use std::{fmt, io};

use rustix::io::Errno;

use crate::Contexts;

/// The result of a request.
///
/// ```no_run
/// use unshare_device::{Contexts, Device, Request};
///
/// fn private_directories(device: &Device) -> unshare_device::Result<Contexts> {
///     // SAFETY: The request does not replace the descriptor table.
///     unsafe { device.commit(&Request::new().unshare(Contexts::FS)) }
/// }
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was refused. Nothing has changed.
///
/// `Display` prints `CLONE_NEWNET: Operation not permitted (os error 1)`. If no context stopped the request but
/// its arguments or the pidfd, it prints `request refused: Invalid argument (os error 22)`.
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
    /// The errno of the ioctl. If unshare(2) can make the same request, its errno is the same.
    pub errno: Errno,
    /// The one context that stopped the request; empty for the errors of the arguments and the target.
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

// No `source`: `Display` prints the errno already.
impl std::error::Error for Error {}

/// Keeps the kind. `into_inner` returns the [`Error`]; `raw_os_error` returns `None`.
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
