package audit_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// people are n profile ids that nobody else of the test has.
func people(entry, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("prof_%d_%d", entry, i)
	}
	return out
}

// TestMuchThatWaitsGoesInPartByPart lets entries pile up that are, eight documents of
// them, more than a batch holds.
func TestMuchThatWaitsGoesInPartByPart(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred thousand people")
	}
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	const documents, each = 8, 64
	for d := range documents {
		var entries []audit.Entry
		for i := range each {
			entries = append(entries, audit.Entry{Action: "query.profiles", Subjects: people(d*each+i, 200)})
		}
		require.NoError(t, p.WriteAll(as(t, "key_1"), entries))
	}
	require.NoError(t, p.Settle(t.Context(), ws))
	require.Len(t, all(t, p.Log, audit.Filter{Action: "query.profiles"}), documents*each)
	require.Len(t, all(t, p.Log, audit.Filter{ProfileID: "prof_511_199"}), 1)
}

// TestManySetsGoInPartByPart has more sets of people than a batch has operations, and
// one that no batch holds.
func TestManySetsGoInPartByPart(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	for i := range 600 {
		op, err := p.Op(as(t, "key_1"), audit.Entry{Action: "export.segment", Subjects: people(i, 450)})
		require.NoError(t, err)
		require.NoError(t, commitOps(t, p.db, op))
	}
	if !testing.Short() {
		require.NoError(t, p.WriteAll(as(t, "key_1"), []audit.Entry{{Action: "export.all", Subjects: people(1000, 1_100_000)}, {Action: "query.x"}}))
	}
	require.NoError(t, p.Settle(t.Context(), ws))
	require.Len(t, all(t, p.Log, audit.Filter{Action: "export.segment"}), 600)
	require.Len(t, all(t, p.Log, audit.Filter{ProfileID: "prof_599_449"}), 1)
	if !testing.Short() {
		require.Len(t, all(t, p.Log, audit.Filter{ProfileID: "prof_1000_1099999"}), 1)
	}
	_, err := verify(export(t, p, audit.ExportInput{Format: audit.JSONL}), auditverify.Options{Keys: []string{vkey(t, p)}})
	require.NoError(t, err)
}
