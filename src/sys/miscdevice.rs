// SPDX-License-Identifier: GPL-2.0

//! A misc device whose open files keep the module loaded.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h).

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions, //
    },
    prelude::*,
    types::Opaque, //
};

/// A registered misc device whose open files hold a reference to the module.
///
/// [`kernel::miscdevice::MiscDeviceRegistration`] leaves `fops.owner` unset, so that rmmod(8) can
/// free running code. Setting it requires a writable copy of the `file_operations`.
///
/// # Invariants
///
/// `device` is registered, and its `fops` points to the field `fops`.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T> {
    fops: Opaque<bindings::file_operations>,
    #[pin]
    device: Opaque<bindings::miscdevice>,
    _type: PhantomData<T>,
}

// SAFETY: Any task may deregister a device.
unsafe impl<T> Send for Registration<T> {}
// SAFETY: A shared reference has no methods.
unsafe impl<T> Sync for Registration<T> {}

impl<T: MiscDevice> Registration<T> {
    /// Registers a device. Mirrors `misc_register()`, and fails with its errors.
    pub(crate) fn register(
        options: MiscDeviceOptions,
        module: &'static ThisModule,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            fops: Opaque::new(Self::file_operations(options, module)),
            device <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let mut device = options.into_raw::<T>();
                // SAFETY: `this` is pinned, and its `fops` is already initialized.
                device.fops = unsafe { (*this.as_ptr()).fops.get() };
                // SAFETY: The slot may be written.
                unsafe { slot.write(device) };
                // SAFETY: The device and its operations are pinned until `drop` deregisters it.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
            _type: PhantomData,
        })
    }

    fn file_operations(
        options: MiscDeviceOptions,
        module: &'static ThisModule,
    ) -> bindings::file_operations {
        // SAFETY: `into_raw` points to constant operations, which may be copied bit by bit.
        let mut fops = unsafe { options.into_raw::<T>().fops.read() };
        fops.owner = module.as_ptr();
        fops
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::misc_deregister(self.device.get()) };
    }
}
