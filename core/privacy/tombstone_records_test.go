package privacy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

// The next full pull of a system that still holds an erased person brings nothing back,
// and no event about a record names them.
func TestAFileBringsNoErasedPersonBack(t *testing.T) {
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{Key: "contact", Name: "Contact", Relations: []object.RelationInput{{Key: "is"}}})
	require.NoError(t, err)
	file := `{"externalId":"ana@example.com","links":{"is":[{"namespace":"email","value":"ana@example.com"}]}}` + "\n" +
		`{"externalId":"ben@example.com","links":{"is":[{"namespace":"email","value":"ben@example.com"}]}}` + "\n"
	pull := func() (n object.ImportCounts) {
		t.Helper()
		job, err := r.objects.StageImport(r.ctx, rigWS, object.ImportOptions{Type: "contact", Format: object.NDJSON}, strings.NewReader(file))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			job, err = r.jobs.Get(r.ctx, rigWS, job.JobID())
			return err == nil && job.Status.Final()
		}, 60*time.Second, 20*time.Millisecond)
		require.NoError(t, job.DecodeResult(&n))
		return n
	}
	require.EqualValues(t, 2, pull().Created, "before anybody is known")
	ana := r.identify("ana", `{"email":"ana@example.com"}`)
	require.Equal(t, Completed, r.erase(EraseInput{ProfileID: ana}).Status)
	count := func() int64 {
		n, err := object.Records.Count(r.ctx, r.store, store.Query{Workspace: rigWS})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 1, count())
	n := pull()
	require.EqualValues(t, 1, n.Failed)
	require.EqualValues(t, 1, n.Unchanged)
	require.Equal(t, object.ReasonErased, n.Errors[0].Reason)
	require.EqualValues(t, 1, count())
	require.NoError(t, event.Events.Each(r.ctx, r.store, store.Query{Workspace: rigWS}, func(e *event.Event) error {
		require.NotContains(t, e.Properties.String(), "ana@example.com", e.Name)
		return nil
	}))
	// Who comes back is somebody again, and their records with them.
	r.identify("ana", `{"email":"ana@example.com"}`)
	require.EqualValues(t, 1, pull().Created)
}

// A line of a CSV file says when it held, as a line of JSON does: what is newer than the
// erasure is taken.
func TestALineOfCSVSaysWhenItHeld(t *testing.T) {
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{
		Key: "contact", Name: "Contact", Fields: []object.FieldInput{{Key: "note", Type: object.String}}, Relations: []object.RelationInput{{Key: "is"}},
	})
	require.NoError(t, err)
	req := r.erase(EraseInput{ProfileID: r.identify("ana", `{"email":"ana@example.com"}`)})
	at := func(d time.Duration) string { return req.ErasedAt.Add(d).Format(time.RFC3339Nano) }
	file := "id,mail,when\nold,ana@example.com," + at(-time.Hour) + "\nnew,ana@example.com," + at(time.Millisecond) + "\nnone,ana@example.com,\nbad,ana@example.com,yesterday\n"
	for target, reasons := range map[string][]string{"at": {"ERASED", "", "ERASED", "TIMESTAMP_INVALID"}, "$at": {"ERASED", "", "ERASED", "TIMESTAMP_INVALID"}} {
		o := object.ImportOptions{Type: "contact", Format: object.CSV, Mapping: map[string]string{"id": "externalId", "mail": "link.is.email", "when": target}}
		job, err := r.objects.StageImport(r.ctx, rigWS, o, strings.NewReader(file))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			job, err = r.jobs.Get(r.ctx, rigWS, job.JobID())
			return err == nil && job.Status.Final()
		}, 60*time.Second, 20*time.Millisecond)
		var n object.ImportCounts
		require.NoError(t, job.DecodeResult(&n))
		got := make([]string, 4)
		for _, e := range n.Errors {
			got[e.Line-2] = e.Reason
		}
		require.Equal(t, reasons, got, target)
	}
}
