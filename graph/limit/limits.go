package limit

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Limits are the bounds of one request. The zero value is useless; start from
// Default.
type Limits struct {
	Body       int64         // bytes of an HTTP body or of a websocket message
	Query      int           // bytes of the query's text
	Tokens     int           // tokens of the query's text
	Depth      int           // levels of fields
	Fields     int           // fields of all definitions, spreads expanded
	Roots      int           // fields at the top of one operation, spreads expanded
	Aliases    int           // aliases as written
	Directives int           // directives as written
	Fragments  int           // fragment definitions
	Operations int           // operations in one document
	Variables  int           // variables of one operation
	Pairs      int           // comparisons that validation has to make
	Values     int           // values in the JSON of the variables
	Nesting    int           // levels of the JSON of the variables
	Cost       int64         // see CostOf
	Timeout    time.Duration // for a query or a mutation, from its first byte read
	Streams    int           // live operations on one websocket
}

// Default is what a server starts with: room for a generous query of an
// application and for an ingest of a whole batch (500 KB).
func Default() Limits {
	return Limits{
		Body: 1 << 20, Query: 64 << 10, Tokens: 8000, Depth: 20, Fields: 2500, Roots: 50, Aliases: 200,
		Directives: 200, Fragments: 100, Operations: 20, Variables: 100, Pairs: 20000,
		Values: 100_000, Nesting: 64, Cost: 50_000, Timeout: 10 * time.Second, Streams: 50,
	}
}

// tooComplex is the error of every limit: what was found is counted up to the
// limit only, so the message tells the limit.
func tooComplex(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.TooComplex, reason, format, args...)
}
