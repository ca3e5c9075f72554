package profile

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRestrictionsDoNotDependOnOrder folds words in every order that is drawn, and
// compares with a look at all of them.
func TestRestrictionsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		purposes, parts := []string{"", "marketing", "personalisation", "support"}, []string{"prof_a", "prof_b"}
		var words []Restriction
		for i := range rapid.IntRange(1, 8).Draw(t, "words") {
			w := Restriction{
				Purpose: rapid.SampledFrom(purposes).Draw(t, "purpose"), On: rapid.Bool().Draw(t, "on"),
				At: time.UnixMilli(int64(rapid.IntRange(1, 4).Draw(t, "at"))).UTC(), Event: "evt_" + string(rune('a'+i)), Seq: int64(i),
			}
			w.Parts = rapid.SampledFrom([][]string{parts, parts[:1], parts[1:]}).Draw(t, "parts")
			words = append(words, w)
		}
		fold := func(list []Restriction) *Profile {
			p := &Profile{Parts: parts}
			for _, w := range list {
				p.restrict(w)
			}
			return p
		}
		a := fold(words)
		b := fold(rapid.Permutation(words).Draw(t, "order"))
		require.Equal(t, a.Restrictions, b.Restrictions)
		require.Equal(t, a.Restricted, b.Restricted)
		for _, chain := range [][]string{{"personalisation", "marketing"}, {"support"}, {"operations"}} {
			want := false
			for _, part := range parts {
				var last *Restriction
				for i := range words {
					w := &words[i]
					if !slices.Contains(w.Parts, part) || w.Purpose != "" && !slices.Contains(chain, w.Purpose) {
						continue
					}
					if last == nil || w.At.After(last.At) || w.At.Equal(last.At) && w.On {
						last = w
					}
				}
				want = want || last != nil && last.On
			}
			require.Equal(t, want, a.RestrictedFor(chain), chain)
			if want {
				require.True(t, a.IsRestricted())
			}
		}
	})
}

// TestRestrictedPeopleSurviveTheStore writes and reads the registers.
func TestRestrictedPeopleSurviveTheStore(t *testing.T) {
	p := &Profile{Parts: []string{"prof_a"}}
	p.ID = "ws_1/prof_a"
	p.restrict(Restriction{Purpose: "marketing", Parts: []string{"prof_a"}, On: true, At: time.UnixMilli(5).UTC(), Event: "evt_1", Seq: 3})
	raw, err := p.MarshalBSON()
	require.NoError(t, err)
	var back Profile
	require.NoError(t, back.UnmarshalBSON(raw))
	require.Equal(t, p.Restrictions, back.Restrictions)
	require.True(t, back.IsRestricted())
	require.True(t, back.RestrictedFor([]string{"marketing"}))
	require.False(t, back.RestrictedFor([]string{"support"}))
}
