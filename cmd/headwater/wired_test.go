package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/lead"
)

// wired is one process with a workspace.
type wired struct {
	*app
	t   *testing.T
	ctx context.Context
	ws  string
}

func newWired(t *testing.T) *wired {
	t.Helper()
	e := &env{ctx: context.Background(), out: &bytes.Buffer{}, log: slog.New(slog.DiscardHandler), clock: core.SystemClock{}}
	a, err := storeFlags{Data: t.TempDir()}.start(e)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.close()) })
	made, err := createWorkspace(core.WithActor(e.ctx, access.Operator("test")), a, "wired", "HTTP API")
	require.NoError(t, err)
	a.begin(e.ctx)
	return &wired{app: a, t: t, ws: made.Workspace.ID, ctx: core.WithActor(e.ctx, access.System(made.Workspace.ID, "test"))}
}

// send ingests one message and returns its profile.
func (w *wired) send(text string) string {
	w.t.Helper()
	out, err := w.pipeline.Ingest(w.ctx, w.ws, "src_web", []event.Input{event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: time.Now()})})
	require.NoError(w.t, err)
	require.Equal(w.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

// draws decodes a definition of a journey.
func draws(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	return v
}

// Score nodes give points by a rule of the model, or a number of them, once; the reasons name
// the journey and the node; what is not there is refused when the journey is saved, and where
// it has gone since the history tells.
func TestScoreNodes(t *testing.T) {
	w := newWired(t)
	definition := func(rule string) any {
		return draws(t, `{"timeZone":"UTC","reentry":"ALWAYS","nodes":[
			{"id":"in","step":{"entry":{"event":{"name":"Called"}}}},
			{"id":"talk","step":{"score":{"points":7,"reason":"we talked"}}},
			{"id":"rule","step":{"score":{"rule":"`+rule+`"}}}],
			"edges":[{"from":"in","to":"talk"},{"from":"talk","to":"rule"}]}`)
	}
	_, _, err := w.journeys.Create(w.ctx, w.ws, journey.CreateInput{Name: "Calls", Definition: definition("demo")})
	require.Equal(t, journey.ReasonRule, core.AsError(err).Reason, "there is no model")
	require.Contains(t, err.Error(), "rule")
	set := func(version int64, rules ...lead.Rule) {
		t.Helper()
		_, _, err := w.leads.SetModel(w.ctx, w.ws, version, func(m *lead.Model) { m.Threshold, m.CoolBelow, m.Rules = 50, 10, rules })
		require.NoError(t, err)
	}
	demo := lead.Rule{Key: "demo", Name: "Asked for a demo", Kind: lead.Engagement, Points: 30, Event: "Demo Requested"}
	set(0, demo, lead.Rule{Key: "boss", Name: "Decides", Kind: lead.Fit, Points: 20, Where: `{"trait":{"path":"title","eq":"CEO"}}`})
	_, _, err = w.journeys.Create(w.ctx, w.ws, journey.CreateInput{Name: "Calls", Definition: definition("boss")})
	require.Equal(t, journey.ReasonRule, core.AsError(err).Reason, "a rule about fit gives no points by itself")
	j, _, err := w.journeys.Create(w.ctx, w.ws, journey.CreateInput{Name: "Calls", Definition: definition("demo")})
	require.NoError(t, err)
	_, err = w.journeys.Publish(w.ctx, w.ws, journey.PublishInput{ID: j.JourneyID()})
	require.NoError(t, err)

	ana := w.send(`{"type":"track","userId":"ana","event":"Called"}`)
	trail := w.trail(j.JourneyID(), ana)
	require.NotContains(t, trail, "RULE_UNKNOWN")
	score, _, err := w.leads.ScoreOf(w.ctx, w.ws, ana)
	require.NoError(t, err)
	require.EqualValues(t, 37, score.Total)
	require.Equal(t, []lead.Reason{
		{Key: "demo", Name: "Asked for a demo", Kind: lead.Engagement, Points: 30, Count: 1},
		{Key: j.JourneyID() + "/talk", Name: "we talked", Kind: lead.Engagement, Points: 7, Count: 1},
	}, score.Reasons)

	m, err := w.leads.Model(w.ctx, w.ws)
	require.NoError(t, err)
	set(m.Version())
	ben := w.send(`{"type":"track","userId":"ben","event":"Called"}`)
	require.Contains(t, w.trail(j.JourneyID(), ben), "RULE_UNKNOWN")
}

// trail waits until somebody has left a journey, and returns what happened there, as JSON.
func (w *wired) trail(id, part string) (out string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		page, err := w.journeys.ListEnrollments(w.ctx, w.ws, journey.EnrollmentFilter{Journey: id}, core.Window{Limit: 10})
		require.NoError(w.t, err)
		for _, e := range page.Items {
			if e.Part == part && !e.State.Status.Live() {
				raw, err := json.Marshal(e.Trail)
				require.NoError(w.t, err)
				out = string(raw)
			}
		}
		return out != ""
	}, 30*time.Second, 10*time.Millisecond)
	return out
}
