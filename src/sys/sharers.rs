// SPDX-License-Identifier: GPL-2.0

//! What other tasks have in common with the running one.

use kernel::{
    bindings,
    prelude::*, //
};

use super::{
    bindings::unshare_visit_other_tasks,
    task::Current, //
};
use crate::contexts::{
    Context,
    Contexts, //
};

/// Returns which of the `wanted` contexts another task uses too at this moment.
///
/// Looks at each task, as `current_is_single_threaded()` does, and so is not misled by somebody
/// who reads the task's files in `/proc` and holds its mm for a moment. Of the PID and the time
/// namespace it looks at those of the children to come, which are the ones that can be unshared.
pub(crate) fn shared_contexts(current: &Current, wanted: Contexts) -> Contexts {
    let mut search = Search {
        current,
        wanted,
        shared: Contexts::empty(),
    };
    // SAFETY: `visit` has the type that it is called with, and `search` outlives the call.
    unsafe { unshare_visit_other_tasks(Some(visit), (&raw mut search).cast()) };
    search.shared & wanted
}

struct Search<'a> {
    current: &'a Current,
    wanted: Contexts,
    shared: Contexts,
}

/// # Safety
///
/// `task` is valid and its `task_lock` held; `search` points to a [`Search`] that nobody else uses.
unsafe extern "C" fn visit(task: *mut bindings::task_struct, search: *mut c_void) -> bool {
    // SAFETY: By the safety contract.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: By the safety contract and the invariant of `Current`.
    search.shared |= unsafe { common_contexts(search.current.as_ptr(), task) };
    search.shared.contains_all(search.wanted)
}

/// # Safety
///
/// `current` is the running task; `other` is valid, with its `task_lock` held by the caller.
unsafe fn common_contexts(
    current: *mut bindings::task_struct,
    other: *mut bindings::task_struct,
) -> Contexts {
    let mut common = Contexts::empty();
    let mut note = |context: Context, same: bool| {
        if same {
            common |= context;
        }
    };
    // SAFETY: By the safety contract, for each pointer that is read: those of the running task are
    // its own, and `fs`, `files`, `mm` and `nsproxy` of the other are guarded by its `task_lock`.
    // Its `sighand`, `signal` and undo list are compared and not followed. A task that has an
    // `nsproxy` holds its namespaces, and its credentials outlive the RCU section that we are in.
    unsafe {
        let (me, it) = (&raw const *current, &raw const *other);
        note(Context::Fs, !(*it).fs.is_null() && (*me).fs == (*it).fs);
        note(
            Context::Files,
            !(*it).files.is_null() && (*me).files == (*it).files,
        );
        note(Context::Sighand, (*me).sighand == (*it).sighand);
        note(Context::Thread, (*me).signal == (*it).signal);

        let undo_list = (*me).sysvsem.undo_list;
        note(
            Context::Sysvsem,
            !undo_list.is_null() && undo_list == (*it).sysvsem.undo_list,
        );

        // A kernel thread has an mm only while it works for its owner.
        let is_user = (*it).flags & bindings::PF_KTHREAD == 0;
        note(
            Context::Vm,
            is_user && !(*it).mm.is_null() && (*me).mm == (*it).mm,
        );

        if !(*it).nsproxy.is_null() {
            let (mine, its) = (&*(*me).nsproxy, &*(*it).nsproxy);
            note(Context::Mount, mine.mnt_ns == its.mnt_ns);
            note(Context::Uts, mine.uts_ns == its.uts_ns);
            note(Context::Ipc, mine.ipc_ns == its.ipc_ns);
            note(
                Context::Pid,
                mine.pid_ns_for_children == its.pid_ns_for_children,
            );
            note(Context::Net, mine.net_ns == its.net_ns);
            note(Context::Cgroup, mine.cgroup_ns == its.cgroup_ns);
            note(
                Context::Time,
                mine.time_ns_for_children == its.time_ns_for_children,
            );
            note(
                Context::User,
                (*(*me).real_cred).user_ns == (*(*it).real_cred).user_ns,
            );
        }
    }
    common
}
