// SPDX-License-Identifier: GPL-2.0

//! A misc device that the module cannot be removed under.
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

/// A registered misc device whose open files keep `module` loaded.
///
/// [`kernel::miscdevice::MiscDeviceRegistration`] leaves `fops.owner` unset, so that a module could
/// be removed while a descriptor is open. This one fills it in, which takes file operations that
/// can be written to.
///
/// # Invariants
///
/// `device` is registered, and its `fops` points to `fops`, which is pinned beside it.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T> {
    fops: Opaque<bindings::file_operations>,
    #[pin]
    device: Opaque<bindings::miscdevice>,
    _type: PhantomData<T>,
}

// SAFETY: A device may be deregistered by another task than the one that registered it.
unsafe impl<T> Send for Registration<T> {}
// SAFETY: There is nothing to do with a shared reference.
unsafe impl<T> Sync for Registration<T> {}

impl<T: MiscDevice> Registration<T> {
    /// Registers a device. Mirrors `misc_register()`, and fails as it does.
    pub(crate) fn register(
        options: MiscDeviceOptions,
        module: &'static ThisModule,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            fops: Opaque::new(Self::file_operations(options, module)),
            device <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let mut device = options.into_raw::<T>();
                // SAFETY: `this` is being initialized at its final place, `fops` already is.
                device.fops = unsafe { (*this.as_ptr()).fops.get() };
                // SAFETY: The slot may be written.
                unsafe { slot.write(device) };
                // SAFETY: The device and its operations stay where they are until dropped, which
                // deregisters it.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
            _type: PhantomData,
        })
    }

    fn file_operations(
        options: MiscDeviceOptions,
        module: &'static ThisModule,
    ) -> bindings::file_operations {
        // SAFETY: `into_raw` points to constant operations. The copy is bitwise, as they are plain
        // function pointers.
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
