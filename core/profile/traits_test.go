package profile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core/event"
)

func TestTraitsMergeByLeaf(t *testing.T) {
	f := newFixture(t)
	set := func(n int, d bson.D) { f.send(f.in(event.Identify, user("u"), traits(d), minute(n))) }
	want := func(s string) { t.Helper(); require.JSONEq(t, s, f.json(f.must(UserID, "u"))) }
	set(10, bson.D{{Key: "address", Value: bson.D{{Key: "city", Value: "Cluj"}, {Key: "zip", Value: "400"}}}, {Key: "tags", Value: bson.A{"a", "b"}}})
	set(20, bson.D{{Key: "address", Value: bson.D{{Key: "city", Value: "Iasi"}}}, {Key: "tags", Value: bson.A{"c"}}})
	want(`{"address":{"city":"Iasi","zip":"400"},"tags":["c"]}`)
	set(15, bson.D{{Key: "address", Value: bson.D{{Key: "city", Value: "late"}}}, {Key: "tags", Value: bson.A{}}})
	want(`{"address":{"city":"Iasi","zip":"400"},"tags":["c"]}`)
	set(30, bson.D{{Key: "address", Value: bson.D{{Key: "city", Value: nil}}}, {Key: "empty", Value: bson.D{}}})
	want(`{"address":{"zip":"400"},"tags":["c"]}`)
	require.Equal(t, bson.TypeNull, f.must(UserID, "u").TraitAt("address.city").Value.Type, "a tombstone")
	set(25, bson.D{{Key: "address", Value: bson.D{{Key: "city", Value: "late"}}}})
	want(`{"address":{"zip":"400"},"tags":["c"]}`)
	set(40, bson.D{{Key: "address", Value: "1 Main St"}})
	want(`{"address":"1 Main St","tags":["c"]}`)
	set(35, bson.D{{Key: "address", Value: bson.D{{Key: "street", Value: "late"}}}})
	want(`{"address":"1 Main St","tags":["c"]}`)
	set(50, bson.D{{Key: "address", Value: bson.D{{Key: "country", Value: "RO"}}}})
	want(`{"address":{"country":"RO"},"tags":["c"]}`)
	set(45, bson.D{{Key: "address", Value: bson.D{{Key: "floor", Value: int32(3)}}}})
	want(`{"address":{"country":"RO","floor":3},"tags":["c"]}`)
	set(38, bson.D{{Key: "address", Value: bson.D{{Key: "door", Value: "later than the first, before the string"}}}})
	want(`{"address":{"country":"RO","floor":3},"tags":["c"]}`)
	f.exact()
}

func TestSourcePriority(t *testing.T) {
	f := newFixture(t)
	_, err := f.s.SetTraitRule(f.ctx, ws, TraitRule{Trait: "plan", Sources: []string{"src_crm", "src_web"}})
	require.NoError(t, err)
	send := func(source string, n int, plan string) {
		in := f.in(event.Identify, user("u"), traits(bson.D{{Key: "plan", Value: plan}, {Key: "city", Value: plan}}), minute(n))
		u, err := f.s.Begin(f.ctx, ws, []*event.Input{in})
		require.NoError(t, err)
		e, err := u.Apply(in, source, f.clock.Now())
		require.NoError(t, err)
		u.events = append(u.events, e)
		require.NoError(t, f.s.commit(f.ctx, u))
	}
	send("src_crm", 1, "pro")
	send("src_web", 2, "free")
	send("src_app", 3, "trial")
	p := f.must(UserID, "u")
	require.JSONEq(t, `{"plan":"pro","city":"trial"}`, f.json(p))
	require.Equal(t, SourcePriority, p.TraitAt("plan").Rule)
	require.Equal(t, LastWrite, p.TraitAt("city").Rule)
	f.exact()
	// A changed rule shows as differences until a rebuild.
	_, err = f.s.SetTraitRule(f.ctx, ws, TraitRule{Trait: "plan"})
	require.NoError(t, err)
	diffs, err := f.s.Check(f.ctx, ws, nil)
	require.NoError(t, err)
	require.Equal(t, []Difference{{p.ProfileID(), "traits.plan"}}, diffs)
	require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	require.JSONEq(t, `{"plan":"trial","city":"trial"}`, f.json(f.must(UserID, "u")))
	f.exact()
}

func TestPathsOfOddKeys(t *testing.T) {
	f := newFixture(t)
	odd := bson.D{
		{Key: "a.b", Value: bson.D{{Key: `c\d`, Value: int64(1)}}}, {Key: "a", Value: bson.D{{Key: "b", Value: int64(2)}}},
		{Key: "a-b", Value: int64(3)}, {Key: "", Value: int64(4)}, {Key: `e\`, Value: bson.D{{Key: ".", Value: int64(5)}}},
	}
	f.send(f.in(event.Identify, user("u"), traits(odd)))
	p := f.must(UserID, "u")
	require.JSONEq(t, `{"a.b":{"c\\d":1},"a":{"b":2},"a-b":3,"":4,"e\\":{".":5}}`, f.json(p))
	require.EqualValues(t, 1, p.TraitAt(`a\.b.c\\d`).Value.Int64())
	require.Nil(t, p.TraitAt("a.c"))
	require.Equal(t, bson.TypeEmbeddedDocument, p.TraitAt("a").Value.Type)
	some, err := TraitsJSON(p, []string{"a", "a-b", "nothing"})
	require.NoError(t, err)
	require.JSONEq(t, `{"a":{"b":2},"a-b":3}`, string(some))
	require.Equal(t, []string{"a.b", "c\\d"}, segments(`a\.b.c\\d`))
}

func TestChangedSince(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, user("u"), email("a@x.io")))
	f.send(f.in(event.Track, user("u"), consentSaid("ads", true)))
	f.send(f.in(event.Identify, user("u"), traits(bson.D{{Key: "plan", Value: "pro"}})))
	p := f.must(UserID, "u")
	require.Equal(t, []string{"consents.ads", "events", "identifiers", "traits.email", "traits.plan"}, p.ChangedSince(0))
	require.Equal(t, []string{"consents.ads", "events", "traits.plan"}, p.ChangedSince(1))
	require.Equal(t, []string{"events", "traits.plan"}, p.ChangedSince(2))
	require.Empty(t, p.ChangedSince(3))
	f.send(f.in(event.Identify, user("v")))
	f.merge(p, f.must(UserID, "v"))
	require.Contains(t, f.must(UserID, "u").ChangedSince(3), "merges")
}

var paths = []string{"a", "a.b", "a.b.c", "a.b.d", "a.c", "b", "b.c", `a\.b`, "a-b"}

func genTrait(t *rapid.T, i int) Trait {
	v := bson.RawValue{Type: bson.TypeString, Value: bsonText(fmt.Sprint(i))}
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		v = null
	}
	return Trait{
		Path: rapid.SampledFrom(paths).Draw(t, "path"), Value: v, Source: "s", Rule: LastWrite,
		At:    epoch.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Minute),
		Event: fmt.Sprintf("evt_%02d", i), Priority: int64(rapid.IntRange(0, 1).Draw(t, "priority")),
	}
}

func bsonText(s string) []byte {
	_, raw, _ := bson.MarshalValue(s)
	return raw
}

// normalForm is the definition that put must agree with: the writes that nothing at
// or above their path beats, and no value where something stands below.
func normalForm(writes []Trait) []Trait {
	covers := func(a, b string) bool { return a == b || strings.HasPrefix(b, a+".") }
	var out []Trait
	for _, w := range writes {
		if !slices.ContainsFunc(writes, func(o Trait) bool { return covers(o.Path, w.Path) && o.beats(&w) }) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Trait) int { return strings.Compare(a.Path, b.Path) })
	for i := range out {
		if slices.ContainsFunc(out, func(o Trait) bool { return strings.HasPrefix(o.Path, out[i].Path+".") }) {
			out[i].Value = null
		}
	}
	return out
}

func TestTraitsDoNotDependOnTheOrderOfWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		writes := make([]Trait, n)
		for i := range writes {
			writes[i] = genTrait(t, i)
		}
		want := normalForm(writes)
		order := rapid.Permutation(writes).Draw(t, "order")
		var got []Trait
		for _, w := range order {
			got = put(got, w)
		}
		require.Equal(t, encode(want), encode(got))
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		var a, b []Trait
		for _, w := range order[:cut] {
			a = put(a, w)
		}
		for _, w := range order[cut:] {
			b = put(b, w)
		}
		require.Equal(t, encode(want), encode(joinTraits(a, b)), "joining two states is folding all their writes")
		raw, err := TraitsJSON(&Profile{Traits: got}, nil)
		require.NoError(t, err)
		require.True(t, json.Valid(raw))
	})
}

func encode(regs []Trait) string {
	raw, err := (&Profile{Traits: regs}).MarshalBSON()
	if err != nil {
		return err.Error()
	}
	return bson.Raw(raw).String()
}

func TestProfileSurvivesItsCodec(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io"), consentSaid("ads", true)))
	f.unmerge(f.merge(ana, ben))
	for _, p := range f.profiles() {
		raw, err := bson.Marshal(p)
		require.NoError(t, err)
		require.NoError(t, bson.Raw(raw).Validate())
		var back Profile
		require.NoError(t, bson.Unmarshal(raw, &back))
		require.Equal(t, *p, back)
		// The tags say what the codec writes.
		type plain Profile
		var tagged plain
		require.NoError(t, bson.Unmarshal(raw, &tagged))
		for i := range tagged.Traits {
			tagged.Traits[i].Rule = LastWrite
		}
		require.Equal(t, p.Identifiers, tagged.Identifiers)
		require.Len(t, tagged.Traits, len(p.Traits))
		for i := range p.Traits {
			require.Equal(t, p.Traits[i].Path, tagged.Traits[i].Path)
			require.True(t, p.Traits[i].Value.Equal(tagged.Traits[i].Value))
			require.Equal(t, p.Traits[i].Event, tagged.Traits[i].Event)
		}
		require.Equal(t, p.Consents, tagged.Consents)
		require.Equal(t, p.UpdatedAt, tagged.UpdatedAt)
		for cut := range raw {
			require.Error(t, new(Profile).UnmarshalBSON(append([]byte{}, raw[:cut]...)), "cut at %d", cut)
		}
	}
}
