// SPDX-License-Identifier: GPL-2.0-only

//! An input: the state that a task is in, and the calls that it makes.

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

/// What happens beside the first call.
#[derive(Debug)]
pub(crate) enum Beside {
    Nothing,
    /// The task that contexts are shared with makes a call too.
    Calls(Call),
    /// After so long, somebody kills the caller.
    KillsCaller(Duration),
    /// After so long, somebody kills the target.
    KillsTarget(Duration),
}

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) situation: &'static Situation,
    /// What the caller shares with another task.
    pub(crate) shared: Contexts,
    pub(crate) target: Option<Cast>,
    /// So many descriptors are open.
    pub(crate) descriptors: i32,
    pub(crate) beside: Beside,
    /// Which of the chances to fail of the first call does.
    pub(crate) fault: Option<usize>,
    pub(crate) calls: Vec<Call>,
}

impl Scene {
    /// Any bytes are a scene. Those that are missing are zero.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut bytes = Unstructured::new(bytes);
        let bytes = &mut bytes;
        let situation = usize::from(bytes.arbitrary::<u8>()?) % SITUATIONS.len();
        let mut shared = choose(bytes, PROCESS)?;
        // clone(2) gives no handlers without the memory that they are in.
        if !shared.contains(Contexts::VM) {
            shared.remove(Contexts::SIGHAND);
        }
        let target = cast(bytes)?;
        // Many now and then: who looks at the caller looks at each.
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

/// Up to what the longest calls take.
fn delay(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    let steps = bytes.arbitrary::<u8>()?;
    Ok(Duration::from_micros(u64::from(steps) * 100))
}
