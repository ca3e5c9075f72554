package condition

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
)

// TestMarshalParse: what is written is read back to the same node, and to the same
// text.
func TestMarshalParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawNode(t, 3)
		text, err := MarshalJSON(n)
		require.NoError(t, err)
		back, err := ParseJSON(text)
		require.NoError(t, err, string(text))
		require.Equal(t, n, back, string(text))
		again, err := MarshalJSON(back)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
		require.NotEmpty(t, Words(n, nil))
	})
}

// FuzzParseJSON: no text makes Parse panic, and what it takes has one canonical form.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"event":{"name":"E","where":[{"path":"p","gte":1.50}],"count":{"gte":"2"},"window":{"last":"P4W"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseJSON(text)
		if v, bad := decode(text); bad == nil {
			checked, faults, _ := Faults(v, testTown(), Options{Self: "seg_self"})
			if (checked == nil) != (len(faults) > 0) || len(faults) > MaxFaults || err != nil && len(faults) == 0 {
				t.Fatalf("%d faults, but the node is %v and Parse says %v", len(faults), checked, err)
			}
			_, _, _ = Faults(v, testTown(), Options{Fields: true, Type: "subscription"})
		}
		if err != nil {
			var e *core.Error
			if !errors.As(err, &e) || e.Code != core.Invalid || e.Reason == "" {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		canonical, err := MarshalJSON(n)
		require.NoError(t, err)
		back, err := ParseJSON(canonical)
		require.NoError(t, err, string(canonical))
		again, err := MarshalJSON(back)
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(again))
		_ = Words(n, nil)
		_ = Ledgers(n)
	})
}

func TestCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		`{"or":null,"event":{"window":{"last":"P4W"},"count":{"lt":"5","gte":1.0},"name":"E","where":[]}}`:        `{"event":{"name":"E","count":{"gte":1.0,"lt":5},"window":{"last":"P28D"}}}`,
		`{"event":{"name":"E","window":{"allTime":true}}}`:                                                        `{"event":{"name":"E"}}`,
		`{"trait":{"lt":{"currency":"EUR","amount":"5.50"},"missing":"EXCLUDE","path":"a\\b","gt":null}}`:         `{"trait":{"path":"ab","lt":{"amount":5.50,"currency":"EUR"}}}`,
		`{"trait":{"path":"a","before":"2026-03-01T02:00:00+02:00","after":"2025-01-01T00:00:00.000Z"}}`:          `{"trait":{"path":"a","before":"2026-03-01T00:00:00Z","after":"2025-01-01T00:00:00Z"}}`,
		`{"object":{"type":"t","match":"ANY"}}`:                                                                   `{"object":{"type":"t"}}`,
		`{"object":{"type":"t","match":"ANY","count":{"eq":2}}}`:                                                  `{"object":{"type":"t","count":{"eq":2}}}`,
		`{"and":{"trait":{"path":"p","in":"x"}}}`:                                                                 `{"and":[{"trait":{"path":"p","in":["x"]}}]}`,
		`{"trait":{"path":"p","eq":{"b":1e0,"a":"<&>"}}}`:                                                         `{"trait":{"path":"p","eq":{"a":"<&>","b":1e0}}}`,
		`{"segment":{"id":"seg_1","entered":{"ago":{"from":"P2Y3M","to":"PT36H"}}}}`:                              `{"segment":{"id":"seg_1","entered":{"ago":{"from":"P2Y3M","to":"P1DT12H"}}}}`,
		`{"bucket":{"to":10,"from":0,"salt":""}}`:                                                                 `{"bucket":{"salt":"","from":0,"to":10}}`,
		`{"event":{"name":"E","window":{"between":{"to":"2026-02-01T00:00:00Z","from":"2026-01-01T00:00:00Z"}}}}`: `{"event":{"name":"E","window":{"between":{"from":"2026-01-01T00:00:00Z","to":"2026-02-01T00:00:00Z"}}}}`,
	} {
		n, err := ParseJSON([]byte(in))
		require.NoError(t, err, in)
		text, err := MarshalJSON(n)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

func TestParseJSONText(t *testing.T) {
	for _, in := range []string{``, `{`, `{} {}`, `{"trait":{"path":"p","eq":01}}`} {
		_, err := ParseJSON([]byte(in))
		require.ErrorIs(t, err, &core.Error{Code: core.Invalid, Reason: ReasonJSON}, in)
	}
}

// TestParseGoValues: a GraphQL server hands over Go's own numbers and times.
func TestParseGoValues(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n, err := Parse(map[string]any{"and": []map[string]any{
		{"event": map[string]any{"name": "E", "count": map[string]any{"gte": int64(2), "lt": "5"}, "window": nil}},
		{"trait": map[string]any{"path": "p", "between": []any{float64(0.5), 1e21}, "missing": "EXCLUDE"}},
		{"trait": map[string]any{"path": "p", "in": []string{"x"}, "before": at, "neq": nil}},
		{"bucket": map[string]any{"salt": "s", "from": 0, "to": json.Number("10")}},
		{"geo": map[string]any{"path": "p", "lat": float32(1.5), "lon": int32(-2), "radiusKm": uint64(3)}},
	}})
	require.NoError(t, err)
	text, err := MarshalJSON(n)
	require.NoError(t, err)
	require.Equal(t, `{"and":[{"event":{"name":"E","count":{"gte":2,"lt":5}}},{"trait":{"path":"p","between":[0.5,1e+21]}},`+
		`{"trait":{"path":"p","in":["x"],"before":"2026-01-01T00:00:00Z"}},{"bucket":{"salt":"s","from":0,"to":10}},`+
		`{"geo":{"path":"p","lat":1.5,"lon":-2,"radiusKm":3}}]}`, string(text))

	// Two keys come through variables although the schema says @oneOf.
	_, err = Parse(map[string]any{"segment": map[string]any{"id": "seg_1"}, "list": map[string]any{"id": "seg_1"}})
	require.ErrorIs(t, err, &core.Error{Code: core.Invalid, Reason: ReasonOneKey})
	require.ErrorContains(t, err, "segment and list")
	for _, bad := range []any{struct{}{}, []any{}, "\xff", func() {}} {
		_, err = Parse(map[string]any{"trait": map[string]any{"path": "p", "eq": bad}})
		require.Error(t, err)
	}
}

func TestUpgrade(t *testing.T) {
	raw, err := os.ReadFile("testdata/v1.json")
	require.NoError(t, err)
	same, err := Upgrade(Version, raw)
	require.NoError(t, err)
	require.Equal(t, raw, same)
	_, err = ParseJSON(same)
	require.NoError(t, err, "what version 1 wrote must be read for ever")

	for _, version := range []int{0, -1, Version + 1} {
		_, err = Upgrade(version, raw)
		require.ErrorIs(t, err, &core.Error{Code: core.Invalid, Reason: ReasonNewer})
	}
	_, err = Upgrade(Version+1, raw)
	require.ErrorContains(t, err, "a newer Headwater wrote it")

	rename := func(from, to string) upgradeStep {
		return func(tree any) (any, error) {
			m := tree.(map[string]any)
			m[to] = m[from]
			delete(m, from)
			return m, nil
		}
	}
	fail := func(any) (any, error) { return nil, errors.New("cannot") }
	got, err := upgrade([]upgradeStep{rename("happened", "did"), rename("did", "event")}, 1, []byte(`{"happened":{"name":"<E>","n":1.50}}`))
	require.NoError(t, err)
	require.Equal(t, `{"event":{"n":1.50,"name":"<E>"}}`, string(got))
	got, err = upgrade([]upgradeStep{fail, rename("did", "event")}, 2, []byte(`{"did":{}}`))
	require.NoError(t, err)
	require.Equal(t, `{"event":{}}`, string(got))
	_, err = upgrade([]upgradeStep{fail}, 1, []byte(`{}`))
	require.ErrorContains(t, err, "cannot")
	_, err = upgrade([]upgradeStep{fail}, 1, []byte(`{`))
	require.Error(t, err)
	require.Len(t, upgrades, Version-1)
}
