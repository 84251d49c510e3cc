// SPDX-License-Identifier: GPL-2.0-only

//! What a request takes from the task behind a pidfd.

pub(crate) mod arguments;
pub(crate) mod both;
pub(crate) mod differential;
pub(crate) mod directories;
pub(crate) mod dry_run;
pub(crate) mod effects;
pub(crate) mod following;
pub(crate) mod inherited;
pub(crate) mod kinds;
pub(crate) mod leaks;
pub(crate) mod moving;
pub(crate) mod network;
pub(crate) mod order;
mod parties;
pub(crate) mod permissions;
pub(crate) mod race;
mod scenes;
pub(crate) mod target;
pub(crate) mod two_calls;
pub(crate) mod unprivileged;
pub(crate) mod withdrawn;
