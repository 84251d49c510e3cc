// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"

	unshare "unshare.ko/bindings/go"
)

// A thread of its own for a program that gets a private copy of the mounts of another process.
func ExampleDevice_Commit() {
	device, err := unshare.Open()
	if err != nil {
		log.Fatal(err)
	}
	var pidfd int // of that process
	done := make(chan error)
	go func() {
		// Not unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		_, err := device.Commit(unshare.Request{
			Attach:  unshare.Mount | unshare.FS,
			Pidfd:   pidfd,
			Unshare: unshare.Mount,
		})
		if err == nil {
			err = exec.Command("mount", "-t", "tmpfs", "none", "/tmp").Run()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		log.Fatal(err) // "unshare: commit: CLONE_NEWNS: operation not permitted"
	}
}

// What would stop a request is known before anything is changed.
func ExampleRequest() {
	device, err := unshare.Open()
	if errors.Is(err, os.ErrNotExist) {
		log.Fatal("the module unshare.ko is not loaded")
	} else if err != nil {
		log.Fatal(err)
	}
	would, err := device.Commit(unshare.Request{Unshare: unshare.Net | unshare.UTS, DryRun: true})
	var refused *unshare.Error
	if errors.As(err, &refused) {
		log.Fatalf("%v stops it: %v", refused.Context, refused.Errno)
	}
	fmt.Println("it would replace", would)
}

// A program that runs with several versions of the module asks what this one has.
func ExampleDevice_Query() {
	device, err := unshare.Open()
	if err != nil {
		log.Fatal(err)
	}
	answer, err := device.Query()
	if err != nil {
		log.Fatal(err)
	}
	if answer.Attachable&unshare.Net == 0 {
		log.Fatal("this kernel has no network namespaces")
	}
	fmt.Println("this thread shares", answer.Shared)
}
