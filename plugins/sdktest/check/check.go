// Package check holds the rules that every connector keeps, and examines connectors by
// them. Authors use it through sdktest, as a test; headwater connector test uses it on a
// binary.
package check

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Rule is one thing that must hold.
type Rule struct {
	Name   string // "pull/resume"
	Must   string // what must hold, in a sentence
	Remedy string // what to do when it does not
	// Process rules need a process; they are skipped for a connector in memory.
	Process bool
	Run     func(x *Exam)
}

// Status is how an examination by one rule ended.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Finding is what an examination by one rule found.
type Finding struct {
	Rule   string        `json:"rule"`
	Status Status        `json:"status"`
	Must   string        `json:"must"`
	Detail []string      `json:"detail,omitempty"` // what failed, or why it was skipped
	Remedy string        `json:"remedy,omitempty"` // of what failed
	Took   time.Duration `json:"-"`
}

// ruleTime bounds an examination by one rule.
const ruleTime = time.Minute

// Rules lists all rules, in the order in which they make sense to an author.
func Rules() []Rule {
	var all []Rule
	for _, some := range [][]Rule{specRules, configRules, pullRules, upsertRules, listRules, channelRules, webhookRules,
		troubleRules, secretRules, processRules} {
		all = append(all, some...)
	}
	return all
}

// Examine looks at a subject by one rule. vendor makes a fresh vendor for it and is nil
// when there is none: rules that need one are skipped, saying so.
func Examine(ctx context.Context, rule Rule, subject Subject, vendor func() Vendor) Finding {
	x := &Exam{subject: subject, fresh: vendor}
	var cancel context.CancelFunc
	x.ctx, cancel = context.WithTimeout(ctx, ruleTime)
	defer cancel()
	began := time.Now()
	if rule.Process && !subject.Process() {
		return Finding{Rule: rule.Name, Status: Skip, Must: rule.Must, Detail: []string{"it is about a process"}}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer x.cleanUp()
		defer func() {
			if p := recover(); p != nil {
				x.Errorf("the kit panicked: %v", p)
			}
		}()
		rule.Run(x)
	}()
	select {
	case <-done:
	case <-time.After(ruleTime + 10*time.Second):
		x.Errorf("it did not end within %s", ruleTime)
	}
	return x.finding(rule, time.Since(began))
}

// Exam is one examination.
type Exam struct {
	ctx     context.Context
	subject Subject
	fresh   func() Vendor
	vendor  *Vendor
	told    *sdk.Spec
	idle    *Instance

	mu      sync.Mutex
	failed  []string
	skipped string
	cleanup []func()
}

func (x *Exam) finding(rule Rule, took time.Duration) Finding {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := Finding{Rule: rule.Name, Status: Pass, Must: rule.Must, Took: took}
	switch {
	case len(x.failed) > 0:
		f.Status, f.Detail, f.Remedy = Fail, x.failed, rule.Remedy
	case x.skipped != "":
		f.Status, f.Detail = Skip, []string{x.skipped}
	}
	return f
}

// Errorf says what does not hold, and goes on.
func (x *Exam) Errorf(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.failed) < 10 {
		x.failed = append(x.failed, fmt.Sprintf(format, args...))
	}
}

// Failf says what does not hold, and ends the examination.
func (x *Exam) Failf(format string, args ...any) {
	x.Errorf(format, args...)
	runtime.Goexit()
}

// Skipf ends the examination for a reason that is no fault of the connector's.
func (x *Exam) Skipf(format string, args ...any) {
	x.mu.Lock()
	x.skipped = fmt.Sprintf(format, args...)
	x.mu.Unlock()
	runtime.Goexit()
}

func (x *Exam) onEnd(f func()) { x.cleanup = append(x.cleanup, f) }

func (x *Exam) cleanUp() {
	for i := len(x.cleanup) - 1; i >= 0; i-- {
		x.cleanup[i]()
	}
}

// Vendor is the vendor of this examination.
func (x *Exam) Vendor() *Vendor {
	if x.fresh == nil {
		x.Skipf("it needs a vendor that the kit can command")
	}
	if x.vendor == nil {
		v := x.fresh()
		x.vendor = &v
	}
	return x.vendor
}

// start starts the connector, or returns one that was only asked for its spec.
func (x *Exam) start() *Instance {
	if i := x.idle; i != nil {
		x.idle = nil
		return i
	}
	i, err := x.subject.Start(x.ctx)
	if err != nil {
		x.Failf("the connector does not start: %v", err)
	}
	x.onEnd(i.Stop)
	return i
}

// open starts the connector and opens it with the vendor's configuration.
func (x *Exam) open() (*Instance, *sdk.RemoteConnection) {
	v := x.Vendor()
	i := x.start()
	return i, x.openOn(i, v.config())
}

func (x *Exam) openOn(i *Instance, config sdk.Config) *sdk.RemoteConnection {
	c, err := i.Remote.Open(x.ctx, config, i)
	if err != nil {
		x.Failf("Open: %v", err)
	}
	x.onEnd(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second)
		defer cancel()
		_ = c.CloseContext(ctx) // rules about closing look for themselves
	})
	return c
}

// spec is the connector's; it is asked once.
func (x *Exam) spec() sdk.Spec {
	if x.told == nil {
		i := x.start()
		s := x.ask(i)
		x.idle, x.told = i, &s
	}
	return *x.told
}

func (x *Exam) ask(i *Instance) sdk.Spec {
	s, err := i.Remote.Spec(x.ctx)
	if err != nil {
		x.Failf("Spec: %v", err)
	}
	return s
}

// can skips what the spec does not claim.
func (x *Exam) can(capability sdk.Capability) sdk.Spec {
	s := x.spec()
	for _, c := range s.Capabilities {
		if c == capability {
			return s
		}
	}
	x.Skipf("the connector does not claim %q", capability)
	return s
}

func claims(s sdk.Spec, capability sdk.Capability) bool {
	for _, c := range s.Capabilities {
		if c == capability {
			return true
		}
	}
	return false
}

// fault demands an error of some kind.
func (x *Exam) fault(what string, err error, kinds ...sdk.FaultKind) *sdk.Fault {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	if err == nil {
		x.Errorf("%s succeeds; it must fail with %s", what, strings.Join(words, " or "))
		return nil
	}
	f := sdk.AsFault(err)
	for _, k := range kinds {
		if f.Kind == k {
			return f
		}
	}
	x.Errorf("%s fails with %v (reason %q); it must fail with %s", what, f, f.Reason, strings.Join(words, " or "))
	return nil
}

// refuses is fault for those who only want to know.
func (x *Exam) refuses(what string, err error, kinds ...sdk.FaultKind) {
	_ = x.fault(what, err, kinds...)
}
