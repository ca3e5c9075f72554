package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// TestAStalledSegmentIsRestored shows that nobody builds a segment, as after its job
// was cancelled, and has it built.
func TestAStalledSegmentIsRestored(t *testing.T) {
	w := newWorld(t)
	id := w.segment("x", fields{"trait": fields{"path": "country", "eq": "RO"}})
	read := func() any {
		return dig(w.ask(`query($id:ID!){segment(id:$id){status stalled}}`, fields{"id": id}), "segment")
	}
	require.Equal(t, fields{"status": "LIVE", "stalled": false}, read())
	seg, err := segment.Segments.Get(t.Context(), w.db, store.Key(w.ws, id))
	require.NoError(t, err)
	seg.Status = segment.Building
	require.NoError(t, work.Commit(t.Context(), w.db, segment.Segments.Replace(seg)))
	require.Equal(t, fields{"status": "BUILDING", "stalled": true}, read())

	d := w.ask(`mutation($id:ID!){restoreSegment(input:{id:$id}){job{id} userErrors{reason}}}`, fields{"id": id})
	require.Empty(t, dig(d, "restoreSegment", "userErrors"))
	require.NotNil(t, dig(d, "restoreSegment", "job"))
	w.idle()
	require.Equal(t, fields{"status": "LIVE", "stalled": false}, read())
}
