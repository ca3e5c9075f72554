package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
)

func TestTheMembersOfAnArchivedSegmentStay(t *testing.T) {
	o := newOffice(t)
	people := o.people(9, countryOf)
	seg := o.create("Romanians", inRomania)
	list := o.emptyList("VIP")
	_, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(0), email(1), email(3)})
	require.NoError(t, err)
	for _, id := range []string{seg.SegmentID(), list.SegmentID()} {
		_, err := o.Archive(o.ctx, o.ws, id, nil)
		require.NoError(t, err)
	}
	o.send(`{"type":"identify","userId":"u0","traits":{"country":"FR"}}`, `{"type":"identify","userId":"u1","traits":{"country":"RO"}}`)
	require.ElementsMatch(t, []string{people[0], people[3], people[6]}, o.ids(seg.SegmentID()))
	_, err = o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(5)})
	require.Equal(t, []string{"ARCHIVED [id]"}, reasons(err))
	stays, err := o.MembershipsOf(o.ctx, o.ws, people[0], false)
	require.NoError(t, err)
	require.Empty(t, stays, "it is no segment that the person is in any more")
	_, err = o.profiles.Merge(o.ctx, o.ws, profile.MergeInput{WinnerID: people[4], LoserID: people[3], Reason: "one person"})
	require.NoError(t, err)
	o.send(`{"type":"identify","userId":"u4","traits":{"country":"DE"}}`)
	differences, err := o.Check(o.ctx, o.ws)
	require.NoError(t, err)
	require.Empty(t, differences)

	for _, id := range []string{seg.SegmentID(), list.SegmentID()} {
		out, err := o.Restore(o.ctx, o.ws, id, nil)
		require.NoError(t, err)
		require.Equal(t, Live, o.settled(out).Status)
	}
	require.ElementsMatch(t, []string{people[1], people[6]}, o.ids(seg.SegmentID()), "u3 is u4 now, of Germany")
	require.ElementsMatch(t, []string{people[0], people[1], people[4]}, o.ids(list.SegmentID()))
	require.Equal(t, exactly(3), o.size(list))
	differences, err = o.Check(o.ctx, o.ws)
	require.NoError(t, err)
	require.Empty(t, differences)
}
