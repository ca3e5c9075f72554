package mongo

import (
	"log/slog"
	"net/url"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/bare"
)

// DefaultDatabase is used when the connection string names none.
const DefaultDatabase = "headwater"

// Options says which server to use.
type Options struct {
	// URI is a MongoDB connection string, passed to the driver untouched; its path
	// names the database. It is never printed: it may hold a password.
	URI string
	// Clock gives the time of changes; nil is the machine's.
	Clock core.Clock
	// Log takes the warning about a short oplog; nil is slog.Default().
	Log *slog.Logger

	bare *bare.Permit
}

// WithoutTransactions returns options that let a standalone server in and run
// batches one after the other without a transaction. Its argument can be named by
// the tests beneath this folder only: it exists to prove queries, indexes and
// encoding against a server that has no transactions, and is no way to keep data.
func (o Options) WithoutTransactions(p bare.Permit) Options {
	o.bare = &p
	return o
}

// databaseName returns the database that a connection string names.
func databaseName(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok || (scheme != "mongodb" && scheme != "mongodb+srv") {
		return "", badURI(uri, nil)
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	_, path, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(path)
	if err != nil {
		return "", badURI(uri, nil)
	}
	if name == "" {
		return DefaultDatabase, nil
	}
	if len(name) > 63 || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00") {
		return "", core.Errorf(core.Invalid, "MONGO_DATABASE",
			"the database name in the MongoDB connection string must have at most 63 characters and none of / \\ . \" $ * < > : | ? or a space")
	}
	return name, nil
}

// badURI says what a connection string looks like. The driver's own words are
// kept only when the string holds no credentials, because they may quote it.
func badURI(uri string, err error) *core.Error {
	e := core.Errorf(core.Invalid, "MONGO_URI",
		"the MongoDB connection string cannot be read; it looks like mongodb://[user:password@]host[:port][,host...]/database[?options], with special characters of the password percent-encoded")
	if err != nil && !strings.Contains(uri, "@") {
		return e.Wrap(err)
	}
	return e
}
