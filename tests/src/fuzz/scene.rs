// SPDX-License-Identifier: GPL-2.0-only

//! An input: the state of a task, and the calls that it makes.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use unshare_device::Contexts;

use super::call::{Call, choose};
use crate::everything::PROCESS;
use crate::situations::{SITUATIONS, Situation};

/// The task behind the pidfd.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) kinds: Contexts,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Lives,
    Zombie,
    Gone,
}

/// What happens at the same time as the first call.
#[derive(Debug)]
pub(crate) enum Beside {
    Nothing,
    /// The sharer makes a call, too.
    Calls(Call),
    /// After this time, the caller is killed.
    KillsCaller(Duration),
    /// After this time, the target is killed.
    KillsTarget(Duration),
}

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) situation: &'static Situation,
    /// The contexts that the caller shares with another task.
    pub(crate) shared: Contexts,
    pub(crate) target: Option<Cast>,
    /// How many descriptors are open.
    pub(crate) descriptors: i32,
    pub(crate) beside: Beside,
    /// Which of the first call's allocations fails.
    pub(crate) fault: Option<usize>,
    pub(crate) calls: Vec<Call>,
}

impl Scene {
    /// Makes a scene of any bytes. Missing bytes are zero.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut bytes = Unstructured::new(bytes);
        let bytes = &mut bytes;
        let situation = usize::from(bytes.arbitrary::<u8>()?) % SITUATIONS.len();
        let mut shared = choose(bytes, PROCESS)?;
        // clone(2) shares signal handlers only together with memory.
        if !shared.contains(Contexts::VM) {
            shared.remove(Contexts::SIGHAND);
        }
        let target = cast(bytes)?;
        // Rarely many, because a snapshot looks at each descriptor.
        let descriptors = match bytes.arbitrary::<u8>()? {
            few @ 0..0xe0 => i32::from(few) / 16,
            many => i32::from(many),
        };
        let fault = match bytes.arbitrary::<u8>()? {
            0..0xa0 => None,
            0xa0.. => Some(1 + usize::from(bytes.arbitrary::<u8>()?)),
        };
        let beside = match bytes.arbitrary::<u8>()? {
            0..0xb0 => Beside::Nothing,
            0xb0..0xe0 => Beside::Calls(Call::decode(bytes)?),
            0xe0..0xf0 => Beside::KillsCaller(delay(bytes)?),
            0xf0.. => Beside::KillsTarget(delay(bytes)?),
        };
        let mut calls = vec![Call::decode(bytes)?];
        while !bytes.is_empty() && calls.len() < 4 {
            calls.push(Call::decode(bytes)?);
        }
        Ok(Self {
            situation: &SITUATIONS[situation],
            shared,
            target,
            descriptors,
            beside,
            fault,
            calls,
        })
    }
}

fn cast(bytes: &mut Unstructured<'_>) -> Result<Option<Cast>> {
    let end = match bytes.arbitrary::<u8>()? {
        0..0x60 => return Ok(None),
        0x60..0xe0 => End::Lives,
        0xe0..0xf0 => End::Zombie,
        0xf0.. => End::Gone,
    };
    let kinds = Contexts::NAMESPACES.difference(Contexts::EMPTY_MNTNS);
    let kinds = choose(bytes, kinds)?;
    Ok(Some(Cast { kinds, end }))
}

/// A time up to the duration of the longest calls.
fn delay(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    let steps = bytes.arbitrary::<u8>()?;
    Ok(Duration::from_micros(u64::from(steps) * 100))
}
