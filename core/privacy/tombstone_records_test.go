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
