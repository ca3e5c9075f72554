package segment

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
)

// witness hears what is shown.
type witness struct{ people []string }

func (w *witness) Saw(_ context.Context, s audit.Seen) error {
	w.people = append(w.people, s.Profiles...)
	return nil
}

func (w *witness) Asked(string, string) {}

func heard(ctx context.Context) context.Context { return audit.WithWitness(ctx, &witness{}) }

// TestRowsFollowTheGate compares every operation that lists or counts people with who
// may be seen: for a purpose that requires consent, within limits, and with somebody
// whose processing is restricted.
func TestRowsFollowTheGate(t *testing.T) {
	o := guardedOffice(t)
	ids := o.guardedPeople()
	ana, ben, eva := ids[0], ids[1], ids[2]
	seg := o.create("all", `{"bucket":{"salt":"a","from":0,"to":10000}}`)
	other := o.create("old", `{"trait":{"path":"age","gte":30}}`) // Ana and Ben
	gone := o.create("gone", `{"trait":{"path":"age","gte":40}}`)
	_, err := o.Archive(o.ctx, o.ws, gone.SegmentID(), nil)
	require.NoError(t, err)
	limited := func(l core.Limits) func(*core.Actor) { return func(a *core.Actor) { a.Limits = l } }
	cases := map[string]struct {
		ctx  context.Context
		want []string
	}{
		"everybody":            {o.as("operations", nil), []string{ana, ben, eva}},
		"who agreed":           {o.as("marketing", nil), []string{ana}},
		"an unknown purpose":   {o.as("nothing", nil), nil},
		"of an owner":          {o.as("operations", nil, limited(core.Limits{Owners: []string{"eve"}})), []string{ana, eva}},
		"of a segment":         {o.as("operations", nil, limited(core.Limits{Segments: []string{other.SegmentID()}})), []string{ana, ben}},
		"of both":              {o.as("operations", nil, limited(core.Limits{Owners: []string{"bob"}, Segments: []string{other.SegmentID()}})), []string{ben}},
		"of an archived one":   {o.as("operations", nil, limited(core.Limits{Segments: []string{gone.SegmentID()}})), nil},
		"of no such segment":   {o.as("operations", nil, limited(core.Limits{Segments: []string{"seg_NONE"}})), nil},
		"masked, of a segment": {o.as("operations", map[core.Category]core.Decision{core.Contact: refused}, limited(core.Limits{Segments: []string{other.SegmentID()}})), []string{ana, ben}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { o.rowsCompare(c.ctx, t, ids, seg, other, c.want) })
	}
	_, err = o.pipeline.Commit(o.ctx, o.ws, event.Input{Type: event.System, Name: event.NameProcessingRestricted, MessageID: "restrict", Properties: raw(t, bson.D{})}, ben)
	require.NoError(t, err)
	t.Run("not the restricted", func(t *testing.T) {
		o.rowsCompare(o.as("operations", nil), t, ids, seg, other, []string{ana, eva})
	})
	t.Run("all for compliance", func(t *testing.T) { o.rowsCompare(o.as("compliance", nil), t, ids, seg, other, ids) })
	t.Run("all for the system", func(t *testing.T) { o.rowsCompare(o.ctx, t, ids, seg, other, ids) })
}

func raw(t *testing.T, d bson.D) bson.Raw {
	out, err := bson.Marshal(d)
	require.NoError(t, err)
	return out
}

// rowsCompare compares what an actor is told with whom the actor may see. seg holds
// everybody, other the first two of ids.
func (o *office) rowsCompare(ctx context.Context, t *testing.T, ids []string, seg, other *Segment, want []string) {
	w := &witness{}
	ctx = audit.WithWitness(ctx, w)
	want = slices.Sorted(slices.Values(want))
	n := int64(len(want))
	both := int64(len(slices.DeleteFunc(slices.Clone(want), func(id string) bool { return id == ids[2] })))
	all := o.tree(`{"bucket":{"salt":"z","from":0,"to":10000}}`)

	for _, in := range []PeopleInput{{}, {Where: all}, {SegmentID: seg.SegmentID()}, {SegmentID: seg.SegmentID(), Where: all}, {Descending: true}} {
		var got []string
		win := core.Window{Limit: 1}
		for range 10 {
			page, err := o.People(ctx, o.ws, in, win)
			require.NoError(t, err)
			for _, p := range page.Items {
				got = append(got, p.ProfileID())
			}
			if win.After = page.End; !page.HasNext {
				break
			}
		}
		slices.Sort(got)
		require.Equal(t, want, append([]string(nil), got...), "%+v", in)
		count, err := o.CountPeople(ctx, o.ws, in)
		require.NoError(t, err)
		require.Equal(t, n, count, "%+v", in)
	}
	p, err := o.Preview(ctx, o.ws, PreviewInput{Where: all, SegmentID: other.SegmentID()})
	require.NoError(t, err)
	require.Equal(t, n, p.Count.Value)
	require.Equal(t, n-both, p.Entering.Value)
	require.ElementsMatch(t, want, p.Sample)
	p, err = o.Preview(ctx, o.ws, PreviewInput{Where: all, SegmentID: other.SegmentID(), Exact: true})
	require.NoError(t, err)
	require.Equal(t, n, p.Count.Value)

	for _, backward := range []bool{false, true} {
		var members, changes []string
		win := core.Window{Limit: 1, Backward: backward}
		for range 10 {
			page, err := o.Members(ctx, o.ws, seg.SegmentID(), win)
			require.NoError(t, err)
			for _, m := range page.Items {
				members = append(members, m.Profile)
			}
			if win.After = page.End; backward {
				win.After, win.Before = "", page.Start
			}
			if !backward && !page.HasNext || backward && !page.HasPrev {
				break
			}
		}
		slices.Sort(members)
		require.Equal(t, want, members)
		list, err := o.Changes(ctx, o.ws, seg.SegmentID(), core.Window{Limit: 50, Backward: backward})
		require.NoError(t, err)
		for _, c := range list.Items {
			changes = append(changes, c.Profile)
		}
		slices.Sort(changes)
		require.Equal(t, want, slices.Compact(changes))
	}
	count, err := o.CountMembers(ctx, o.ws, seg.SegmentID())
	require.NoError(t, err)
	require.Equal(t, n, count)
	count, err = o.CountChanges(ctx, o.ws, seg.SegmentID())
	require.NoError(t, err)
	require.Equal(t, n, count)
	size, err := o.Size(ctx, o.ws, seg)
	require.NoError(t, err)
	require.Equal(t, exactly(n), size, "who is hidden is not in the size")
	by, err := o.look(ctx, o.ws)
	require.NoError(t, err)
	whose, err := by.audience()
	require.NoError(t, err)
	if !whose.everybody() {
		size, err = o.sizeFor(ctx, by, whose, seg, exactly(int64(len(ids))), 0)
		require.NoError(t, err)
		require.Equal(t, n, size.Value, "nor where it is large")
	}

	over, err := o.Overlap(ctx, o.ws, []string{seg.SegmentID(), other.SegmentID()})
	require.NoError(t, err)
	require.Equal(t, []int64{n, both}, over.Totals)
	require.Equal(t, []int64{n, both}, []int64{over.Any, over.All})

	for _, fields := range [][]string{nil, {"profileId", "traits.plan"}} {
		var out bytes.Buffer
		_, err = o.Export(ctx, o.ws, ExportInput{SegmentID: seg.SegmentID(), Format: NDJSON, Fields: fields}, func(b []byte) error { out.Write(b); return nil })
		require.NoError(t, err)
		for _, id := range ids {
			require.Equal(t, slices.Contains(want, id), strings.Contains(out.String(), id), "%s %v", id, fields)
		}
	}

	stored, err := Changes.Find(o.ctx, o.db, everyKey(o.ws, seg.SegmentID()+"/"), 0)
	require.NoError(t, err)
	told, err := o.Heard(ctx, o.ws, seg.SegmentID(), append(stored, nil))
	require.NoError(t, err)
	for i, c := range stored {
		require.Equal(t, slices.Contains(want, c.Profile), told[i] != nil)
	}
	for i, id := range ids {
		may := slices.Contains(want, id)
		stays, err := o.MembershipsOf(ctx, o.ws, id, true)
		require.NoError(t, err)
		require.Equal(t, may, len(stays) > 0, "person %d", i)
		many, err := o.PresentMemberships(ctx, o.ws, []string{id})
		require.NoError(t, err)
		require.Equal(t, may, len(many[0]) > 0)
		_, err = o.Explain(ctx, o.ws, seg.SegmentID(), id)
		if may {
			require.NoError(t, err)
		} else {
			require.Equal(t, core.NotFound, core.CodeOf(err), "no different from one who is not there")
		}
	}
	for _, id := range w.people {
		require.Contains(t, want, id, "the audit was told of somebody who was not shown")
	}
}

// BenchmarkSight compares previews and pages of people for a part of the system, for
// whoever may read everything, and for whoever each person must be asked about.
func BenchmarkSight(b *testing.B) {
	o := guardedOffice(b)
	o.people(3000, func(i int) string { return fmt.Sprintf(`"plan":"pro","n":%d`, i) })
	require.NoError(b, o.events.Flush(o.ctx, o.ws))
	where := o.tree(`{"trait":{"path":"plan","eq":"pro"}}`)
	for name, ctx := range map[string]context.Context{
		"system": o.ctx, "full": heard(o.as("operations", nil)), "each": heard(o.as("analytics", nil)),
	} {
		b.Run("preview/"+name, func(b *testing.B) {
			for b.Loop() {
				p, err := o.Preview(ctx, o.ws, PreviewInput{Where: where, Exact: true})
				require.NoError(b, err)
				require.EqualValues(b, 3000, p.Count.Value)
			}
		})
		b.Run("people/"+name, func(b *testing.B) {
			for b.Loop() {
				_, err := o.People(ctx, o.ws, PeopleInput{Where: where}, core.Window{Limit: 100})
				require.NoError(b, err)
			}
		})
	}
}

// whole is the sight of a part of the system.
func (o *office) whole() *sight {
	by, err := o.look(o.ctx, o.ws)
	require.NoError(o.t, err)
	return by
}
