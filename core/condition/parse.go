package condition

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// MaxFaults is how many faults of one condition are told at once.
const MaxFaults = 20

// Parse reads a condition from a decoded JSON tree: maps, slices, text, booleans,
// nil and numbers (json.Number, int64, float64, …), or what a GraphQL server hands
// over for an input of that shape. The error is a *core.Error with code INVALID
// whose path is relative to the condition; it is the first of what Faults finds
// without a vocabulary. Field nodes are allowed.
func Parse(v any) (*Node, error) {
	r := reader{lenient: true}
	n := r.condition(v)
	if len(r.faults) > 0 {
		return nil, r.faults[0]
	}
	return n, nil
}

// ParseJSON reads a condition from JSON text. Numbers stay exact.
func ParseJSON(text []byte) (*Node, error) {
	v, err := decode(text)
	if err != nil {
		return nil, err
	}
	return Parse(v)
}

// Faults reads a condition and checks it against what the workspace knows (voc may
// be nil) and what it is for. It returns everything that is wrong at once, at most
// MaxFaults, and the node only when nothing is. Faults and warnings come in the
// order of the condition, the keys of an object by name.
func Faults(v any, voc Vocabulary, o Options) (n *Node, faults []*core.Error, warnings []Warning) {
	r := reader{voc: voc, opt: o}
	n = r.condition(v)
	if len(r.faults) > 0 {
		return nil, r.faults, r.warnings
	}
	return n, nil, r.warnings
}

// decode reads one JSON value that is all of the text.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, core.Errorf(core.Invalid, ReasonJSON, "a condition is one JSON object").Wrap(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, core.Errorf(core.Invalid, ReasonJSON, "a condition is one JSON object and nothing after it")
	}
	return v, nil
}

// reader reads one condition. It never stops at a fault: what it returns for a
// part that is wrong is thrown away with the rest.
type reader struct {
	voc      Vocabulary
	opt      Options
	lenient  bool // Options do not apply
	path     []string
	nodes    int
	bytes    int
	depth    int  // nodes above each other
	full     bool // over a limit, or of faults: read no further
	faults   []*core.Error
	warnings []Warning
}

// fault records that what lies at the path is wrong.
func (r *reader) fault(reason, format string, args ...any) {
	if len(r.faults) < MaxFaults {
		e := core.Errorf(core.Invalid, reason, format, args...)
		e.Path = slices.Clone(r.path)
		r.faults = append(r.faults, e)
	}
	r.full = r.full || len(r.faults) == MaxFaults
}

// warn records that what lies at the path may be a mistake.
func (r *reader) warn(reason, message string) {
	if len(r.warnings) < MaxFaults {
		r.warnings = append(r.warnings, Warning{Reason: reason, Message: message, Path: slices.Clone(r.path)})
	}
}

// at reads something below the path.
func (r *reader) at(key string, read func()) {
	r.path = append(r.path, clip(key))
	read()
	r.path = r.path[:len(r.path)-1]
}
