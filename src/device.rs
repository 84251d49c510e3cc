// SPDX-License-Identifier: GPL-2.0

//! `/dev/unshare`: bytes in, one call, bytes out.

use core::mem::offset_of;
use kernel::{
    fs::File,
    ioctl::_IOC_SIZE,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    request::{
        Request,
        Scope,
        OPTIONS,
        UNSHARE_EMPTY_MNTNS, //
    },
    sys::{
        bindings::{
            unshare_args,
            unshare_query,
            UNSHARE_ARGS_SIZE_VER0,
            UNSHARE_COMMIT,
            UNSHARE_LOCAL,
            UNSHARE_QUERY,
            UNSHARE_QUERY_SIZE_VER0, //
        },
        task::Current,
        uaccess::{
            read_struct,
            write_struct, //
        },
    },
    transaction::Prepared, //
};

/// The contexts that this kernel has what it takes to replace, as found at load.
static OFFERED: Atomic<u64> = Atomic::new(0);

/// Contexts that are accepted as `unshare(2)` accepts them: when there is nothing to do.
fn accepted() -> Contexts {
    Contexts::from_bits(OFFERED.load(Relaxed)) | Context::Thread | Context::Sighand | Context::Vm
}

/// The operations of the device. An open descriptor of it holds nothing.
pub(crate) struct Device;

impl Device {
    /// Says which contexts there are, before the device is registered.
    pub(crate) fn offer(contexts: Contexts) {
        OFFERED.store(contexts.bits(), Relaxed);
    }
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = ();

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result {
        Ok(())
    }

    /// The size of the struct may be any: it says which version of the ABI the caller knows.
    fn ioctl(_device: (), file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let size = _IOC_SIZE(cmd);
        let arg = UserPtr::from_addr(arg);
        match without_size(cmd) {
            COMMIT => commit(file, arg, size, Scope::All)?,
            LOCAL => commit(file, arg, size, Scope::Local)?,
            QUERY => query(arg, size)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

const COMMIT: u32 = without_size(UNSHARE_COMMIT);
const LOCAL: u32 = without_size(UNSHARE_LOCAL);
const QUERY: u32 = without_size(UNSHARE_QUERY);

const fn without_size(cmd: u32) -> u32 {
    cmd & !(kernel::uapi::_IOC_SIZEMASK << kernel::uapi::_IOC_SIZESHIFT)
}

fn commit(file: &File, arg: UserPtr, size: usize, scope: Scope) -> Result {
    if size < UNSHARE_ARGS_SIZE_VER0 as usize {
        return Err(EINVAL);
    }
    // The caller of the ioctl may hold the file by its descriptor alone, which may be among those
    // that the task does not keep.
    let _file = ARef::from(file);
    let current = Current::get();

    let prepared = read_struct(arg, size)
        .map_err(Failure::of_arguments)
        .and_then(|args: unshare_args| Request::parse(&args, scope, accepted()))
        .and_then(|request| Ok((Prepared::new(&current, &request)?, request.dry_run)));

    // Written while it still can fail: nothing may after the commit.
    let (replaced, failed) = match &prepared {
        Ok((prepared, _)) => (prepared.replaced(), Contexts::empty()),
        Err(failure) => (Contexts::empty(), failure.context),
    };
    UserSlice::new(arg.wrapping_byte_add(OUT), size_of::<[u64; 2]>())
        .writer()
        .write(&[replaced.bits(), failed.bits()])?;

    match prepared {
        Ok((_, true)) => Ok(()),
        Ok((prepared, false)) => {
            prepared.commit(&current);
            Ok(())
        }
        Err(failure) => Err(failure.errno),
    }
}

/// Where the out fields are: `replaced`, then `failed`.
const OUT: usize = offset_of!(unshare_args, replaced);
const _: () = assert!(offset_of!(unshare_args, failed) == OUT + size_of::<u64>());
const _: () = assert!(size_of::<unshare_args>() == UNSHARE_ARGS_SIZE_VER0 as usize);
const _: () = assert!(size_of::<unshare_query>() == UNSHARE_QUERY_SIZE_VER0 as usize);

fn query(arg: UserPtr, size: usize) -> Result {
    if size < UNSHARE_QUERY_SIZE_VER0 as usize {
        return Err(EINVAL);
    }
    let offered = Contexts::from_bits(OFFERED.load(Relaxed)) | Context::Thread;
    let empty_mount = match offered.contains(Context::EmptyMount) {
        true => UNSHARE_EMPTY_MNTNS,
        false => 0,
    };
    let all = Contexts::from_bits(Contexts::all_bits());
    let answer = unshare_query {
        contexts: offered.bits() | empty_mount,
        attachable: 0,
        options: OPTIONS.into(),
        shared: Current::get().shared_contexts(all).bits(),
    };
    write_struct(arg, size, &answer)
}
