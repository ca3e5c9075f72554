package segment

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// faltering is a committer that fails now and then, before or after it has done what
// it was asked.
type faltering struct {
	event.Committer
	calls atomic.Int64
}

// CommitAll implements event.Committer.
func (f *faltering) CommitAll(ctx context.Context, ws string, events []event.SystemEvent, ops ...store.Op) ([]event.Result, error) {
	n := f.calls.Add(1)
	lost := core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the reply was lost")
	if n == 2 {
		return nil, lost
	}
	out, err := f.Committer.CommitAll(ctx, ws, events, ops...)
	if n == 3 && err == nil {
		return nil, lost
	}
	return out, err
}

func TestAnUploadGoesOnWhereItCameTo(t *testing.T) {
	f := &faltering{}
	o := newOffice(t, func(o *Options) {
		f.Committer = o.Committer
		o.Committer = f
	})
	o.people(400, countryOf)
	list := o.emptyList("x")
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "\"u%d@example.com\"\n", i)
	}
	c := o.upload(UploadInput{ID: list.SegmentID(), Format: NDJSON, Namespace: "email"}, text.String())
	require.Greater(t, f.calls.Load(), int64(4), "it failed twice")
	require.Equal(t, int64(400), c.Lines)
	require.Equal(t, int64(400), c.Added+c.Already)
	require.Equal(t, int64(100), c.Already, "the slice whose reply was lost had been committed")
	require.Equal(t, exactly(400), o.size(list))
	joined, err := o.Changes(o.ctx, o.ws, list.SegmentID(), core.Window{Limit: 1})
	require.NoError(t, err)
	require.Len(t, joined.Items, 1)
	n, err := o.CountChanges(o.ctx, o.ws, list.SegmentID())
	require.NoError(t, err)
	require.Equal(t, int64(400), n, "nobody came on it twice")
}
