package profile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// TestAnIdentifierFindsWhoHeldItThen looks people up by name before, while and
// after two of them were one.
func TestAnIdentifierFindsWhoHeldItThen(t *testing.T) {
	f := newFixture(t)
	find := func(ns, value string, at time.Time) *Profile {
		p, err := f.s.AsOfIdentifier(f.ctx, ws, event.Identifier{Namespace: ns, Value: value}, at)
		require.NoError(t, err)
		return p
	}
	f.send(f.in(event.Identify, user("ana")), f.in(event.Identify, user("ben")))
	f.tick()
	apart := f.clock.Now()
	f.tick()
	f.send(f.in(event.Identify, user("ben"), email("ben@x.io")))
	f.tick()
	ana, ben := f.must(UserID, "ana").ProfileID(), f.must(UserID, "ben").ProfileID()
	done, err := f.s.Merge(f.ctx, ws, MergeInput{WinnerID: ana, LoserID: ben, Reason: "same"})
	require.NoError(t, err)
	f.tick()
	joined := f.clock.Now()
	require.Equal(t, ana, f.must(UserID, "ben").ProfileID())

	was := find(UserID, " ben ", apart)
	require.Equal(t, ben, was.ProfileID(), "not who they are one with now")
	require.Equal(t, []string{"user_id:ben"}, names(was))
	merges, err := f.s.MergesOf(f.ctx, was)
	require.NoError(t, err)
	require.Empty(t, merges)
	require.Nil(t, find(Email, "ben@x.io", apart), "nobody had it yet")
	require.Nil(t, find(UserID, "ben", apart.Add(-time.Hour)))
	require.Nil(t, find(UserID, "nobody", joined))
	require.Nil(t, find(UserID, "undefined", joined))

	f.tick()
	_, err = f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: done.Merge.MergeID()})
	require.NoError(t, err)
	f.tick()
	was = find(Email, "ben@x.io", joined)
	require.Equal(t, ana, was.ProfileID(), "the merge that was undone since stood then")
	merges, err = f.s.MergesOf(f.ctx, was)
	require.NoError(t, err)
	require.Len(t, merges, 1)
	require.Nil(t, merges[0].UndoneAt)
	require.Equal(t, ben, find(Email, "ben@x.io", f.clock.Now()).ProfileID())
	merges, err = f.s.MergesOf(f.ctx, find(UserID, "ben", f.clock.Now()))
	require.NoError(t, err)
	require.Len(t, merges, 1)
	require.NotNil(t, merges[0].UndoneAt)
}

func TestATraitWithADotInItsName(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, user("u"), traits(bson.D{
		{Key: "a.b", Value: bson.D{{Key: "c", Value: 1}}}, {Key: `back\slash`, Value: 2}, {Key: "a", Value: bson.D{{Key: "b", Value: 3}}},
	})))
	p := f.must(UserID, "u")
	value := func(path string) int32 { return p.TraitAt(path).Value.Int32() }
	require.EqualValues(t, 1, value(`a\.b.c`))
	require.EqualValues(t, 3, value("a.b"))
	require.EqualValues(t, 2, value(`back\\slash`))
	require.Equal(t, bson.TypeEmbeddedDocument, p.TraitAt(`a\.b`).Value.Type)
	require.Nil(t, p.TraitAt(`a\`), "half an escape names nothing")
	for path, want := range map[string]string{
		`a\.b`: `{"a.b":{"c":1}}`, `a\.b.c`: `{"a.b":{"c":1}}`, "a.b": `{"a":{"b":3}}`, `a\`: `{}`, `back\\slash`: `{"back\\slash":2}`,
	} {
		got, err := TraitsJSON(p, []string{path})
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), path)
	}
}

func TestSettingsHaveAVersion(t *testing.T) {
	f := newFixture(t)
	version := func(n int64) Edit { return Edit{ExpectedVersion: &n} }
	card := Namespace{Name: "card", Priority: 60, Limit: 3}
	list, err := f.s.SetNamespace(f.ctx, ws, card, version(0))
	require.NoError(t, err)
	require.EqualValues(t, 1, list[0].Version)
	list, err = f.s.SetNamespace(f.ctx, ws, card)
	require.NoError(t, err)
	require.EqualValues(t, 1, list[0].Version, "nothing changed")
	_, err = f.s.SetRegion(f.ctx, ws, "RO", version(0))
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, "VERSION_CONFLICT", reason(err))
	rule := TraitRule{Trait: "plan", Sources: []string{"src_a", "src_b"}}
	would, err := f.s.SetTraitRule(f.ctx, ws, rule, Edit{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, rule.Sources, would.Traits[0].Sources)
	is, err := f.s.Rules(f.ctx, ws)
	require.NoError(t, err)
	require.Empty(t, is.Traits, "a dry run writes nothing")
	is, err = f.s.SetTraitRule(f.ctx, ws, rule, version(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, is.Version)
	require.EqualValues(t, 2, is.Traits[0].Version)
	rule.Sources = []string{"src_a", "src_a"}
	_, err = f.s.SetTraitRule(f.ctx, ws, rule)
	require.Equal(t, []string{"sources", "1"}, core.AsError(err).Path)
	_, err = f.s.SetTraitRule(f.ctx, ws, TraitRule{Trait: "plan.tier", Sources: []string{"src_a"}})
	require.Equal(t, "TRAIT", reason(err), "it would never hold")
	is, err = f.s.SetTraitRule(f.ctx, ws, TraitRule{Trait: `plan\.tier`, Sources: []string{"src_a"}})
	require.NoError(t, err)
	require.Equal(t, `plan\.tier`, is.Traits[1].Trait)
	f.send(f.in(event.Identify, user("u"), traits(bson.D{{Key: "plan.tier", Value: 1}})))
	require.Equal(t, SourcePriority, f.must(UserID, "u").TraitAt(`plan\.tier`).Rule)
}
