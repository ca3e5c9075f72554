package condition

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func fold(t testing.TB, s LedgerSpec) *LedgerFold {
	t.Helper()
	f, err := CompileLedger(&s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// noon is the instant at which most of these tests look.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func ago(n int) time.Time { return noon.Add(-time.Duration(n) * 24 * time.Hour) }

func ages(l *Ledger) []int {
	out := []int{}
	for _, e := range l.Entries {
		out = append(out, int((noon.UnixMilli()-e.At)/day))
	}
	return out
}

// What a ledger keeps of events 50, 35, 30, 20, 10, 5 and 0 days old and of one that
// comes in 3 days.
func TestLedgerKeeps(t *testing.T) {
	const month = 30 * oneDay
	for _, c := range []struct {
		name  string
		kind  LedgerKind
		keep  Keep
		want  []int
		total int64
	}{
		{"nothing", Times, Keep{}, []int{-3}, 0},
		{"a month, and a day to spare", Times, Keep{For: month}, []int{30, 20, 10, 5, 0, -3}, 0},
		{"the latest two of a month", Times, Keep{For: month, Latest: 2}, []int{5, 0, -3}, 0},
		{"more than there are", Times, Keep{For: month, Latest: 20}, []int{30, 20, 10, 5, 0, -3}, 0},
		{"from a day on", Times, Keep{From: ago(35)}, []int{35, 30, 20, 10, 5, 0, -3}, 0},
		{"from a day on and the latest of a month", Times, Keep{From: ago(10), For: month, Latest: 1}, []int{10, 5, 0, -3}, 0},
		{"totals", Times, Keep{Total: true}, []int{-3}, 7},
		{"totals and a month", Times, Keep{For: month, Total: true}, []int{30, 20, 10, 5, 0, -3}, 2},
		{"totals and the latest two of a month", Times, Keep{For: month, Latest: 2, Total: true}, []int{5, 0, -3}, 5},
		{"all", Times, Keep{All: true, Total: true}, []int{50, 35, 30, 20, 10, 5, 0, -3}, 0},
		{"the latest", Latest, Keep{Latest: 1}, []int{0, -3}, 0},
		{"the latest value", Last, Keep{Latest: 1}, []int{0, -3}, 0},
	} {
		spec := LedgerSpec{Event: "E", Kind: c.kind, Keep: c.keep}
		if c.kind == Last {
			spec.Path = "v"
		}
		f := fold(t, spec)
		var first []byte
		for round := range 20 {
			days := []int{50, 35, 30, 20, 10, 5, 0, -3}
			l := &Ledger{}
			r := rand.New(rand.NewPCG(uint64(round), 1))
			for _, i := range r.Perm(len(days)) {
				f.Add(l, LedgerEvent{ID: fmt.Sprint(days[i]), At: ago(days[i]), Properties: document(t, `{"v":1}`)}, noon)
				if r.IntN(2) == 0 {
					f.Prune(l, noon)
				}
			}
			f.Prune(l, noon)
			if got := ages(l); !reflect.DeepEqual(got, c.want) || l.Total.Count != c.total {
				t.Errorf("%s: kept %v and counted %d, want %v and %d", c.name, got, l.Total.Count, c.want, c.total)
			}
			state, _ := json.Marshal(l)
			if first == nil {
				first = state
			} else if string(state) != string(first) {
				t.Errorf("%s: the order of arrival shows: %s and %s", c.name, state, first)
			}
		}
	}
}

// Totals and entries together are the events of all time, each once, whatever was
// late, in the future, moved or in another part.
func TestTotalsAreExact(t *testing.T) {
	text := `{"aggregate":{"event":{"name":"E"},"fn":"%s","path":"v","value":{"eq":%s}}}`
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 200 {
		spec := Ledgers(mustParse(t, fmt.Sprintf(text, "SUM", "1")))[0]
		spec.Keep = MergeKeep(spec.Keep, Keep{For: time.Duration(r.IntN(20)) * oneDay})
		values := fold(t, *Ledgers(mustParse(t, fmt.Sprintf(text, "DISTINCT", "1")))[0])
		numbers := fold(t, *spec)
		parts, seen := []*Ledger{{}, {}}, []*Ledger{{}, {}}
		now := ago(30)
		sum, count, least, different := 0, 0, 1000, map[int]bool{}
		var later []int
		for i := range 40 {
			now = now.Add(time.Duration(r.IntN(24)) * time.Hour)
			at, v := now.Add(time.Duration(r.IntN(2000)-1900)*time.Hour), r.IntN(20)
			part := r.IntN(2)
			e := LedgerEvent{ID: fmt.Sprint(i), At: at, Properties: document(t, fmt.Sprintf(`{"v":[%d,{"$numberDecimal":"0.10"}]}`, v))}
			numbers.Add(parts[part], e, now)
			values.Add(seen[part], e, now)
			if r.IntN(3) == 0 {
				numbers.Prune(parts[part], now)
				values.Prune(seen[part], now)
			}
			if at.After(noon) {
				later = append(later, v)
				continue
			}
			sum, count, least, different[v] = sum+v, count+1, min(least, v), true
		}
		different[-1] = true // 0.10
		for fn, want := range map[string]string{
			"SUM": fmt.Sprintf("%d.%d", sum+count/10, count%10), "MIN": fmt.Sprint(min(float64(least), 0.1)), "DISTINCT": fmt.Sprint(len(different)),
		} {
			p := program(t, fmt.Sprintf(text, fn, want), Zone{})
			k := &known{ledgers: map[string][]*Ledger{p.Needs().Ledgers[0].Key: parts}}
			if fn == "DISTINCT" {
				k.ledgers[p.Needs().Ledgers[0].Key] = seen
			}
			if !p.Evaluate(k, noon).Value {
				t.Fatalf("round %d: %s is not %s but %v (%d lie ahead)", round, fn, want, p.Explain(k, noon).Decided, len(later))
			}
		}
	}
}

func mustParse(t testing.TB, text string) *Node {
	t.Helper()
	n, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What an event leaves in ledgers of each kind.
func TestLedgerEntries(t *testing.T) {
	where := []*Predicate{{Path: "ok", Operators: []Operator{{Eq, true}}}}
	const properties = `{"ok":true,"v":[1,"x",2.50,null,true,"x",{"amount":3,"currency":"EUR"},{"amount":4,"currency":"RON"},{"$numberDecimal":"1E+6000"}],"o":{"b":[1,null],"a":"\"é\""}}`
	for _, c := range []struct {
		spec       LedgerSpec
		properties string
		want       string // "" for no entry
	}{
		{LedgerSpec{Kind: Times}, properties, `[] []`},
		{LedgerSpec{Kind: Times}, `{"ok":false}`, ""},
		{LedgerSpec{Kind: Times, IDs: true}, properties, `evt_1 [] []`},
		{LedgerSpec{Kind: Numbers, Path: "v"}, properties, `[1 2.5] []`},
		{LedgerSpec{Kind: Numbers, Path: "v", Currency: "EUR"}, properties, `[3] []`},
		{LedgerSpec{Kind: Numbers, Path: "v.amount"}, properties, `[3 4] []`},
		{LedgerSpec{Kind: Numbers, Path: "gone"}, properties, ""},
		{LedgerSpec{Kind: Values, Path: "v"}, properties, `[] ["x" 1 2.5 true]`},
		{LedgerSpec{Kind: Values, Path: "o"}, properties, ""},
		{LedgerSpec{Kind: Last, Path: "o"}, properties, `evt_1 [] [{"b":[1,null],"a":"\"é\""}]`},
		{LedgerSpec{Kind: Last, Path: "gone"}, properties, `evt_1 [] []`},
		{LedgerSpec{Kind: Latest}, properties, `evt_1 match [] []`},
		{LedgerSpec{Kind: Latest}, `{}`, `evt_1 [] []`},
	} {
		c.spec.Where, c.spec.Keep = where, Keep{All: true}
		f, l := fold(t, c.spec), &Ledger{}
		changed := f.Add(l, LedgerEvent{ID: "evt_1", At: noon, Properties: document(t, c.properties)}, noon)
		got := ""
		for _, e := range l.Entries {
			if e.Event != "" {
				got = e.Event + " "
			}
			if e.Match {
				got += "match "
			}
			got += fmt.Sprintf("%v %v", e.Num, e.Text)
		}
		if got != c.want || changed != (c.want != "") {
			t.Errorf("%s of %q in %s: %q, want %q", c.spec.Kind, c.spec.Path, c.properties, got, c.want)
		}
	}
}

func TestCompileLedgerRefuses(t *testing.T) {
	for _, s := range []LedgerSpec{
		{Kind: "X"}, {Kind: Numbers}, {Kind: Times, Where: []*Predicate{{Path: "a", Operators: []Operator{{Matches, "("}}}}},
		{Kind: Times, Where: []*Predicate{{Path: "a", Operators: []Operator{{In, "x"}}}}},
	} {
		if _, err := CompileLedger(&s); err == nil {
			t.Errorf("%+v compiles", s)
		}
	}
}
