package segment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// conditions that previews and segments are compared by.
func conditionsOf(list, nested string) []string {
	return []string{
		inRomania,
		`{"not":` + inRomania + `}`,
		`{"and":[{"trait":{"path":"age","gte":30}},{"trait":{"path":"address.city","eq":"Cluj"}}]}`,
		`{"trait":{"path":"address","exists":true}}`,
		`{"trait":{"path":"missing","neq":1,"missing":"INCLUDE"}}`,
		`{"bucket":{"salt":"x","from":0,"to":4000}}`,
		`{"bucket":{"salt":"","from":0,"to":4000}}`,
		`{"event":{"name":"Order Completed","where":[{"path":"total","gte":50}],"count":{"gte":2},"window":{"last":"P30D"}}}`,
		`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"total","value":{"gte":200}}}`,
		`{"stopped":{"name":"Order Completed","window":{"last":"P7D"}}}`,
		`{"firstTime":{"name":"Order Completed","window":{"last":"P5D"}}}`,
		`{"lastEvent":{"name":"Order Completed","where":[{"path":"total","lt":100}]}}`,
		`{"list":{"id":"` + list + `"}}`,
		`{"and":[{"segment":{"id":"` + nested + `"}},{"not":{"event":{"name":"Order Completed","window":{"last":"P3D"}}}}]}`,
		`{"consent":{"purpose":"marketing","status":"GRANTED"}}`,
	}
}

// crowd makes people with traits and orders.
func (o *office) crowd(n int) []string {
	r := rand.New(rand.NewPCG(7, 8))
	now := time.Now()
	ids := o.people(n, func(i int) string {
		extra := ""
		if i%4 == 0 {
			extra = `,"address":{"city":"Cluj","zip":"400"}`
		}
		return countryOf(i) + extra
	})
	var orders []string
	for i := range n {
		if i%7 == 0 {
			orders = append(orders, fmt.Sprintf(`{"type":"track","userId":"u%d","event":"Seen","context":{"consent":{"categoryPreferences":{"marketing":%v}}}}`, i, i%14 == 0))
		}
		for range r.IntN(4) {
			orders = append(orders, order(fmt.Sprintf("u%d", i), float64(r.IntN(200)), now.Add(-time.Duration(r.IntN(20*24))*time.Hour)))
		}
	}
	for len(orders) > 0 {
		k := min(300, len(orders))
		o.send(orders[:k]...)
		orders = orders[k:]
	}
	return ids
}

// TestPreviewsFindWhatSegmentsHold compares a preview before a segment is saved, when
// its ledgers are folded from events, with the segment's members, and with a preview
// after, when they are kept; and both ways of looking at everybody with each other.
func TestPreviewsFindWhatSegmentsHold(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := newOffice(t)
	people := o.crowd(700)
	list := o.emptyList("list")
	_, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(1), email(2), email(3)})
	require.NoError(t, err)
	nested := o.create("nested", `{"trait":{"path":"age","lt":40}}`)
	for i, where := range conditionsOf(list.SegmentID(), nested.SegmentID()) {
		before, err := o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(where), Exact: true})
		require.NoError(t, err, where)
		require.True(t, before.Count.Exact)
		require.Nil(t, before.Entering)
		seg := o.create(fmt.Sprint("s", i), where)
		members := o.ids(seg.SegmentID())
		require.Equal(t, exactly(int64(len(members))), before.Count, where)
		require.Subset(t, members, before.Sample, where)
		require.Len(t, before.Sample, min(PreviewSample, len(members)))
		if where != conditionsOf("", "")[4] {
			require.NotEmpty(t, members, where)
			require.Less(t, len(members), len(people), where)
		}
		after, err := o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(where), SegmentID: seg.SegmentID(), Exact: true})
		require.NoError(t, err, where)
		require.Equal(t, before.Count, after.Count, where)
		require.Equal(t, exactly(0), *after.Entering, where)
		require.Equal(t, exactly(0), *after.Leaving, where)
		require.Equal(t, before.Sample, after.Sample, "the same people each time")

		q, err := o.ask(o.ctx, o.whole(), seg)
		require.NoError(t, err)
		require.Empty(t, q.fresh, "its ledgers are kept now")
		some, err := q.some(o.ctx, int64(len(people)), seg.SegmentID(), ExactTime)
		require.NoError(t, err)
		require.Equal(t, tally{people: int64(len(people)), matching: before.Count.Value, sample: some.sample}, *some, where)
	}
}

func TestAnEstimateSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := newOffice(t)
	o.crowd(700)
	seg := o.create("x", inRomania)
	q, err := o.ask(o.ctx, o.whole(), seg)
	require.NoError(t, err)
	some, err := q.some(o.ctx, 100*sampledPeople, seg.SegmentID(), sampleTime) // as if there were many
	require.NoError(t, err)
	require.Less(t, some.people, int64(60))
	c := estimate(some.matching, some.people, exactly(700))
	require.False(t, c.Exact)
	require.Less(t, c.Low, c.High)
	// The sample differs from run to run, and one interval in twenty misses: five
	// standard errors do not.
	require.InDelta(t, 234, c.Value, 2.6*float64(c.High-c.Low)/2)
	require.Zero(t, some.entering+some.leaving)
}

func TestSamplesSpreadOverAllBuckets(t *testing.T) {
	for _, population := range []int64{0, 10, sampledPeople, 3 * sampledPeople, 100_000, 1_000_000, 50_000_000} {
		seen := map[int64]bool{}
		low, high := int64(0), int64(0)
		for _, b := range sampleOf(population) {
			for k := b.from; k < b.to; k++ {
				require.False(t, seen[k])
				require.Less(t, k, int64(bucketCount))
				seen[k] = true
				if k < bucketCount/2 {
					low++
				} else {
					high++
				}
			}
		}
		require.Equal(t, low, high, "a condition on buckets meets its share")
		if population <= sampledPeople {
			require.Len(t, seen, bucketCount)
		} else {
			people := float64(population) * float64(len(seen)) / bucketCount
			require.LessOrEqual(t, people, max(1.01*sampledPeople, float64(population)*sampleSlices/bucketCount))
			require.GreaterOrEqual(t, people, 0.4*sampledPeople)
		}
	}
}

func TestAPreviewIsChecked(t *testing.T) {
	o := newOffice(t)
	_, err := o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(`{"trait":{"path":"x","matches":"("}}`), TimeZone: "Nowhere"})
	require.Len(t, reasons(err), 2)
	_, err = o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(inRomania), SegmentID: "seg_00000000000000000000000000"})
	require.Equal(t, []string{"SEGMENT [segmentId]"}, reasons(err))
	p, err := o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(inRomania)})
	require.NoError(t, err)
	require.Equal(t, exactly(0), p.Count, "nobody is here")
}

func TestAnExactCountThatTakesTooLongEnds(t *testing.T) {
	require.Equal(t, core.TooComplex, errTooLarge.Code)
	o := newOffice(t)
	o.people(10, countryOf)
	q, err := o.ask(o.ctx, o.whole(), &Segment{Where: inRomania, WhereVersion: 1})
	require.NoError(t, err)
	ctx, cancel := timeout(o.ctx)
	defer cancel()
	_, err = q.everybody(ctx, "")
	require.ErrorIs(t, cause(ctx, err), errTooLarge)
}

// timeout is a context whose time for an exact preview is up.
func timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, -1, errTooLarge)
}
