package insight

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// fixedCosts are what was spent, as a file tells it.
type fixedCosts []Spent

func (f fixedCosts) Spent(_ context.Context, _ string, from, to Date) ([]Spent, error) {
	var out []Spent
	for _, s := range f {
		if s.Day.String() >= from.String() && s.Day.String() < to.String() {
			out = append(out, s)
		}
	}
	return out, nil
}

func (fixedCosts) Watched(string) []store.Filter { return nil }

// play reads testdata/*.ndjson: a line each for an event, a cost or a rate; lines that
// begin with # explain.
func (r *rig) play(name string) {
	r.t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(r.t, err)
	defer func() { _ = f.Close() }()
	people := map[string]string{}
	var costs fixedCosts
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) == 0 || line[0] == '#' {
			continue
		}
		var l struct {
			Who, Page, Event, Own, At string
			Props, Context            json.RawMessage
			Spent                     *struct{ Day, Amount, Currency, Channel string }
			Rate                      *struct{ From, To, Day, Rate string }
		}
		require.NoError(r.t, json.Unmarshal(lines.Bytes(), &l), lines.Text())
		switch {
		case l.Spent != nil:
			day, err := ParseDate(l.Spent.Day)
			require.NoError(r.t, err)
			costs = append(costs, Spent{Day: day, Currency: l.Spent.Currency, Amount: dec(r.t, l.Spent.Amount), Dimensions: map[string]string{"channel": l.Spent.Channel}})
		case l.Rate != nil:
			day, err := ParseDate(l.Rate.Day)
			require.NoError(r.t, err)
			require.NoError(r.t, r.SetRates(r.ctx, rigWS, []ExchangeRate{{l.Rate.From, l.Rate.To, day, dec(r.t, l.Rate.Rate)}}))
		case l.Own != "":
			in := event.Input{Name: l.Own, MessageID: fmt.Sprintf("own-%d", r.ids), Timestamp: at(l.At), Properties: fromJSON(r.t, l.Props), Context: fromJSON(r.t, l.Context)}
			r.ids++
			_, err := r.pipeline.Commit(r.ctx, rigWS, in, people[l.Who])
			require.NoError(r.t, err)
		default:
			props, more := "{}", ""
			if l.Props != nil {
				props = string(l.Props)
			}
			if l.Context != nil {
				more = `,"context":` + string(l.Context)
			}
			kind := fmt.Sprintf(`"type":"track","event":%q`, l.Event)
			if l.Page != "" {
				kind = fmt.Sprintf(`"type":"page","name":%q`, l.Page)
			}
			people[l.Who] = r.send(`{%s,"userId":%q,"timestamp":%q,"properties":%s%s}`, kind, l.Who, l.At, props, more).ProfileID
		}
	}
	r.Costs = costs
}

func dec(t testing.TB, text string) condition.Decimal {
	d, ok := condition.ParseDecimal(text)
	require.True(t, ok, text)
	return d
}

func fromJSON(t testing.TB, text json.RawMessage) bson.Raw {
	if text == nil {
		return nil
	}
	v, err := event.ValueFromJSON(text)
	require.NoError(t, faultOf(err))
	return bson.Raw(v.Value)
}

// TestBuiltInFiguresAreThoseCountedByHand plays the shop of testdata/shop.ndjson and
// compares every built-in metric with testdata/shop.csv, whose comments say how each
// number was worked out.
func TestBuiltInFiguresAreThoseCountedByHand(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.play("shop.ndjson")
	want, err := os.ReadFile("testdata/shop.csv")
	require.NoError(t, err)
	checked := map[string]bool{}
	compare := func(stage string) {
		for n, line := range strings.Split(string(want), "\n") {
			line, _, _ = strings.Cut(line, "#")
			cols := strings.Split(strings.TrimSpace(line), ",")
			if len(cols) < 5 {
				continue
			}
			// name, from, to, by=value, expected
			name, by, value := cols[0], "", ""
			q := Question{Name: name, From: at(cols[1] + "T00:00:00Z"), To: at(cols[2] + "T00:00:00Z"), Grain: Total}
			if cols[3] != "" {
				by, value, _ = strings.Cut(cols[3], "=")
				q.By = []string{by}
			}
			a, err := r.Ask(r.ctx, rigWS, q)
			require.NoError(t, err, "line %d", n+1)
			got := "nothing"
			for _, row := range a.Rows {
				if by != "" && row.Dimensions[0] != value {
					continue
				}
				got = string(row.State)
				if row.Value != nil {
					got = row.Value.String()
				}
			}
			require.Equal(t, cols[4], got, "%s, line %d: %s", stage, n+1, line)
			checked[name] = true
		}
	}
	compare("live")
	for _, m := range builtIns(rigWS) {
		require.True(t, checked[m.Name()], "%s has no line in testdata/shop.csv", m.Name())
	}
	// All of it thrown away and folded anew says the same.
	live := r.canon()
	r.forget()
	r.counted()
	require.Equal(t, live, r.canon(), "byte for byte")
	compare("rebuilt")
}

// derivedSpecs are what a rebuild folds anew.
var derivedSpecs = []*store.Spec{rollups.Spec, crowds.Spec, cells.Spec, firsts.Spec, heads.Spec}

// forget throws away what is derived.
func (r *rig) forget() {
	r.t.Helper()
	snap, err := r.db.Snapshot(r.ctx)
	require.NoError(r.t, err)
	var ops []store.Op
	for _, spec := range derivedSpecs {
		require.NoError(r.t, snap.Each(r.ctx, spec, func(raw bson.Raw) error {
			v, _ := raw.Lookup("_v").AsInt64OK()
			ops = append(ops, store.Op{Kind: store.OpDelete, Spec: spec, ID: raw.Lookup("_id").StringValue(), V: v})
			return nil
		}))
	}
	require.NoError(r.t, snap.Close())
	require.NotEmpty(r.t, ops)
	for chunk := range slices.Chunk(ops, 500) {
		require.NoError(r.t, work.Commit(r.ctx, r.db, chunk...))
	}
	r.cells.mu.Lock()
	r.cells.keys = nil
	r.cells.mu.Unlock()
	r.Service.people.mu.Lock()
	r.Service.people.docs = nil
	r.Service.people.mu.Unlock()
	r.Drop(rigWS)
	require.Empty(r.t, r.canon())
}

// canon writes what is kept so that it can be compared byte for byte: lanes added up.
func (r *rig) canon() string {
	r.t.Helper()
	left := map[string]bool{} // cells that had something, by whether they still have
	sum, people, rest := map[string]int64{}, map[string]*sketch{}, []string{}
	snap, err := r.db.Snapshot(r.ctx)
	require.NoError(r.t, err)
	defer func() { _ = snap.Close() }()
	each := func(spec *store.Spec, f func(raw bson.Raw)) {
		require.NoError(r.t, snap.Each(r.ctx, spec, func(raw bson.Raw) error { f(raw); return nil }))
	}
	each(rollups.Spec, func(raw bson.Raw) {
		var d rollup
		require.NoError(r.t, d.UnmarshalBSON(raw))
		for _, c := range d.n {
			sum[fmt.Sprint(d.place, c.hour)] += c.n
		}
		for _, m := range d.money {
			key := fmt.Sprint(d.place, m.moneyAt)
			sum[key+" i"] += m.I
			sum[key+" f"] += m.F
		}
	})
	each(rollups.Spec, func(raw bson.Raw) {
		var d rollup
		require.NoError(r.t, d.UnmarshalBSON(raw))
		key := store.Key(rigWS, d.measure, d.cell)
		left[key] = left[key] || d.measure == ""
		for _, c := range d.n {
			left[key] = left[key] || sum[fmt.Sprint(d.place, c.hour)] != 0
		}
	})
	each(crowds.Spec, func(raw bson.Raw) {
		d, err := crowds.Decode(bytes.Clone(raw))
		require.NoError(r.t, err)
		p, day, _ := d.where()
		key := fmt.Sprint(p, day)
		if people[key] == nil {
			people[key] = &sketch{}
		}
		one := sketchOf(d.People, d.Many)
		people[key].union(&one, MaxExact)
	})
	for _, spec := range []*store.Spec{cells.Spec, firsts.Spec} {
		each(spec, func(raw bson.Raw) {
			if has, had := left[raw.Lookup("_id").StringValue()]; had && !has {
				return // what stood there turned out not to be a first; its values stay known
			}
			rest = append(rest, spec.Name+" "+raw.Lookup("_id").StringValue()+" "+raw.Lookup("values").String()+raw.Lookup("event").String()+raw.Lookup("at").String()+raw.Lookup("cell").String())
		})
	}
	var out strings.Builder
	for _, key := range sortedKeys(sum) {
		if sum[key] != 0 {
			fmt.Fprintln(&out, key, sum[key])
		}
	}
	for _, key := range sortedKeys(people) {
		fmt.Fprintf(&out, "%s %x\n", key, people[key].bytes())
	}
	slices.Sort(rest)
	return out.String() + strings.Join(rest, "\n")
}
