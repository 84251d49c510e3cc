// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"

	unshare "unshare.ko/bindings/go"
)

func TestQueryTellsWhatTheKernelHasAndTheThreadShares(t *testing.T) {
	answer, err := open(t).Query()
	check(t, err)
	all := unshare.FS | unshare.Files | unshare.VM | unshare.SigHand | unshare.UTS | unshare.Net
	if answer.Contexts&all != all {
		t.Errorf("Contexts is %v", answer.Contexts)
	}
	if spaces := unshare.FS | unshare.UTS | unshare.Net; answer.Attachable&spaces != spaces || answer.Attachable&unshare.VM != 0 {
		t.Errorf("Attachable is %v", answer.Attachable)
	}
	if !answer.DryRun || !answer.CloseRange || !answer.Hold {
		t.Errorf("an option is missing: %+v", answer)
	}
	if answer.Shared&all != all {
		t.Errorf("the threads of this process share %v alone", answer.Shared)
	}
}

func TestDryRunReportsAndChangesNothing(t *testing.T) {
	device, before := open(t), here()
	replaced, err := device.Commit(unshare.Request{Unshare: unshare.Mount | unshare.UTS, DryRun: true})
	check(t, err)
	if want := unshare.Mount | unshare.UTS | unshare.FS; replaced != want {
		t.Errorf("it would replace %v, and should replace %v", replaced, want)
	}
	check(t, is(before))
}

func TestCommitChangesTheCallingThreadAlone(t *testing.T) {
	device, before := open(t), here()
	var thread int
	apart(func() {
		// Not unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		thread = syscall.Gettid()
		replaced, err := device.Commit(unshare.Request{Unshare: unshare.UTS})
		if err != nil || replaced != unshare.UTS {
			t.Errorf("it replaced %v: %v", replaced, err)
		}
		if now := here(); now.uts == before.uts || now.net != before.net {
			t.Errorf("the thread went from %v to %v", before, now)
		}
	})
	check(t, is(before))
	if !ends(thread) {
		t.Error("the thread did not end with the goroutine")
	}
	strays(t, before)
}

func TestCommitLeavesDescriptorsOutOfTheNewTable(t *testing.T) {
	device, err := unshare.Open()
	check(t, err)
	defer device.Close()
	file, err := os.Open("/proc/version")
	check(t, err)
	defer file.Close()
	apart(func() {
		runtime.LockOSThread()
		last := uint32(file.Fd())
		request := unshare.Request{Unshare: unshare.Files, Close: &unshare.Range{First: last, Last: last}}
		if replaced, err := device.Commit(request); err != nil || replaced != unshare.Files {
			t.Errorf("it replaced %v: %v", replaced, err)
		}
		var stat syscall.Stat_t
		if err := syscall.Fstat(int(last), &stat); err != syscall.EBADF {
			t.Errorf("the descriptor is in the new table: %v", err)
		}
	})
	if _, err := file.Stat(); err != nil {
		t.Errorf("the descriptor is not in the old table: %v", err)
	}
}

func TestErrorsHaveTheErrnoAndTheContext(t *testing.T) {
	device := open(t)
	const limit = "/proc/sys/user/max_net_namespaces"
	old, err := os.ReadFile(limit)
	check(t, err)
	check(t, os.WriteFile(limit, []byte("0"), 0))
	defer os.WriteFile(limit, old, 0)
	tests := []struct {
		request unshare.Request
		errno   syscall.Errno
		context unshare.Contexts
		message string
	}{
		{
			unshare.Request{Unshare: unshare.VM},
			syscall.EINVAL, unshare.Thread, "unshare: commit: CLONE_THREAD: invalid argument",
		},
		{
			unshare.Request{Unshare: unshare.UTS | unshare.Net},
			syscall.ENOSPC, unshare.Net, "unshare: commit: CLONE_NEWNET: no space left on device",
		},
		{
			unshare.Request{Unshare: 1<<63 | unshare.UTS},
			syscall.EINVAL, 0, "unshare: commit: invalid argument",
		},
		{
			unshare.Request{Attach: unshare.Net, Pidfd: -1},
			syscall.EBADF, 0, "unshare: commit: bad file descriptor",
		},
		{
			unshare.Request{Unshare: unshare.UTS, Close: &unshare.Range{First: 3, Last: 4}},
			syscall.EINVAL, 0, "unshare: commit: invalid argument",
		},
	}
	for _, test := range tests {
		_, err := device.Commit(test.request)
		var got *unshare.Error
		if !errors.As(err, &got) || !errors.Is(err, test.errno) {
			t.Errorf("%+v: %v", test.request, err)
			continue
		}
		if got.Op != "commit" || got.Context != test.context || err.Error() != test.message {
			t.Errorf("%+v: %#v: %v", test.request, got, err)
		}
	}
}

func TestClosedDeviceIsAnError(t *testing.T) {
	device, err := unshare.Open()
	check(t, err)
	check(t, device.Close())
	if _, err := device.Query(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("query: %v", err)
	}
	if _, err := device.Hold(unshare.Request{Unshare: unshare.UTS}); !errors.Is(err, syscall.EBADF) {
		t.Errorf("hold: %v", err)
	}
}
