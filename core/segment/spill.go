package segment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// A behaviour is written with every event that concerns it, so it must stay small.
// When a part holds too much, the oldest entries of its longest ledger go to
// documents of their own, by calendar month, which are written once, read when a
// touched segment asks that ledger, and deleted when no window reaches them.

// The bounds of what a part holds in its profile's behaviour.
const (
	maxHot      = 2000     // entries of one ledger
	maxHotBytes = 48 << 10 // of all ledgers, packed
	keepHot     = 1000     // entries that stay
	maxChunk    = 2000     // entries in a document
)

// Month holds entries of one ledger of one part in a calendar month (UTC). It is
// never changed.
type Month struct {
	store.Meta `bson:",inline"` // key: workspace/part/ledger/YYYYMM/number
	Part       string
	Entries    []condition.Entry
}

// MarshalBSON implements bson.Marshaler.
func (m *Month) MarshalBSON() ([]byte, error) {
	_, b := bc.AppendDocumentStart(nil)
	b = bc.AppendStringElement(b, "_id", m.ID)
	b = bc.AppendInt64Element(b, "_v", m.V)
	b = bc.AppendStringElement(b, "part", m.Part)
	b = bc.AppendBinaryElement(b, "e", 0, packEntries(nil, m.Entries))
	return bc.AppendDocumentEnd(b, 0)
}

// UnmarshalBSON implements bson.Unmarshaler.
func (m *Month) UnmarshalBSON(raw []byte) error {
	*m = Month{}
	return eachElement(raw, func(key string, v bson.RawValue) bool {
		switch key {
		case "_id":
			m.ID = text(v)
		case "_v":
			m.V = whole(v)
		case "part":
			m.Part = text(v)
		case "e":
			_, data, ok := v.BinaryOK()
			u := &unpacker{b: data}
			m.Entries = u.entries()
			return ok && !u.bad && len(u.b) == 0
		}
		return true
	})
}

func chunkKey(ws, part, ledger string, month, number int32) string {
	return store.Key(ws, part, ledger, fmt.Sprintf("%06d", month), fmt.Sprintf("%06d", number))
}

// chunks returns the keys of all documents of a ledger.
func (l *LedgerState) chunks(ws, part string) []string {
	var keys []string
	for _, m := range l.Months {
		for n := m.From; n < m.To; n++ {
			keys = append(keys, chunkKey(ws, part, l.Key, m.Month, n))
		}
	}
	return keys
}

func monthOf(ms int64) int32 {
	y, m, _ := time.UnixMilli(ms).UTC().Date()
	return int32(y*100 + int(m))
}

// endOf returns the first instant after a month.
func endOf(month int32) time.Time {
	return time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC)
}

// spill moves the oldest entries of a part's longest ledgers to documents of their
// own until it is within its bounds.
func (w *person) spill(p *PartState) {
	for range len(p.Ledgers) {
		total, longest, size := 0, -1, 0
		for i := range p.Ledgers {
			l := &p.Ledgers[i]
			if l.packed == nil {
				l.packed = packLedger(l.ledger)
			}
			n := len(l.packed)
			if total += n; n > size {
				longest, size = i, n
			}
			if l.ledger != nil && len(l.ledger.Entries) > maxHot {
				longest, total = i, maxHotBytes+1
				break
			}
		}
		if total <= maxHotBytes || !w.spillLedger(p, longest) {
			return
		}
	}
}

// spillLedger moves all but the latest entries of a ledger; false when there is
// nothing to be moved.
func (w *person) spillLedger(p *PartState, at int) bool {
	key := p.Ledgers[at].Key
	l, err := p.change(key)
	if err != nil {
		return false
	}
	n := len(l.Entries) - min(keepHot, len(l.Entries)/2)
	// What has not come yet is not in the totals.
	future := w.now.Add(-24 * time.Hour).UnixMilli()
	n = min(n, sortedBefore(l.Entries, future))
	if n < 100 {
		return false // not worth a document
	}
	old := l.Entries[:n]
	l.Entries = slices.Clone(l.Entries[n:])
	state := &p.Ledgers[at]
	state.ledger, state.packed = l, nil
	for len(old) > 0 {
		month := monthOf(old[0].At)
		n := 1
		for n < len(old) && n < maxChunk && monthOf(old[n].At) == month {
			n++
		}
		w.late = append(w.late, Months.Insert(&Month{
			Meta: store.Meta{ID: chunkKey(w.ws, p.Part, key, month, state.number(month))}, Part: p.Part, Entries: old[:n],
		}))
		old = old[n:]
	}
	delete(w.months, monthKey{p.Part, key})
	w.changed = true
	return true
}

// sortedBefore returns how many entries lie before an instant.
func sortedBefore(list []condition.Entry, ms int64) int {
	i, _ := slices.BinarySearchFunc(list, ms, func(e condition.Entry, ms int64) int { return cmp.Compare(e.At, ms) })
	return i
}

// number takes the next number of a month.
func (l *LedgerState) number(month int32) int32 {
	i, ok := slices.BinarySearchFunc(l.Months, month, func(m Spilled, month int32) int { return cmp.Compare(m.Month, month) })
	if !ok {
		l.Months = slices.Insert(slices.Clone(l.Months), i, Spilled{Month: month})
	} else {
		l.Months = slices.Clone(l.Months)
	}
	l.Months[i].To++
	return l.Months[i].To - 1
}

// forget deletes the months of a part that no window of the present definitions
// reaches any more, and forgets those that hold nothing.
func (w *person) forget(ctx context.Context, p *PartState) error {
	for i := 0; i < len(p.Ledgers); i++ {
		l := &p.Ledgers[i]
		if len(l.Months) == 0 {
			continue
		}
		l.Months = slices.DeleteFunc(slices.Clone(l.Months), func(m Spilled) bool { return m.From == m.To })
		if err := w.forgetOld(ctx, p, l); err != nil {
			return err
		}
		if l.hollow() {
			p.Ledgers = slices.Delete(p.Ledgers, i, i+1)
			i--
		}
	}
	return nil
}

func (w *person) forgetOld(ctx context.Context, p *PartState, l *LedgerState) error {
	of := w.set.ledgers[l.Key]
	reach := w.now.Add(time.Millisecond)
	if of != nil {
		reach = reachOf(of.spec.Keep, w.now)
	}
	n := 0
	for n < len(l.Months) && !endOf(l.Months[n].Month).After(reach) {
		n++
	}
	if n == 0 {
		return nil
	}
	gone := &LedgerState{Key: l.Key, Months: l.Months[:n], ledger: &condition.Ledger{}}
	if of != nil && of.spec.Keep.Total {
		// The totals take over what is dropped.
		old, err := w.s.wholeLedger(ctx, w.ws, p.Part, gone, w.late)
		if err != nil {
			return err
		}
		hot, err := p.change(l.Key)
		if err != nil {
			return err
		}
		hot.Entries = append(old.Entries, hot.Entries...)
		of.fold.Prune(hot, w.now)
		l.ledger, l.packed = hot, nil
	}
	w.drop(p.Part, gone)
	l.Months = l.Months[n:]
	delete(w.months, monthKey{p.Part, l.Key})
	return nil
}

// drop deletes all months of a ledger.
func (w *person) drop(part string, l *LedgerState) {
	for _, key := range l.chunks(w.ws, part) {
		// What this very commit would have inserted is not inserted.
		if i := slices.IndexFunc(w.late, func(op store.Op) bool { return op.Kind == store.OpInsert && op.ID == key }); i >= 0 {
			w.late = slices.Delete(w.late, i, i+1)
			continue
		}
		w.late = append(w.late, Months.Delete(&Month{Meta: store.Meta{ID: key, V: 1}}))
	}
	w.changed = true
}

// reachOf returns the earliest instant that something asks about.
func reachOf(k condition.Keep, now time.Time) time.Time {
	if k.All {
		return time.Time{}
	}
	reach := now
	if k.For > 0 {
		reach = now.Add(-k.For)
	}
	if !k.From.IsZero() && k.From.Before(reach) {
		reach = k.From
	}
	return reach
}

// loadMonths reads the months of a ledger of a part, once.
func (w *person) loadMonths(ctx context.Context, p *PartState, ledger string) error {
	i, ok := p.find(ledger)
	if !ok || len(p.Ledgers[i].Months) == 0 {
		return nil
	}
	key := monthKey{p.Part, ledger}
	if w.months[key] != nil {
		return nil
	}
	whole, err := w.s.wholeLedger(ctx, w.ws, p.Part, &p.Ledgers[i], w.late)
	if err != nil {
		return err
	}
	if w.months == nil {
		w.months = map[monthKey]*condition.Ledger{}
	}
	w.months[key] = whole
	return nil
}

// wholeLedger returns a ledger with all its entries. Documents that late inserts
// are not stored yet.
func (s *Service) wholeLedger(ctx context.Context, ws, part string, l *LedgerState, late []store.Op) (*condition.Ledger, error) {
	hot, err := l.open()
	if err != nil {
		return nil, err
	}
	docs, err := Months.GetMany(ctx, s.db, l.chunks(ws, part))
	if err != nil {
		return nil, fmt.Errorf("segment: read months: %w", err)
	}
	whole := &condition.Ledger{Total: hot.Total, Entries: slices.Clone(hot.Entries)}
	for i, key := range l.chunks(ws, part) {
		m := docs[i]
		if m == nil {
			for j := range late {
				if late[j].Kind == store.OpInsert && late[j].ID == key {
					if m, err = Months.Decode(late[j].Doc); err != nil {
						return nil, err
					}
				}
			}
		}
		if m == nil {
			// Another commit has moved it meanwhile: this one cannot succeed.
			return nil, &store.ConflictError{Collection: Months.Spec.Name, ID: key}
		}
		whole.Entries = append(whole.Entries, m.Entries...)
	}
	slices.SortStableFunc(whole.Entries, func(a, b condition.Entry) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Event, b.Event))
	})
	return whole, nil
}
