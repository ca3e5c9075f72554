// Package sdktest proves that a connector keeps the rules: none lost when a pull is cut,
// one item failing alone, a busy vendor waited for by the host and not by the connector,
// no secret in any log, and so on. An author gives it the connector and an emulator of
// the vendor that can be told to misbehave:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Run(t, sdktest.Kit{
//			Connector: shop.Connector{},
//			Main:      "./cmd/shop",
//			Vendor:    func(t testing.TB) sdktest.Vendor { … },
//		})
//	}
//
// Each rule runs against the connector in memory, over a gRPC connection, and against the
// built program as a process. The rules themselves are in package check.
package sdktest

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest/check"
)

// Vendor is an emulated vendor, and how the kit commands it.
type Vendor = check.Vendor

// Trouble is a way in which a vendor misbehaves.
type Trouble = check.Trouble

// The troubles.
const (
	Busy     = check.Busy
	Spent    = check.Spent
	Down     = check.Down
	Silent   = check.Silent
	Refusing = check.Refusing
	Losing   = check.Losing
	Garbled  = check.Garbled
)

// Kit is what the kit needs to know.
type Kit struct {
	// Connector is examined in memory; nil leaves that out.
	Connector sdk.Connector
	// Main is the package of the program, as go build takes it: "./cmd/shop". It is built
	// and examined as a process; "" leaves that out.
	Main string
	// Program is a program that is built already, instead of Main, and Env what is added
	// to its environment.
	Program string
	Env     []string
	// Vendor makes a fresh vendor for each examination. It cleans up with t.Cleanup.
	Vendor func(t testing.TB) Vendor
	// Except names rules that do not apply, with the reason: {"pull/deletions": "the
	// vendor does not tell"}.
	Except map[string]string
}

// Run examines a connector by every rule, each as a subtest: "memory/pull/resume",
// "process/pull/resume".
func Run(t *testing.T, kit Kit) {
	t.Helper()
	known := map[string]bool{}
	for _, rule := range check.Rules() {
		known[rule.Name] = true
	}
	for name := range kit.Except {
		if !known[name] {
			t.Errorf("Except: there is no rule %q", name)
		}
	}
	if kit.Connector != nil {
		t.Run("memory", func(t *testing.T) { examine(t, kit, check.Memory(kit.Connector)) })
	}
	program := kit.Program
	if kit.Main != "" {
		program = build(t, kit.Main)
	}
	if program != "" {
		t.Run("process", func(t *testing.T) { examine(t, kit, check.Program(program, kit.Env...)) })
	}
}

func examine(t *testing.T, kit Kit, subject check.Subject) {
	for _, rule := range check.Rules() {
		if rule.Process && !subject.Process() {
			continue
		}
		t.Run(rule.Name, func(t *testing.T) {
			if reason, ok := kit.Except[rule.Name]; ok {
				t.Skip("excepted: " + reason)
			}
			var vendor func() Vendor
			if kit.Vendor != nil {
				vendor = func() Vendor { return kit.Vendor(t) }
			}
			report(t, check.Examine(t.Context(), rule, subject, vendor))
		})
	}
}

func report(t testing.TB, f check.Finding) {
	switch f.Status {
	case check.Skip:
		t.Skip(f.Detail[0])
	case check.Fail:
		for _, d := range f.Detail {
			t.Error(d)
		}
		t.Errorf("must: %s\ntry: %s", f.Must, f.Remedy)
	}
}

// Examine examines a connector by one rule and returns what it found: for tests of
// connectors that must fail.
func Examine(t testing.TB, kit Kit, name string) check.Finding {
	t.Helper()
	for _, rule := range check.Rules() {
		if rule.Name != name {
			continue
		}
		subject := check.Memory(kit.Connector)
		if kit.Program != "" {
			subject = check.Program(kit.Program, kit.Env...)
		}
		var vendor func() Vendor
		if kit.Vendor != nil {
			vendor = func() Vendor { return kit.Vendor(t) }
		}
		return check.Examine(context.Background(), rule, subject, vendor)
	}
	t.Fatalf("there is no rule %q", name)
	return check.Finding{}
}

func build(t *testing.T, main string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "connector")
	out, err := exec.Command("go", "build", "-o", program, main).CombinedOutput()
	if err != nil {
		t.Fatalf("%s does not build: %v\n%s", main, err, out)
	}
	return program
}
