package segment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOverlapCountsEachRegion(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := newOffice(t)
	r := rand.New(rand.NewPCG(3, 4))
	// Each person has a flag for each segment, at random.
	flags := make([]int, 900)
	o.people(len(flags), func(i int) string {
		flags[i] = r.IntN(16)
		return fmt.Sprintf(`"a":%v,"b":%v,"c":%v,"d":%v`, flags[i]&1 > 0, flags[i]&2 > 0, flags[i]&4 > 0, flags[i]&8 > 0)
	})
	var ids []string
	for _, name := range []string{"a", "b", "c", "d"} {
		ids = append(ids, o.create(name, fmt.Sprintf(`{"trait":{"path":%q,"eq":true}}`, name)).SegmentID())
	}
	want := make(map[int]int64)
	totals := make([]int64, 4)
	for _, f := range flags {
		want[f]++
		for i := range 4 {
			totals[i] += int64(f >> i & 1)
		}
	}
	got, err := o.Overlap(o.ctx, o.ws, ids)
	require.NoError(t, err)
	require.Equal(t, totals, got.Totals)
	require.Equal(t, int64(len(flags))-want[0], got.Any)
	require.Equal(t, want[15], got.All)
	seen := int64(0)
	for _, region := range got.Regions {
		mask := 0
		for _, id := range region.Segments {
			mask |= 1 << slices.Index(ids, id)
		}
		require.Equal(t, want[mask], region.Count, "region %04b", mask)
		seen += region.Count
	}
	require.Equal(t, got.Any, seen)

	for op, want := range map[Operation]func(int) bool{
		Union:        func(f int) bool { return f&7 != 0 },
		Intersection: func(f int) bool { return f&7 == 7 },
		Difference:   func(f int) bool { return f&7 == 1 },
	} {
		n := int64(0)
		for _, f := range flags {
			if want(f) {
				n++
			}
		}
		for _, static := range []bool{false, true} {
			out, err := o.CreateFrom(o.ctx, o.ws, CombineInput{Operation: op, Segments: ids[:3], Name: string(op), Static: static})
			require.NoError(t, err)
			require.Equal(t, exactly(n), o.size(o.settled(out)), "%s, static %v", op, static)
		}
	}
	_, err = o.Overlap(o.ctx, o.ws, ids[:1])
	require.Equal(t, []string{"OVERLAP [segmentIds]"}, reasons(err))
	_, err = o.Overlap(o.ctx, o.ws, []string{ids[0], ids[0]})
	require.Equal(t, []string{"DUPLICATE [segmentIds 1]"}, reasons(err))
	_, err = o.CreateFrom(o.ctx, o.ws, CombineInput{Operation: "XOR", Segments: ids, Name: "x"})
	require.Equal(t, []string{"OPERATION [operation]"}, reasons(err))
	_, err = o.CreateFrom(o.ctx, o.ws, CombineInput{Operation: Union, Segments: []string{ids[0], "seg_00000000000000000000000000"}, Name: "x"})
	require.Equal(t, []string{"SEGMENT [segmentIds 1]"}, reasons(err))
}
