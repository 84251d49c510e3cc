// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	unshare "unshare.ko/bindings/go"
)

// dropCapabilities takes all capabilities from the calling thread, so that the kernel does not let it leave.
func dropCapabilities() error {
	const version3 = 0x20080522
	header := struct {
		version uint32
		pid     int32
	}{version: version3}
	var none [2]struct{ effective, permitted, inheritable uint32 }
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// strand calls f in a goroutine of its own. f calls lose inside, after which the thread cannot leave. That thread ends
// with the goroutine.
func strand(t *testing.T, f func(outer, inner *unshare.Held, lose func() error)) {
	t.Helper()
	device, before := open(t), here()
	outer := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	inner := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	var thread int
	apart(func() {
		f(outer, inner, func() error {
			thread = syscall.Gettid()
			return dropCapabilities()
		})
	})
	if thread == 0 || !ends(thread) {
		t.Error("the thread did not end with the goroutine")
	}
	check(t, is(before))
	strays(t, before)
}

// stranded checks an error, or the value of a panic.
func stranded(t *testing.T, value any, errno syscall.Errno) *unshare.StrandedError {
	got, ok := value.(*unshare.StrandedError)
	if !ok || got.Errno != errno || !errors.Is(got, errno) {
		t.Errorf("%v, which should be a StrandedError of %v", value, errno)
		return &unshare.StrandedError{}
	}
	return got
}

func TestThreadThatCannotLeaveEndsWithItsGoroutine(t *testing.T) {
	failure := errors.New("of the function")
	strand(t, func(held, _ *unshare.Held, lose func() error) {
		var there place
		err := held.Do(func() error {
			there = here()
			if err := lose(); err != nil {
				t.Error(err)
			}
			return failure
		})
		if got := stranded(t, err, syscall.EPERM); got.Returned != failure || got.Panic != nil {
			t.Errorf("the function returned %v and panicked with %v", got.Returned, got.Panic)
		}
		if want := "unshare: leave: operation not permitted, after an error: of the function"; err.Error() != want {
			t.Errorf("%v", err)
		}
		// Still on that thread, wherever the scheduler would have it.
		for tries := 0; tries < 100; tries++ {
			runtime.Gosched()
			if err := is(there); err != nil {
				t.Error(err)
				break
			}
		}
	})
}

func TestThreadThatCannotLeaveEndsAfterAPanic(t *testing.T) {
	strand(t, func(held, _ *unshare.Held, lose func() error) {
		defer func() {
			if got := stranded(t, recover(), syscall.EPERM); got.Panic != "of the function" || got.Returned != nil {
				t.Errorf("the function returned %v and panicked with %v", got.Returned, got.Panic)
			}
		}()
		held.Do(func() error {
			if err := lose(); err != nil {
				t.Error(err)
			}
			panic("of the function")
		})
		t.Error("Do returned")
	})
}

func TestThreadThatCannotLeaveEndsAfterGoexit(t *testing.T) {
	strand(t, func(held, _ *unshare.Held, lose func() error) {
		held.Do(func() error {
			if err := lose(); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
		t.Error("Do returned")
	})
}

func TestOuterDoIsStrandedWithTheInnerOne(t *testing.T) {
	strand(t, func(outer, inner *unshare.Held, lose func() error) {
		err := outer.Do(func() error { return inner.Do(lose) })
		// The outer context cannot be left before the inner one.
		got := stranded(t, err, syscall.EBUSY)
		stranded(t, got.Returned, syscall.EPERM)
	})
}
