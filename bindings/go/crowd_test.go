// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"flag"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	unshare "unshare.ko/bindings/go"
)

var goroutines = flag.Int("goroutines", 10000, "how many goroutines the crowd has")

// observations counts how often a goroutine looked where it is, and how often that was somewhere else than it should be.
type observations struct {
	made, wrong int64
	first       sync.Once
	error       error
}

func (o *observations) look(want place) error {
	atomic.AddInt64(&o.made, 1)
	err := is(want)
	if err != nil {
		atomic.AddInt64(&o.wrong, 1)
		o.first.Do(func() { o.error = err })
	}
	return err
}

// Beside those that go inside, goroutines that are always outside look where they are, and the garbage collector runs.
func TestCrowdOfGoroutinesNeverSeesAnotherNamespace(t *testing.T) {
	const atOnce, contexts = 100, 8
	device, outside := open(t), here()
	var held [contexts]*unshare.Held
	var places [contexts]place
	different := map[place]bool{outside: true}
	for i := range held {
		held[i] = hold(t, device, unshare.Request{Unshare: unshare.UTS | unshare.Net})
		places[i] = inside(t, held[i])
		different[places[i]] = true
	}
	if len(different) != contexts+1 {
		t.Fatalf("%d places for %d contexts and outside", len(different), contexts)
	}

	var seen observations
	// The first of them wait inside until all are there that can be, at once.
	var entered, now, most int64
	var full sync.WaitGroup
	full.Add(atOnce)
	visit := func(i int) {
		err := held[i].Do(func() error {
			count := atomic.AddInt64(&now, 1)
			defer atomic.AddInt64(&now, -1)
			for old := atomic.LoadInt64(&most); count > old && !atomic.CompareAndSwapInt64(&most, old, count); {
				old = atomic.LoadInt64(&most)
			}
			seen.look(places[i])
			if atomic.AddInt64(&entered, 1) <= atOnce {
				full.Done()
				full.Wait()
			}
			switch rand.Intn(4) {
			case 0:
				time.Sleep(time.Duration(rand.Intn(1000)) * time.Microsecond)
			case 1:
				runtime.Gosched()
			case 2:
				other := rand.Intn(contexts)
				if err := held[other].Do(func() error { return seen.look(places[other]) }); err != nil {
					return err
				}
			}
			return seen.look(places[i])
		})
		if err != nil {
			t.Error(err)
		}
	}

	end := make(chan struct{})
	var bystanders sync.WaitGroup
	for i := 0; i < 4; i++ {
		bystanders.Add(1)
		go func() {
			defer bystanders.Done()
			for {
				select {
				case <-end:
					return
				case <-time.After(time.Millisecond):
					seen.look(outside)
				}
			}
		}()
	}
	bystanders.Add(1)
	go func() {
		defer bystanders.Done()
		for {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.GC()
			}
		}
	}()

	slots := make(chan struct{}, atOnce)
	var crowd sync.WaitGroup
	crowd.Add(*goroutines)
	for i := 0; i < *goroutines; i++ {
		go func(i int) {
			defer crowd.Done()
			seen.look(outside)
			slots <- struct{}{}
			visit(i % contexts)
			<-slots
			seen.look(outside)
		}(i)
	}
	crowd.Wait()
	close(end)
	bystanders.Wait()

	if seen.wrong != 0 {
		t.Errorf("%d of %d observations were wrong, such as: %v", seen.wrong, seen.made, seen.error)
	}
	if most != atOnce {
		t.Errorf("%d goroutines were inside at once, and %d should be", most, atOnce)
	}
	t.Logf("%d goroutines made %d observations, %d inside at once", *goroutines, seen.made, most)
	strays(t, outside)
}
