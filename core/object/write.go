package object

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Upsert writes records by external id and tells of each, in their order: one bad
// item costs the others nothing, and each is written whole or not at all. An item
// that changes nothing is UNCHANGED and makes no event. At most MaxUpsert items.
func (s *Service) Upsert(ctx context.Context, ws, typeKey string, items []Item) ([]ItemResult, error) {
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ExternalID
	}
	now := s.o.Clock.Now()
	said := func(i int) time.Time {
		if items[i].At.IsZero() {
			return now
		}
		return items[i].At
	}
	return s.write(ctx, ws, typeKey, ids, said, func(i int) drafter { return upsertOf(&items[i]) })
}

func upsertOf(it *Item) drafter {
	return func(t *Type, r *Record, now time.Time) (*draft, *core.Error) { return t.draftItem(r, it, now) }
}

// writing is one call that writes records.
type writing struct {
	s       *Service
	ws      string
	typeKey string
	ids     []string
	drafter func(i int) drafter
	said    func(i int) time.Time // when what an item says held, zero: nobody knows; nil: the items say nothing new
	results []ItemResult
	hidden  []core.Category // that the caller may not read in clear
}

func (s *Service) write(ctx context.Context, ws, typeKey string, ids []string, said func(int) time.Time, of func(int) drafter) ([]ItemResult, error) {
	if len(ids) > MaxUpsert {
		return nil, invalid("TOO_MANY", "write at most %d records at once", MaxUpsert)
	}
	if _, err := s.Type(ctx, ws, typeKey); err != nil {
		return nil, err
	}
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	w := &writing{s: s, ws: ws, typeKey: typeKey, ids: ids, said: said, drafter: of, results: make([]ItemResult, len(ids)), hidden: hidden(g)}
	for i := range ids {
		w.results[i].ExternalID = ids[i]
	}
	for _, wave := range waves(ids) {
		w.all(ctx, wave)
	}
	return w.results, nil
}

// waves cuts a call into runs in which no record comes twice, keeping the order in
// which one record is written.
func waves(ids []string) [][]int {
	var out [][]int
	times := map[string]int{}
	for i, id := range ids {
		n := times[id]
		times[id]++
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// sizes are how many records are drafted together, by attempt: whoever keeps losing
// races is written alone in the end.
var sizes = []int{100, 100, 20, 5, 1}

// all writes the items with the indexes, each until it is decided.
func (w *writing) all(ctx context.Context, indexes []int) {
	for try := 0; len(indexes) > 0; try++ {
		if try == attempts {
			w.fail(indexes, core.Errorf(core.Conflict, "CONFLICT", "others write the record too often just now; try again"))
			return
		}
		if try > 0 {
			if err := (core.SystemClock{}).Sleep(ctx, pause(try)); err != nil {
				w.fail(indexes, core.AsError(err))
				return
			}
		}
		size := sizes[min(try, len(sizes)-1)]
		var again []int
		for from := 0; from < len(indexes); from += size {
			some := indexes[from:min(from+size, len(indexes))]
			lost, err := w.once(ctx, some)
			if err != nil {
				w.fail(some, core.AsError(outward(err)))
			}
			again = append(again, lost...)
		}
		indexes = again
	}
}

// fail notes an error of all the items that are not decided.
func (w *writing) fail(indexes []int, err *core.Error) {
	for _, i := range indexes {
		if w.results[i].Outcome == "" {
			w.results[i].Outcome, w.results[i].Err = Failed, err
		}
	}
}

// once drafts and commits the items, and returns those that lost a race.
func (w *writing) once(ctx context.Context, indexes []int) (lost []int, err error) {
	b, err := w.draft(ctx, indexes)
	if err != nil {
		return nil, err
	}
	if err := b.examine(ctx); err != nil {
		return nil, err
	}
	for len(b.order) > 0 {
		g := b.group()
		err := g.commit(ctx)
		switch {
		case err == nil:
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrTooLarge) && len(g.indexes) > 1:
			lost = append(lost, g.indexes...)
		default:
			w.fail(g.indexes, core.AsError(outward(err)))
		}
		lost = append(lost, g.later...)
	}
	return lost, nil
}

// draft reads the type and the records and drafts the items.
func (w *writing) draft(ctx context.Context, indexes []int) (*bundle, error) {
	t, err := w.s.Type(ctx, w.ws, w.typeKey)
	if err != nil {
		return nil, err
	}
	if t.Trial != nil && w.s.o.Clock.Now().After(t.Trial.Until) {
		// Left behind by a process that died.
		if _, err := w.s.dropTrial(ctx, t); err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		if t, err = w.s.Type(ctx, w.ws, w.typeKey); err != nil {
			return nil, err
		}
	}
	keys := make([]string, 0, len(indexes))
	for _, i := range indexes {
		keys = append(keys, RecordKey(w.ws, w.typeKey, w.ids[i]))
	}
	records, err := Records.GetMany(ctx, w.s.o.Store, keys)
	if err != nil {
		return nil, err
	}
	b := &bundle{w: w, t: t, drafts: map[int]*draft{}, byKey: map[string]int{}}
	now := w.s.o.Clock.Now()
	for n, i := range indexes {
		d, bad := w.drafter(i)(t, records[n], now)
		if bad == nil {
			bad = w.tells(d)
		}
		switch {
		case bad != nil:
			w.results[i].Outcome, w.results[i].Err = Failed, bad
		case d.outcome == Unchanged:
			w.done(i, d)
		default:
			b.drafts[i], b.byKey[d.after.ID] = d, i
			b.order = append(b.order, i)
		}
	}
	return b, nil
}

// tells refuses to set a unique field that the caller may not read: that the value is
// taken would tell of another record. What a restored record brings back is no guess.
func (w *writing) tells(d *draft) *core.Error {
	if len(w.hidden) == 0 || d.before != nil && d.before.Deleted() {
		return nil
	}
	for _, key := range d.fields {
		if f := d.t.exactly(key); f != nil && f.hidden(w.hidden) {
			return protected([]string{key}, []core.Category{f.Category}).At("fields", key)
		}
	}
	return nil
}

// done notes the success of an item.
func (w *writing) done(i int, d *draft) {
	d.t.present(d.after)
	w.results[i].Outcome, w.results[i].Record = d.outcome, d.after
}
