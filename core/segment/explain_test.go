package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

func TestWhySomebodyIsInASegment(t *testing.T) {
	o := newOffice(t)
	people := o.people(3, countryOf)
	now := time.Now()
	o.send(order("u0", 60, now.Add(-time.Hour)))
	where := `{"and":[` + inRomania + `,{"event":{"name":"Order Completed","window":{"last":"P1D"}}}]}`
	draft, err := o.ExplainWhere(o.ctx, o.ws, PreviewInput{Where: o.tree(where)}, people[0])
	require.NoError(t, err)
	require.True(t, draft.Member, "its ledger is folded from the events")
	require.False(t, draft.Stored)

	seg := o.create("x", where)
	e, err := o.Explain(o.ctx, o.ws, seg.SegmentID(), people[0])
	require.NoError(t, err)
	require.True(t, e.Member)
	require.True(t, e.Stored)
	require.WithinDuration(t, now, e.Since, time.Minute)
	require.Len(t, e.Root.Children, 2)
	require.Equal(t, []string{"and", "0"}, e.Root.Children[0].Path[:2])
	require.WithinDuration(t, now.Add(23*time.Hour), e.Next, time.Second, "the order leaves the window")
	require.Equal(t, draft.Root.Words, e.Root.Words)
	require.Equal(t, draft.Next, e.Next)

	e, err = o.Explain(o.ctx, o.ws, seg.SegmentID(), people[1])
	require.NoError(t, err)
	require.False(t, e.Member)
	require.False(t, e.Stored)
	require.True(t, e.Since.IsZero())

	for _, c := range []struct{ seg, prof, want string }{
		{"seg_00000000000000000000000000", people[0], "SEGMENT [segmentId]"},
		{"x", people[0], "SEGMENT [segmentId]"},
		{seg.SegmentID(), "prof_00000000000000000000000000", "PROFILE [profileId]"},
		{seg.SegmentID(), "nobody", "PROFILE [profileId]"},
	} {
		_, err := o.Explain(o.ctx, o.ws, c.seg, c.prof)
		require.Equal(t, core.NotFound, core.CodeOf(err))
		require.Equal(t, []string{c.want}, reasons(err))
	}
	_, err = o.ExplainWhere(o.ctx, o.ws, PreviewInput{Where: o.tree(`{"trait":{}}`)}, people[0])
	require.Equal(t, core.Invalid, core.CodeOf(err))
}

func TestWhySomebodyIsOnAList(t *testing.T) {
	o := newOffice(t)
	people := o.people(2, countryOf)
	list := o.emptyList("VIP")
	_, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(0)})
	require.NoError(t, err)
	for i, want := range []bool{true, false} {
		e, err := o.Explain(o.ctx, o.ws, list.SegmentID(), people[i])
		require.NoError(t, err)
		require.Equal(t, want, e.Member)
		require.Equal(t, want, e.Root.Value)
		require.Equal(t, want, e.Root.Decided != nil)
		require.Contains(t, e.Root.Words, "VIP")
	}
}
