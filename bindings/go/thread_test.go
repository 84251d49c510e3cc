// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	unshare "unshare.ko/bindings/go"
)

// The main goroutine keeps the main thread, because the runtime cannot end that thread. All tests run on others.
func init() {
	runtime.LockOSThread()
}

func open(t *testing.T) *unshare.Device {
	t.Helper()
	device, err := unshare.Open()
	check(t, err)
	t.Cleanup(func() { device.Close() })
	return device
}

func hold(t *testing.T, device *unshare.Device, request unshare.Request) *unshare.Held {
	t.Helper()
	held, err := device.Hold(request)
	check(t, err)
	t.Cleanup(func() { held.Close() })
	return held
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is the UTS and the network namespace of a thread, as /proc shows them.
type place struct{ uts, net string }

func (p place) String() string { return p.uts + " " + p.net }

// here is where the calling thread is.
func here() place { return placeOf("thread-self") }

// placeOf is where a task is that /proc has under this name. A place that cannot be read equals no other.
func placeOf(task string) place {
	uts, err := os.Readlink("/proc/" + task + "/ns/uts")
	if err != nil {
		return place{err.Error(), ""}
	}
	net, err := os.Readlink("/proc/" + task + "/ns/net")
	if err != nil {
		return place{uts, err.Error()}
	}
	return place{uts, net}
}

// is fails unless the calling thread is there.
func is(want place) error {
	if got := here(); got != want {
		return fmt.Errorf("the thread is in %v, and should be in %v", got, want)
	}
	return nil
}

// inside is where a held context leads to.
func inside(t *testing.T, held *unshare.Held) (p place) {
	t.Helper()
	check(t, held.Do(func() error {
		p = here()
		return nil
	}))
	return p
}

// apart runs f in a goroutine of its own, until that has ended.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// ends tells whether a thread of this process ends. The runtime does not end threads that it can use again.
func ends(thread int) bool {
	for tries := 0; tries < 100; tries++ {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
		if errors.Is(err, os.ErrNotExist) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// strays fails if a thread of this process is elsewhere.
func strays(t *testing.T, want place) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*")
	check(t, err)
	if len(tasks) == 0 {
		t.Fatal("/proc shows no thread")
	}
	for _, task := range tasks {
		got := placeOf(task[len("/proc/"):])
		// It may have ended since.
		if _, err := os.Stat(task); err == nil && got != want {
			t.Errorf("%s is in %v, and should be in %v", task, got, want)
		}
	}
}
