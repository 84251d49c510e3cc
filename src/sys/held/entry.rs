// SPDX-License-Identifier: GPL-2.0

//! What a task has for its way back out of one held context, and how that is linked.

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

/// What a task has for its way back out of one held context.
pub(crate) struct Entry {
    /// Drops the entry if the task exits or executes a program while it is inside.
    pub(super) work: bindings::callback_head,
    next: Chain,
    task: *mut bindings::task_struct,
    pub(super) held: u64,
    pub(super) depth: u32,
    /// Whether the task was not in that held context before.
    pub(super) is_outermost: bool,
    /// Those with which the task entered.
    pub(crate) credentials: KeptCred,
    /// What the task had.
    pub(crate) had: Swap<ParkedFs>,
    // The last field, so that it goes last.
    _module: ModuleRef,
}

// SAFETY: `task` is compared and not followed, `work` is used by the task alone, and any task may drop the
// rest.
unsafe impl Send for Entry {}

/// Keeps the module loaded: a task that is inside comes back through it.
struct ModuleRef(());

impl ModuleRef {
    fn get() -> Self {
        // SAFETY: The module runs in an ioctl, and the open file keeps it loaded.
        unsafe { unshare_get_module() };
        Self(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `get` has taken the reference. The file of an ioctl has another one, and for the rest of the
        // work of `ending.rs` the exit of the module waits.
        unsafe { unshare_put_module() };
    }
}

/// Memory for an entry, so that making one cannot fail.
pub(crate) struct Room {
    pub(super) memory: KBox<MaybeUninit<Entry>>,
    pub(super) depth: u32,
}

impl Room {
    /// Makes the entry of a task that has entered the context `held`.
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

/// The entries of the tasks of one bucket, linked.
#[derive(Default)]
pub(super) struct Chain(Option<KBox<Entry>>);

impl Chain {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        core::iter::successors(self.0.as_deref(), |entry| entry.next.0.as_deref())
    }

    pub(super) fn of<'a>(&'a self, current: &'a Current) -> impl Iterator<Item = &'a Entry> {
        self.iter().filter(|entry| entry.task == current.as_ptr())
    }

    pub(super) fn push(&mut self, mut entry: KBox<Entry>) {
        entry.next.0 = self.0.take();
        self.0 = Some(entry);
    }

    /// Takes the entry out that the task has pushed last.
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
