package segment

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (o *office) export(in ExportInput) string {
	o.t.Helper()
	var out bytes.Buffer
	n, err := o.Export(o.ctx, o.ws, in, func(b []byte) error { out.Write(b); return nil })
	require.NoError(o.t, err)
	lines := int64(bytes.Count(out.Bytes(), []byte("\n")))
	if in.Format == CSV {
		lines--
	}
	require.Equal(o.t, lines, n)
	return out.String()
}

func TestMembersAreExportedInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := newOffice(t)
	o.people(1203, func(i int) string {
		return fmt.Sprintf(`"country":"RO","address":{"city":"A \"b\", c"},"n":%d.50,"note":"=1+1","phone":"+40 721 000 000"`, i)
	})
	seg := o.create("x", inRomania)
	members := o.ids(seg.SegmentID())
	require.Len(t, members, 1203)

	text := o.export(ExportInput{SegmentID: seg.SegmentID(), Format: NDJSON, Fields: []string{"profileId", "enteredAt", "identifiers.email", "identifiers", "traits.address", "traits.n", "traits.none"}})
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, members[i], m["profileId"])
		require.Len(t, m, 7)
		require.Nil(t, m["traits.none"])
		require.Equal(t, map[string]any{"city": `A "b", c`}, m["traits.address"])
		require.Len(t, m["identifiers.email"], 1)
		require.GreaterOrEqual(t, len(m["identifiers"].([]any)), 2)
	}
	text = o.export(ExportInput{SegmentID: seg.SegmentID(), Format: CSV, Fields: []string{"profileId", "traits.address.city", "identifiers.email", "traits.note", "traits.phone", "traits.none"}})
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "traits.address.city", records[0][1])
	require.Len(t, records, 1204)
	require.Equal(t, []string{members[0], `A "b", c`}, records[1][:2])
	require.Contains(t, records[1][2], "@example.com")
	require.Equal(t, []string{"'=1+1", "+40 721 000 000", ""}, records[1][3:])

	// What breaks off goes on behind the last line that was taken.
	var got []string
	after := ""
	for range 4 {
		stop := errors.New("enough")
		pages := 0
		_, err := o.Export(o.ctx, o.ws, ExportInput{SegmentID: seg.SegmentID(), Format: NDJSON, After: after}, func(b []byte) error {
			if pages++; pages > 2 {
				return stop
			}
			for line := range strings.Lines(string(b)) {
				var m struct{ ProfileID string }
				require.NoError(t, json.Unmarshal([]byte(line), &m))
				got, after = append(got, m.ProfileID), m.ProfileID
			}
			return nil
		})
		if err == nil {
			break
		}
		require.ErrorIs(t, err, stop)
	}
	require.Equal(t, members, got)

	for want, in := range map[string]ExportInput{
		"FORMAT [format]":     {Format: "XML"},
		"FIELD [fields 1]":    {Format: CSV, Fields: []string{"profileId", "salary"}},
		"AFTER [after]":       {Format: CSV, After: "u1"},
		"SEGMENT [segmentId]": {Format: CSV, SegmentID: "seg_00000000000000000000000000"},
		"FIELD [fields 0]":    {Format: CSV, Fields: []string{"traits."}},
	} {
		if in.SegmentID == "" {
			in.SegmentID = seg.SegmentID()
		}
		_, err := o.Export(o.ctx, o.ws, in, func([]byte) error { return nil })
		require.Equal(t, []string{want}, reasons(err))
	}
}

func TestStaysTellWhenAndWhy(t *testing.T) {
	o := newOffice(t)
	people := o.people(2, countryOf)
	seg := o.create("x", inRomania)
	o.send(`{"type":"identify","userId":"u0","traits":{"country":"FR"}}`)
	stays, err := o.MembershipsOf(o.ctx, o.ws, people[0], true)
	require.NoError(t, err)
	require.Len(t, stays, 1)
	require.Equal(t, CauseDefinition, stays[0].Entered)
	require.Equal(t, CauseEvent, stays[0].Left)
	require.False(t, stays[0].LeftAt.Before(stays[0].EnteredAt))
	o.send(`{"type":"identify","userId":"u0","traits":{"country":"RO"}}`)
	stays, err = o.MembershipsOf(o.ctx, o.ws, people[0], true)
	require.NoError(t, err)
	require.Len(t, stays, 2)
	require.True(t, stays[0].LeftAt.IsZero())
	require.Equal(t, CauseEvent, stays[0].Entered)
	require.Equal(t, seg.SegmentID(), stays[0].SegmentID)
	now, err := o.MembershipsOf(o.ctx, o.ws, people[0], false)
	require.NoError(t, err)
	require.Len(t, now, 1)
	nobody, err := o.MembershipsOf(o.ctx, o.ws, "prof_00000000000000000000000000", true)
	require.NoError(t, err)
	require.Empty(t, nobody)
}
