package graph_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph"
)

// A preview reads what is predicted of a person, as what is sent does: for who may read it.
func TestAPreviewReadsPredictions(t *testing.T) {
	asked := 0
	w := newWorld(t, func(o *graph.Options) {
		withOutbox(t, o, false)
		o.Outbox.Predictions = func(_ context.Context, _ string, p *profile.Profile) (map[string]any, error) {
			asked++
			if len(p.Identifiers) == 0 || !strings.HasPrefix(p.Identifiers[0].Value, "ana") {
				return map[string]any{}, nil
			}
			return map[string]any{"lead.score": 71, "lead.fit": 40, "churn": 0.25}, nil
		}
	})
	ids := w.ingest(
		map[string]any{"type": "IDENTIFY", "userId": "ana", "traits": map[string]any{"plan": "pro"}},
		map[string]any{"type": "IDENTIFY", "userId": "ben", "traits": map[string]any{"plan": "pro"}},
	)
	made := w.ask(`mutation($c: TemplateContentInput!) { createTemplate(input: {name: "Score", channel: SMS, idempotencyKey: "s", content: $c}) { template { id } userErrors { reason message path } } }`,
		map[string]any{"c": content("{{ lead.score | default: 'none' }}/{{ predictions.churn | default: 'none' }}")})
	id := made["createTemplate"].(map[string]any)["template"].(map[string]any)["id"]
	const preview = `query($id: ID!, $who: [ID!]!, $data: JSON, $c: TemplateContentInput) { previewTemplate(input: {id: $id, profileIds: $who, data: $data, content: $c, nobody: true}) {
		previews { content { text } withheld { path } error { reason } } } }`
	texts := func(key string, more map[string]any) (out []string, withheld int) {
		t.Helper()
		vars := map[string]any{"id": id, "who": ids}
		for k, v := range more {
			vars[k] = v
		}
		a := w.as(key, preview, vars)
		require.Empty(t, a.Errors, string(a.Body))
		raw, err := json.Marshal(a.Data["previewTemplate"])
		require.NoError(t, err)
		var got struct {
			Previews []struct {
				Content  struct{ Text string }
				Withheld []struct{ Path string }
			}
		}
		require.NoError(t, json.Unmarshal(raw, &got))
		for _, p := range got.Previews {
			out, withheld = append(out, p.Content.Text), withheld+len(p.Withheld)
		}
		return out, withheld
	}
	got, withheld := texts(w.admin, nil)
	require.Equal(t, []string{"71/0.25", "none/none", "none/none"}, got)
	require.Zero(t, withheld)
	got, _ = texts(w.admin, map[string]any{"data": map[string]any{"lead": map[string]any{"score": 9}}})
	require.Equal(t, []string{"9/0.25", "9/none", "none/none"}, got, "what the author gives stands")
	before := asked
	texts(w.admin, map[string]any{"c": content("Hello {{ profile.plan }}")})
	require.Equal(t, before, asked, "nothing is read that the template does not")
}

func content(text string) map[string]any {
	return map[string]any{"defaultLocale": "en", "locales": []map[string]any{{"locale": "en", "text": text}}}
}
