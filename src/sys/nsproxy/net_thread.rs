// SPDX-License-Identifier: GPL-2.0

//! A network namespace that is made as a task of another network namespace would make it.
//!
//! A new network takes settings over from the network in `current->nsproxy`: the size of its TCP and
//! UDP tables (`tcp_set_hashinfo()`, `udp_set_table()`), its vsock mode (`vsock_net_init()`), and with
//! `net.core.devconf_inherit_init_net` = 3 those of its devices (`devinet_init_net()`,
//! `addrconf_init_net()`). After an attach that has to be the attached network, as it is after
//! setns(2). The running task cannot be put there before the commit: readers of `/proc/PID/ns` would
//! see it. So a kernel thread goes there and makes the network, with the credentials that the running
//! task acts with. The memory is charged to the memory cgroup of the running task.
//!
//! The wait for that thread:
//!
//! - for whom: a thread of this module, which waits for nothing but the locks that unshare(2) would
//!   wait for here (`pernet_ops_rwsem`, then the operations of each subsystem).
//! - holding what: what the request has prepared, as unshare(2) holds its copies here.
//! - who can make it last: tasks that make or clean up networks, as for unshare(2).
//! - what ends it: the thread's end. A deadly signal to the running task is passed on to the thread, and
//!   ends its waits where it would end those of unshare(2) (`pernet_ops_rwsem`,
//!   `rtnl_net_lock_killable()`). What was made until then is undone under the same locks, as in
//!   unshare(2), and no signal ends that. So no thread outlives its request: there are no more of them
//!   than tasks that wait for one.
//!
//! The sockets that a new network has for itself (neighbour discovery, multicast) belong to the cgroup of
//! who makes them: here the root cgroup, and after unshare(2) that of the caller. Smack labels them as those
//! of a kernel thread (`smack_sk_alloc_security()`), and no credentials change that.

use core::{
    mem::replace,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    cred::Credential,
    error::{
        from_err_ptr,
        to_result, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        SpinLock, //
    },
    task::Task,
    types::Opaque, //
};

use super::{
    memcg::MemCgroup,
    net_ns::{
        NetNs,
        Unfetched, //
    },
    NsProxy, //
};
use crate::sys::{
    bindings::*,
    cred::{
        Acting,
        KeptCred,
        UserNs, //
    },
    task::Current, //
};

/// How far a job has got.
enum Progress {
    Wanted,
    /// The running task got a deadly signal before the thread was through.
    Killed,
    Made(Result<Unfetched>),
}

/// What the thread is to do, and what came of it.
#[pin_data]
struct Job {
    source: NetNs,
    owner: UserNs,
    credentials: ARef<Credential>,
    memcg: MemCgroup,
    #[pin]
    progress: SpinLock<Progress>,
    #[pin]
    done: Opaque<bindings::completion>,
}

// SAFETY: The two tasks share references and what has a lock.
unsafe impl Send for Job {}
// SAFETY: As above.
unsafe impl Sync for Job {}

/// Makes a network namespace as a task in `source` would.
///
/// Mirrors `copy_net_ns()`. Fails as that does, and with `ENOMEM` where no thread can be had.
///
/// # Safety
///
/// Somebody must hold the namespace.
pub(super) unsafe fn copy_net_ns_in(
    source: NonNull<bindings::net>,
    owner: &UserNs,
) -> Result<NetNs> {
    let job = KBox::pin_init(
        pin_init!(Job {
            // SAFETY: The caller says so.
            source: unsafe { NetNs::get(source) },
            owner: owner.clone(),
            credentials: KeptCred::of(&Current::get()).into_credential(),
            memcg: MemCgroup::of(&Current::get()),
            progress <- new_spinlock!(Progress::Wanted),
            done <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: The slot may be written.
                unsafe { bindings::init_completion(slot) };
            }),
        }),
        GFP_KERNEL,
    )?;
    // SAFETY: Each way on from here waits for `done`.
    let thread = unsafe { start(&job)? };
    // SAFETY: The completion is initialized and lives in the job.
    let waited = to_result(unsafe { bindings::wait_for_completion_killable(job.done.get()) });
    if waited.is_err() {
        job.kill(&thread);
        // SAFETY: As above.
        unsafe { bindings::wait_for_completion(job.done.get()) };
    }
    let progress = replace(&mut *job.progress.lock(), Progress::Killed);
    match progress {
        Progress::Made(made) => made.map(Unfetched::fetch),
        _ => Err(EINTR),
    }
}

/// Starts a thread for the job.
///
/// # Safety
///
/// The job must stay until `done` has been waited for.
unsafe fn start(job: &Job) -> Result<ARef<Task>> {
    let data = ptr::from_ref(job).cast_mut().cast();
    // SAFETY: The function of the thread gets a job that stays, as the caller says.
    let thread = match from_err_ptr(unsafe { unshare_kthread_create(Some(run), data) }) {
        Ok(thread) => thread,
        // unshare(2) makes no thread, and has no EAGAIN for a network.
        Err(EAGAIN) => return Err(ENOMEM),
        Err(errno) => return Err(errno),
    };
    // SAFETY: A new thread stays until it has been woken. `Task` is a transparent wrapper.
    unsafe {
        let kept = ARef::from(&*thread.cast::<Task>());
        bindings::wake_up_process(thread);
        Ok(kept)
    }
}

/// The thread. Its last step is the kernel's, which lets the request go on: the request keeps the job and
/// the module until then, and nothing of the module runs here afterwards.
///
/// # Safety
///
/// `data` must be a [`Job`] that stays until `done` has been waited for.
unsafe extern "C" fn run(data: *mut c_void) -> c_int {
    // SAFETY: The caller says so.
    let job = unsafe { &*data.cast::<Job>() };
    job.work();
    // SAFETY: The completion is initialized and lives in the job.
    unsafe { bindings::kthread_complete_and_exit(job.done.get(), 0) }
}

impl Job {
    /// Has the thread give up where a deadly signal ends unshare(2).
    fn kill(&self, thread: &Task) {
        let mut progress = self.progress.lock();
        if let Progress::Wanted = *progress {
            *progress = Progress::Killed;
        }
        drop(progress);
        // SAFETY: A task that has ended takes no signal.
        unsafe { unshare_kill(thread.as_ptr()) };
    }

    fn work(&self) {
        // SAFETY: The function is about the running thread. A signal from before it is lost; who sent
        // that has set the progress first.
        unsafe { unshare_allow_kill() };
        let is_killed = matches!(*self.progress.lock(), Progress::Killed);
        let made = match is_killed {
            true => Err(EINTR),
            false => self.memcg.charge(|| self.copy(&Current::get())),
        };
        *self.progress.lock() = Progress::Made(made);
    }

    /// Goes to the network, makes the other one, and comes back.
    fn copy(&self, current: &Current) -> Result<Unfetched> {
        let mut set = NsProxy::dup(current)?;
        // SAFETY: The job holds the namespace.
        unsafe { set.join_net_ns(self.source.0.as_ptr()) };
        let mut other = set.activate();
        other.install(&mut current.lock());
        let net = {
            let _acting = Acting::with_kept(&self.credentials);
            // SAFETY: The job holds both namespaces.
            from_err_ptr(unsafe {
                unshare_copy_net_ns(
                    bindings::CLONE_NEWNET.into(),
                    self.owner.as_ptr(),
                    self.source.0.as_ptr(),
                )
            })
        };
        other.install(&mut current.lock());
        // INVARIANT: A new namespace has one reference, which is this value's, and is in no set.
        NonNull::new(net?).map(Unfetched).ok_or(ENOMEM)
    }
}
