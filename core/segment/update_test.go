package segment

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

func ptr[T any](v T) *T { return &v }

func TestADryRunTellsWhoWouldEnterAndLeave(t *testing.T) {
	o := newOffice(t)
	people := o.people(30, countryOf)
	seg := o.create("Romanians", inRomania)
	// German as well, but only until 30 years of age: i%3 is 0 or 1, and i < 11.
	where := o.tree(`{"and":[{"trait":{"path":"country","in":["RO","DE"]}},{"trait":{"path":"age","lte":30}}]}`)
	out, err := o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Where: where, DryRun: true, ExpectedVersion: ptr(int64(1))})
	require.NoError(t, err)
	p := out.Preview
	require.Equal(t, exactly(8), p.Count)
	require.Equal(t, exactly(4), *p.Entering, "u1, u4, u7, u10")
	require.Equal(t, exactly(6), *p.Leaving, "u12 … u27")
	require.Subset(t, people, p.Sample)
	require.Len(t, p.Sample, 8)
	require.Equal(t, exactly(10), o.size(seg), "nothing has changed")
	stored, err := o.Get(o.ctx, o.ws, seg.SegmentID())
	require.NoError(t, err)
	require.Equal(t, seg, stored)

	out, err = o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Where: where, ExpectedVersion: ptr(int64(1))})
	require.NoError(t, err)
	changed := o.settled(out)
	require.Equal(t, int64(2), changed.Version)
	require.Equal(t, Live, changed.Status)
	require.Equal(t, p.Count, o.size(changed))
	changes, err := o.Changes(o.ctx, o.ws, seg.SegmentID(), core.Window{Limit: 200})
	require.NoError(t, err)
	count := map[ChangeKind]int{}
	for _, c := range changes.Items[:10] {
		require.Equal(t, CauseDefinition, c.Cause)
		count[c.Change]++
	}
	require.Equal(t, map[ChangeKind]int{Entered: 4, Left: 6}, count, "as the dry run said")
}

func TestARenameCostsNothing(t *testing.T) {
	o := newOffice(t)
	o.people(3, countryOf)
	seg := o.create("Romanians", inRomania)
	out, err := o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Name: ptr("People of Romania"), Tags: ptr([]string{"x"}), Where: o.tree(inRomania)})
	require.NoError(t, err)
	require.Empty(t, out.Job)
	require.Equal(t, Live, out.Segment.Status)
	require.Equal(t, int64(2), out.Segment.Version)
	require.Equal(t, seg.Since, out.Segment.Since)
	same, err := o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Name: ptr("People of Romania")})
	require.NoError(t, err)
	require.Equal(t, int64(2), same.Segment.Version, "nothing changed")
	_, err = o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Name: ptr("x"), ExpectedVersion: ptr(int64(1))})
	require.Equal(t, []string{"VERSION_CONFLICT [expectedVersion]"}, reasons(err))
	_, err = o.Update(o.ctx, o.ws, UpdateInput{ID: "seg_00000000000000000000000000", Name: ptr("x")})
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestVersionsAreKeptAndComeBack(t *testing.T) {
	o := guardedOffice(t)
	o.people(6, countryOf)
	seg := o.create("x", inRomania)
	ctx := o.as("operations", nil, func(a *core.Actor) { a.ID = "key_1" })
	out, err := o.Update(ctx, o.ws, UpdateInput{ID: seg.SegmentID(), Where: o.tree(`{"trait":{"path":"country","eq":"DE"}}`), TimeZone: ptr("Europe/Berlin")})
	require.NoError(t, err)
	o.settled(out)
	page, err := o.Versions(o.ctx, o.ws, seg.SegmentID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	latest := page.Items[0]
	require.Equal(t, int64(2), latest.Number)
	require.Equal(t, "key_1", latest.By)
	require.Contains(t, latest.Words, "DE")
	require.Equal(t, "Europe/Berlin", latest.TimeZone)
	first, err := o.Version(o.ctx, o.ws, seg.SegmentID(), 1)
	require.NoError(t, err)
	require.Equal(t, seg.Where, first.Where)

	out, err = o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), RestoreVersion: ptr(int64(1))})
	require.NoError(t, err)
	back := o.settled(out)
	require.Equal(t, int64(3), back.Version)
	require.Equal(t, seg.Where, back.Where)
	require.Empty(t, back.TimeZone)
	require.Equal(t, exactly(2), o.size(back))
	_, err = o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), RestoreVersion: ptr(int64(9))})
	require.Equal(t, []string{"SEGMENT_VERSION [restoreVersion]"}, reasons(err))
	_, err = o.Update(o.ctx, o.ws, UpdateInput{ID: seg.SegmentID(), RestoreVersion: ptr(int64(1)), TimeZone: ptr("")})
	require.Equal(t, []string{"RESTORE_BOTH [restoreVersion]"}, reasons(err))
}

func TestACycleIsRefusedHoweverItComesAbout(t *testing.T) {
	o := newOffice(t)
	a := o.create("a", inRomania)
	b := o.create("b", `{"segment":{"id":"`+a.SegmentID()+`"}}`)
	refer := func(id string) any { return o.tree(`{"not":{"segment":{"id":"` + id + `"}}}`) }
	_, err := o.Update(o.ctx, o.ws, UpdateInput{ID: a.SegmentID(), Where: refer(b.SegmentID())})
	require.Len(t, reasons(err), 1)
	require.Contains(t, reasons(err)[0], "[where not segment")

	// Two changes at once, each fine without the other: one of them is refused.
	c, d := o.create("c", inRomania), o.create("d", inRomania)
	errs := make(chan error, 2)
	for _, pair := range [][2]string{{c.SegmentID(), d.SegmentID()}, {d.SegmentID(), c.SegmentID()}} {
		go func() {
			_, err := o.Update(o.ctx, o.ws, UpdateInput{ID: pair[0], Where: refer(pair[1])})
			errs <- err
		}()
	}
	one, two := <-errs, <-errs
	require.True(t, (one == nil) != (two == nil), "%v / %v", one, two)
}

func TestASegmentInUseIsNotArchived(t *testing.T) {
	o := newOffice(t)
	o.people(6, countryOf)
	a := o.create("Base", inRomania)
	b := o.create("Above", `{"segment":{"id":"`+a.SegmentID()+`"}}`)
	users, err := o.UsedBy(o.ctx, o.ws, a.SegmentID())
	require.NoError(t, err)
	require.Equal(t, []User{{ID: b.SegmentID(), Kind: "segment", Name: "Above"}}, users)
	_, err = o.Archive(o.ctx, o.ws, a.SegmentID(), nil)
	require.Equal(t, []string{"IN_USE [id]"}, reasons(err))
	require.ErrorContains(t, err, "Above")

	out, err := o.Archive(o.ctx, o.ws, b.SegmentID(), ptr(int64(1)))
	require.NoError(t, err)
	require.Equal(t, Archived, out.Segment.Status)
	_, err = o.Archive(o.ctx, o.ws, a.SegmentID(), nil)
	require.NoError(t, err)
	_, err = o.Restore(o.ctx, o.ws, b.SegmentID(), nil)
	require.Len(t, reasons(err), 1, "what it refers to is archived: %v", err)
	require.Contains(t, reasons(err)[0], "[where segment")
	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x", Where: o.tree(`{"segment":{"id":"` + a.SegmentID() + `"}}`)})
	require.Error(t, err)

	o.send(`{"type":"identify","userId":"u1","traits":{"country":"RO"}}`)
	require.Equal(t, exactly(2), o.size(a), "an archived segment is not evaluated")
	out, err = o.Restore(o.ctx, o.ws, a.SegmentID(), nil)
	require.NoError(t, err)
	require.Equal(t, exactly(3), o.size(o.settled(out)))
}

func TestWhatOthersUseIsNotArchived(t *testing.T) {
	o := newOffice(t)
	seg := o.create("x", inRomania)
	o.OnUses(func(_ context.Context, _, id string) ([]User, error) {
		return []User{{ID: "jrn_1", Kind: "journey", Name: "Welcome"}}, nil
	})
	_, err := o.Archive(o.ctx, o.ws, seg.SegmentID(), nil)
	require.ErrorContains(t, err, "journey jrn_1 (Welcome)")
}

func TestSegmentsAreListedByPageAndFilter(t *testing.T) {
	o := newOffice(t)
	var made []string
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		made = append(made, o.create(name, inRomania).SegmentID())
	}
	_, err := o.Archive(o.ctx, o.ws, made[1], nil)
	require.NoError(t, err)
	var got []string
	w := core.Window{Limit: 2}
	for {
		page, n, err := o.List(o.ctx, o.ws, Filter{Statuses: []Status{Live}}, w)
		require.NoError(t, err)
		require.Equal(t, int64(4), n)
		for _, seg := range page.Items {
			got = append(got, seg.SegmentID())
		}
		if !page.HasNext {
			require.True(t, page.HasPrev)
			w = core.Window{Limit: 1, Backward: true, Before: page.Cursors[0]}
			break
		}
		w.After = page.Cursors[1]
	}
	require.Equal(t, []string{made[4], made[3], made[2], made[0]}, got)
	page, _, err := o.List(o.ctx, o.ws, Filter{Statuses: []Status{Live}}, w)
	require.NoError(t, err)
	require.Equal(t, made[3], page.Items[0].SegmentID())
	require.True(t, page.HasPrev)
	page, n, err := o.List(o.ctx, o.ws, Filter{Text: "TH"}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
	require.Equal(t, "three", page.Items[0].Name)
	_, _, err = o.List(o.ctx, o.ws, Filter{}, core.Window{Limit: 10, After: "nonsense"})
	require.ErrorIs(t, err, store.ErrBadCursor)
}
