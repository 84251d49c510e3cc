// SPDX-License-Identifier: GPL-2.0-only

use std::fmt;
use std::fs;

use anyhow::{Error, anyhow};
use rustix::io::Errno;
use rustix::system::uname;
use unshare_device::{Device, Request, raw};

mod attach;
mod unshare;

/// The file that says which kernels the module is for.
const KBUILD: &str = include_str!("../../Kbuild");

/// Why a request failed. Nothing has changed.
#[derive(Debug)]
pub struct Refusal {
    /// The context and the errno.
    pub error: unshare_device::Error,
    /// What to do about it, for the common reasons.
    pub advice: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nnothing has changed", self.error)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Opens `/dev/unshare`.
///
/// # Errors
///
/// Says what to do about it.
pub fn open_device() -> Result<Device, Error> {
    let device = Device::open().map_err(|error| {
        let path = raw::UNSHARE_DEVICE.to_string_lossy();
        let advice = match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => no_module(),
            Some(Errno::ACCESS | Errno::PERM) => {
                "only root may open the device by default: run this as root, or have the \
                 administrator give a group access to it (unshare-device(4))"
                    .to_owned()
            }
            _ => return Error::new(error).context(path),
        };
        anyhow!("{path}: {error}\n{advice}")
    })?;
    match device.query() {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTTY) => Err(anyhow!(
            "{}: {error}\nthe loaded module is of another version than this program",
            raw::UNSHARE_DEVICE.to_string_lossy()
        )),
        _ => Ok(device),
    }
}

/// What to do when there is no device: load the module, or install it for the kernel that runs.
fn no_module() -> String {
    let release = uname().release().to_string_lossy().into_owned();
    let known = KBUILD.lines().rev();
    let mut known = known.filter_map(|line| line.strip_prefix("unshare-series := "));
    let known = known.next().unwrap_or_default().replace(' ', " and ");
    let index = fs::read_to_string(format!("/lib/modules/{release}/modules.dep"));
    match index.is_ok_and(|index| index.contains("/unshare.ko")) {
        true => "the module is not loaded: run modprobe unshare, as root".to_owned(),
        false => format!(
            "the module is not loaded, and is not installed for the kernel that runs, {release} (it \
             is for Linux {known}): install it, and run modprobe unshare, as root"
        ),
    }
}

/// Why `request` failed, in words: the context, the reason, and for the common ones what to do.
pub fn explain(error: unshare_device::Error, request: &Request<'_>, device: &Device) -> Refusal {
    let advice = missing(error, request, device)
        .or_else(|| attach::advice(error, request))
        .or_else(|| unshare::advice(error, request));
    Refusal { error, advice }
}

/// What was asked for that this kernel does not have.
fn missing(error: unshare_device::Error, request: &Request<'_>, device: &Device) -> Option<String> {
    if error.errno != Errno::INVAL {
        return None;
    }
    let known = device.query().ok()?;
    [
        ("attach", request.attached() - known.attachable),
        ("unshare", request.unshared() - known.contexts),
    ]
    .into_iter()
    .find(|(_, missing)| !missing.is_empty())
    .map(|(verb, missing)| format!("this kernel cannot {verb} {missing}"))
}

/// The caller's user namespace, as lsns(8) shows it.
fn user_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/user");
    link.map_or_else(
        |_| "its user namespace".to_owned(),
        |link| link.display().to_string(),
    )
}

/// The value of a sysctl, if the kernel has it.
fn sysctl(name: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
