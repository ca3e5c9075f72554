package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// TestLeanProfilesAnswerLikeWholeOnes draws registers, some hidden, and asks for a
// path of what was read of it alone.
func TestLeanProfilesAnswerLikeWholeOnes(t *testing.T) {
	paths := []string{"a", "a.b", "a.b.c", "a.bc", "ab", "b", `a\.b`, "timezone"}
	rapid.Check(t, func(t *rapid.T) {
		p := &profile.Profile{Meta: store.Meta{ID: "ws_1/prof_1"}, Parts: []string{"prof_1"}}
		for _, path := range []string{"a", "a.b", "a.b.c", "a.bc", `a\.b`, "ab", "b", "timezone"} {
			switch rapid.IntRange(0, 3).Draw(t, path) {
			case 0:
				p.Traits = append(p.Traits, profile.Trait{Path: path, Value: bson.RawValue{Type: bson.TypeNull}})
			case 1:
				typ, raw, err := bson.MarshalValue(rapid.StringN(0, 5, -1).Draw(t, "value"))
				require.NoError(t, err)
				p.Traits = append(p.Traits, profile.Trait{Path: path, Value: bson.RawValue{Type: typ, Value: raw}})
			}
		}
		raw, err := profile.Profiles.Encode(p)
		require.NoError(t, err)
		whole, err := profile.Profiles.Decode(raw)
		require.NoError(t, err)
		path := rapid.SampledFrom(paths).Draw(t, "path")
		w := wantedBy(&condition.Needs{Traits: []string{path}, Zone: rapid.Bool().Draw(t, "zone")}, false)
		lean := &profile.Profile{Traits: []profile.Trait{{Path: "of another"}}}
		require.NoError(t, w.read(raw, lean))
		require.Equal(t, whole.ProfileID(), lean.ProfileID())
		want, wok := factsOf(whole, nil, nil).Trait(path)
		got, ok := factsOf(lean, nil, nil).Trait(path)
		require.Equal(t, wok, ok)
		require.True(t, want.Equal(got) || !ok, "%v %v", want, got)
		if len(w.traits) > 1 {
			require.Equal(t, factsOf(whole, nil, nil).Location(), factsOf(lean, nil, nil).Location())
		}
	})
}
