package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/limit"
)

// broken is a store whose reads do what a test wants.
type broken struct {
	store.Store
	get func(ctx context.Context) error
}

func (b broken) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	if err := b.get(ctx); err != nil {
		return nil, err
	}
	return b.Store.Get(ctx, spec, ids)
}

func brokenWorld(t *testing.T, get func(ctx context.Context) error, change ...func(*graph.Options)) *world {
	return newWorld(t, append(change, func(o *graph.Options) {
		o.Profiles = profile.NewService(broken{o.Store.(store.Store), get}, core.SystemClock{})
	})...)
}

const someProfile = `{viewer{id} profile(id:"prof_00000000000000000000000000"){id}}`

func TestInternalErrorsAreMasked(t *testing.T) {
	w := brokenWorld(t, func(context.Context) error { return errors.New("disk /dev/sda1 of ana@example.com is broken") })
	a := w.as(w.admin, someProfile, nil)
	require.Equal(t, 200, a.Status)
	require.Equal(t, "INTERNAL INTERNAL", a.code())
	require.NotContains(t, string(a.Body), "sda1")
	require.NotNil(t, dig(a.Data, "viewer", "id"), "the rest of the answer stands")
	require.Equal(t, []any{"profile"}, a.Errors[0].Path)
	require.Contains(t, w.log.text(), a.Errors[0].Extensions.RequestID)
	require.Contains(t, w.log.text(), "sda1")
}

func TestPanicsAreErrors(t *testing.T) {
	w := brokenWorld(t, func(context.Context) error { panic("at the disco") })
	a := w.as(w.admin, someProfile, nil)
	require.Equal(t, "INTERNAL INTERNAL", a.code())
	require.NotContains(t, string(a.Body), "disco")
	require.Contains(t, w.log.text(), "disco")
}

func TestUnavailableSaysWhenToRetry(t *testing.T) {
	w := brokenWorld(t, func(context.Context) error { return store.ErrUnavailable })
	a := w.as(w.admin, someProfile, nil)
	require.Equal(t, "UNAVAILABLE", a.Errors[0].Extensions.Code)
}

func TestSlowOperationsEnd(t *testing.T) {
	l := limit.Default()
	l.Timeout = 50 * time.Millisecond
	w := brokenWorld(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func(o *graph.Options) { o.Limits = l })
	start := time.Now()
	a := w.as(w.admin, someProfile, nil)
	require.Less(t, time.Since(start), 5*time.Second)
	require.Equal(t, "UNAVAILABLE TIMEOUT", a.code())
}

func TestVariablesAreAsStrictAsLiterals(t *testing.T) {
	w := newWorld(t)
	const replay = `mutation($s: ReplaySelection!) { replayQuarantinedEvents(input: {select: $s}) { userErrors { reason } } }`
	for _, c := range []struct {
		name, query, vars, reason string
		path                      []string
	}{
		{"two of one", replay, `{"s":{"ids":["a"],"filter":{}}}`, "ONE_OF", []string{"s"}},
		{"none of one", replay, `{"s":{}}`, "ONE_OF", []string{"s"}},
		{"null of one", replay, `{"s":{"ids":null}}`, "ONE_OF", []string{"s"}},
		{"nested", `mutation($i: StartImportInput!) { startImport(input: $i) { userErrors { reason } } }`, `{"i":{"content":{}}}`, "ONE_OF", []string{"i", "content"}},
		{"enum in lower case", `query($s: JobStatus) { jobs(status: $s) { totalCount } }`, `{"s":"queued"}`, "BAD_VARIABLE", []string{"s"}},
		{"enum of another type", `query($s: JobStatus) { jobs(status: $s) { totalCount } }`, `{"s":1}`, "BAD_VARIABLE", []string{"s"}},
		{"integer of 64 bits", `query($n: Int) { jobs(first: $n) { totalCount } }`, `{"n":4294967296}`, "BAD_VARIABLE", []string{"n"}},
		{"integer as text", `query($n: Int) { jobs(first: $n) { totalCount } }`, `{"n":"1"}`, "BAD_VARIABLE", []string{"n"}},
		{"fraction", `query($n: Int) { jobs(first: $n) { totalCount } }`, `{"n":1.5}`, "BAD_VARIABLE", []string{"n"}},
		{"text as number", `query($k: String) { jobs(kind: $k) { totalCount } }`, `{"k":1}`, "BAD_VARIABLE", []string{"k"}},
		{"unknown field", replay, `{"s":{"all":true}}`, "BAD_VARIABLE", []string{"s", "all"}},
		{"missing", replay, `{}`, "BAD_VARIABLE", []string{"s"}},
		{"time", `query($t: DateTime) { profile(id: "prof_1", asOf: $t) { id } }`, `{"t":"yesterday"}`, "BAD_VALUE", nil},
		{"cursor", `query($c: Cursor) { jobs(after: $c) { totalCount } }`, `{"c":5}`, "BAD_VALUE", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var vars map[string]any
			require.NoError(t, json.Unmarshal([]byte(c.vars), &vars))
			a := w.as(w.admin, c.query, vars)
			require.NotEmpty(t, a.Errors, string(a.Body))
			require.Equal(t, "INVALID "+c.reason, a.code(), string(a.Body))
			if c.path != nil {
				require.Equal(t, c.path, a.Errors[0].Extensions.InputPath)
			}
		})
	}
}

func TestObservationsTellWhatMetricsNeed(t *testing.T) {
	var mu sync.Mutex
	var seen []graph.Observation
	w := newWorld(t, func(o *graph.Options) {
		o.Observe = func(_ context.Context, ob graph.Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, ob)
		}
	})
	w.ask(`{viewer{id}}`, nil)
	w.as(w.admin, `{nothing}`, nil)
	w.as(w.write, `{sources{id}}`, nil)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, 3)
	require.Equal(t, "query", seen[0].Kind)
	require.EqualValues(t, 2, seen[0].Cost)
	require.Positive(t, seen[0].Duration)
	require.Equal(t, core.Invalid, seen[1].Code)
	require.Equal(t, core.Forbidden, seen[2].Code)
}

func TestDeletingAWorkspaceShutsItsKeysOut(t *testing.T) {
	w := newWorld(t)
	w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1"})
	d := w.ask(`mutation{deleteWorkspace(input:{confirmation:"Test", dryRun:true}){job{id} counts{collection documents} userErrors{reason}}}`, nil)
	require.NotEmpty(t, dig(d, "deleteWorkspace", "counts"))
	c := w.connect(t, w.analyst)
	d = w.ask(`mutation{deleteWorkspace(input:{confirmation:"Test"}){job{kind} userErrors{reason}}}`, nil)
	require.Equal(t, "workspace.delete", dig(d, "deleteWorkspace", "job", "kind"))
	require.Equal(t, 4403, c.closed())
	require.Equal(t, 401, w.as(w.admin, `{viewer{id}}`, nil).Status)
}
