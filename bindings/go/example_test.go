// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"

	unshare "unshare.ko/bindings/go"
)

// A server opens a listening socket in the network of a container, and serves it from its own.
func ExampleHeld_Do() {
	device, err := unshare.Open()
	if err != nil {
		log.Fatal(err)
	}
	var pidfd int // of a process of the container, by pidfd_open(2)
	network, err := device.Hold(unshare.Request{Attach: unshare.Net, Pidfd: pidfd})
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()

	var listener net.Listener
	err = network.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:80")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
}

// A goroutine whose thread cannot leave must end, so that the thread ends, too.
func ExampleStrandedError() {
	serve := func(held *unshare.Held, jobs <-chan func() error) {
		for job := range jobs {
			err := held.Do(job)
			var stranded *unshare.StrandedError
			if errors.As(err, &stranded) {
				log.Print(stranded)
				return
			}
		}
	}
	_ = serve
}

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
	if !answer.Hold {
		log.Fatal("this version of unshare.ko cannot hold contexts")
	}
	fmt.Println("this thread shares", answer.Shared)
}
