package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/headwater-cdp/headwater/core/store"
)

// The labels that the server puts on errors of transactions.
const (
	transientLabel = "TransientTransactionError"
	unknownLabel   = "UnknownTransactionCommitResult"
)

// The server's error codes that the engine acts on.
const (
	codeNamespaceExists   = 48
	codeUnauthorized      = 13
	codeCommandNotFound   = 59
	codeNotSupported      = 115
	codeOptionsConflict   = 85
	codeKeySpecsConflict  = 86
	codeDuplicateKey      = 11000
	codeHistoryLost       = 286
	codeStreamFatal       = 280
	codeCappedLost        = 136
	codeSnapshotTooOld    = 239
	codeWriteConflict     = 112
	codeNoSuchTransaction = 251
)

// unavailable are the codes of a server that cannot answer now: it is stepping
// down, shutting down, starting, electing, out of time, or out of space.
var unavailable = []int{
	6, 7, 9001, 89, 91, 189, 10107, 13435, 13436, 11600, 11602, // network, not primary, shutting down
	50, 202, 262, 24, 46, // out of time, locked
	64, 79, 100, 133, 134, 246, // no majority, no suitable member, no snapshot yet
	codeWriteConflict, 225, codeNoSuchTransaction, 290, // a transaction that the server gave up
	365, 371, 433, 449, 462, // overloaded, writes blocked
	14031, // no space left
}

// tooLarge are the codes of a document or a transaction beyond the server's limits.
var tooLarge = []int{257, 388, 10334, 17419, 17420, 17280}

// translate gives an error of the driver the port's meaning. Of what the server
// says it keeps the code and its name only: messages quote keys and values.
func translate(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if ours(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("mongo: %s: %w", op, context.Cause(ctx))
	}
	if codes := codesOf(err); len(codes) > 0 {
		what := fmt.Sprintf("mongo: %s: the server answered %d %s", op, codes[0], nameOf(err))
		switch {
		case hasAny(codes, codeHistoryLost, codeStreamFatal, codeCappedLost):
			return store.ErrTokenExpired
		case hasAny(codes, tooLarge...):
			return fmt.Errorf("%w: %s", store.ErrTooLarge, what)
		case hasAny(codes, unavailable...) || labelled(err, transientLabel) || labelled(err, unknownLabel) || outOfSpace(err):
			return fmt.Errorf("%w: %s", store.ErrUnavailable, what)
		}
		return errors.New(what)
	}
	var marshal driver.MarshalError
	if errors.As(err, &marshal) {
		return fmt.Errorf("mongo: %s: encode a command", op)
	}
	// What is left is about the way to the server: no address answers, no primary,
	// a connection that broke, a time that ran out. It names hosts, never values.
	return fmt.Errorf("%w: mongo: %s: %w", store.ErrUnavailable, op, err)
}

// ours reports whether err speaks the port's language already.
func ours(err error) bool {
	for _, e := range []error{store.ErrConflict, store.ErrTooLarge, store.ErrUnavailable, store.ErrTokenExpired, store.ErrBadCursor} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// codesOf returns the server's codes in err, none when no server answered.
func codesOf(err error) []int {
	var coded interface{ ErrorCodes() []int }
	if errors.As(err, &coded) {
		return slices.DeleteFunc(coded.ErrorCodes(), func(c int) bool { return c == 0 })
	}
	return nil
}

func hasAny(codes []int, want ...int) bool {
	return slices.ContainsFunc(codes, func(c int) bool { return slices.Contains(want, c) })
}

func hasCode(err error, want ...int) bool { return hasAny(codesOf(err), want...) }

func nameOf(err error) string {
	var c driver.CommandError
	if errors.As(err, &c) {
		return c.Name
	}
	return ""
}

// labelled reports whether the server put the label on err. A bulk across
// collections carries its labels in the raw answer only.
func labelled(err error, label string) bool {
	var l driver.LabeledError
	if errors.As(err, &l) && l.HasErrorLabel(label) {
		return true
	}
	var bulk driver.ClientBulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteError == nil {
		return false
	}
	var answer struct {
		Labels []string `bson:"errorLabels"`
	}
	if bson.Unmarshal(bulk.WriteError.Raw, &answer) != nil {
		return false
	}
	return slices.Contains(answer.Labels, label)
}

// outOfSpace recognises a full device that the server reports under a general
// code with the system's words.
func outOfSpace(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "no space left on device")
}
