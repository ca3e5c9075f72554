package pluginhost

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// The reasons for which a process ends that did not have to.
const (
	reasonExited      = "EXITED"        // by itself
	reasonPanic       = "PANIC"         // after a panic
	reasonMemory      = "OUT_OF_MEMORY" // it took more than it may
	reasonSilent      = "SILENT"        // it answers nothing: stopped, or deadlocked
	reasonHung        = "HUNG"          // a call went on long after its deadline
	reasonTooLarge    = "ANSWER_TOO_LARGE"
	reasonFlood       = "LOG_FLOOD"
	reasonProcesses   = "TOO_MANY_PROCESSES"
	reasonFailing     = "FAILING"  // fault after fault of its own
	reasonNoStart     = "NO_START" // it did not answer in time after its start
	reasonDifferent   = "MANIFEST_DIFFERS"
	reasonDevelopment = "DEVELOPMENT"
)

func crashed(reason, message string) *sync.Fault {
	return &sync.Fault{Kind: sync.FaultCrashed, Origin: sync.FromConnector, Reason: reason, Message: message}
}

// label is a fault as a metric knows it: our own reasons, and the kind of what a connector
// says, whose reasons may be anything.
func label(f *sync.Fault) string {
	switch f.Reason {
	case reasonExited, reasonPanic, reasonMemory, reasonSilent, reasonHung, reasonTooLarge, reasonFlood, reasonProcesses, reasonFailing, reasonNoStart, reasonDifferent,
		reasonDevelopment, "TAMPERED", "LOCK_CHANGED", "UNTRUSTED", "UNSIGNED", "SIGNATURE", "NOT_INSTALLED", "FILE_MISSING":
		return f.Reason
	}
	return string(f.Kind)
}

// fromSDK is a connector's fault in the words of the port. Kinds and origins that this
// host does not know are those of a broken connector.
func fromSDK(f *sdk.Fault) *sync.Fault {
	if f == nil {
		return nil
	}
	out := &sync.Fault{
		Kind: sync.FaultKind(f.Kind), Origin: sync.Origin(f.Origin), Reason: f.Reason, Message: f.Message, Path: f.Path, After: f.After, Until: f.Until,
	}
	switch f.Kind {
	case sdk.FaultRetry, sdk.FaultQuota, sdk.FaultInvalidConfig, sdk.FaultInvalidRecord, sdk.FaultUnauthorized, sdk.FaultCursorLost,
		sdk.FaultSchemaChanged, sdk.FaultRecordGone, sdk.FaultUnknownOutcome, sdk.FaultStale, sdk.FaultUnsupported, sdk.FaultInternal:
	default:
		out.Kind = sync.FaultInternal
	}
	switch f.Origin {
	case sdk.FromConnector, sdk.FromVendor, sdk.FromConfig, sdk.FromHost:
	default:
		out.Origin = sync.FromConnector
	}
	// What a connector says of times is bounded: it cannot park its connection for ever.
	out.After = min(max(out.After, 0), 24*time.Hour)
	return out
}

// purged takes out of a fault what a connector should not have put there: it ends in answers, in
// the store and in logs.
func (p *process) purged(f *sync.Fault) *sync.Fault {
	if f == nil {
		return nil
	}
	if !word.MatchString(f.Reason) {
		f.Reason = ""
	}
	f.Message, f.Path = p.sink.clip(f.Message), clip(p.redact.text(f.Path), 200)
	if f.Until.Year() < 1 || f.Until.Year() > 9999 {
		f.Until = time.Time{}
	}
	return f
}

// word is what a reason is.
var word = regexp.MustCompile(`^[A-Z0-9_]{0,64}$`)

func clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "")
	}
	return strings.ToValidUTF8(s[:n], "")
}

// cleaned does the same for what became of items.
func (p *process) cleaned(list []sync.Result) []sync.Result {
	for i := range list {
		list[i].Fault = p.purged(list[i].Fault)
	}
	return list
}

// toSDK is for what the host itself answers to a connector.
func toSDK(err error) error {
	if err == nil {
		return nil
	}
	var told *sync.Fault
	if errors.As(err, &told) {
		return &sdk.Fault{Kind: sdk.FaultRetry, Origin: sdk.FromHost, Reason: told.Reason, Message: told.Message, After: time.Second}
	}
	e := core.AsError(err)
	return &sdk.Fault{Kind: sdk.FaultRetry, Origin: sdk.FromHost, Reason: e.Reason, Message: "the host could not store the secret; the old one is the stored one", After: time.Second}
}

// callFault is what a call's error means. p is the process that was asked.
func callFault(err error, m method, p *process) *sync.Fault {
	var f *sdk.Fault
	if !errors.As(err, &f) {
		return sync.AsFault(err)
	}
	out := p.purged(fromSDK(f))
	ended := p.fault() // why the process ended, when it did not have to
	lost := f.Reason == "PROCESS_GONE" || ended != nil && (f.Reason == "DEADLINE" || f.Reason == "CANCELLED" || f.Reason == "MESSAGE_TOO_LARGE" || f.Reason == "NO_FAULT")
	if !lost {
		return out
	}
	if ended == nil {
		ended = crashed(reasonExited, "the connector's process ended while it was asked")
	}
	c := *ended
	c.After = p.backoff()
	if m.writes {
		c.Kind = sync.FaultUnknownOutcome
		c.Message += "; what it was doing may or may not have happened"
	}
	return &c
}
