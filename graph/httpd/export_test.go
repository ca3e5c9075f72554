package httpd

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/segment"
)

// listed makes a list of n people and returns its id, and a key that may read.
func (e *edge) listed(n int) (id, key string) {
	e.t.Helper()
	ws := e.made.Workspace.ID
	out, err := e.segments.Create(e.ctx, ws, segment.CreateInput{Name: "list", Kind: segment.Static})
	require.NoError(e.t, err)
	for from := 0; from < n; from += 100 {
		var messages []string
		var items []segment.ListItem
		for i := from; i < min(n, from+100); i++ {
			user := fmt.Sprint("u", i)
			messages = append(messages, fmt.Sprintf(`{"type":"identify","userId":%q,"traits":{"n":%d,"formula":"=1+1"}}`, user, i))
			items = append(items, segment.ListItem{Identifier: event.Identifier{Namespace: "user_id", Value: user}})
		}
		res, answer := e.send(http.MethodPost, "/v1/batch", `{"batch":[`+strings.Join(messages, ",")+`]}`, e.key()...)
		require.Equal(e.t, http.StatusOK, res.StatusCode, answer)
		_, err = e.segments.AddToList(e.ctx, ws, out.Segment.SegmentID(), items)
		require.NoError(e.t, err)
	}
	issued, err := e.access.CreateKey(e.ctx, access.NewKey{Workspace: ws, Name: "reads", Roles: []string{access.Analyst}})
	require.NoError(e.t, err)
	return out.Segment.SegmentID(), issued.Secret
}

func TestExport(t *testing.T) {
	e := newEdge(t)
	id, key := e.listed(700) // more than a page
	res, body := e.send(http.MethodGet, "/v1/segments/"+id+"/members?fields=profileId,identifiers.user_id,traits.n", "", "Authorization", "Bearer "+key)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.Equal(t, "application/x-ndjson", res.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="`+id+`.ndjson"`, res.Header.Get("Content-Disposition"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	lines := strings.Split(strings.TrimSpace(body), "\n")
	require.Len(t, lines, 700)
	var ids []string
	seen := map[string]bool{}
	for _, line := range lines {
		var m struct {
			ProfileID string   `json:"profileId"`
			Users     []string `json:"identifiers.user_id"`
			N         int      `json:"traits.n"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, []string{fmt.Sprint("u", m.N)}, m.Users)
		seen[m.Users[0]], ids = true, append(ids, m.ProfileID)
	}
	require.Len(t, seen, 700)

	// It goes on behind any line.
	_, rest := e.send(http.MethodGet, "/v1/segments/"+id+"/members?after="+ids[520], "", "Authorization", "Bearer "+key)
	lines = strings.Split(strings.TrimSpace(rest), "\n")
	require.Len(t, lines, 179)
	require.Contains(t, lines[0], ids[521])
	res, rest = e.send(http.MethodGet, "/v1/segments/"+id+"/members?after="+ids[699], "", "Authorization", "Bearer "+key)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, rest)
}

func TestExportAsCSV(t *testing.T) {
	e := newEdge(t)
	id, key := e.listed(3)
	res, body := e.send(http.MethodGet, "/v1/segments/"+id+"/members?format=csv&fields=profileId,enteredAt&fields=traits.formula", "", "Authorization", "Bearer "+key)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.True(t, strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv"))
	require.Equal(t, `attachment; filename="`+id+`.csv"`, res.Header.Get("Content-Disposition"))
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	require.Equal(t, []string{"profileId", "enteredAt", "traits.formula"}, rows[0])
	require.Equal(t, "'=1+1", rows[1][2], "no spreadsheet runs it")
}

func TestExportRefusals(t *testing.T) {
	e := newEdge(t)
	id, key := e.listed(1)
	other, err := e.access.CreateWorkspace(e.ctx, "other")
	require.NoError(t, err)
	good := []string{"Authorization", "Bearer " + key}
	for name, c := range map[string]struct {
		method, path string
		header       []string
		status       int
		reason       string
	}{
		"no key":         {"GET", "/v1/segments/" + id + "/members", nil, 401, "MISSING_KEY"},
		"unknown key":    {"GET", "/v1/segments/" + id + "/members", []string{"Authorization", "Bearer hw_no"}, 401, "UNKNOWN_KEY"},
		"write key":      {"GET", "/v1/segments/" + id + "/members", []string{"Authorization", "Bearer " + e.made.WriteKey}, 403, "ROLE"},
		"unknown":        {"GET", "/v1/segments/seg_00000000000000000000000000/members", good, 404, "SEGMENT"},
		"another's":      {"GET", "/v1/segments/" + id + "/members", []string{"Authorization", "Bearer " + other.AdminKey}, 404, "SEGMENT"},
		"format":         {"GET", "/v1/segments/" + id + "/members?format=xml", good, 400, "FORMAT"},
		"field":          {"GET", "/v1/segments/" + id + "/members?fields=secret", good, 400, "FIELD"},
		"after":          {"GET", "/v1/segments/" + id + "/members?after=seg_1", good, 400, "AFTER"},
		"method":         {"POST", "/v1/segments/" + id + "/members", good, 405, "METHOD_NOT_ALLOWED"},
		"another route":  {"GET", "/v1/segments/" + id + "/people", good, 404, "UNKNOWN_ROUTE"},
		"a path between": {"GET", "/v1/segments/a/b/members", good, 404, "UNKNOWN_ROUTE"},
	} {
		t.Run(name, func(t *testing.T) {
			res, answer := e.send(c.method, c.path, "", c.header...)
			require.Equal(t, c.status, res.StatusCode, answer)
			require.Contains(t, answer, `"reason":"`+c.reason+`"`)
			require.Empty(t, res.Header.Get("Content-Disposition"))
		})
	}
}

// TestExportEndsWithItsKey revokes the key while its export is being read: the answer
// is cut, so that nobody takes it for the whole.
func TestExportEndsWithItsKey(t *testing.T) {
	e := newEdge(t)
	id, _ := e.listed(600)
	issued, err := e.access.CreateKey(e.ctx, access.NewKey{Workspace: e.made.Workspace.ID, Name: "short", Roles: []string{access.Analyst}})
	require.NoError(t, err)
	e.between = func() {
		_, err := e.access.RevokeKey(core.WithActor(e.ctx, access.Operator("test")), e.made.Workspace.ID, issued.Key.KeyID)
		require.NoError(t, err)
	}
	req, err := http.NewRequest(http.MethodGet, e.url+"/v1/segments/"+id+"/members", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+issued.Secret)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
}
