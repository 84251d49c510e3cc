// SPDX-License-Identifier: GPL-2.0-only

//go:build ignore

// Not compiled: "qemu/go numbers" makes numbers.go of this file and src/uapi/unshare.h, by cgo -godefs.

package unshare

/*
#include "unshare.h"
*/
import "C"

const (
	cloneFS         = C.CLONE_FS
	cloneFiles      = C.CLONE_FILES
	cloneSysVSem    = C.CLONE_SYSVSEM
	cloneVM         = C.CLONE_VM
	cloneSigHand    = C.CLONE_SIGHAND
	cloneThread     = C.CLONE_THREAD
	cloneNewNS      = C.CLONE_NEWNS
	cloneEmptyMntNS = C.CLONE_EMPTY_MNTNS
	cloneNewUTS     = C.CLONE_NEWUTS
	cloneNewIPC     = C.CLONE_NEWIPC
	cloneNewUser    = C.CLONE_NEWUSER
	cloneNewPID     = C.CLONE_NEWPID
	cloneNewNet     = C.CLONE_NEWNET
	cloneNewCgroup  = C.CLONE_NEWCGROUP
	cloneNewTime    = C.CLONE_NEWTIME
)

const devicePath = C.UNSHARE_DEVICE

const (
	optionDryRun     = C.UNSHARE_DRY_RUN
	optionCloseRange = C.UNSHARE_CLOSE_RANGE
	optionHold       = C.UNSHARE_HOLD
)

const (
	ioctlCommit = C.UNSHARE_IOC_COMMIT
	ioctlQuery  = C.UNSHARE_IOC_QUERY
	ioctlEnter  = C.UNSHARE_IOC_ENTER
	ioctlLeave  = C.UNSHARE_IOC_LEAVE
)

type args C.struct_unshare_args
type query C.struct_unshare_query
