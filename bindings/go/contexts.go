// SPDX-License-Identifier: GPL-2.0-only

package unshare

import (
	"fmt"
	"strings"
)

// Contexts is a set of parts of a task's execution context: the CLONE_* bits of clone(2) and unshare(2).
type Contexts uint64

const (
	// FS is the root directory, the working directory and the umask.
	FS Contexts = cloneFS
	// Files is the table of open descriptors. A Go program needs one table for all its threads: after the
	// thread has its own, only code that runs on this thread may use what this thread opens.
	Files Contexts = cloneFiles
	// SysVSem is the list of System V semaphore adjustments.
	SysVSem Contexts = cloneSysVSem
	// VM is the address space: EINVAL, because a Go program has several threads.
	VM Contexts = cloneVM
	// SigHand is the table of signal handlers: EINVAL, because a Go program has several threads.
	SigHand Contexts = cloneSigHand
	// Thread is the thread group: EINVAL, because a Go program has several threads.
	Thread Contexts = cloneThread
	// Mount is the mount namespace. Implies FS.
	Mount Contexts = cloneNewNS
	// EmptyMount is a mount namespace with the root mount alone. Implies Mount. It can be unshared, not attached.
	EmptyMount Contexts = cloneEmptyMntNS
	// UTS is the host name and the NIS domain name.
	UTS Contexts = cloneNewUTS
	// IPC is System V IPC and POSIX message queues. Implies SysVSem.
	IPC Contexts = cloneNewIPC
	// User is the user namespace: EINVAL, because a Go program has several threads.
	User Contexts = cloneNewUser
	// PID is the PID namespace of the children that the thread starts from now on.
	PID Contexts = cloneNewPID
	// Net is network devices, addresses, routes and sockets that are opened from now on.
	Net Contexts = cloneNewNet
	// Cgroup is the root of the cgroup hierarchy as the thread sees it.
	Cgroup Contexts = cloneNewCgroup
	// Time is the offsets of the monotonic and boot-time clocks of children that the thread starts from now on.
	Time Contexts = cloneNewTime
)

// names has the kernel's name of each bit, in the order in which String prints them.
var names = []struct {
	context Contexts
	name    string
}{
	{FS, "CLONE_FS"},
	{Files, "CLONE_FILES"},
	{SysVSem, "CLONE_SYSVSEM"},
	{VM, "CLONE_VM"},
	{SigHand, "CLONE_SIGHAND"},
	{Thread, "CLONE_THREAD"},
	{Mount, "CLONE_NEWNS"},
	{EmptyMount, "CLONE_EMPTY_MNTNS"},
	{UTS, "CLONE_NEWUTS"},
	{IPC, "CLONE_NEWIPC"},
	{User, "CLONE_NEWUSER"},
	{PID, "CLONE_NEWPID"},
	{Net, "CLONE_NEWNET"},
	{Cgroup, "CLONE_NEWCGROUP"},
	{Time, "CLONE_NEWTIME"},
}

// String returns the kernel's names, as in "CLONE_FS | CLONE_NEWNET", then the bits that have no name here as a
// hexadecimal number; "none" for an empty set.
func (c Contexts) String() string {
	var words []string
	for _, n := range names {
		if c&n.context != 0 {
			words = append(words, n.name)
			c &^= n.context
		}
	}
	if c != 0 {
		words = append(words, fmt.Sprintf("%#x", uint64(c)))
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, " | ")
}
