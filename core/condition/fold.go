package condition

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// LedgerEvent is an event of a ledger's name, to be folded.
type LedgerEvent struct {
	ID         string // evt_…
	At         time.Time
	Properties bson.Raw
}

// LedgerFold folds events into ledgers of one spec. It is safe for concurrent use;
// the ledgers are not.
type LedgerFold struct{ spec *LedgerSpec }

// CompileLedger prepares the folding of a ledger. The error is a *core.Error.
func CompileLedger(spec *LedgerSpec) (*LedgerFold, error) { return &LedgerFold{spec: spec}, nil }

// Add folds an event that has the ledger's name and was not added before. It tells
// whether the ledger is another one now.
func (f *LedgerFold) Add(l *Ledger, e LedgerEvent, now time.Time) (changed bool) { return false }

// Prune drops what Keep does not need at now and later, and moves what only the
// totals need into Total.
func (f *LedgerFold) Prune(l *Ledger, now time.Time) {}
