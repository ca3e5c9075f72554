package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Code is the class of an error, the same in Go, GraphQL and HTTP.
type Code string

// The codes. A caller branches on Code and, where it needs to be exact, on
// Reason; messages are for people.
const (
	Unauthenticated Code = "UNAUTHENTICATED"
	Forbidden       Code = "FORBIDDEN"
	ConsentRequired Code = "CONSENT_REQUIRED"
	NotFound        Code = "NOT_FOUND"
	Invalid         Code = "INVALID"
	Conflict        Code = "CONFLICT"
	RateLimited     Code = "RATE_LIMITED"
	TooComplex      Code = "TOO_COMPLEX"
	Unavailable     Code = "UNAVAILABLE"
	Internal        Code = "INTERNAL"
	CursorExpired   Code = "CURSOR_EXPIRED"
)

// Error is the one error type that leaves the domain. Message says what is
// wrong and what would be right, and never holds a personal value.
type Error struct {
	Code       Code
	Reason     string        // stable, UPPER_SNAKE, to branch on
	Message    string        // for people
	Path       []string      // of the culprit in the input, outermost first
	RetryAfter time.Duration // for RATE_LIMITED and UNAVAILABLE; 0 when unknown
	Err        error         // the cause, for logs only
}

// Errorf makes an Error.
func Errorf(code Code, reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string {
	s := string(e.Code) + " " + e.Reason + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is find any Error with the code and the reason of the target.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Reason == e.Reason
}

// At returns a copy of e whose path has the given elements before its own: each
// layer adds what it knows on the way out.
func (e *Error) At(path ...string) *Error {
	c := *e
	c.Path = append(slices.Clone(path), e.Path...)
	return &c
}

// Wrap returns a copy of e with cause as its cause.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}

// After returns a copy of e that says when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// AsError finds the Error in err's chain. A context that ended is UNAVAILABLE;
// anything else unknown is INTERNAL with a message that gives nothing away.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Errorf(Unavailable, "TIMEOUT", "the request ended before its answer was ready; try again").Wrap(err)
	}
	return Errorf(Internal, "INTERNAL", "internal error").Wrap(err)
}

// CodeOf returns the code of err, or "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
