package objecttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

const (
	workspace = "ws_FIND"
	thing     = "thing"
)

// now is when the conditions are asked.
var now = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

var thingType = object.TypeInput{Key: thing, Name: "Thing", Fields: []object.FieldInput{
	{Key: "name", Type: object.String}, {Key: "notes", Type: object.Text}, {Key: "size", Type: object.Integer},
	{Key: "weight", Type: object.Decimal}, {Key: "price", Type: object.Money}, {Key: "sold", Type: object.Boolean},
	{Key: "born", Type: object.Date}, {Key: "seen", Type: object.DateTime},
	{Key: "tags", Type: object.String, Many: true}, {Key: "marks", Type: object.Decimal, Many: true},
	{Key: "state", Type: object.Enum, Constraints: object.Constraints{Values: []string{"new", "old", "worn"}}},
	{Key: "place", Type: object.Geo}, {Key: "extra", Type: object.JSON},
}}

// FindAgreesWithEvaluator writes random records and asks random conditions of them:
// whatever index is used, the pages hold exactly those of which the evaluator says
// yes. The collections of object, event and the store are declared on db, which is
// empty. Fields that are named are left empty: those of which db cannot hold values.
// Of the single predicates each every-th is asked, for an engine that is slow.
func FindAgreesWithEvaluator(t *testing.T, db store.Store, every int, without ...string) {
	ctx := t.Context()
	clock := core.NewVirtualClock(now)
	s := object.NewService(object.Options{Store: db, Clock: clock, Committer: &Committer{Store: db}, Gate: Everything})
	if _, err := s.CreateType(ctx, workspace, thingType); err != nil {
		t.Fatal(err)
	}
	write(t, s, 300, without)
	var deleted []string
	for i := range 10 {
		deleted = append(deleted, fmt.Sprintf("r%d", i*7))
	}
	if _, err := s.Delete(ctx, workspace, thing, deleted); err != nil {
		t.Fatal(err)
	}
	all, _, err := s.Find(ctx, workspace, thing, nil, core.Window{Limit: 1000})
	if err != nil || len(all.Items) != 290 {
		t.Fatalf("%d records, error %v", len(all.Items), err)
	}
	n := 0
	eachPredicate(func(tree map[string]any) {
		if n++; n%every == 0 {
			one(t, s, all.Items, tree)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		tree := conditions(rt, 3)
		text, node, want := evaluate(t, all.Items, tree)
		if node == nil {
			return // a window of nothing: not what is asked here
		}
		size := rapid.SampledFrom([]int{1, 7, 50, 200}).Draw(rt, "page")
		backward := rapid.Bool().Draw(rt, "backward")
		got, n := collect(rt, s, node, size, backward)
		if !slices.Equal(got, want) {
			rt.Fatalf("%s\nfound     %v\nevaluated %v", text, got, want)
		}
		if !n.Exact || n.Value != len(want) {
			rt.Fatalf("%s\ncounted %+v, there are %d", text, n, len(want))
		}
	})
}

// evaluate asks the evaluator about each record; the node is nil when the tree is no
// condition.
func evaluate(t testing.TB, records []*object.Record, tree map[string]any) (text []byte, node *condition.Node, want []string) {
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	if node, err = condition.ParseJSON(text); err != nil {
		return text, nil, nil
	}
	program, err := condition.Compile(node, condition.Zone{})
	if err != nil {
		return text, nil, nil
	}
	for _, r := range records {
		if program.Evaluate(facts{doc: r.Fields}, now).Value {
			want = append(want, r.ExternalID)
		}
	}
	return text, node, want
}

// one compares the answers to a single condition.
func one(t *testing.T, s *object.Service, records []*object.Record, tree map[string]any) {
	text, node, want := evaluate(t, records, tree)
	if node == nil {
		return
	}
	page, err := s.Page(t.Context(), workspace, thing, node, core.Window{Limit: 1000})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var got []string
	for _, r := range page.Items {
		got = append(got, r.ExternalID)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s\nfound     %v\nevaluated %v", text, got, want)
	}
}

// collect walks all pages.
func collect(rt *rapid.T, s *object.Service, node *condition.Node, size int, backward bool) ([]string, object.Count) {
	w := core.Window{Limit: size, Backward: backward}
	var out []string
	for {
		page, err := s.Page(rt.Context(), workspace, thing, node, w)
		if err != nil {
			rt.Fatal(err)
		}
		var ids []string
		for _, r := range page.Items {
			ids = append(ids, r.ExternalID)
		}
		more := page.HasNext
		if backward {
			out, more = append(ids, out...), page.HasPrev
		} else {
			out = append(out, ids...)
		}
		if !more {
			n, err := s.Count(rt.Context(), workspace, thing, node)
			if err != nil {
				rt.Fatal(err)
			}
			return out, n
		}
		if len(ids) == 0 {
			rt.Fatal("an empty page says that there is more")
		}
		if backward {
			w.Before = page.Cursors[0]
		} else {
			w.After = page.Cursors[len(ids)-1]
		}
	}
}

// write writes records with values from small pools, so that conditions meet some.
func write(t *testing.T, s *object.Service, n int, without []string) {
	items := make([]object.Item, n)
	for i := range items {
		fields := map[string]any{}
		pick := func(pool []any, salt int) any { return pool[(i*31+salt*17+i/7)%len(pool)] }
		for j, f := range []string{"name", "notes", "size", "weight", "price", "sold", "born", "seen", "state", "extra"} {
			if (i+j*5)%6 != 0 {
				fields[f] = pick(pools[f], j)
			}
		}
		if i%4 != 0 {
			fields["tags"] = []any{pick(pools["name"], 3), pick(pools["name"], i)}
			fields["marks"] = []any{pick(pools["weight"], 1), pick(pools["weight"], i+2)}
		}
		for _, f := range without {
			delete(fields, f)
		}
		items[i] = object.Item{ExternalID: fmt.Sprintf("r%d", i), Fields: fields}
	}
	results, err := s.Upsert(t.Context(), workspace, thing, items)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome != object.Created {
			t.Fatalf("%s: %s %v", r.ExternalID, r.Outcome, r.Err)
		}
	}
}

var pools = map[string][]any{
	"name":  {"", "a", "ab", "b", "Zoë", "\U0010FFFF", strings.Repeat("x", 63) + "é", strings.Repeat("x", 63) + "ê!", strings.Repeat("x", 64), strings.Repeat("x", 62) + "\U0001F600", strings.Repeat("x", 200), "~", "\x01"},
	"notes": {"a", "long text\nof two lines", strings.Repeat("x", 64) + "tail", "2026-03-29T10:00:00Z"},
	"size":  num(0, 1, -1, 7, 100, 9223372036854775807, -9223372036854775808),
	"weight": {json.Number("0"), json.Number("0.1"), json.Number("-0.1"), json.Number("-0.11"), json.Number("1e30"), json.Number("12345678901234567890.123456789"),
		json.Number("7"), json.Number("7.0000000000000000000000001"), json.Number("1e-200")},
	"price": {money("10", "EUR"), money("9.99", "EUR"), money("-1", "EUR"), money("10", "RON"), money("1000000.01", "RON")},
	"sold":  {true, false},
	"born":  {"2026-03-29", "2026-03-28", "2024-02-29", "1999-12-31", "2027-01-01"},
	"seen":  {"2026-03-29T12:00:00Z", "2026-03-29T14:30:00.5+03:00", "2026-03-22T12:00:00Z", "2025-01-01T00:00:00Z", "2026-04-29T12:00:00Z"},
	"state": {"new", "old", "worn"},
	"extra": {map[string]any{"a": 1, "b": []any{"x"}}, "text", json.Number("7"), nil},
}

func num(values ...int64) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func money(amount, currency string) map[string]any {
	return map[string]any{"amount": json.Number(amount), "currency": currency}
}

// facts are a record's own fields.
type facts struct {
	condition.Facts
	doc bson.Raw
}

func (f facts) Record() bson.Raw         { return f.doc }
func (f facts) Location() *time.Location { return nil }
func (f facts) ProfileID() string        { return "" }
