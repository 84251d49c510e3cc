// SPDX-License-Identifier: GPL-2.0

//! Creates a network namespace from a kernel thread, on behalf of a task that is about to attach.
//!
//! A new network namespace inherits settings from the one in `current->nsproxy`: the size of its
//! TCP and UDP tables (`tcp_set_hashinfo()`, `udp_set_table()`), its vsock mode
//! (`vsock_net_init()`), and with `net.core.devconf_inherit_init_net` = 3 the settings of its
//! devices (`devinet_init_net()`, `addrconf_init_net()`). After setns(2), `current->nsproxy` has
//! the attached network namespace. Here the running task cannot switch to it before the commit,
//! because readers of `/proc/PID/ns` would see it. So a kernel thread switches to the attached
//! namespace and creates the new one there. It overrides its credentials with those of the running
//! task, and charges the memory to the running task's memory cgroup.
//!
//! The request waits for that thread:
//!
//! - The thread runs code of this module, and waits only for the locks for which unshare(2) would
//!   wait here: `pernet_ops_rwsem`, then the locks of each subsystem's pernet operations.
//! - The request holds what it has prepared, as unshare(2) holds its copies here.
//! - Tasks that create or clean up network namespaces can prolong the wait, as in unshare(2).
//! - The wait ends when the thread ends. A fatal signal to the running task is forwarded to the
//!   thread, and ends the thread's waits where it would end those of unshare(2)
//!   (`pernet_ops_rwsem`, `rtnl_net_lock_killable()`). The thread then undoes its work under the
//!   same locks, as unshare(2) does, and no signal interrupts that. So no thread outlives its
//!   request, and there are never more threads than waiting tasks.
//!
//! Differences from unshare(2):
//!
//! - The sockets that the kernel creates for a network namespace (neighbour discovery, multicast)
//!   belong to the cgroup of the creating task, here the root cgroup. Smack always labels them as a
//!   kernel thread's (`smack_sk_alloc_security()`).
//! - The caller's memory cgroup is charged, but the caller's cpuset and memory policy do not choose
//!   the nodes, and its CPU limits do not apply to the thread.

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

/// The state of a job.
enum Progress {
    Wanted,
    /// The running task got a fatal signal before the thread was done.
    Killed,
    Made(Result<Unfetched>),
}

/// The input of the thread, and its result.
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

// SAFETY: The two tasks share only references, and `progress`, which has a lock.
unsafe impl Send for Job {}
// SAFETY: As above.
unsafe impl Sync for Job {}

/// Creates a network namespace, owned by `owner`, as a task in `source` would.
///
/// Mirrors `copy_net_ns()`, and fails with its errors; also with `ENOMEM` if no thread can be
/// created, and with `EINTR` on a fatal signal.
///
/// # Safety
///
/// The caller must hold a reference to `source`.
pub(super) unsafe fn copy_net_ns_in(
    source: NonNull<bindings::net>,
    owner: &UserNs,
) -> Result<NetNs> {
    let job = KBox::pin_init(
        pin_init!(Job {
            // SAFETY: By the safety requirements.
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
    // SAFETY: All paths below wait for `done`.
    let thread = unsafe { start(&job)? };
    // SAFETY: The completion is initialized and lives in the job.
    let waited = to_result(unsafe { bindings::wait_for_completion_killable(job.done.get()) });
    if waited.is_err() {
        job.kill(&thread);
        // SAFETY: As for the first wait.
        unsafe { bindings::wait_for_completion(job.done.get()) };
    }
    let progress = replace(&mut *job.progress.lock(), Progress::Killed);
    match progress {
        Progress::Made(made) => made.map(Unfetched::fetch),
        _ => Err(EINTR),
    }
}

/// Starts a thread for the job. Fails with `ENOMEM`, `EINTR`.
///
/// # Safety
///
/// The caller must keep the job until it has waited for `done`.
unsafe fn start(job: &Job) -> Result<ARef<Task>> {
    let data = ptr::from_ref(job).cast_mut().cast();
    // SAFETY: By the safety requirements, the job outlives its use by the thread.
    let thread = match from_err_ptr(unsafe { unshare_kthread_create(Some(run), data) }) {
        Ok(thread) => thread,
        // unshare(2) creates no thread, and never fails with EAGAIN for a network namespace.
        Err(EAGAIN) => return Err(ENOMEM),
        Err(errno) => return Err(errno),
    };
    // SAFETY: A new thread cannot exit before it is woken. `Task` is a transparent wrapper.
    unsafe {
        let kept = ARef::from(&*thread.cast::<Task>());
        bindings::wake_up_process(thread);
        Ok(kept)
    }
}

/// The function of the thread. It ends in `kthread_complete_and_exit()`, which wakes the request:
/// until then, the request keeps the job and the module, whose code does not run here afterwards.
///
/// # Safety
///
/// `data` must point to a [`Job`] that is valid until `done` has been waited for.
unsafe extern "C" fn run(data: *mut c_void) -> c_int {
    // SAFETY: By the safety requirements.
    let job = unsafe { &*data.cast::<Job>() };
    job.work();
    // SAFETY: The completion is initialized and lives in the job.
    unsafe { bindings::kthread_complete_and_exit(job.done.get(), 0) }
}

impl Job {
    /// Makes the thread fail where a fatal signal ends unshare(2).
    fn kill(&self, thread: &Task) {
        let mut progress = self.progress.lock();
        if let Progress::Wanted = *progress {
            *progress = Progress::Killed;
        }
        drop(progress);
        // SAFETY: `thread` is borrowed. A task that has exited ignores the signal.
        unsafe { unshare_kill(thread.as_ptr()) };
    }

    fn work(&self) {
        // SAFETY: The function affects only the running thread. A signal from before this call is
        // lost, but `kill` sets `progress` before it sends the signal.
        unsafe { unshare_allow_kill() };
        let is_killed = matches!(*self.progress.lock(), Progress::Killed);
        let made = match is_killed {
            true => Err(EINTR),
            false => self.memcg.charge(|| self.copy(&Current::get())),
        };
        *self.progress.lock() = Progress::Made(made);
    }

    /// Switches the thread to `source`, creates the namespace, and switches back.
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
        // INVARIANT: A new namespace has one reference, and is in no nsproxy.
        NonNull::new(net?).map(Unfetched).ok_or(ENOMEM)
    }
}
