package segment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// catchUp brings a person whom the unit touches up to definitions that are being
// built, where the backfill has not come by yet.
func (d *derivation) catchUp(ctx context.Context, l *look, w *person) error {
	since := d.set.since()
	if since == 0 || w.b.Rev >= since || !l.build && !l.moved {
		return nil
	}
	var parts []string
	for _, part := range l.After.Parts {
		if d.u.OwnerBefore(part) != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return nil // new: there is nothing to catch up with
	}
	rev := w.b.Rev
	if err := w.refold(ctx, parts, rev); err != nil {
		return err
	}
	w.b.Rev = since
	if l.moved {
		w.askBuilding(rev, byMerge)
		return nil
	}
	// First what was true before, then, with the answers of that, what happens now.
	after, touchedNow := w.profile, w.touched
	w.profile, w.touched = l.Before, touched{}
	w.askBuilding(rev, byDefinition)
	if err := w.evaluate(ctx); err != nil {
		return err
	}
	// What fell due since a definition was published is no doing of the definition.
	maps.DeleteFunc(w.whys, func(_ string, why reason) bool { return why != byTime })
	w.caught = true
	w.first = slices.DeleteFunc(slices.Clone(w.b.Members), func(m Member) bool { return w.whys[m.Segment] != 0 })
	w.profile, w.touched = after, touchedNow
	w.months, w.records = nil, nil
	return nil
}

// askBuilding touches the segments that were published after a revision and are
// being built.
func (w *person) askBuilding(rev int64, why reason) {
	for _, i := range w.set.building {
		if w.set.segments[i].def.Since > rev {
			w.touched[i] |= why
		}
	}
}

// refold folds the ledgers that a behaviour of the given revision lacks anew from
// the events of the parts.
func (w *person) refold(ctx context.Context, parts []string, rev int64) error {
	names := w.set.lacking(rev)
	if len(names) == 0 {
		return nil
	}
	for _, part := range parts {
		w.begin(part, names)
		err := w.s.eachEvent(ctx, w.ws, part, names, func(e *rawEvent) error { return w.refoldEvent(part, names, e) })
		if err != nil {
			return err
		}
	}
	return w.refolded(ctx)
}

// lacking returns the ledgers that behaviours of a revision lack, by the name of
// their events.
func (t *Set) lacking(rev int64) map[eventName][]*ledger {
	out := map[eventName][]*ledger{}
	for name, list := range t.events {
		for _, l := range list {
			if l.building > rev {
				out[name] = append(out[name], l)
			}
		}
	}
	return out
}

// begin forgets what a part holds of ledgers that are folded anew.
func (w *person) begin(part string, names map[eventName][]*ledger) {
	if w.fold == nil {
		w.fold = map[monthKey]*openLedger{}
	}
	p := w.b.part(part)
	for _, list := range names {
		for _, l := range list {
			o := &openLedger{of: l, Ledger: &condition.Ledger{}}
			if p != nil {
				if i, ok := p.find(l.spec.Key); ok {
					o.changed = true
					w.drop(part, &p.Ledgers[i])
					// Numbers go on, for the documents go in the commit in which others come.
					p.Ledgers[i].Months = slices.Clone(p.Ledgers[i].Months)
					for m := range p.Ledgers[i].Months {
						p.Ledgers[i].Months[m].From = p.Ledgers[i].Months[m].To
					}
				}
			}
			w.fold[monthKey{part, l.spec.Key}] = o
		}
	}
}

func (w *person) refoldEvent(part string, names map[eventName][]*ledger, e *rawEvent) error {
	for _, l := range names[eventName{string(e.name), e.system}] {
		if _, err := w.addTo(l, part, e.ledgerEvent()); err != nil {
			return err
		}
	}
	return nil
}

// refolded puts the ledgers in their places; it touches nothing, for whoever folds
// anew knows what to ask.
func (w *person) refolded(ctx context.Context) error {
	kept := w.touched
	w.touched = touched{}
	err := w.folded(ctx, byDefinition)
	w.touched = kept
	return err
}

// rawEvent is what ledgers read of a stored event, in place.
type rawEvent struct {
	part, key, name []byte
	system          bool
	at              time.Time
	properties      bson.Raw
}

func (e *rawEvent) ledgerEvent() condition.LedgerEvent {
	return condition.LedgerEvent{ID: store.Rest(string(e.key)), At: e.at, Properties: e.properties}
}

// read takes what ledgers need from a stored event. The result lives as long as
// raw.
func (e *rawEvent) read(raw bson.Raw) error {
	*e = rawEvent{}
	n, rest, ok := bc.ReadLength(raw)
	if !ok || int(n) > len(raw) || n < 5 {
		return errCorrupt
	}
	rest = rest[:n-4]
	for len(rest) > 1 {
		var el bc.Element
		if el, rest, ok = bc.ReadElement(rest); !ok {
			return errCorrupt
		}
		key := el.KeyBytes()
		v := el.Value()
		switch string(key) { // does not allocate
		case "_id":
			e.key = stringBytes(v)
		case "part":
			e.part = stringBytes(v)
		case "type":
			e.system = string(stringBytes(v)) == string(event.System)
		case "name":
			e.name = stringBytes(v)
		case "timestamp":
			ms, _ := v.DateTimeOK()
			e.at = time.UnixMilli(ms).UTC()
		case "properties":
			e.properties = bson.Raw(v.Data)
		case "traits", "context", "integrations", "sum":
			return nil // properties come before
		}
	}
	return nil
}

// stringBytes returns the bytes of a BSON string without copying them.
func stringBytes(v bc.Value) []byte {
	if v.Type != bc.TypeString || len(v.Data) < 5 {
		return nil
	}
	return v.Data[4 : len(v.Data)-1]
}

// eventPage is how many events are read at once.
const eventPage = 500

// eachEvent streams the events of a part that have one of the names, the earliest
// first. The event is valid during the call.
func (s *Service) eachEvent(ctx context.Context, ws, part string, names map[eventName][]*ledger, f func(*rawEvent) error) error {
	plan, err := store.PlanQuery(event.Events.Spec, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"timestamp"},
	})
	if err != nil {
		return err
	}
	plan.Limit = eventPage
	var e rawEvent
	for {
		raws, err := s.db.Scan(ctx, plan)
		if err != nil {
			return fmt.Errorf("segment: read events: %w", err)
		}
		for _, raw := range raws {
			if err := e.read(raw); err != nil {
				return err
			}
			if names != nil && names[eventName{string(e.name), e.system}] == nil {
				continue
			}
			if err := f(&e); err != nil {
				return err
			}
		}
		if len(raws) < plan.Limit {
			return nil
		}
		plan.After = &store.Position{Values: []any{e.at}, ID: string(e.key)}
	}
}
