// SPDX-License-Identifier: GPL-2.0-only

package unshare_test

import (
	"strings"
	"testing"

	unshare "unshare.ko/bindings/go"
)

func TestContextsPrintAsTheKernelNamesThem(t *testing.T) {
	tests := []struct {
		contexts unshare.Contexts
		want     string
	}{
		{0, "none"},
		{unshare.Net, "CLONE_NEWNET"},
		{unshare.Net | unshare.FS | unshare.Mount, "CLONE_FS | CLONE_NEWNS | CLONE_NEWNET"},
		{unshare.FS | 0x4000 | 1<<63, "CLONE_FS | 0x8000000000004000"},
	}
	for _, test := range tests {
		if got := test.contexts.String(); got != test.want {
			t.Errorf("%#x prints as %q, and should as %q", uint64(test.contexts), got, test.want)
		}
	}
}

func TestEachContextHasOneName(t *testing.T) {
	all := unshare.FS | unshare.Files | unshare.SysVSem | unshare.VM | unshare.SigHand | unshare.Thread |
		unshare.Mount | unshare.EmptyMount | unshare.UTS | unshare.IPC | unshare.User | unshare.PID | unshare.Net |
		unshare.Cgroup | unshare.Time
	names := map[string]bool{}
	for _, name := range strings.Split(all.String(), " | ") {
		names[name] = true
		if !strings.HasPrefix(name, "CLONE_") {
			t.Errorf("%q is no name of the kernel", name)
		}
	}
	if len(names) != 15 {
		t.Errorf("%d names for 15 contexts: %v", len(names), all)
	}
}
