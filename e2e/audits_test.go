package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGraphQLOverHTTP holds /graphql to the specification: no error and no
// warning; a notice (something optional) is logged.
func TestGraphQLOverHTTP(t *testing.T) {
	requireNode(t)
	s, k := shop(t)

	var audits []struct{ ID, Name, Status, Reason, Answer string }
	script(t, "audits.mjs", map[string]string{"HEADWATER_URL": s.URL, "HEADWATER_KEY": k.AdminKey}, &audits)

	count := map[string]int{}
	for _, a := range audits {
		count[a.Status]++
		switch a.Status {
		case "ok":
		case "notice":
			t.Logf("notice %s %s: %s (%s)", a.ID, a.Name, a.Reason, a.Answer)
		default:
			t.Errorf("%s %s %s: %s (%s)", a.Status, a.ID, a.Name, a.Reason, a.Answer)
		}
	}
	t.Logf("%d audits: %v", len(audits), count)
	require.Greater(t, count["ok"], 50, "the audits did not run")
}

// TestNoKeyNoAnswer covers what the audits leave out: a request without a key.
func TestNoKeyNoAnswer(t *testing.T) {
	s, _ := shop(t)
	for _, key := range []string{"", "hw_nobody"} {
		res := s.post(t, key, "application/graphql-response+json", `{"query":"{ profiles(first: 1) { totalCount } }"}`)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, "key %q", key)
	}
}
