package predict

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Why says why a product is recommended.
type Why string

// The whys.
const (
	GoesWith       Why = "COMPLEMENT"      // the workspace says that it goes with what was bought
	Follows        Why = "UPGRADE"         // the workspace says that it follows what was bought
	BoughtTogether Why = "BOUGHT_TOGETHER" // others bought both
)

// Recommendation is a product that somebody may want.
type Recommendation struct {
	SKU, Family string
	Score       float64 // above 0, at most 1
	Because     []Because
}

// Because is one product that speaks for a recommendation. The scores of all are put
// together as 1 − Π(1 − by).
type Because struct {
	SKU           string // what was bought
	Why           Why
	By            float64
	Lift, Jaccard float64 // of BOUGHT_TOGETHER
	People        int64   // who bought both
}

// State says whether there is an answer about a person.
type State string

// The states.
const (
	OK         State = "OK"
	Few        State = "INSUFFICIENT_DATA"
	Suppressed State = "SUPPRESSED" // the person objects, or processing is restricted
)

// edgeScore is how much an edge of the workspace speaks for a product: more than any
// count.
const edgeScore = 0.9

// maxFirst is how many recommendations one asks for at most.
const maxFirst = 100

// Recommend returns at most first products that somebody may want: what goes with what
// they bought, and never what they have, nor a substitute of it: a product of the same
// family, unless the family is one of which people buy several, or one that an edge says
// is a substitute. An upgrade is recommended though it is a substitute.
func (s *Service) Recommend(ctx context.Context, ws, profileID string, first int) (Advice, error) {
	o, m, state, missing, err := s.basketOf(ctx, ws, profileID)
	if err != nil || state != OK {
		return Advice{State: state, Missing: missing}, work.Outward(err)
	}
	set, err := s.settings(ctx, ws)
	if err != nil {
		return Advice{}, work.Outward(err)
	}
	owned := o.items()
	known, err := s.productsBy(ctx, ws, m, skusOf(owned))
	if err != nil {
		return Advice{}, work.Outward(err)
	}
	found := map[string]*Recommendation{}
	speak := func(sku string, b Because) {
		r := found[sku]
		if r == nil {
			r = &Recommendation{SKU: sku}
			found[sku] = r
		}
		r.Because = append(r.Because, b)
	}
	for _, it := range owned {
		for _, e := range set.Edges {
			if e.From == it.SKU && e.Kind != Substitute {
				why := GoesWith
				if e.Kind == Upgrade {
					why = Follows
				}
				speak(e.To, Because{SKU: it.SKU, Why: why, By: edgeScore})
			}
		}
		if product := known[it.SKU]; product != nil {
			for _, r := range product.Related {
				speak(r.Product, Because{SKU: it.SKU, Why: BoughtTogether, By: edgeScore * r.Jaccard, Lift: r.Lift, Jaccard: r.Jaccard, People: r.Both})
			}
		}
	}
	candidates := make([]string, 0, len(found))
	for sku := range found {
		candidates = append(candidates, sku)
	}
	more, err := s.productsBy(ctx, ws, m, candidates)
	if err != nil {
		return Advice{}, work.Outward(err)
	}
	out := Advice{State: OK, Model: m.ModelID(), List: []Recommendation{}}
	for sku, r := range found {
		if product := more[sku]; product != nil {
			r.Family = product.Family
		}
		if set.excludes(owned, r) {
			continue
		}
		slices.SortFunc(r.Because, func(a, b Because) int { return cmp.Or(-cmp.Compare(a.By, b.By), strings.Compare(a.SKU, b.SKU)) })
		none := 1.0
		for _, b := range r.Because {
			none *= 1 - b.By
		}
		r.Score = 1 - none
		out.List = append(out.List, *r)
	}
	slices.SortFunc(out.List, func(a, b Recommendation) int {
		return cmp.Or(-cmp.Compare(a.Score, b.Score), strings.Compare(a.SKU, b.SKU))
	})
	out.List = out.List[:min(len(out.List), first, maxFirst)]
	return out, nil
}

// Advice is what is recommended to one person, or why nothing is.
type Advice struct {
	State   State
	Missing []string // of INSUFFICIENT_DATA
	Model   string   // its id
	List    []Recommendation
}

// excludes reports whether a product is not for somebody who has others.
func (set *Settings) excludes(owned []Item, r *Recommendation) bool {
	upgrade := slices.ContainsFunc(r.Because, func(b Because) bool { return b.Why == Follows })
	for _, it := range owned {
		switch {
		case it.SKU == r.SKU:
			return true
		case upgrade:
		case r.Family != "" && it.Family == r.Family && !slices.Contains(set.Repeatable, r.Family):
			return true
		case slices.ContainsFunc(set.Edges, func(e Edge) bool {
			return e.Kind == Substitute && (e.From == it.SKU && e.To == r.SKU || e.From == r.SKU && e.To == it.SKU)
		}):
			return true
		}
	}
	return false
}

func skusOf(items []Item) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.SKU
	}
	return out
}

func (s *Service) productsBy(ctx context.Context, ws string, m *Model, skus []string) (map[string]*Product, error) {
	out := make(map[string]*Product, len(skus))
	for chunk := range slices.Chunk(skus, 500) {
		keys := make([]string, len(chunk))
		for i, sku := range chunk {
			keys[i] = productKey(ws, m.Set, sku)
		}
		found, err := products.GetMany(ctx, s.Store, keys)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if p != nil {
				out[p.SKU] = p
			}
		}
	}
	return out, nil
}

// basketOf returns what somebody has bought and the model to go by; or why there is none.
func (s *Service) basketOf(ctx context.Context, ws, profileID string) (*Outlook, *Model, State, []string, error) {
	p, err := s.person(ctx, ws, profileID)
	if err != nil {
		return nil, nil, "", nil, err
	}
	set, err := s.settings(ctx, ws)
	if err != nil {
		return nil, nil, "", nil, err
	}
	barred, err := s.barred(ctx, ws, set, p)
	if err != nil || barred {
		return nil, nil, Suppressed, nil, err
	}
	m, err := s.active(ctx, ws, Baskets)
	if err != nil {
		return nil, nil, "", nil, err
	}
	if m == nil || m.Set == "" {
		missing, err := s.missing(ctx, ws, Baskets)
		return nil, nil, Few, missing, err
	}
	o, err := Outlooks.Get(ctx, s.Store, store.Key(ws, p.ProfileID()))
	if err != nil {
		return nil, nil, "", nil, err
	}
	if o == nil || len(o.items()) == 0 {
		return nil, nil, Few, []string{"this person has bought nothing whose product is known"}, nil
	}
	return o, m, OK, nil, nil
}

// Replenishment is a product that somebody is likely to need again.
type Replenishment struct {
	SKU        string
	BoughtAt   time.Time // the day of the last time
	DueAt      time.Time // after the median time
	EarlyAt    time.Time // a quarter buy it again before that
	LateAt     time.Time // and a quarter after that
	MedianDays float64
	Times      int64 // it was bought again by anybody
}

// Replenish returns what somebody is likely to need again, what is due first coming
// first: products that were bought again MinTogether times at least, by anybody.
func (s *Service) Replenish(ctx context.Context, ws, profileID string) ([]Replenishment, State, []string, error) {
	o, m, state, missing, err := s.basketOf(ctx, ws, profileID)
	if err != nil || state != OK {
		return nil, state, missing, work.Outward(err)
	}
	owned := o.items()
	known, err := s.productsBy(ctx, ws, m, skusOf(owned))
	if err != nil {
		return nil, "", nil, work.Outward(err)
	}
	out := []Replenishment{}
	for _, it := range owned {
		product := known[it.SKU]
		if product == nil || product.Rebuy.Times < MinTogether {
			continue
		}
		last := it.Days[len(it.Days)-1]
		after := func(days float64) time.Time { return dayTime(last + int32(math.Round(days))) }
		r := product.Rebuy
		out = append(out, Replenishment{
			SKU: it.SKU, BoughtAt: dayTime(last), DueAt: after(r.Median), EarlyAt: after(r.Low), LateAt: after(r.High), MedianDays: r.Median, Times: r.Times,
		})
	}
	slices.SortFunc(out, func(a, b Replenishment) int { return cmp.Or(a.DueAt.Compare(b.DueAt), strings.Compare(a.SKU, b.SKU)) })
	return out, OK, nil, nil
}
