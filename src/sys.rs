// SPDX-License-Identifier: GPL-2.0

//! The kernel as the rest of the module sees it: the only place with `unsafe`.
//!
//! Each file wraps one structure or lock of the kernel in a type that owns it, or that lends it under the
//! lock that guards it. No code outside of this directory sees a raw pointer.
//!
//! | user                         | files in `sys/` that it uses                                     |
//! |------------------------------|------------------------------------------------------------------|
//! | `contexts/credentials.rs`    | `cred.rs`                                                        |
//! | `contexts/files.rs`          | `files.rs`, `files/`                                             |
//! | `contexts/fs.rs`             | `fs_struct.rs`                                                   |
//! | `contexts/namespaces.rs`     | `nsproxy.rs`, `nsproxy/`                                         |
//! | `contexts/sighand.rs`        | `sighand.rs`                                                     |
//! | `contexts/sysvsem.rs`        | `sysvipc.rs`                                                     |
//! | `contexts/vm.rs`             | `mm.rs`, `mm/`, `arch.rs`, `arch/`                               |
//! | `attach.rs`                  | `target.rs`, `target/`                                           |
//! | `held.rs`                    | `held.rs`, `held/`                                               |
//! | `device.rs`                  | `miscdevice.rs`, `uaccess.rs`                                    |
//! | all of these                 | `task.rs`, `sharers.rs`, `unexported.rs`, `bindings.rs`, and `c/` |
//!
//! `c/` has the code that only C can express, and the differences between kernel series. `kinds/` has
//! tables of the kernel code that was reviewed; `make check` compares them with the kernel.

mod arch;
pub(crate) mod bindings;
pub(crate) mod cred;
pub(crate) mod files;
pub(crate) mod fs_struct;
pub(crate) mod held;
pub(crate) mod miscdevice;
pub(crate) mod mm;
pub(crate) mod nsproxy;
mod sharers;
pub(crate) mod sighand;
pub(crate) mod sysvipc;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod uaccess;
pub(crate) mod unexported;
