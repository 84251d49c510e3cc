// SPDX-License-Identifier: GPL-2.0

//! The address space of the running task: the kernel's side of `contexts/vm.rs`.
//!
//! ```text
//! copy.rs         Copied: a copy that no task uses; fields.rs lists what it carries
//!    |
//! leave.rs        Left: the task has done what is due in the old address space
//!    |
//! switch.rs       Switched: the task runs in the copy -> Released: the old mm is to be put
//!
//! bound.rs        whether something else refers to the old mm, so that the task cannot leave
//! child_tid.rs    clear_child_tid: the word that is cleared when a task leaves
//! cid.rs          the concurrency id (mm_cid)
//! exec_state.rs   task->exec_state (who may trace and dump the task), and exec_update_lock
//! futex.rs        waiters for a PI futex of the task
//! locks.rs        the locks that keep other tasks out during the switch
//! uprobes.rs      breakpoints
//! ```
//!
//! Each state owns what its drop undoes, and the next state takes it over.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).

mod bound;
mod child_tid;
mod cid;
mod copy;
mod exec_state;
pub(super) mod field_list;
mod fields;
mod futex;
mod leave;
mod locks;
mod switch;
mod uprobes;

pub(crate) use bound::is_bound;
pub(crate) use copy::Copied;
pub(crate) use exec_state::{
    ExecState,
    ExecUpdate, //
};
pub(crate) use futex::NoPiWaiters;
pub(crate) use leave::Left;
pub(crate) use locks::keep_out;
pub(crate) use switch::{
    Released,
    Switched, //
};
