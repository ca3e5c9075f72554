package template

import "time"

// The limits of a template and of a render.
const (
	MaxSource     = 256 << 10              // bytes, blocks included
	MaxDepth      = 12                     // of tags within tags
	MaxNodes      = 4000                   // outputs and tags
	MaxBranches   = 50                     // of one if or case
	MaxExpression = 2000                   // bytes
	MaxFilters    = 20                     // of one expression
	MaxLookups    = 20                     // object tags
	MaxSteps      = 20_000                 // of a render: outputs, conditions, turns of loops
	MaxOutput     = 1 << 20                // bytes
	MaxLine       = 500                    // characters of a line
	MaxValue      = 64 << 10               // bytes of a text that a filter, a capture or an assignment makes
	MaxElements   = 10_000                 // of a list that a filter makes or reads
	MaxTime       = 250 * time.Millisecond // of a render
	maxDataDepth  = 32
)

// Kind says what a template makes, and so how its outputs are escaped.
type Kind string

// The kinds.
const (
	HTML Kind = "HTML" // escaped for where it stands in the markup
	Text Kind = "TEXT" // nothing escaped; no control characters but line ends and tabs
	Line Kind = "LINE" // one line: a subject, a title, a name; no control characters at all
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	LevelError   Level = "ERROR"   // it cannot be published
	LevelWarning Level = "WARNING" // it may be meant so
)

// Finding is something that is wrong with a template.
type Finding struct {
	Block   string // the reusable block that it stands in; "" for the template itself
	Line    int    // from 1
	Column  int    // in characters, from 1
	Level   Level
	Code    string // one of the Code constants
	Message string // for people: what is wrong, and what would be right
}

// The codes of findings.
const (
	CodeSyntax        = "SYNTAX"
	CodeUnknownTag    = "UNKNOWN_TAG"
	CodeUnknownFilter = "UNKNOWN_FILTER"
	CodeLimit         = "LIMIT"
	CodeRange         = "RANGE"
	CodeShadow        = "SHADOWS_DATA"
	CodeUnsafePlace   = "UNSAFE_PLACE"
	CodeUnknownBlock  = "UNKNOWN_BLOCK"
	CodeLookup        = "LOOKUP"
	CodeUnknownRoot   = "UNKNOWN_ROOT"
	CodeUnknownField  = "UNKNOWN_FIELD"
	CodeUnknownType   = "UNKNOWN_TYPE"
	CodeNoFallback    = "NO_FALLBACK"
)

// Errors reports whether one of the findings is an error.
func Errors(found []Finding) bool {
	for _, f := range found {
		if f.Level == LevelError {
			return true
		}
	}
	return false
}
