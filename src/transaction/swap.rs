// SPDX-License-Identifier: GPL-2.0

//! The one place where a task gets other namespaces and other directories.

use crate::sys::{
    fs_struct::{
        FsStruct,
        LeftFsStruct, //
    },
    nsproxy::ActiveNsProxy,
    task::TaskLock, //
};

/// Namespaces, and root and working directory: those that the running task is about to get, or those
/// that it had.
///
/// `Fs` says what the value owns of the `fs_struct`:
///
/// | before                    | method               | afterwards       |
/// |---------------------------|----------------------|------------------|
/// | `FsStruct`: a copy        | `FsStruct::install`  | `LeftFsStruct`   |
///
/// The value afterwards must be dropped without the lock: the last put of a namespace or a directory may
/// sleep.
pub(crate) struct Swap<Fs> {
    pub(crate) nsproxy: Option<ActiveNsProxy>,
    pub(crate) fs: Option<Fs>,
}

impl<Fs> Swap<Fs> {
    /// Gives the running task what the value owns, and returns what the task had in its place.
    ///
    /// Both change in one section of `task_lock`, under which other tasks read them, so that nobody sees
    /// a new mount namespace with an old root.
    #[inline]
    pub(crate) fn swap<Old>(
        self,
        lock: &mut TaskLock<'_>,
        give: impl FnOnce(Fs, &mut TaskLock<'_>) -> Old,
    ) -> Swap<Old> {
        let Self { mut nsproxy, fs } = self;
        if let Some(nsproxy) = &mut nsproxy {
            nsproxy.install(lock);
        }
        Swap {
            nsproxy,
            fs: fs.map(|fs| give(fs, lock)),
        }
    }
}

impl Swap<FsStruct> {
    /// Swaps for good: nobody keeps the old `fs_struct` for the task.
    #[inline]
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> Swap<LeftFsStruct> {
        self.swap(lock, FsStruct::install)
    }
}
