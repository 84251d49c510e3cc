// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	unshare "unshare.ko/bindings/go"
)

func TestDoRunsTheFunctionInsideAndComesBack(t *testing.T) {
	device, before := open(t), here()
	held := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	if got := held.Contexts(); got != unshare.UTS {
		t.Errorf("held %v", got)
	}
	check(t, is(before))
	failure := errors.New("of the function")
	var first place
	err := held.Do(func() error {
		first = here()
		return failure
	})
	if err != failure {
		t.Errorf("Do returned %v", err)
	}
	if first.uts == before.uts || first.net != before.net {
		t.Errorf("the function ran in %v", first)
	}
	check(t, is(before))
	// The same context again.
	check(t, held.Do(func() error { return is(first) }))
	check(t, is(before))
}

// sleeper is a process with namespaces of its own, and a pidfd of it.
func sleeper(t *testing.T, namespaces uintptr) (place, int) {
	t.Helper()
	command := exec.Command("sleep", "1000")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	check(t, command.Start())
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	const pidfdOpen = 434
	pidfd, _, errno := syscall.Syscall(pidfdOpen, uintptr(command.Process.Pid), 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { syscall.Close(int(pidfd)) })
	return placeOf(fmt.Sprint(command.Process.Pid)), int(pidfd)
}

func TestDoRunsInTheNamespacesOfAnotherProcess(t *testing.T) {
	device, before := open(t), here()
	there, pidfd := sleeper(t, syscall.CLONE_NEWUTS|syscall.CLONE_NEWNET)
	if there.uts == before.uts || there.net == before.net {
		t.Fatalf("the process is in %v", there)
	}
	held := hold(t, device, unshare.Request{Attach: unshare.UTS | unshare.Net, Pidfd: pidfd})
	check(t, held.Do(func() error { return is(there) }))
	check(t, is(before))
}

func TestNestedDoReplacesWhatItsOwnContextHolds(t *testing.T) {
	device, before := open(t), here()
	uts := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	network := hold(t, device, unshare.Request{Unshare: unshare.Net})
	outer, both := place{inside(t, uts).uts, before.net}, place{inside(t, uts).uts, inside(t, network).net}
	err := uts.Do(func() error {
		check(t, is(outer))
		check(t, network.Do(func() error {
			check(t, is(both))
			check(t, uts.Do(func() error { return is(both) }))
			return is(both)
		}))
		return is(outer)
	})
	check(t, err)
	check(t, is(before))
}

func TestDoNestedTooDeepIsAnErrorAndComesBack(t *testing.T) {
	device, before := open(t), here()
	held := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	there, depth := inside(t, held), 0
	var deeper func() error
	deeper = func() error {
		depth++
		if err := is(there); err != nil {
			return err
		}
		err := held.Do(deeper)
		check(t, is(there))
		return err
	}
	err := held.Do(deeper)
	if err == nil || err.Error() != "unshare: enter: no space left on device" || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Do returned %v", err)
	}
	if depth != 32 {
		t.Errorf("Do nested %d times, and should nest 32 times", depth)
	}
	check(t, is(before))
}

func TestPanicLeavesAndGoesOn(t *testing.T) {
	device, before := open(t), here()
	held := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	value := errors.New("of the function")
	var thread int
	apart(func() {
		defer func() {
			if got := recover(); got != value {
				t.Errorf("the panic has %v", got)
			}
			if err := is(before); err != nil {
				t.Error(err)
			}
		}()
		held.Do(func() error {
			thread = syscall.Gettid()
			return held.Do(func() error { panic(value) })
		})
		t.Error("Do returned")
	})
	if ends(thread) {
		t.Error("the goroutine stayed locked to its thread")
	}
	strays(t, before)
}

func TestGoexitLeavesAndEndsTheGoroutine(t *testing.T) {
	device, before := open(t), here()
	held := hold(t, device, unshare.Request{Unshare: unshare.UTS})
	var thread int
	apart(func() {
		defer func() {
			if err := is(before); err != nil {
				t.Error(err)
			}
		}()
		held.Do(func() error {
			thread = syscall.Gettid()
			return held.Do(func() error {
				runtime.Goexit()
				return nil
			})
		})
		t.Error("Do returned")
	})
	if thread == 0 || ends(thread) {
		t.Error("the goroutine stayed locked to its thread")
	}
	strays(t, before)
}

func TestGoroutinesOfTheFunctionAreOutsideAndItsProcessesInside(t *testing.T) {
	device, before := open(t), here()
	held := hold(t, device, unshare.Request{Unshare: unshare.UTS | unshare.Net})
	there := inside(t, held)
	check(t, held.Do(func() error {
		goroutine := make(chan error)
		go func() { goroutine <- is(before) }()
		if err := <-goroutine; err != nil {
			return err
		}
		links, err := exec.Command("sh", "-c", "cd /proc/self/ns && readlink uts && readlink net").Output()
		if err != nil {
			return err
		}
		if got := strings.Join(strings.Fields(string(links)), " "); got != there.String() {
			return fmt.Errorf("the process is in %s, and should be in %v", got, there)
		}
		return is(there)
	}))
}

// A port that is open in two networks at the same time, and in this machine's.
func TestSocketsStayInTheNetworkInWhichTheyWereOpened(t *testing.T) {
	device := open(t)
	const address = "127.0.0.1:4000"
	var networks []*unshare.Held
	for _, name := range []string{"first", "second"} {
		held := hold(t, device, unshare.Request{Unshare: unshare.Net})
		networks = append(networks, held)
		var listener net.Listener
		check(t, held.Do(func() (err error) {
			if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
				return err
			}
			listener, err = net.Listen("tcp", address)
			return err
		}))
		t.Cleanup(func() { listener.Close() })
		go func(name string) {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				connection.Write([]byte(name))
				connection.Close()
			}
		}(name)
	}
	for i, want := range []string{"first", "second"} {
		var connection net.Conn
		check(t, networks[i].Do(func() (err error) {
			connection, err = net.Dial("tcp", address)
			return err
		}))
		var got [16]byte
		n, err := connection.Read(got[:])
		connection.Close()
		if err != nil || string(got[:n]) != want {
			t.Errorf("the listener of the %s network said %q: %v", want, got[:n], err)
		}
	}
	if connection, err := net.Dial("tcp", address); err == nil {
		connection.Close()
		t.Error("this machine's own network has the port, too")
	}
}

func TestDirectoriesAndUmaskComeBack(t *testing.T) {
	device := open(t)
	directory, err := os.Getwd()
	check(t, err)
	held := hold(t, device, unshare.Request{Unshare: unshare.FS})
	// The threads outside share it. The function begins with that of its caller, and not with that of Hold.
	defer syscall.Umask(syscall.Umask(0o27))
	check(t, held.Do(func() error {
		if mask := syscall.Umask(0o77); mask != 0o27 {
			t.Errorf("inside, the umask is %#o", mask)
		}
		return syscall.Chdir("/proc")
	}))
	if now, err := os.Readlink("/proc/thread-self/cwd"); err != nil || now != directory {
		t.Errorf("the working directory went from %s to %s: %v", directory, now, err)
	}
	if mask := syscall.Umask(0o27); mask != 0o27 {
		t.Errorf("the umask became %#o", mask)
	}
}

func TestHoldRefusesWhatCannotBeHeld(t *testing.T) {
	device := open(t)
	tests := []struct {
		request unshare.Request
		context unshare.Contexts
	}{
		{unshare.Request{Unshare: unshare.UTS | unshare.Files}, unshare.Files},
		{unshare.Request{Unshare: unshare.User}, unshare.User},
		{unshare.Request{}, 0},
		{unshare.Request{Unshare: unshare.UTS, DryRun: true}, 0},
	}
	for _, test := range tests {
		held, err := device.Hold(test.request)
		var got *unshare.Error
		if held != nil || !errors.As(err, &got) || got.Op != "hold" || got.Errno != syscall.EINVAL || got.Context != test.context {
			t.Errorf("%+v: %v", test.request, err)
		}
	}
}

func TestClosedHeldStaysOpenForThoseInside(t *testing.T) {
	device, before := open(t), here()
	held, err := device.Hold(unshare.Request{Unshare: unshare.UTS})
	check(t, err)
	there := inside(t, held)
	check(t, held.Do(func() error {
		check(t, held.Close())
		return is(there)
	}))
	check(t, is(before))
	err = held.Do(func() error {
		t.Error("the function ran")
		return nil
	})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do of a closed context: %v", err)
	}
	check(t, is(before))
}
