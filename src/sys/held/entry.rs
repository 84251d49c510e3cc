// SPDX-License-Identifier: GPL-2.0

//! An entry: what a task needs to leave a held context again.

use core::mem::MaybeUninit;
use kernel::{
    bindings,
    prelude::*, //
};

use crate::{
    sys::{
        bindings::{
            unshare_get_module,
            unshare_put_module, //
        },
        cred::KeptCred,
        fs_struct::ParkedFs,
        task::Current, //
    },
    transaction::swap::Swap, //
};

/// What a task needs to leave a held context again.
pub(crate) struct Entry {
    /// The task work that drops the entry if the task exits or executes a program.
    pub(super) work: bindings::callback_head,
    next: Chain,
    task: *mut bindings::task_struct,
    /// The number of the held context.
    pub(super) held: u64,
    /// How many entries of the task are below this one.
    pub(super) depth: u32,
    /// No entry below is for the same held context.
    pub(super) is_outermost: bool,
    /// The credentials with which the task entered.
    pub(crate) credentials: KeptCred,
    /// What the task had before it entered.
    pub(crate) had: Swap<ParkedFs>,
    // The last field, so that it is dropped last.
    _module: ModuleRef,
}

// SAFETY: `task` is only compared, only the task uses `work`, and any task may drop the rest.
unsafe impl Send for Entry {}

/// A reference to the module, which a task that is inside needs to leave again.
struct ModuleRef(());

impl ModuleRef {
    fn get() -> Self {
        // SAFETY: The caller runs in an ioctl, whose open file keeps the module loaded.
        unsafe { unshare_get_module() };
        Self(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `get` took the reference. Afterwards the code of this module is kept by the file
        // of the ioctl, or by `Probes::unregister`, which waits for the task work.
        unsafe { unshare_put_module() };
    }
}

/// Memory for an entry, so that entering cannot fail for lack of it.
pub(crate) struct Room {
    pub(super) memory: KBox<MaybeUninit<Entry>>,
    pub(super) depth: u32,
}

impl Room {
    /// Makes the entry for a task that has entered the context `held`.
    pub(super) fn fill(self, held: u64, had: Swap<ParkedFs>, current: &Current) -> KBox<Entry> {
        KBox::write(
            self.memory,
            Entry {
                work: bindings::callback_head::default(),
                next: Chain(None),
                task: current.as_ptr(),
                held,
                depth: self.depth,
                is_outermost: true,
                credentials: KeptCred::of(current),
                had,
                _module: ModuleRef::get(),
            },
        )
    }
}

/// The linked entries of the tasks of one bucket, newest first.
#[derive(Default)]
pub(super) struct Chain(Option<KBox<Entry>>);

impl Chain {
    /// Returns the entries of all tasks, newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        core::iter::successors(self.0.as_deref(), |entry| entry.next.0.as_deref())
    }

    /// Returns the entries of the running task, newest first.
    pub(super) fn of<'a>(&'a self, current: &'a Current) -> impl Iterator<Item = &'a Entry> {
        self.iter().filter(|entry| entry.task == current.as_ptr())
    }

    /// Adds an entry as the newest.
    pub(super) fn push(&mut self, mut entry: KBox<Entry>) {
        entry.next.0 = self.0.take();
        self.0 = Some(entry);
    }

    /// Removes and returns the newest entry of the running task.
    pub(super) fn pop(&mut self, current: &Current) -> Option<KBox<Entry>> {
        let mut place = &mut self.0;
        while place.as_ref()?.task != current.as_ptr() {
            place = &mut place.as_mut()?.next.0;
        }
        let mut entry = place.take()?;
        *place = entry.next.0.take();
        Some(entry)
    }
}
