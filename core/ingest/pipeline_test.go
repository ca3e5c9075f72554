package ingest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	ws  = "ws_1"
	src = "src_web"
)

// house is the pipeline and what surrounds it, on one store.
type house struct {
	db       store.Store
	events   *event.Service
	profiles *profile.Service
	*ingest.Pipeline
}

// open makes a house over a new file.
func open(t *testing.T, change ...func(*ingest.Options)) *house {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	return over(t, db, change...)
}

// over makes a house over a store that somebody else closes.
func over(t *testing.T, db store.Store, change ...func(*ingest.Options)) *house {
	t.Helper()
	h := build(t.Context(), db, change...)
	require.NoError(t, h.err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, h.Close(ctx))
	})
	return &h.house
}

type built struct {
	house
	err error
}

func build(ctx context.Context, db store.Store, change ...func(*ingest.Options)) built {
	var specs []*store.Spec
	specs = append(specs, event.Specs()...)
	specs = append(specs, profile.Specs()...)
	specs = append(specs, work.Specs()...)
	specs = append(specs, ingest.Specs()...)
	specs = append(specs, store.Counters.Spec, store.Claims.Spec)
	if err := db.Declare(ctx, specs...); err != nil {
		return built{err: err}
	}
	o := ingest.Options{
		Store: db, Clock: core.SystemClock{},
		Events: event.NewService(db, core.SystemClock{}), Profiles: profile.NewService(db, core.SystemClock{}),
	}
	for _, f := range change {
		f(&o)
	}
	return built{house: house{db: db, events: o.Events, profiles: o.Profiles, Pipeline: ingest.New(o)}}
}

// message decodes one message of the tracking protocol.
func message(format string, args ...any) event.Input {
	return event.DecodeMessage(fmt.Appendf(nil, format, args...), event.Defaults{ReceivedAt: time.Now()})
}

func track(id, user, name string) event.Input {
	return message(`{"type":"track","messageId":%q,"userId":%q,"event":%q,"properties":{"price":12.5}}`, id, user, name)
}

// one ingests one event.
func (h *house) one(t *testing.T, in event.Input) event.Result {
	t.Helper()
	r, err := h.Ingest(t.Context(), ws, src, []event.Input{in})
	require.NoError(t, err)
	return r[0]
}

// consistent checks that the stored profiles are the fold of the events.
func (h *house) consistent(t *testing.T) {
	t.Helper()
	differences, err := h.profiles.Check(context.Background(), ws, nil)
	require.NoError(t, err)
	require.Empty(t, differences)
}

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}
