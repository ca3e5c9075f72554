package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden runs the queries of testdata/golden in the order of their names over
// one workspace, each as the user that its first line names ("# analyst"), and
// compares the answers. Variables that a query declares are filled from the
// fixture, and from earlier answers: after the user the first line names values of
// this answer to keep ("# admin list=createStaticSegment.segment.id"). No job is
// under way when a query runs. In the answers ids, times, cursors and secrets are
// numbered.
func TestGolden(t *testing.T) {
	w := newWorld(t)
	vars := fixture(w)
	vars["two"] = map[string]any{"and": []any{map[string]any{"trait": map[string]any{"path": "plan", "eq": "pro"}, "bucket": map[string]any{"salt": "a", "from": 0, "to": 1}}}}
	vars["none"] = map[string]any{"or": []any{map[string]any{"not": map[string]any{}}}}
	vars["pro"] = map[string]any{"trait": map[string]any{"path": "plan", "eq": "pro"}}
	golden(t, w, "testdata/golden", vars)
}

// golden runs the queries of a folder: see TestGolden.
func golden(t *testing.T, w *world, dir string, vars map[string]any) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.graphql"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	keys := map[string]string{"admin": w.admin, "analyst": w.analyst, "write": w.write, "marketer": w.marketer}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			w.t = t
			query, err := os.ReadFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(query), "\n")
			words := strings.Fields(strings.TrimPrefix(first, "#"))
			require.Contains(t, keys, words[0], "the first line names the user")
			w.idle()
			a := w.as(keys[words[0]], string(query), declared(string(query), vars))
			for _, keep := range words[1:] {
				name, path, _ := strings.Cut(keep, "=")
				var at []any
				for _, key := range strings.Split(path, ".") {
					if n, err := strconv.Atoi(key); err == nil {
						at = append(at, n)
						continue
					}
					at = append(at, key)
				}
				vars[name] = dig(a.Data, at...)
				require.NotNil(t, vars[name], "%s in %s", path, a.Body)
			}
			got := normal(t, a.Body)
			golden := strings.TrimSuffix(file, ".graphql") + ".json"
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// idle waits until no job is under way.
func (w *world) idle() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		d := w.ask(`{ queued: jobs(status: QUEUED) { totalCount } running: jobs(status: RUNNING) { totalCount } }`, nil)
		tasks, err := work.Tasks.Find(w.t.Context(), w.db, store.Query{Where: []store.Cond{store.Eq("kind", "sync.run")}, Order: []string{"dueAt"}}, 0)
		require.NoError(w.t, err)
		for _, t := range tasks { // a sync that is under way, or about to be
			if !t.LeaseUntil.IsZero() || !t.DueAt.After(time.Now()) {
				return false
			}
		}
		return dig(d, "queued", "totalCount") == json.Number("0") && dig(d, "running", "totalCount") == json.Number("0")
	}, 30*time.Second, 5*time.Millisecond)
}

var variable = regexp.MustCompile(`\$(\w+):`)

func declared(query string, vars map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range variable.FindAllStringSubmatch(query, -1) {
		out[m[1]] = vars[m[1]]
	}
	return out
}

// fixture makes a small shop and names what the queries ask for.
func fixture(w *world) map[string]any {
	ids := w.ingest(
		map[string]any{"type": "IDENTIFY", "messageId": "i1", "userId": "ana", "traits": map[string]any{"email": "ana@example.com", "plan": "pro", "address": map[string]any{"city": "Cluj"}}, "timestamp": "2026-01-01T08:00:00Z"},
		map[string]any{"type": "TRACK", "messageId": "t1", "userId": "ana", "event": "Product Viewed", "properties": map[string]any{"sku": "A1", "price": json.Number("19.90")}, "timestamp": "2026-01-02T08:00:00Z"},
		map[string]any{"type": "TRACK", "messageId": "t2", "userId": "ana", "event": "Order Completed", "properties": map[string]any{"total": json.Number("39.80"), "lines": []any{map[string]any{"sku": "A1", "quantity": 2}}}, "timestamp": "2026-01-03T08:00:00Z"},
		map[string]any{"type": "IDENTIFY", "messageId": "i2", "userId": "ben", "traits": map[string]any{"phone": "+40721234567"}, "timestamp": "2026-01-01T09:00:00Z", "context": map[string]any{"consent": map[string]any{"categoryPreferences": map[string]any{"marketing": true}}}},
		map[string]any{"type": "IDENTIFY", "messageId": "i3", "anonymousId": "anon-1", "traits": map[string]any{"plan": "free"}, "timestamp": "2026-01-01T10:00:00Z"},
	)
	// An event that links two different people waits for a person.
	w.ingest(map[string]any{"type": "IDENTIFY", "messageId": "i4", "userId": "ben", "traits": map[string]any{"email": "ana@example.com"}, "timestamp": "2026-01-04T08:00:00Z"})
	bad := w.as(w.admin, ingestQuery, map[string]any{"events": []any{map[string]any{"type": "TRACK", "messageId": "bad", "userId": "ana"}}})
	require.Empty(w.t, bad.Errors)
	d := w.ask(`{ quarantinedEvents { edges { node { id } } } mergeProposals { edges { node { id } } } events(first: 1) { edges { node { id } } } keys { edges { node { id name } } } sources { id name } }`, nil)
	vars := map[string]any{
		"ana": ids[0], "ben": ids[3], "anon": ids[4], "ws": w.ws,
		"bad":      dig(d, "quarantinedEvents", "edges", 0, "node", "id"),
		"proposal": dig(d, "mergeProposals", "edges", 0, "node", "id"),
		"event":    dig(d, "events", "edges", 0, "node", "id"),
		"key":      dig(d, "keys", "edges", 0, "node", "id"),
		"source":   dig(d, "sources", 0, "id"),
	}
	return vars
}

var changing = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b(prof|evt|mrg|prop|job|key|src|qua|req|ws|msg|imp|mem|seg|con|rcp|sup|pol|prc|cnn|syn|srn|ddl|tpl|apr|ast|cpl|frm|sbm|jrn|enr|todo|cmp|rel)_[0-9A-Z]{10,26}\b`), "$1"},
	{regexp.MustCompile(`"(20[2-9][0-9]-[01][0-9]-[0-3][0-9]T[0-9:.]+Z)"`), "TIME"},
	{regexp.MustCompile(`(Cursor|cursor)": "([A-Za-z0-9_.-]{8,})"`), "CURSOR"},
	{regexp.MustCompile(`"hw_[A-Za-z0-9_]+"`), "SECRET"},
	{regexp.MustCompile(`"(/p/)?ws_[0-9]+\.[A-Za-z0-9_-]{40,}"`), `"${1}TOKEN"`},
	{regexp.MustCompile(`\b(rec_[a-z_]+)\.[0-9A-Z]{26}\b`), "$1.HASH"},
}

// normal indents an answer and numbers what differs from run to run, the same
// text by the same number.
func normal(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, inOrder(t, body), "", "  "), string(body))
	text := b.String()
	text = changing[0].form.ReplaceAllStringFunc(text, numbered())
	text = changing[1].form.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasPrefix(s, `"2026-01-0`) {
			return s // the fixture's own
		}
		return `"TIME"`
	})
	text = changing[2].form.ReplaceAllString(text, `$1": "CURSOR"`)
	text = changing[3].form.ReplaceAllString(text, `"SECRET"`)
	text = changing[4].form.ReplaceAllString(text, changing[4].name)
	text = changing[5].form.ReplaceAllString(text, changing[5].name)
	return []byte(text + "\n")
}

// inOrder sorts the errors of an answer by the fields that they belong to: fields
// of a query run side by side.
func inOrder(t *testing.T, body []byte) []byte {
	t.Helper()
	var a struct {
		Errors     []json.RawMessage `json:"errors,omitempty"`
		Data       json.RawMessage   `json:"data,omitempty"`
		Extensions json.RawMessage   `json:"extensions,omitempty"`
	}
	require.NoError(t, json.Unmarshal(body, &a), string(body))
	if len(a.Errors) < 2 {
		return body
	}
	path := func(raw json.RawMessage) string {
		var e struct{ Path json.RawMessage }
		require.NoError(t, json.Unmarshal(raw, &e))
		return string(e.Path)
	}
	slices.SortStableFunc(a.Errors, func(x, y json.RawMessage) int { return strings.Compare(path(x), path(y)) })
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(a))
	return b.Bytes()
}

func numbered() func(string) string {
	seen, count := map[string]string{}, map[string]int{}
	return func(id string) string {
		if n, ok := seen[id]; ok {
			return n
		}
		prefix, _, _ := strings.Cut(id, "_")
		count[prefix]++
		seen[id] = fmt.Sprintf("%s_%d", prefix, count[prefix])
		return seen[id]
	}
}
