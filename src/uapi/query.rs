// SPDX-License-Identifier: GPL-2.0-only

use bitflags::bitflags;

use crate::{Contexts, raw};

bitflags! {
    /// Options of a request.
    ///
    /// ```no_run
    /// use unshare_device::{Device, Options};
    ///
    /// let known = Device::open()?.query()?.options;
    /// assert!(known.contains(Options::DRY_RUN));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Options: u32 {
        /// Prepare and report, but change nothing.
        const DRY_RUN = raw::UNSHARE_DRY_RUN;
        /// With [`Contexts::FILES`]: leave a range of descriptors out of the new table.
        const CLOSE_RANGE = raw::UNSHARE_CLOSE_RANGE;
        /// Return a descriptor that holds what was prepared.
        const HOLD = raw::UNSHARE_HOLD;

        const _ = !0;
    }
}

/// What this kernel supports, and what the caller shares. Returned by
/// [`Device::query`](crate::Device::query).
///
/// ```no_run
/// use unshare_device::{Contexts, Device};
///
/// let query = Device::open()?.query()?;
/// for context in query.contexts.each() {
///     let shared = query.shared.contains(context);
///     println!("{context}: {}", if shared { "shared" } else { "the caller's own" });
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The contexts that [`Request::unshare`](crate::Request::unshare) may name on this kernel.
    pub contexts: Contexts,
    /// The contexts that [`Request::attach`](crate::Request::attach) may name on this kernel.
    pub attachable: Contexts,
    /// The options that this kernel supports.
    pub options: Options,
    /// The contexts that the caller shares with another task. A namespace is shared if another task is in
    /// it. Other tasks may have left or joined by the time the caller reads this.
    pub shared: Contexts,
}

impl From<raw::unshare_query> for Query {
    fn from(query: raw::unshare_query) -> Self {
        Self {
            contexts: Contexts::from_bits_retain(query.contexts),
            attachable: Contexts::from_bits_retain(query.attachable),
            // `unshare_args.options` has 32 bits, so no option is lost.
            options: Options::from_bits_retain(query.options as u32),
            shared: Contexts::from_bits_retain(query.shared),
        }
    }
}
