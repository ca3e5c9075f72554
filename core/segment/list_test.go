package segment

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func (o *office) emptyList(name string) *Segment {
	o.t.Helper()
	out, err := o.Create(o.ctx, o.ws, CreateInput{Name: name, Kind: Static})
	require.NoError(o.t, err)
	require.Empty(o.t, out.Job)
	require.Equal(o.t, Live, out.Segment.Status)
	return out.Segment
}

func email(i int) ListItem {
	return ListItem{Identifier: event.Identifier{Namespace: "email", Value: fmt.Sprintf(" U%d@Example.com", i)}}
}

func TestPeopleComeOnAListAndLeaveIt(t *testing.T) {
	o := newOffice(t)
	people := o.people(5, countryOf)
	list := o.emptyList("VIP")
	follows := o.create("VIPs in Romania", `{"and":[{"list":{"id":"`+list.SegmentID()+`"}},`+inRomania+`]}`)
	results, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{
		email(0), {ProfileID: people[1]}, email(99), {ProfileID: people[0]}, {ProfileID: "prof_nobody"},
	})
	require.NoError(t, err)
	require.Equal(t, []ListResult{
		{people[0], ListAdded}, {people[1], ListAdded}, {"", ListUnknown}, {people[0], ListAlready}, {"", ListUnknown},
	}, results)
	require.ElementsMatch(t, people[:2], o.ids(list.SegmentID()))
	require.Equal(t, exactly(2), o.size(list))
	require.Equal(t, people[:1], o.ids(follows.SegmentID()))

	results, err = o.RemoveFromList(o.ctx, o.ws, list.SegmentID(), []ListItem{email(0), email(2)})
	require.NoError(t, err)
	require.Equal(t, []ListResult{{people[0], ListRemoved}, {people[2], ListAlready}}, results)
	require.Equal(t, people[1:2], o.ids(list.SegmentID()))
	require.Empty(t, o.ids(follows.SegmentID()))

	changes, err := o.Changes(o.ctx, o.ws, list.SegmentID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, changes.Items, 3)
	require.Equal(t, Left, changes.Items[0].Change)
	require.Equal(t, CauseDefinition, changes.Items[0].Cause)
	log, err := event.Events.Find(o.ctx, o.db, store.Query{Workspace: o.ws, Where: []store.Cond{store.Eq("part", people[0])}}, 0)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(log, func(e *event.Event) bool { return e.Name == NameListLeft && e.Type == event.System }))

	_, err = o.AddToList(o.ctx, o.ws, follows.SegmentID(), []ListItem{email(0)})
	require.Equal(t, []string{"NOT_STATIC [id]"}, reasons(err))
	_, err = o.AddToList(o.ctx, o.ws, list.SegmentID(), []ListItem{{}})
	require.Equal(t, []string{"ITEM [items 0]"}, reasons(err))
	_, err = o.AddToList(o.ctx, o.ws, list.SegmentID(), make([]ListItem, MaxListItems+1))
	require.Equal(t, []string{"ITEMS [items]"}, reasons(err))
}

func TestMoreThanACommitIsAddedAtOnce(t *testing.T) {
	o := newOffice(t)
	o.people(450, countryOf)
	list := o.emptyList("all")
	items := make([]ListItem, 450)
	for i := range items {
		items[i] = email(i)
	}
	results, err := o.AddToList(o.ctx, o.ws, list.SegmentID(), items)
	require.NoError(t, err)
	require.Len(t, results, 450)
	require.Equal(t, exactly(450), o.size(list))
}

func (o *office) upload(in UploadInput, text string) UploadCounts {
	o.t.Helper()
	j, err := o.UploadList(o.ctx, o.ws, in, strings.NewReader(text))
	require.NoError(o.t, err)
	var c UploadCounts
	require.NoError(o.t, o.finish(j.JobID()).DecodeResult(&c))
	require.Zero(o.t, o.staged(), "nothing of the file is kept")
	return c
}

// staged counts what is staged.
func (o *office) staged() int64 {
	o.t.Helper()
	chunks, err := Files.Chunks.Count(o.ctx, o.db, store.Query{Workspace: o.ws})
	require.NoError(o.t, err)
	marks, err := Marks.Count(o.ctx, o.db, store.Query{Workspace: o.ws})
	require.NoError(o.t, err)
	return chunks + marks
}

func TestAFileIsPutOnAList(t *testing.T) {
	o := newOffice(t)
	people := o.people(500, countryOf)
	list := o.emptyList("uploaded")
	id := list.SegmentID()
	var csv strings.Builder
	csv.WriteString("\ufeffemail,user_id,note\n")
	for i := range 400 {
		fmt.Fprintf(&csv, "u%d@example.com,,\"a \"\"note\"\", with a comma\"\n", i)
	}
	csv.WriteString("u1@example.com,,\n,u401,\nnobody@example.com,u402,\n,,\nnobody@example.com,,\n")
	c := o.upload(UploadInput{ID: id, Format: CSV}, csv.String())
	require.Equal(t, UploadCounts{Lines: 405, Added: 402, Already: 1, Unknown: 1, Bad: 1, BadAt: []int64{405}}, c)
	require.Equal(t, exactly(402), o.size(list))
	require.Contains(t, o.ids(id), people[402], "the second identifier of the row names somebody")

	c = o.upload(UploadInput{ID: id, Format: NDJSON, Namespace: "email", Replace: true},
		"\"u0@example.com\"\n\n{\"user_id\":\"u450\"}\n{\"namespace\":\"email\",\"value\":\"u1@example.com\"}\n{broken\n")
	require.Equal(t, UploadCounts{Lines: 4, Added: 1, Already: 2, Bad: 1, Removed: 400, BadAt: []int64{5}}, c)
	require.ElementsMatch(t, []string{people[0], people[1], people[450]}, o.ids(id))

	c = o.upload(UploadInput{ID: id, Format: CSV, Comma: ';'}, "profileId;x\n"+people[7]+";1\n")
	require.Equal(t, UploadCounts{Lines: 1, Added: 1}, c)
	c = o.upload(UploadInput{ID: id, Format: NDJSON, Replace: true}, "")
	require.Equal(t, UploadCounts{Removed: 4}, c)
	require.Empty(t, o.ids(id))
}

func TestAFileThatNamesNobodyReplacesNobody(t *testing.T) {
	o := newOffice(t)
	people := o.people(3, countryOf)
	id := o.emptyList("kept").SegmentID()
	o.upload(UploadInput{ID: id, Format: CSV}, "email\nu0@example.com\nu1@example.com\n")
	for _, text := range []string{"E-mail address\nu0@example.com\n", "email\nnobody@example.com\n", "email\n,,\n"} {
		j, err := o.UploadList(o.ctx, o.ws, UploadInput{ID: id, Format: CSV, Replace: true}, strings.NewReader(text))
		require.NoError(t, err)
		j = o.ended(j.JobID())
		require.Equal(t, work.Failed, j.Status, text)
		require.Equal(t, "NOBODY_KNOWN", j.Error.Reason)
		require.ElementsMatch(t, people[:2], o.ids(id))
		require.Zero(t, o.staged())
	}
}

func TestAFileThatIsNoListIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := newOffice(t)
	id := o.emptyList("x").SegmentID()
	for text, in := range map[string]UploadInput{
		"HEADER [file]":        {ID: id, Format: CSV},
		"FORMAT [format]":      {ID: id, Format: "XML"},
		"COMMA [comma]":        {ID: id, Format: CSV, Comma: '"'},
		"LINE_TOO_LONG [file]": {ID: id, Format: NDJSON},
	} {
		content := ""
		if strings.HasPrefix(text, "LINE") {
			content = strings.Repeat("x", 2*maxLine)
		}
		_, err := o.UploadList(o.ctx, o.ws, in, strings.NewReader(content))
		require.Error(t, err, text)
		require.Equal(t, []string{text}, reasons(err))
	}
	// A quote that is never closed, behind rows that are fine and staged already.
	for _, format := range []Format{NDJSON, CSV} {
		text := strings.Repeat("\"a@example.com\"\n", 300_000)
		_, err := o.UploadList(o.ctx, o.ws, UploadInput{ID: id, Format: format, Namespace: "email"}, io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("reset"))))
		require.Equal(t, []string{"UPLOAD_BROKEN [file]"}, reasons(err))
		require.Zero(t, o.staged())
	}
	content := "email\n" + strings.Repeat("a@example.com\n", 3000) + "\"b@example.com\n" + strings.Repeat("c@example.com\n", 3*maxLine)
	_, err := o.UploadList(o.ctx, o.ws, UploadInput{ID: id, Format: CSV}, strings.NewReader(content))
	require.Equal(t, []string{"LINE_TOO_LONG [file]"}, reasons(err))
	require.Zero(t, o.staged())
}

func TestASnapshotStaysAsItWas(t *testing.T) {
	o := newOffice(t)
	o.people(12, countryOf)
	seg := o.create("Romanians", inRomania)
	in := SnapshotInput{SegmentID: seg.SegmentID(), IdempotencyKey: "snap"}
	out, err := o.Snapshot(o.ctx, o.ws, in)
	require.NoError(t, err)
	list := o.settled(out)
	require.Equal(t, Static, list.Kind)
	require.Equal(t, o.ids(seg.SegmentID()), o.ids(list.SegmentID()))
	o.send(`{"type":"identify","userId":"u0","traits":{"country":"FR"}}`)
	require.Equal(t, exactly(3), o.size(seg))
	require.Equal(t, exactly(4), o.size(list))
	again, err := o.Snapshot(o.ctx, o.ws, in)
	require.NoError(t, err)
	require.Equal(t, list.SegmentID(), again.Segment.SegmentID())
	require.Equal(t, exactly(4), o.size(o.settled(again)), "it is not filled twice")
}
