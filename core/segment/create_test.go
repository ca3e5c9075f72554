package segment

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

func countryOf(i int) string {
	return fmt.Sprintf(`"country":%q,"age":%d`, []string{"RO", "DE", "FR"}[i%3], 20+i%50)
}

func TestANewSegmentHasItsMembersAtOnce(t *testing.T) {
	o := newOffice(t)
	people := o.people(30, countryOf)
	out, err := o.Create(o.ctx, o.ws, CreateInput{Name: "  Romanians ", Where: o.tree(inRomania), Tags: []string{"b", " a ", "b"}})
	require.NoError(t, err)
	seg := out.Segment
	require.Equal(t, Live, seg.Status, "the answer waits for a quick job")
	require.Equal(t, "Romanians", seg.Name)
	require.Equal(t, []string{"a", "b"}, seg.Tags)
	require.NotEmpty(t, out.Job)
	require.Equal(t, out.Job, seg.Backfill)
	require.Equal(t, exactly(10), o.size(seg))
	require.Contains(t, o.ids(seg.SegmentID()), people[0])
	require.NotContains(t, o.ids(seg.SegmentID()), people[1])

	words, err := o.Words(o.ctx, o.ws, seg)
	require.NoError(t, err)
	require.Contains(t, words, "country")
	again := o.tree(seg.Where)
	n, faults, _ := condition.Faults(again, nil, condition.Options{})
	require.Empty(t, faults, "the stored condition can be sent again")
	require.NotNil(t, n)

	o.send(`{"type":"identify","userId":"u1","traits":{"country":"RO"}}`)
	require.Contains(t, o.ids(seg.SegmentID()), people[1])
	require.Equal(t, exactly(11), o.size(seg))
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	o := newOffice(t)
	o.people(3, countryOf)
	_, err := o.Create(o.ctx, o.ws, CreateInput{Name: " ", TimeZone: "Mars/Olympus", Where: o.tree(
		`{"and":[{"trait":{"path":"age","startsWith":"4"}},{"segment":{"id":"seg_00000000000000000000000000"}}]}`)})
	got := reasons(err)
	require.Len(t, got, 4, "%v", got)
	require.Contains(t, got, "NAME [name]")
	require.Contains(t, got, "TIME_ZONE [timeZone]")
	require.Contains(t, fmt.Sprint(got), "[where and 0")
	require.Contains(t, fmt.Sprint(got), "[where and 1 segment")

	for _, odd := range []string{"a\x00b", "two\nlines", "\xff"} {
		_, err = o.Create(o.ctx, o.ws, CreateInput{Name: odd, Tags: []string{odd}, Where: o.tree(inRomania)})
		require.Equal(t, []string{"NAME [name]", "TAG [tags]"}, reasons(err), "%q", odd)
	}

	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x"})
	require.Equal(t, []string{"CONDITION_MISSING [where]"}, reasons(err))
	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x", Kind: Static, Where: o.tree(inRomania)})
	require.Equal(t, []string{"STATIC_WHERE [where]"}, reasons(err))
	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x", Kind: Predictive, Where: o.tree(inRomania)})
	require.Equal(t, []string{"NOT_PREDICTIVE [where]"}, reasons(err))
	_, err = o.Create(o.ctx, o.ws, CreateInput{Name: "x", Kind: "ODD", Where: o.tree(inRomania)})
	require.Contains(t, reasons(err), "KIND [kind]")
	page, n, err := o.List(o.ctx, o.ws, Filter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, page.Items, "nothing of it was kept")
}

func TestWarningsDoNotStopASegment(t *testing.T) {
	o := newOffice(t)
	o.people(3, countryOf)
	out, err := o.Create(o.ctx, o.ws, CreateInput{Name: "x", Where: o.tree(
		`{"or":[{"trait":{"path":"contry","eq":"RO"}},{"event":{"name":"Ordered","window":{"last":"P7D"}}}]}`)})
	require.NoError(t, err)
	require.Len(t, out.Warnings, 2)
	require.Equal(t, []string{"where", "or", "0"}, out.Warnings[0].Path[:3])
}

func TestAnIdempotencyKeyMakesOneSegment(t *testing.T) {
	o := newOffice(t)
	o.people(3, countryOf)
	in := CreateInput{Name: "x", Where: o.tree(inRomania), IdempotencyKey: "k1"}
	first, err := o.Create(o.ctx, o.ws, in)
	require.NoError(t, err)
	second, err := o.Create(o.ctx, o.ws, in)
	require.NoError(t, err)
	require.Equal(t, first.Segment.SegmentID(), second.Segment.SegmentID())
	require.Equal(t, first.Job, second.Job)
	in.Name = "y"
	_, err = o.Create(o.ctx, o.ws, in)
	require.Equal(t, []string{"IDEMPOTENCY_KEY_REUSED [idempotencyKey]"}, reasons(err))
}

func TestTwoAtOnceWithOneKeyMakeOneSegment(t *testing.T) {
	o := newOffice(t)
	in := CreateInput{Name: "x", Where: o.tree(inRomania), IdempotencyKey: "k1"}
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			out, err := o.Create(o.ctx, o.ws, in)
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- out.Segment.SegmentID()
		}()
	}
	first := <-ids
	require.Equal(t, core.PrefixSegment, core.IDPrefix(first), first)
	for range cap(ids) - 1 {
		require.Equal(t, first, <-ids)
	}
}

func TestAPredictiveSegmentAsksForAPrediction(t *testing.T) {
	o := newOffice(t)
	out, err := o.Create(o.ctx, o.ws, CreateInput{Name: "Leaving", Kind: Predictive, Where: o.tree(`{"prediction":{"path":"churn","gte":0.8}}`)})
	require.NoError(t, err)
	require.Equal(t, Predictive, out.Segment.Kind)
}

func TestASegmentOverEventsFollowsThem(t *testing.T) {
	o := newOffice(t)
	people := o.people(3, countryOf)
	now := time.Now()
	o.send(order("u0", 60, now.Add(-time.Hour)), order("u0", 70, now.Add(-2*time.Hour)), order("u1", 80, now.Add(-time.Hour)))
	seg := o.create("Twice", `{"event":{"name":"Order Completed","where":[{"path":"total","gte":50}],"count":{"gte":2},"window":{"last":"P30D"}}}`)
	require.Equal(t, []string{people[0]}, o.ids(seg.SegmentID()))
	o.send(order("u1", 51, now))
	require.Equal(t, exactly(2), o.size(seg))
}
