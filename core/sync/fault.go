package sync

import (
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// FaultKind is what went wrong at a hand-off, as far as this package acts on it. The
// words are those of the connectors' own.
type FaultKind string

// The kinds of faults.
const (
	FaultRetry          FaultKind = "RETRY_AFTER"     // come back after Fault.After
	FaultQuota          FaultKind = "QUOTA_UNTIL"     // nothing goes before Fault.Until
	FaultInvalidConfig  FaultKind = "INVALID_CONFIG"  // Path names the property
	FaultInvalidRecord  FaultKind = "INVALID_RECORD"  // Path names the field; writing it again changes nothing
	FaultUnauthorized   FaultKind = "UNAUTHORIZED"    // the credential is refused or lacks a scope
	FaultCursorLost     FaultKind = "CURSOR_LOST"     // begin again from the beginning
	FaultSchemaChanged  FaultKind = "SCHEMA_CHANGED"  // a stream or field is not there any more
	FaultRecordGone     FaultKind = "RECORD_GONE"     // the record with that id does not exist
	FaultUnknownOutcome FaultKind = "UNKNOWN_OUTCOME" // it may or may not have happened
	FaultStale          FaultKind = "STALE"           // a signature that is too old, or a clock that differs
	FaultUnsupported    FaultKind = "UNSUPPORTED"
	FaultInternal       FaultKind = "INTERNAL"   // a mistake in the connector
	FaultCrashed        FaultKind = "CRASHED"    // the connector's process ended, hung or was ended; After says when the next one may start
	FaultCrashLoop      FaultKind = "CRASH_LOOP" // it ends again and again; After says when the next one may start
	FaultBlocked        FaultKind = "BLOCKED"    // never a connector's: nothing may be handed over
)

// Origin is whose fault it is.
type Origin string

// The origins.
const (
	FromConnector Origin = "CONNECTOR"
	FromVendor    Origin = "VENDOR"
	FromConfig    Origin = "CONFIG"
	FromHost      Origin = "HOST"
)

// Fault is the error of every method of Instance. It holds no personal value and no
// secret.
type Fault struct {
	Kind    FaultKind     `bson:"kind"`
	Origin  Origin        `bson:"origin"`
	Reason  string        `bson:"reason,omitempty"`  // a word in capitals, for programs; "" for the kind
	Message string        `bson:"message,omitempty"` // what to do, for people
	Path    string        `bson:"path,omitempty"`    // of the property or field at fault
	After   time.Duration `bson:"after,omitempty"`   // of FaultRetry and the crashes
	Until   time.Time     `bson:"until,omitempty"`   // of FaultQuota
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Path != "" {
		return fmt.Sprintf("%s at %s: %s", f.Word(), f.Path, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.Word(), f.Message)
}

// Word returns the reason, or the kind where there is none.
func (f *Fault) Word() string {
	if f.Reason != "" {
		return f.Reason
	}
	return string(f.Kind)
}

// RetryAt says when to come back, reckoned from now, within a month whatever a connector says;
// zero when coming back changes nothing.
func (f *Fault) RetryAt(now time.Time) time.Time {
	switch {
	case f.Kind == FaultQuota && !f.Until.IsZero():
		return earlier(f.Until, now.Add(maxWait))
	case f.After > 0:
		return now.Add(min(f.After, maxWait))
	}
	return time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// dated returns the fault with the time to come back in Until.
func (f *Fault) dated(now time.Time) *Fault {
	g := *f
	g.Until = f.RetryAt(now)
	return &g
}

// passing reports whether the same call may succeed later with nothing changed by anyone.
func (f *Fault) passing() bool {
	switch f.Kind {
	case FaultRetry, FaultQuota, FaultCrashed, FaultCrashLoop, FaultUnknownOutcome, FaultStale:
		return true
	}
	return false
}

// AsFault returns the Fault in an error's chain; any other error is the host's. nil
// stays nil.
func AsFault(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	var e *core.Error
	if errors.As(err, &e) {
		return &Fault{Kind: FaultInternal, Origin: FromHost, Reason: e.Reason, Message: e.Message, After: e.RetryAfter}
	}
	return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "UNREACHED", Message: "the connector could not be called; it is tried again", After: time.Second}
}
