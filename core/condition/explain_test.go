package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

func TestExplain(t *testing.T) {
	p := program(t, `{"and":[
		{"trait":{"path":"country","in":["RO","DE"]}},
		{"not":{"event":{"name":"E","count":{"gte":2},"window":{"last":"P30D"}}}},
		{"or":[{"aggregate":{"event":{"name":"E"},"fn":"AVG","path":"n","value":{"gt":1}}},{"trait":{"path":"items.sku","eq":"A"}}]},
		{"stopped":{"name":"F","window":{"last":"P7D"}}},
		{"sequence":{"steps":[{"name":"F"},{"name":"E"}]}}]}`, Zone{})
	now := instantIn(t, "2026-11-22")
	k := (&known{doc: document(t, `{"country":"RO","items":[{"sku":"A"},{"sku":"B"}]}`)}).seen(t, p, now,
		happening{name: "E", at: "2026-11-20", properties: `{"n":1}`}, happening{name: "E", at: "2026-09-20", properties: `{"n":2.5}`}, happening{name: "F", at: "2026-11-01"})
	want := `and true never null
and/0/trait true never {"value":"RO"}
and/1/not true never null
and/1/not/event false never {"count":1,"latest":["2026-11-20T00:00:00Z"],"window":{"after":"2026-10-23T00:00:00Z","until":"2026-11-22T00:00:00Z"}}
and/2/or true never null
and/2/or/0/aggregate true never {"events":2,"value":"1.75","window":null}
and/2/or/1/trait true never {"values":["A","B"]}
and/3/stopped true never {"before":1,"last":"2026-11-01T00:00:00Z","since":0,"window":{"after":"2026-11-15T00:00:00Z","until":"2026-11-22T00:00:00Z"}}
and/4/sequence true never {"found":["2026-11-01T00:00:00Z","2026-11-20T00:00:00Z"],"window":null}
`
	var got strings.Builder
	var write func(e *Explanation)
	write = func(e *Explanation) {
		decided, err := json.Marshal(e.Decided)
		if err != nil {
			t.Fatal(err)
		}
		next := "never"
		if !e.Next.IsZero() {
			next = e.Next.Format(time.RFC3339)
		}
		fmt.Fprintln(&got, strings.Join(e.Path, "/"), e.Value, next, string(decided))
		if e.Words == "" {
			t.Errorf("%v has no words", e.Path)
		}
		for _, c := range e.Children {
			write(c)
		}
	}
	e := p.Explain(k, now)
	write(e)
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	if a := p.Evaluate(k, now); a.Value != e.Value || !a.Next.Equal(e.Next) {
		t.Error("explained otherwise than evaluated")
	}
}

// Every kind explains itself in JSON, of somebody of whom nothing is known too.
func TestExplainNothing(t *testing.T) {
	const id = "seg_00000000000000000000000001"
	for kind, decided := range map[string]string{
		`{"trait":{"path":"a","eq":1}}`:                                               `{"value":null}`,
		`{"field":{"path":"a","eq":1}}`:                                               `{"value":null}`,
		`{"event":{"name":"E"}}`:                                                      `{"count":0,"latest":[],"window":null}`,
		`{"message":{"status":"SENT"}}`:                                               `{"count":0,"latest":[],"window":null}`,
		`{"firstTime":{"name":"E"}}`:                                                  `{"first":null,"window":null}`,
		`{"lastEvent":{"name":"E"}}`:                                                  `{"at":null}`,
		`{"prediction":{"path":"ltv","gt":1}}`:                                        `{"value":null}`,
		`{"segment":{"id":"` + id + `"}}`:                                             `{"in":false}`,
		`{"list":{"id":"` + id + `","entered":{"calendar":"DAY"}}}`:                   `{"in":false}`,
		`{"consent":{"purpose":"marketing","status":"GRANTED"}}`:                      `{"status":"UNKNOWN"}`,
		`{"bucket":{"salt":"x","from":0,"to":1}}`:                                     fmt.Sprintf(`{"bucket":%d}`, BucketOf("", "x")),
		`{"geo":{"path":"a","lat":1,"lon":1,"radiusKm":1}}`:                           `{"km":null}`,
		`{"object":{"type":"o","match":"NONE"}}`:                                      `{"matching":0,"records":0}`,
		`{"sequence":{"steps":[{"name":"E"},{"name":"E"}]}}`:                          `{"found":null,"window":null}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"MAX","path":"n","value":{"gt":1}}}`: `{"events":0,"value":null,"window":null}`,
	} {
		e := program(t, kind, Zone{}).Explain(&known{}, noon)
		if got, err := json.Marshal(e.Decided); err != nil || string(got) != decided {
			t.Errorf("%s: %s %v, want %s", kind, got, err, decided)
		}
	}
}

func TestNeeds(t *testing.T) {
	const id = "seg_00000000000000000000000001"
	n := program(t, `{"and":[
		{"event":{"name":"E","window":{"last":"P7D"}}},{"event":{"name":"E","count":{"gte":3},"window":{"last":"P30D"}}},{"event":{"name":"E"}},
		{"trait":{"path":"z","eq":1}},{"or":[{"trait":{"path":"a.b","eq":1}},{"trait":{"path":"z","eq":2}},{"geo":{"path":"home","lat":1,"lon":1,"radiusKm":1}}]},
		{"consent":{"purpose":"p","status":"GRANTED"}},{"object":{"type":"o"}},{"not":{"segment":{"id":"`+id+`"}}},{"bucket":{"salt":"s","from":0,"to":5}}]}`, Zone{OfProfile: true}).Needs()
	if !slices.Equal(n.Traits, []string{"a.b", "home", "z"}) || !slices.Equal(n.Consents, []string{"p"}) || !slices.Equal(n.Objects, []string{"o"}) || !slices.Equal(n.Segments, []string{id}) {
		t.Errorf("%+v", n)
	}
	if !n.Buckets || !n.Clock || n.Zone {
		t.Errorf("%+v", n)
	}
	if len(n.Ledgers) != 1 || n.Ledgers[0].Keep.For < 30*oneDay || n.Ledgers[0].Keep.Latest < 4 || !n.Ledgers[0].Keep.Total {
		t.Errorf("one ledger that keeps enough for all three: %+v", n.Ledgers)
	}
	if n := program(t, `{"trait":{"path":"z","before":"2026-01-01T00:00:00Z"}}`, Zone{}).Needs(); n.Clock {
		t.Error("an absolute date does not change by itself")
	}
}

// What Parse would not let through is refused with the path of the node.
func TestCompileRefuses(t *testing.T) {
	deep := &Node{Trait: &Predicate{Path: "a"}}
	for range MaxDepth {
		deep = &Node{Not: deep}
	}
	bad := func(o Operator) *Node {
		return &Node{And: []*Node{{Trait: &Predicate{Path: "a", Operators: []Operator{o}}}}}
	}
	for i, c := range []struct {
		n    *Node
		path string
	}{
		{nil, ""}, {&Node{}, ""}, {&Node{And: []*Node{{}}}, "and/0"}, {deep, strings.TrimSuffix(strings.Repeat("not/", MaxDepth), "/")},
		{bad(Operator{"is", 1}), "and/0/trait/is"}, {bad(Operator{In, 1}), "and/0/trait/in"}, {bad(Operator{Gt, true}), "and/0/trait/gt"}, {bad(Operator{Matches, "("}), "and/0/trait/matches"},
		{bad(Operator{Within, Relative{}}), "and/0/trait/within"}, {bad(Operator{Exists, 1}), "and/0/trait/exists"}, {bad(Operator{Between, []any{"a"}}), "and/0/trait/between"},
		{&Node{Event: &Event{Name: "E", Count: &Range{Gte: "1e500"}}}, "event/count"}, {&Node{Geo: &Geo{Path: "a", Lat: "north"}}, "geo"},
	} {
		_, err := Compile(c.n, Zone{})
		var e *core.Error
		if !errors.As(err, &e) || e.Code != core.Invalid || strings.Join(e.Path, "/") != c.path {
			t.Errorf("%d: %v at %v, want it at %s", i, err, e, c.path)
		}
	}
}

// Buckets are the same for ever, and even.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		id, salt string
		want     int
	}{{"", "", 2267}, {"prof_01JDABCDEFGHJKMNPQRSTVWXYZ", "", 3013}, {"prof_01JDABCDEFGHJKMNPQRSTVWXYZ", "autumn", 3403}} {
		if got := BucketOf(c.id, c.salt); got != c.want {
			t.Errorf("%q with %q: %d, want %d", c.id, c.salt, got, c.want)
		}
	}
	const people = 200_000
	var tenths [10]int
	both := 0
	for i := range people {
		id := fmt.Sprintf("prof_%026d", i)
		tenths[BucketOf(id, "")*10/Buckets]++
		if BucketOf(id, "a") < Buckets/2 && BucketOf(id, "b") < Buckets/2 {
			both++
		}
	}
	for i, n := range tenths {
		if n < people/10*97/100 || n > people/10*103/100 {
			t.Errorf("tenth %d has %d of %d", i, n, people)
		}
	}
	if both < people/4*97/100 || both > people/4*103/100 {
		t.Errorf("two salts share %d of %d", both, people)
	}
}

// Where very many events lie ahead, the next change is bounded in work and never
// too late.
func TestManyEventsAhead(t *testing.T) {
	p := program(t, `{"event":{"name":"E","count":{"gte":300},"window":{"last":"P30D"}}}`, Zone{})
	l := &Ledger{}
	for i := range 1000 {
		l.Entries = append(l.Entries, Entry{At: noon.UnixMilli() + int64(i+1)*1000})
	}
	k := &known{ledgers: map[string][]*Ledger{p.Needs().Ledgers[0].Key: {l}}}
	now, looks := noon, 0
	for looks = 1; ; looks++ {
		a := p.Evaluate(k, now)
		if a.Value {
			break
		}
		if a.Next.IsZero() || a.Next.After(noon.Add(300*time.Second)) {
			t.Fatalf("at %s: until %s", now, a.Next)
		}
		now = a.Next
	}
	if !now.Equal(noon.Add(300*time.Second)) || looks > 10 {
		t.Errorf("it holds from %s, after %d looks", now, looks)
	}
}
