package sdk

import (
	"errors"
	"fmt"
	"time"
)

// FaultKind is what went wrong, as far as the host acts on it.
type FaultKind string

// The kinds of faults.
const (
	FaultRetry          FaultKind = "RETRY_AFTER"     // come back after Fault.After
	FaultQuota          FaultKind = "QUOTA_UNTIL"     // nothing goes before Fault.Until
	FaultInvalidConfig  FaultKind = "INVALID_CONFIG"  // Path names the property
	FaultInvalidRecord  FaultKind = "INVALID_RECORD"  // Path names the field; writing it again changes nothing
	FaultUnauthorized   FaultKind = "UNAUTHORIZED"    // the credential is refused or lacks a scope
	FaultCursorLost     FaultKind = "CURSOR_LOST"     // begin again from the beginning
	FaultSchemaChanged  FaultKind = "SCHEMA_CHANGED"  // a stream or field is not there any more: discover again
	FaultRecordGone     FaultKind = "RECORD_GONE"     // the record with that id does not exist
	FaultUnknownOutcome FaultKind = "UNKNOWN_OUTCOME" // it may or may not have happened
	FaultStale          FaultKind = "STALE"           // a signature that is too old, or a clock that differs
	FaultUnsupported    FaultKind = "UNSUPPORTED"
	FaultInternal       FaultKind = "INTERNAL" // a mistake in the connector
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

// Fault is the error of this package. An error of another type that a method returns
// reaches the host as FaultInternal of FromConnector (from Send: FaultUnknownOutcome),
// without its text, which may hold personal values.
type Fault struct {
	Kind    FaultKind
	Origin  Origin
	Reason  string        // a word in capitals, for programs: "MISSING_SCOPE"; "" for the kind
	Message string        // what to do, for people; never a personal value or a secret
	Path    string        // of the property or field at fault
	After   time.Duration // FaultRetry
	Until   time.Time     // FaultQuota

	cause error // of a call that a context ended
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Path != "" {
		return fmt.Sprintf("%s at %s: %s", f.Kind, f.Path, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Message)
}

// Because returns the fault with a reason.
func (f *Fault) Because(reason string) *Fault {
	g := *f
	g.Reason = reason
	return &g
}

// AsFault returns the Fault in an error's chain; any other error is FaultInternal. nil
// stays nil.
func AsFault(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Kind: FaultInternal, Origin: FromConnector, Message: "the connector failed; its log says more"}
}

// RetryAfter says that the vendor is busy, or out of reach, for now.
func RetryAfter(d time.Duration, message string) *Fault {
	return &Fault{Kind: FaultRetry, Origin: FromVendor, Message: message, After: d}
}

// QuotaUntil says that what the vendor allows is spent until then.
func QuotaUntil(t time.Time, message string) *Fault {
	return &Fault{Kind: FaultQuota, Origin: FromVendor, Message: message, Until: t}
}

// InvalidConfig says which property of the configuration is wrong.
func InvalidConfig(property, message string) *Fault {
	return &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Path: property, Message: message}
}

// InvalidRecord says which field the vendor does not take.
func InvalidRecord(field, message string) *Fault {
	return &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Path: field, Message: message}
}

// Unauthorized says that the vendor does not let us in, or not far enough.
func Unauthorized(message string) *Fault {
	return &Fault{Kind: FaultUnauthorized, Origin: FromVendor, Message: message}
}

// CursorLost says that the vendor no longer honours a cursor.
func CursorLost(message string) *Fault {
	return &Fault{Kind: FaultCursorLost, Origin: FromVendor, Message: message}
}

// SchemaChanged says that a stream or a field is not what it was.
func SchemaChanged(field, message string) *Fault {
	return &Fault{Kind: FaultSchemaChanged, Origin: FromVendor, Path: field, Message: message}
}

// RecordGone says that there is no record with that id.
func RecordGone(message string) *Fault {
	return &Fault{Kind: FaultRecordGone, Origin: FromVendor, Message: message}
}

// UnknownOutcome says that a write may or may not have happened.
func UnknownOutcome(message string) *Fault {
	return &Fault{Kind: FaultUnknownOutcome, Origin: FromVendor, Message: message}
}

// Stale says that a signature is older, or newer, than is accepted.
func Stale(message string) *Fault {
	return &Fault{Kind: FaultStale, Origin: FromVendor, Message: message}
}

// Unsupported says that the connector cannot do this.
func Unsupported(message string) *Fault {
	return &Fault{Kind: FaultUnsupported, Origin: FromConnector, Message: message}
}

// Broken says that the vendor answered something that makes no sense.
func Broken(message string) *Fault {
	return &Fault{Kind: FaultRetry, Origin: FromVendor, Reason: "BROKEN_ANSWER", Message: message, After: 5 * time.Second}
}
