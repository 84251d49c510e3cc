// SPDX-License-Identifier: GPL-2.0

//! `unshare.ko`: gives a task its own copy of any part of its execution context, as one transaction.
//!
//! ```text
//! device.rs       ioctl: bytes in, one call, bytes out
//!    |
//! request.rs      struct unshare_args -> Request: parsed, implied bits added, checked
//!    |
//! transaction.rs  Request -> Prepared -> commit: the order of the steps
//!    |
//! attach.rs       pidfd -> the contexts that are taken from that task
//!    |
//! contexts/       one file for each context that can be replaced: prepare, install
//!    |
//! held.rs         Prepared -> Held, which a descriptor owns: enter, leave
//!    |
//! sys/            the kernel: owned structures, locks, functions that it does not export
//! ```
//!
//! `uapi/unshare.h` defines the interface. No task uses what a request prepares until the commit, which
//! cannot fail. If a step before the commit fails, dropping the prepared values undoes the request.

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
            description: "1: load on a kernel series that the module was not tested on; this may corrupt memory",
        },
    },
}

#[pin_data]
struct Module {
    #[pin]
    device: Registration<Device>,
    /// Initialized before the device and dropped after it: a file may be opened as long as the device exists.
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

/// Refuses a kernel of an untested series: its internal structures may differ from what the module expects.
fn check_series() -> Result {
    let release = unexported::release().to_str()?;
    let is_tested = env!("UNSHARE_TESTED").split(' ').any(|series| {
        release
            .strip_prefix(series)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    // `value` returns a reference on 7.2 and a copy on 7.3; `ne` accepts both.
    if is_tested || module_parameters::untested.value().ne(&0) {
        return Ok(());
    }
    pr_err!(
        "kernel {} is not of a tested series ({}); untested=1 loads the module anyway and may corrupt memory\n",
        release,
        env!("UNSHARE_TESTED")
    );
    Err(ENODEV)
}

/// Looks up the functions that the kernel does not export. Returns what this kernel supports.
fn offered() -> Result<Offered> {
    let lacking = unexported::resolve()?;
    let own = Context::Fs | Context::Files | Context::Sysvsem | Context::Sighand | Context::Vm;
    let mut offered = (Contexts::NAMESPACES | own).without(lacking);
    if offered.is_empty() {
        pr_err!("no context can be unshared: the kernel lacks the functions above\n");
        return Err(ENOENT);
    }
    if offered.contains(Context::Mount) {
        offered |= Context::EmptyMount;
    }
    // No task can leave its thread group. The bit asks to be alone in it, as in `unshare(2)`.
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
