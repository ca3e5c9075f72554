package object_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

// tombs remembers people who were erased, as one document of the store counts.
type tombs struct {
	f      *fixture
	erased map[event.Identifier]time.Time
	asked  func() // in the middle of a write
}

func (t *tombs) Erased(_ context.Context, _ string, ids []event.Identifier) ([]time.Time, error) {
	out := make([]time.Time, len(ids))
	for i, id := range ids {
		out[i] = t.erased[id]
	}
	if t.asked != nil {
		t.asked()
	}
	return out, nil
}

func (t *tombs) NoneSince(ctx context.Context, _ string) (store.Op, error) {
	c, err := store.Claims.Get(ctx, t.f.db, store.Key(ws, "erasures", "latest"))
	if err != nil || c == nil {
		return store.Claims.Absent(store.Key(ws, "erasures", "latest")), err
	}
	return store.Claims.Check(c), nil
}

func mailOf(name string) event.Identifier {
	return event.Identifier{Namespace: "email", Value: name + "@example.com"}
}

func buyer(name string) map[string][]object.Link {
	return map[string][]object.Link{"buyer": {{Namespace: "email", Value: name + "@example.com"}}}
}

func TestRecordsOfTheErasedStayAway(t *testing.T) {
	f := setup(t)
	defineOrders(t, f)
	gone := &tombs{f: f, erased: map[event.Identifier]time.Time{mailOf("ana"): start.Add(-time.Hour), mailOf("eva"): start.Add(-time.Hour)}}
	f.SetTombstones(gone)
	f.people.m[mailOf("eva")] = "prof_eva" // came back
	line := func(id, name, more string) string {
		return fmt.Sprintf(`{"externalId":%q,"links":{"buyer":[{"namespace":"email","value":"%s@example.com"}]}%s}`+"\n", id, name, more)
	}
	file := line("o1", "ana", "") + line("o2", "ben", "") + line("o3", "eva", "") +
		line("o4", "ana", `,"at":"`+start.Add(-2*time.Hour).Format(time.RFC3339)+`"`) + line("o5", "ana", `,"at":"`+start.Add(-time.Minute).Format(time.RFC3339)+`"`)
	job, err := f.StageImport(t.Context(), ws, object.ImportOptions{Type: "order", Format: object.NDJSON}, strings.NewReader(file))
	require.NoError(t, err)
	var n object.ImportCounts
	require.NoError(t, f.run(t, job).DecodeResult(&n))
	require.EqualValues(t, 3, n.Created)
	require.Len(t, n.Errors, 2)
	for i, want := range []int64{1, 4} {
		require.Equal(t, want, n.Errors[i].Line)
		require.Equal(t, object.ReasonErased, n.Errors[i].Reason)
		require.Equal(t, []string{"links", "buyer"}, n.Errors[i].Path)
		require.NotContains(t, n.Errors[i].Message, "ana")
	}
	// A call says what holds now, unless it says when it held.
	require.Equal(t, object.Created, f.put(t, "order", object.Item{ExternalID: "o6", Links: buyer("ana")}).Outcome)
	old := f.put(t, "order", object.Item{ExternalID: "o7", Links: buyer("ana"), At: start.Add(-2 * time.Hour)})
	require.Equal(t, object.ReasonErased, old.Err.Reason)
}

// Somebody is erased after the records were looked at and before they are committed.
func TestAnErasureInTheMiddleOfAWrite(t *testing.T) {
	f := setup(t)
	defineOrders(t, f)
	gone := &tombs{f: f, erased: map[event.Identifier]time.Time{}}
	f.SetTombstones(gone)
	gone.asked = func() {
		gone.asked = nil
		gone.erased[mailOf("ana")] = start
		_, err := f.db.Commit(t.Context(), store.Batch{ID: "b1", Ops: []store.Op{store.Claim(ws, "erasures", "latest", "1")}})
		require.NoError(t, err)
	}
	out := f.put(t, "order", object.Item{ExternalID: "o1", Links: buyer("ana"), At: start.Add(-time.Second)})
	require.Nil(t, gone.asked)
	require.NotNil(t, out.Err)
	require.Equal(t, object.ReasonErased, out.Err.Reason)
	r, err := f.Get(t.Context(), ws, "order", "o1")
	require.NoError(t, err)
	require.Nil(t, r)
}

// What nobody is known for is told without the id, which may name somebody to come.
func TestEventsAboutNobodyNameNobody(t *testing.T) {
	f := setup(t)
	defineOrders(t, f)
	f.people.m[mailOf("eva")] = "prof_eva"
	f.put(t, "order", object.Item{ExternalID: "ana@example.com", Links: buyer("ana")})
	f.put(t, "order", object.Item{ExternalID: "eva@example.com", Links: buyer("eva")})
	var nobody, somebody int
	require.NoError(t, event.Events.Each(t.Context(), f.db, store.Query{Workspace: ws}, func(e *event.Event) error {
		if e.Name != object.NameRecordChanged {
			return nil
		}
		_, err := e.Properties.LookupErr("externalId")
		if e.Part == "" {
			require.Error(t, err)
			require.NotContains(t, e.Properties.String(), "ana@")
			nobody++
		} else {
			require.NoError(t, err)
			somebody++
		}
		return nil
	}))
	require.Positive(t, nobody)
	require.Positive(t, somebody)
}
