// SPDX-License-Identifier: GPL-2.0

//! The one place that changes the namespaces and the directories of a task.

use crate::sys::{
    fs_struct::{
        FsStruct,
        LeftFsStruct,
        ParkedFs, //
    },
    nsproxy::ActiveNsProxy,
    task::TaskLock, //
};

/// Namespaces, and root and working directory: those that the running task is about to get, or those
/// that it had.
///
/// `Fs` says what the value owns of the `fs_struct`:
///
/// | `Fs` before                    | method      | `Fs` afterwards                       | called by          |
/// |--------------------------------|-------------|---------------------------------------|--------------------|
/// | `FsStruct`: no task uses it    | [`install`] | `LeftFsStruct`: the task has left it  | `Prepared::commit` |
/// | `FsStruct`: no task uses it    | [`park`]    | `ParkedFs`: the task stays its user   | `Held::enter`      |
/// | `ParkedFs`: the task is a user | [`restore`] | `LeftFsStruct`: the task has left it  | `held::leave`      |
///
/// [`install`]: Self::install
/// [`park`]: Self::park
/// [`restore`]: Self::restore
///
/// The returned value must be dropped after the lock: the last put of a namespace or a directory may sleep.
pub(crate) struct Swap<Fs> {
    pub(crate) nsproxy: Option<ActiveNsProxy>,
    pub(crate) fs: Option<Fs>,
}

impl<Fs> Swap<Fs> {
    /// Gives the running task these namespaces and directories, and returns those that it had.
    ///
    /// Both change in one section of `task_lock`. Other tasks read both under that lock, so none sees a new
    /// mount namespace with an old root.
    #[inline]
    fn swap<Old>(
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
    /// Swaps until `restore`: the task stays a user of the old `fs_struct`.
    pub(crate) fn park(self, lock: &mut TaskLock<'_>) -> Swap<ParkedFs> {
        self.swap(lock, FsStruct::park)
    }

    /// Swaps for good: the task is no longer a user of the old `fs_struct`.
    #[inline]
    pub(crate) fn install(self, lock: &mut TaskLock<'_>) -> Swap<LeftFsStruct> {
        self.swap(lock, FsStruct::install)
    }
}

impl Swap<ParkedFs> {
    /// Gives the namespaces and directories back that `park` returned.
    pub(crate) fn restore(self, lock: &mut TaskLock<'_>) -> Swap<LeftFsStruct> {
        self.swap(lock, ParkedFs::restore)
    }
}
