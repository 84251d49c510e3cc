// SPDX-License-Identifier: GPL-2.0-only

/// What follows the options.
pub(super) const AFTER: &str = "\
Exit status:
  The command's own. 128 and the signal's number if a signal ended it (with --fork). 1 if the
  request was refused, 2 for a wrong option, 126 if the command cannot run, 127 if it is not there.

Examples:
  A root shell without privilege, with its own mounts and process list:
    unshare-run -r -p -f --mount-proc

  A daemon without network and without what the caller left open:
    unshare-run --net --close-from 3 -- mydaemon

  A shell in a container, as nsenter --all --root --wd gives:
    unshare-run --attach $PID --root --wd

  In a container's network, with the mounts of this one:
    unshare-run --attach $PID:net -- tcpdump

  A container's namespaces, but a network and a copy of its mounts of one's own:
    unshare-run --attach $PID --net --mount

  What would it take?
    unshare-run --dry-run --mount --net --time

Differences from unshare(1):
  One transaction, and the part that failed is named. --fs, --files, --sysvsem, --vm, --sighand,
  --empty-mount, --close-from, --attach, --dry-run and --query are new. Namespaces cannot be kept
  by a file, and of the id maps there is --map-root-user alone.

Differences from nsenter(1):
  One transaction: it enters all, from where it is, or nothing. Namespaces are a process's, not a
  file's. all leaves out every namespace that the caller is in, not the user namespace alone.
  --root and --wd go together and name no other directory. No user or group but 0 can be chosen.

See also:
  unshare(1), nsenter(1), unshare(2), setns(2), namespaces(7), close_range(2)";
