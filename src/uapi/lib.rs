// SPDX-License-Identifier: GPL-2.0-only

//! Typed access to `/dev/unshare`: the calling task gets its own copy of parts of its execution
//! context, as one transaction. Either every part asked for is replaced, or the call fails and
//! nothing has changed.
//!
//! ```no_run
//! use unshare_device::{Contexts, Device, Request};
//!
//! let device = Device::open()?;
//! let request = Request::new().unshare(Contexts::MOUNT | Contexts::NET | Contexts::FS);
//! // SAFETY: The descriptor table stays.
//! match unsafe { device.commit(&request) } {
//!     Ok(replaced) => println!("replaced {replaced}"),
//!     Err(error) => println!("nothing changed: {error}"), // "CLONE_NEWNET: Operation not permitted"
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! In the same transaction, before that, the task can take namespaces and directories from another
//! one: [`Request::attach`].
//!
//! A request can also be held, for threads that go there for a moment and come back: [`Held`].
//!
//! Directories, descriptors, memory and signal handlers that the task shares with nobody are left alone,
//! and are not among the replaced ones: that is success. [`Device::query`] tells what is shared, and what the kernel can replace.

mod contexts;
mod device;
mod error;
mod held;
mod query;
mod request;

/// `unshare.h` as bindgen sees it: the structs, the constants and the ioctl numbers, for a program
/// that makes the ioctl by itself.
///
/// The names are the header's, and the documentation is the header's comments.
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
/// An error number of the kernel, as [`Error::errno`] has it.
pub use rustix::io::Errno;
