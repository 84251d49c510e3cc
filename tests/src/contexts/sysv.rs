// SPDX-License-Identifier: GPL-2.0-only

//! System V semaphores and shared memory for the tests.

use std::ptr::{self, NonNull};

use anyhow::Result;
use rustix::io::Errno;

use crate::device::checked;

const MODE: i32 = libc::IPC_CREAT | 0o600;

/// A set of one semaphore, removed when dropped.
pub(crate) struct Semaphore(i32);

impl Semaphore {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: semget(2) takes numbers only.
        Ok(Self(checked(unsafe {
            libc::semget(libc::IPC_PRIVATE, 1, MODE)
        })?))
    }

    /// Adds `change`, and records an adjustment in this task's undo list.
    pub(crate) fn add_with_undo(&self, change: i16) -> Result<()> {
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: change,
            sem_flg: libc::SEM_UNDO as i16,
        };
        // SAFETY: The one operation lives across the call.
        checked(unsafe { libc::semop(self.0, &raw mut operation, 1) })?;
        Ok(())
    }

    pub(crate) fn id(&self) -> String {
        self.0.to_string()
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID takes no argument.
        unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
    }
}

/// A question: returns the value of the semaphore `id`.
pub(crate) fn value(id: &str) -> Result<String> {
    // SAFETY: GETVAL takes no argument.
    let value = checked(unsafe { libc::semctl(id.parse()?, 0, libc::GETVAL) })?;
    Ok(value.to_string())
}

/// A question: calls `add_with_undo(1)` on the semaphore `id`.
pub(crate) fn add_one(id: &str) -> Result<String> {
    let semaphore = Semaphore(id.parse()?);
    let added = semaphore.add_with_undo(1);
    // The asking task owns it.
    std::mem::forget(semaphore);
    added.map(|()| String::new())
}

/// Makes a segment of shared memory, which lives until it is removed.
pub(crate) fn new_segment() -> Result<i32> {
    // SAFETY: shmget(2) takes numbers only.
    Ok(checked(unsafe {
        libc::shmget(libc::IPC_PRIVATE, 4096, MODE)
    })?)
}

/// A question: whether the segment `id` exists.
pub(crate) fn segment_exists(id: &str) -> Result<String> {
    // SAFETY: All zeroes is a valid shmid_ds.
    let mut stat = unsafe { std::mem::zeroed::<libc::shmid_ds>() };
    // SAFETY: IPC_STAT fills `stat`, which is live.
    match checked(unsafe { libc::shmctl(id.parse()?, libc::IPC_STAT, &raw mut stat) }) {
        Ok(_) => Ok("true".to_owned()),
        Err(Errno::INVAL | Errno::IDRM) => Ok("false".to_owned()),
        Err(errno) => Err(errno.into()),
    }
}

pub(crate) fn remove_segment(id: i32) {
    // SAFETY: IPC_RMID takes no argument.
    unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
}

/// Maps a segment. It stays mapped as long as the process.
pub(crate) fn attach(id: i32) -> Result<NonNull<u8>> {
    // SAFETY: The kernel picks an address at which nothing is.
    let address = unsafe { libc::shmat(id, ptr::null(), 0) };
    if address.addr() == usize::MAX {
        return Err(crate::device::last_errno().into());
    }
    Ok(NonNull::new(address.cast()).expect("shmat gives no NULL"))
}
