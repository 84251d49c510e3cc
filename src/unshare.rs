// SPDX-License-Identifier: GPL-2.0

//! `unshare.ko`: a task's own copy of any part of its execution context, as one transaction.
//!
//! ```text
//! device.rs       ioctl: bytes in, one call, bytes out
//!    |
//! request.rs      struct unshare_args -> Request: parsed, implied bits added, checked
//!    |
//! transaction.rs  Request -> Prepared -> commit: the order of the steps
//!    |
//! attach.rs       pidfd -> what is taken of that task
//!    |
//! contexts/       what can be replaced, one file each: prepare, install
//!    |
//! held.rs         Prepared -> Held, by a descriptor: enter, leave
//!    |
//! sys/            the kernel: owned structures, locks, what it does not export
//! ```
//!
//! The interface is `uapi/unshare.h`. What is prepared belongs to nobody until the commit, which
//! cannot fail; what fails before it is undone by being dropped.

use kernel::{
    miscdevice::MiscDeviceOptions,
    prelude::*, //
};

mod attach;
mod contexts;
mod device;
mod failure;
mod held;
mod request;
mod sys;
mod transaction;

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    device::Device,
    request::{
        Offered,
        OPTIONS,
        OPTIONS_OF_HOLDING, //
    },
    sys::{
        held::Entries,
        miscdevice::Registration,
        unexported, //
    },
};

module! {
    type: Module,
    name: "unshare",
    authors: ["The unshare.ko developers"],
    description: "Unshare any part of a task's execution context",
    license: "GPL v2",
    params: {
        untested: u8 {
            default: 0,
            description: "1: load on a kernel series that the module was not tested on, at the risk of corrupted memory",
        },
    },
}

#[pin_data]
struct Module {
    #[pin]
    device: Registration<Device>,
    /// Go after the device, and are there before it.
    #[pin]
    entries: Entries,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _: {
                check_series()?;
                Device::offer(offered()?);
            },
            entries <- Entries::new(),
            device <- Registration::register(MiscDeviceOptions { name: c"unshare" }, module),
        })
    }
}

/// Refuses a kernel whose inner structures nobody has compared with what the module expects.
fn check_series() -> Result {
    let release = unexported::release().to_str()?;
    let is_tested = env!("UNSHARE_TESTED").split(' ').any(|series| {
        release
            .strip_prefix(series)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    // Not by an operator: it is a reference in 7.2, and a copy from 7.3 on.
    if is_tested || module_parameters::untested.value().ne(&0) {
        return Ok(());
    }
    pr_err!(
        "kernel {} is not of a tested series ({}); untested=1 loads all the same and may corrupt memory\n",
        release,
        env!("UNSHARE_TESTED")
    );
    Err(ENODEV)
}

/// Returns what this kernel has the functions for.
fn offered() -> Result<Offered> {
    let lacking = unexported::resolve()?;
    let own = Context::Fs | Context::Files | Context::Sysvsem | Context::Sighand | Context::Vm;
    let mut offered = (Contexts::NAMESPACES | own).without(lacking);
    if offered.is_empty() {
        pr_err!("nothing of this kernel can be unshared\n");
        return Err(ENOENT);
    }
    if offered.contains(Context::Mount) {
        offered |= Context::EmptyMount;
    }
    // Nobody can leave a thread group, but one may ask to be alone in it, as of `unshare(2)`.
    if offered.contains(Context::Vm) {
        offered |= Context::Thread;
    }
    Ok(Offered {
        unshare: offered,
        attach: match lacking.contains_any(Contexts::ATTACHING) {
            true => Contexts::empty(),
            false => offered & (Contexts::NAMESPACES | Context::Fs),
        },
        options: match lacking.contains_any(Contexts::HOLDING) {
            true => OPTIONS,
            false => OPTIONS | OPTIONS_OF_HOLDING,
        },
    })
}
