// SPDX-License-Identifier: GPL-2.0

//! The address space, and what goes with it: the kernel below `contexts/vm.rs`.
//!
//! ```text
//! copy.rs         Copied: a copy that no task has. fields.rs lists what a copy consists of
//!    |
//! leave.rs        Left: the task has done what it has to do in the old one
//!    |
//! switch.rs       Switched: the task runs in the new one -> Released: the old one is to be put
//!
//! bound.rs        what ties a task to its address space, so that it cannot leave
//! child_tid.rs    the word that is cleared when a task leaves
//! cid.rs          the concurrency id
//! exec_state.rs   who may trace and dump the task, and the lock that goes with it
//! futex.rs        waiters for a PI futex of the task
//! locks.rs        the locks that keep others out while the task moves
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
