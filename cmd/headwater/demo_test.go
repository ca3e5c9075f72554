package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tree decodes JSON with its numbers as they are written.
func tree(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), text)
	return v
}

// TestDemoAnswersWhatTheDocumentsAsk starts the demo as `make run` does and runs the
// queries of the README, in their order, and each condition of docs/conditions.md.
func TestDemoAnswersWhatTheDocumentsAsk(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a whole demo")
	}
	dir := t.TempDir()
	s := start(t, 5*time.Minute, "demo", "--addr", "127.0.0.1:0", "--data", dir)
	raw, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	require.NoError(t, err)
	var keys demoKeys
	require.NoError(t, json.Unmarshal(raw, &keys))
	ids := segmentIDs(t, s.url, keys.AdminKey)
	require.Len(t, ids, 14)

	for _, where := range examples(t) {
		id := "Churn risk"
		if strings.Contains(where, `"list"`) {
			id = "Product panel"
		}
		var out struct {
			PreviewSegment struct {
				Count struct{ Exact bool }
				Words string
			}
		}
		query(t, s.url, keys.AdminKey, `query($where: ConditionInput!) { previewSegment(where: $where) { count { exact } words } }`,
			map[string]any{"where": tree(t, strings.ReplaceAll(where, "seg_…", ids[id]))}, &out)
		require.NotEmpty(t, out.PreviewSegment.Words)
	}
	readme(t, s.url, &keys)
	liftsAsCountedByHand(t, s.url, &keys)
	require.Zero(t, s.stop())

	again := start(t, time.Minute, "demo", "--addr", "127.0.0.1:0", "--data", dir)
	ids["Dog people"] = segmentIDs(t, again.url, keys.AdminKey)["Dog people"]
	require.Equal(t, ids, segmentIDs(t, again.url, keys.AdminKey), "a second start adds nothing")
	require.Zero(t, again.stop())
}

// segmentIDs returns the ids of all segments by their names, once all of them are
// live.
func segmentIDs(t *testing.T, url, key string) map[string]string {
	t.Helper()
	ids := map[string]string{}
	require.Eventually(t, func() bool {
		var out struct {
			Segments struct {
				Edges []struct {
					Node struct{ ID, Name, Status string }
				}
			}
		}
		query(t, url, key, `{ segments(first: 100) { edges { node { id name status } } } }`, nil, &out)
		live := true
		for _, e := range out.Segments.Edges {
			live = live && e.Node.Status == "LIVE"
			ids[e.Node.Name] = e.Node.ID
		}
		return live
	}, time.Minute, 50*time.Millisecond)
	return ids
}

var mistakes = regexp.MustCompile(`"userErrors":\[\{`)

// readme plays the README: who it tells of is sent first, and its "…" are filled in
// with what it would have shown.
func readme(t *testing.T, url string, keys *demoKeys) {
	t.Helper()
	const track = `{"type":"track","anonymousId":"laptop-7","event":"%","properties":{"sku":"COF-250"}}`
	send := func(messages ...string) {
		status, answer, err := post(url+"/v1/batch", keys.WriteKey, batchBody(messages...))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
	}
	send(strings.ReplaceAll(track, "%", "Product Viewed"),
		`{"type":"identify","userId":"ana","anonymousId":"laptop-7","traits":{"email":"ana@example.com","plan":"pro"}}`)
	var ana struct{ Profile struct{ ID, Cursor string } }
	query(t, url, keys.AdminKey, `{ profile(identifier: {namespace: "email", value: "ana@example.com"}) { id cursor } }`, nil, &ana)

	all := blocks(document(t, "README.md"), "graphql")
	require.Greater(t, len(all), 6)
	for _, b := range all {
		text := inItsYear(strings.ReplaceAll(b.code, "prof_…", ana.Profile.ID), keys.LastDay)
		if strings.Contains(text, `# seg_… is the segment "High lifetime value"`) {
			text = strings.ReplaceAll(text, `"seg_…"`, `"`+segmentIDs(t, url, keys.AdminKey)["High lifetime value"]+`"`)
			text = regexp.MustCompile(`#[^\n]*`).ReplaceAllString(text, "")
		}
		cursor := ana.Profile.Cursor
		if strings.Contains(text, "seg_…") {
			id := segmentIDs(t, url, keys.AdminKey)["Dog people"]
			require.NotEmpty(t, id)
			text = strings.ReplaceAll(text, "seg_…", id)
			var seg struct{ Segment struct{ Cursor string } }
			query(t, url, keys.AdminKey, `query($id: ID!) { segment(id: $id) { cursor } }`, map[string]any{"id": id}, &seg)
			cursor = seg.Segment.Cursor
		}
		text = strings.ReplaceAll(text, `after: "…"`, `after: "`+cursor+`"`)
		require.NotContains(t, text, "…")
		if strings.HasPrefix(text, "subscription") {
			// What Ana does next is told: of her profile, and then that she enters.
			next := "Product Viewed"
			if strings.Contains(text, "segmentMembershipChanged") {
				next = "Product Added"
			}
			told := follow(t, url, keys.AdminKey, text, func() { send(strings.ReplaceAll(track, "%", next)) })
			require.Contains(t, told, "ana@example.com")
			continue
		}
		var out map[string]json.RawMessage
		if query(t, url, keys.AdminKey, text, nil, &out); figured(text) {
			// Models are trained, and a request is answered, after the demo has begun to serve.
			require.Eventually(t, func() bool {
				clear(out)
				query(t, url, keys.AdminKey, text, nil, &out)
				return len(silent(t, out)) == 0
			}, 90*time.Second, 500*time.Millisecond, "%s", text)
		}
		answer, err := json.Marshal(out)
		require.NoError(t, err)
		require.NotRegexp(t, mistakes, string(answer), text)
		for name, value := range out {
			require.NotEqual(t, "null", string(value), "%s of %s", name, text)
		}
	}
}

// follow subscribes by server-sent events, does something and returns the first
// answer.
func follow(t *testing.T, url, key, text string, do func()) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": text})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	do()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.NotContains(t, data, `"errors"`)
			return data
		}
	}
	t.Fatalf("the stream ended: %s", text)
	return ""
}
