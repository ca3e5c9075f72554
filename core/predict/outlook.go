package predict

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/predict/btyd"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Outlook is what is known of one person: the fold of their events, part by part.
type Outlook struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Rev        string           `bson:"rev"`   // of the settings that it was folded by
	Parts      []Part           `bson:"parts"` // sorted by part
	Barred     bool             `bson:"barred,omitempty"`
	Shard      int64            `bson:"shard"`
	Due        time.Time        `bson:"due,omitempty"` // when the sweep must look; zero: never
}

// Part is what the events of one part of the person say.
type Part struct {
	Part  string `bson:"p"`
	Days  []Day  `bson:"d,omitempty"` // on which there were orders; sorted
	Items []Item `bson:"i,omitempty"` // sorted by SKU
	Told  []Told `bson:"t,omitempty"` // predictions, sorted by name
	// What they did and were before they were customers: see Signal.
	Acts  []Act   `bson:"a,omitempty"` // sorted by key
	Known []Known `bson:"f,omitempty"` // sorted by key and day
	Steps []Step  `bson:"g,omitempty"` // sorted by stage
	// Moments are when they engaged, or did something of their own accord; sorted. See momentOf.
	Moments []int32 `bson:"h,omitempty"`
}

// Day is what was ordered on one day.
type Day struct {
	Day   int32 `bson:"d"`           // since 1970-01-01, UTC
	N     int32 `bson:"n"`           // orders
	Worth int64 `bson:"w,omitempty"` // of those whose value is known, in ten-thousandths
}

// Item is a product that was bought.
type Item struct {
	SKU    string  `bson:"s"`
	Family string  `bson:"f,omitempty"`
	Days   []int32 `bson:"d"` // the latest on which it was bought; sorted
}

// Told is a prediction as it was last told of.
type Told struct {
	Name  string    `bson:"n"`
	At    time.Time `bson:"at"`
	Gone  bool      `bson:"g,omitempty"` // it was withdrawn
	Value float64   `bson:"v,omitempty"`
	Low   *float64  `bson:"l,omitempty"`
	High  *float64  `bson:"h,omitempty"`
	Model string    `bson:"m,omitempty"`
	Why   bson.Raw  `bson:"y,omitempty"` // see Reasons
	// Of best_hour: the share of each hour in ten-thousandths, by which clock, and on how many
	// engagements of their own that rests.
	Shares  []int32 `bson:"s,omitempty"`
	Zone    string  `bson:"z,omitempty"`
	Signals int64   `bson:"e,omitempty"`
}

// The bounds of a part: what happened before the latest of so many is dropped.
const (
	maxDays     = 1000 // on which somebody ordered
	maxItems    = 300
	maxItemDays = 24
)

// The collections.
var (
	Outlooks = store.Declare[Outlook](store.Spec{
		Name: "outlooks", Derived: true, Subject: "_id",
		Data:    map[string]core.Category{"*": core.Inferred},
		Indexes: []store.Index{store.On("shard", "due").WithFewTies()},
	})
	guards   = store.Declare[guard](store.Spec{Name: "outlook_guards", Subject: "_id", Data: map[string]core.Category{"*": core.Behaviour}})
	settings = store.Declare[Settings](store.Spec{Name: "prediction_settings"})
	folded   = store.Declare[foldedBy](store.Spec{Name: "prediction_folds"})
	// Models are those that were trained.
	Models = store.Declare[Model](store.Spec{
		Name:    "prediction_models",
		Indexes: []store.Index{store.On("kind", "-number"), store.On("kind", "status"), store.On("-at")},
	})
	products = store.Declare[Product](store.Spec{
		Name:    "prediction_products",
		Indexes: []store.Index{store.On("set", "-bought")},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Outlooks.Spec, guards.Spec, settings.Spec, folded.Spec, Models.Spec, products.Spec}
}

// guard makes those exclude each other who tell of one person, or move them.
type guard struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	N          int64            `bson:"n"`
}

// foldedBy says by which settings everybody's past was folded.
type foldedBy struct {
	store.Meta `bson:",inline"` // key: workspace/folded
	Rev        string           `bson:"rev"`
}

// ProfileID returns the id of the profile.
func (o *Outlook) ProfileID() string { return store.Rest(o.ID) }

func newOutlook(key string) *Outlook {
	return &Outlook{Meta: store.Meta{ID: key}, Shard: int64(profile.BucketOf(store.Rest(key), "")) % shards}
}

// clone returns a copy that shares nothing that changes.
func (o *Outlook) clone() *Outlook {
	c := *o
	c.Parts = slices.Clone(o.Parts)
	for i := range c.Parts {
		c.Parts[i] = c.Parts[i].clone()
	}
	return &c
}

func (p Part) clone() Part {
	p.Days, p.Items, p.Told, p.Moments = slices.Clone(p.Days), slices.Clone(p.Items), slices.Clone(p.Told), slices.Clone(p.Moments)
	for i := range p.Items {
		p.Items[i].Days = slices.Clone(p.Items[i].Days)
	}
	p.Acts, p.Known, p.Steps = slices.Clone(p.Acts), slices.Clone(p.Known), slices.Clone(p.Steps)
	for i := range p.Acts {
		p.Acts[i].Days = slices.Clone(p.Acts[i].Days)
	}
	return p
}

// part returns what is known of a part, made when there is nothing.
func (o *Outlook) part(id string) *Part {
	i, ok := slices.BinarySearchFunc(o.Parts, id, func(p Part, id string) int { return strings.Compare(p.Part, id) })
	if !ok {
		o.Parts = slices.Insert(o.Parts, i, Part{Part: id})
	}
	return &o.Parts[i]
}

// empty reports whether nothing is known.
func (o *Outlook) empty() bool {
	return !slices.ContainsFunc(o.Parts, func(p Part) bool { return !p.empty() })
}

func (p Part) empty() bool {
	return len(p.Days) == 0 && len(p.Told) == 0 && len(p.Moments) == 0 && !p.knows()
}

// add folds one order.
func (p *Part) add(o order) {
	i, ok := slices.BinarySearchFunc(p.Days, o.day, func(d Day, day int32) int { return cmp.Compare(d.Day, day) })
	if !ok {
		p.Days = slices.Insert(p.Days, i, Day{Day: o.day})
	}
	p.Days[i].N++
	p.Days[i].Worth += o.worth
	if len(p.Days) > maxDays {
		p.Days = p.Days[1:]
	}
	for _, l := range o.lines {
		p.buy(l, o.day)
	}
}

func (p *Part) buy(l line, day int32) {
	i, ok := slices.BinarySearchFunc(p.Items, l.sku, func(it Item, sku string) int { return strings.Compare(it.SKU, sku) })
	if !ok {
		if len(p.Items) >= maxItems {
			return
		}
		p.Items = slices.Insert(p.Items, i, Item{SKU: l.sku})
	}
	it := &p.Items[i]
	if l.family != "" {
		it.Family = l.family
	}
	if k, have := slices.BinarySearch(it.Days, day); !have {
		it.Days = slices.Insert(it.Days, k, day)
	}
	if len(it.Days) > maxItemDays {
		it.Days = it.Days[1:]
	}
}

// told returns what was last told of each prediction, sorted by name.
func (o *Outlook) told() []Told {
	var out []Told
	for i := range o.Parts {
		for _, t := range o.Parts[i].Told {
			k, ok := slices.BinarySearchFunc(out, t.Name, func(t Told, name string) int { return strings.Compare(t.Name, name) })
			switch {
			case !ok:
				out = slices.Insert(out, k, t)
			case t.At.After(out[k].At):
				out[k] = t
			}
		}
	}
	return out
}

// days returns the days of all parts, sorted, each once.
func (o *Outlook) days() []Day {
	if len(o.Parts) == 1 {
		return o.Parts[0].Days
	}
	var out []Day
	for i := range o.Parts {
		out = append(out, o.Parts[i].Days...)
	}
	slices.SortFunc(out, func(a, b Day) int { return cmp.Compare(a.Day, b.Day) })
	k := 0
	for i := range out {
		if k > 0 && out[k-1].Day == out[i].Day {
			out[k-1].N += out[i].N
			out[k-1].Worth += out[i].Worth
			continue
		}
		out[k], k = out[i], k+1
	}
	return out[:k]
}

// items returns the products of all parts, sorted by SKU, each once.
func (o *Outlook) items() []Item {
	if len(o.Parts) == 1 {
		return o.Parts[0].Items
	}
	var all Part
	for i := range o.Parts {
		for _, it := range o.Parts[i].Items {
			for _, d := range it.Days {
				all.buy(line{it.SKU, it.Family}, d)
			}
		}
	}
	return all.Items
}

// history is what orders say until a day.
type history struct {
	x           int64 // days with an order after the first such day
	tx, t       int64 // days from the first order to the last, and to the day
	first, last int32
	orders      int64
	worthDays   int64   // of the days after the first, those whose value is known
	mean        float64 // of these
}

// historyUntil returns what the orders until the end of a day say; ok is false when there
// are none.
func historyUntil(days []Day, until int32) (h history, ok bool) {
	for _, d := range days {
		if d.Day > until {
			break
		}
		h.orders += int64(d.N)
		if !ok {
			h.first, ok = d.Day, true
		} else {
			h.x++
			if d.Worth > 0 {
				h.worthDays++
				h.mean += float64(d.Worth) / 1e4
			}
		}
		h.last = d.Day
	}
	if !ok {
		return h, false
	}
	h.tx, h.t = int64(h.last-h.first), int64(until-h.first)
	if h.worthDays > 0 {
		h.mean /= float64(h.worthDays)
	}
	return h, true
}

// week is the unit of time of the models.
const week = 7.0

func (h history) customer() btyd.Customer {
	return btyd.Customer{X: float64(h.x), TX: float64(h.tx) / week, T: float64(h.t) / week}
}
