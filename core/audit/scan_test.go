package audit

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
)

// TestScannedBodiesAreWhatJSONSays reads random bodies both ways. Those without escapes
// and details must be read the fast way.
func TestScannedBodiesAreWhatJSONSays(t *testing.T) {
	fast := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9_.:é-]{0,12}`), rapid.String())
		texts := rapid.SliceOfN(text, 0, 3)
		e := &Entry{
			ID: text.Draw(t, "id"), Workspace: text.Draw(t, "workspace"), At: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "at")).UTC(),
			Actor: text.Draw(t, "actor"), Action: text.Draw(t, "action"), Resource: text.Draw(t, "resource"), Fields: texts.Draw(t, "fields"),
			Purpose: text.Draw(t, "purpose"), Reason: text.Draw(t, "reason"), Decision: core.Effect(text.Draw(t, "decision")),
			RequestID: text.Draw(t, "request"), SubjectCount: rapid.IntRange(0, 1000).Draw(t, "count"),
			Details: rapid.MapOfN(text, text, 0, 1).Draw(t, "details"),
		}
		raw := appendBody(nil, e, texts.Draw(t, "subjects"), texts.Draw(t, "sets"), texts.Draw(t, "identifiers"))
		var want, got body
		require.NoError(t, json.Unmarshal(raw, &want))
		if scanBody(raw, &got) {
			fast++
			require.Equal(t, want, got)
		} else {
			require.Regexp(t, `\\|"details":`, string(raw))
		}
		cut := raw[:rapid.IntRange(0, len(raw)-1).Draw(t, "cut")]
		require.False(t, scanBody(cut, &body{}), string(cut))
	})
	require.Positive(t, fast)
}
