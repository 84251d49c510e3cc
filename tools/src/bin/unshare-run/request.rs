// SPDX-License-Identifier: GPL-2.0-only

use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;

use anyhow::Result;
use unshare_device::{Contexts, Device, Request};
use unshare_tools::{FAILED, Refusal, Target, explain};

use crate::options::Options;
use crate::prepared::{Prepared, close_others};
use crate::report;

/// What is asked of the device, but for the descriptors to close.
fn new<'fd>(options: &Options, attached: Contexts, target: Option<&'fd Target>) -> Request<'fd> {
    let request = Request::new().unshare(options.unshared());
    match target {
        Some(target) => request.attach(attached, target.as_fd()),
        None => request,
    }
}

/// Says what the request would replace, or why it would be refused.
pub(crate) fn dry_run(
    options: &Options,
    device: &Device,
    attached: Contexts,
    target: Option<&Target>,
) -> Result<ExitCode> {
    let request = new(options, attached, target).dry_run(true);
    let request = match options.how.close_from {
        Some(first) => request.close_range(first..=u32::MAX),
        None => request,
    };
    let result = commit(device, &request);
    match (options.json, result) {
        (true, result) => {
            report::result(&result)?;
            Ok(ExitCode::from(if result.is_ok() { 0 } else { FAILED }))
        }
        (false, result) => {
            println!("would replace {}", result?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Makes the request. Afterwards neither the device nor the task's descriptor is open.
pub(crate) fn replace(
    options: &Options,
    device: Device,
    attached: Contexts,
    target: Option<Target>,
    prepared: &Prepared,
) -> Result<()> {
    let request = new(options, attached, target.as_ref());
    let needed = prepared.descriptors();
    let first = options.how.close_from;
    // The request closes one range, which must not have what is needed afterwards.
    let request = match first.filter(|_| needed.is_empty()) {
        Some(first) => request.close_range(first..=u32::MAX),
        None => request,
    };
    commit(&device, &request)?;
    let closed_from = first.filter(|_| needed.is_empty());
    release(device, closed_from);
    if let Some(target) = target {
        release(target, closed_from);
    }
    if let (Some(first), None) = (first, closed_from) {
        close_others(first, needed);
    }
    Ok(())
}

fn commit(device: &Device, request: &Request<'_>) -> Result<Contexts, Refusal> {
    // SAFETY: This program has one thread. Of what it owns, a close range covers the device and the
    // task's descriptor at most, and release() forgets those.
    unsafe { device.commit(request) }.map_err(|error| explain(error, request, device))
}

/// Closes a descriptor, unless the request has closed it with all others from `closed_from` on.
fn release(owner: impl AsFd, closed_from: Option<u32>) {
    let number = owner.as_fd().as_raw_fd();
    let is_closed =
        closed_from.is_some_and(|first| u32::try_from(number).is_ok_and(|number| number >= first));
    if is_closed {
        std::mem::forget(owner);
    }
}
