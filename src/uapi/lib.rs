// SPDX-License-Identifier: GPL-2.0-only

//! Typed access to `/dev/unshare`. One request gives the calling task its own copy of parts of its execution
//! context, as one transaction. Either every named part is replaced, or the call fails and nothing has
//! changed.
//!
//! ```no_run
//! use unshare_device::{Contexts, Device, Request};
//!
//! let device = Device::open()?;
//! let request = Request::new().unshare(Contexts::MOUNT | Contexts::NET | Contexts::FS);
//! // SAFETY: The request does not replace the descriptor table.
//! match unsafe { device.commit(&request) } {
//!     Ok(replaced) => println!("replaced {replaced}"),
//!     Err(error) => println!("nothing changed: {error}"), // "CLONE_NEWNET: Operation not permitted"
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! In the same transaction, a task can first take namespaces and directories from another task:
//! [`Request::attach`].
//!
//! A descriptor can also hold the contexts of a request, for threads that enter them for a moment and come
//! back: [`Held`].
//!
//! Directories, descriptors, memory and signal handlers that no other task shares are left alone, and are not
//! among the replaced contexts. This is success. [`Device::query`] returns what the caller shares, and what the
//! kernel can replace.

mod contexts;
mod device;
mod error;
mod held;
mod query;
mod request;

/// The bindings of `unshare.h`: structs, constants and ioctl numbers, for a program that makes the ioctl
/// itself.
///
/// Names and documentation are those of the header.
///
/// ```
/// use unshare_device::raw;
///
/// let args = raw::unshare_args {
///     unshare: raw::CLONE_NEWNS | raw::CLONE_FILES,
///     options: raw::UNSHARE_CLOSE_RANGE,
///     close_first: 3,
///     close_last: u32::MAX,
///     ..Default::default()
/// };
/// # assert_eq!(size_of_val(&args), raw::UNSHARE_ARGS_SIZE_VER0 as usize);
/// ```
#[allow(missing_docs, non_camel_case_types, rustdoc::all)]
pub mod raw {
    include!(concat!(env!("OUT_DIR"), "/raw.rs"));
}

pub use contexts::Contexts;
pub use device::Device;
pub use error::{Error, Result};
pub use held::{Held, Inside};
pub use query::{Options, Query};
pub use request::Request;
/// An error number of the kernel: the type of [`Error::errno`].
pub use rustix::io::Errno;
