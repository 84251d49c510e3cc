// SPDX-License-Identifier: GPL-2.0-only

/// What follows the options.
pub(super) const AFTER: &str = "\
Exit status:
  The command's own, or with --fork 128 and the number of the signal that ended it. 125 if
  unshare-run itself fails, a refused request and a wrong option among the reasons; 126 if the
  command cannot run, 127 if the command is not found.

Examples:
  A root shell without privilege, with its own mounts and process list:
    unshare-run -r -p -f --mount-proc

  A daemon without network and without the descriptors that the caller left open:
    unshare-run --net --close-from 3 -- mydaemon

  A shell in a container, as nsenter --all --root --wd gives:
    unshare-run --target $PID --all --root --wd

  In a container's network, with the mounts of the host:
    unshare-run --attach $PID:net -- tcpdump

  A container's namespaces, but a network of its own and a private copy of the mounts:
    unshare-run --attach $PID --net --mount

  Would it work, and what would it replace?
    unshare-run --dry-run --mount --net --time

Options of unshare(1) and nsenter(1) work with the same name. The exceptions are in the manual, with
the reason of each.

See also:
  unshare-run(1), unshare(1), nsenter(1), unshare-device(4), namespaces(7)";
