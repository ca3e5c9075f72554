package journey

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// simulated is what is known of a person at an instant of a simulation.
type simulated struct {
	condition.Facts
	l *life
}

func (l *life) facts() condition.Facts {
	if l.base == nil {
		l.base = &simulated{l.person.Facts(l.now), l}
	}
	return l.base
}

// ProfileID implements condition.Facts.
func (f *simulated) ProfileID() string { return f.l.person.Profile }

// Ledgers implements condition.Facts.
func (f *simulated) Ledgers(key string) []*condition.Ledger {
	if i, ok := f.l.pl.byKey[key]; ok {
		return f.l.ledgers[i]
	}
	if b := f.l.bound[key]; b != nil {
		return b.ledger
	}
	return nil
}

// Member implements condition.Facts.
func (f *simulated) Member(id string) (time.Time, bool) {
	for i, w := range f.l.pl.watchers {
		if w.segment == id {
			return f.l.watch[i].since, f.l.watch[i].in
		}
	}
	return f.Facts.Member(id)
}

// Trait implements condition.Facts: what the journey has written comes first.
func (f *simulated) Trait(path string) (bson.RawValue, bool) {
	for at := path; at != "" && len(f.l.traits) > 0; {
		if v, ok := f.l.traits[at]; ok {
			switch {
			case at == path:
				return v, v.Type != bson.TypeNull
			case v.Type != bson.TypeEmbeddedDocument:
				return bson.RawValue{}, false
			}
			return lookup(v.Value, path[len(at)+1:])
		}
		i := strings.LastIndexByte(at, '.')
		at = at[:max(i, 0)]
	}
	return f.Facts.Trait(path)
}

// fold adds an event to the ledgers that ask for it.
func (l *life) fold(e *event.Event) {
	l.hear(e)
	at := named{e.Name, e.Type == event.System}
	for _, i := range l.pl.byEvent[at] {
		l.pl.folds[i].Add(l.ledgers[i][0], ledgerEvent(e), l.now)
	}
	for _, b := range l.bound {
		if b.spec.Event == e.Name && b.spec.System == at.system {
			b.fold.Add(b.ledger[0], ledgerEvent(e), l.now)
		}
	}
}

func ledgerEvent(e *event.Event) condition.LedgerEvent {
	properties := e.Properties
	if len(properties) == 0 {
		properties = emptyDocument
	}
	return condition.LedgerEvent{ID: e.ID, At: e.Timestamp, Properties: properties}
}

// bind keeps, from an entering on, what the conditions ask that mention its event,
// beginning with what has happened so far.
func (l *life) bind(en *enrolled) {
	for _, a := range l.pl.binding[en.p] {
		c, _ := a.ready(en.entered)
		if c == nil {
			continue
		}
		for _, spec := range c.Needs().Ledgers {
			_, shared := l.pl.byKey[spec.Key]
			if shared || l.bound[spec.Key] != nil {
				continue
			}
			fold, err := condition.CompileLedger(whole(spec))
			if err != nil {
				continue
			}
			b := &boundLedger{spec: spec, fold: fold, ledger: []*condition.Ledger{{}}}
			for _, e := range l.person.Events[:l.next] {
				if e.Name == spec.Event && (e.Type == event.System) == spec.System {
					fold.Add(b.ledger[0], ledgerEvent(e), l.now)
				}
			}
			if l.bound == nil {
				l.bound = map[string]*boundLedger{}
			}
			l.bound[spec.Key] = b
		}
	}
}

// Hears tells whether an event may matter to who listens.
func (l *Listening) Hears(e *event.Event) bool {
	for _, name := range l.Events {
		if name == e.Name {
			return true
		}
	}
	if len(e.Traits) > 0 {
		for _, path := range l.Traits {
			if touches(e.Traits, path) {
				return true
			}
		}
	}
	if e.Type != event.System {
		return false
	}
	return len(l.Objects) > 0 && e.Name == object.NameRecordChanged || len(l.Segments) > 0 && (strings.HasPrefix(e.Name, "Segment ") || strings.HasPrefix(e.Name, "List "))
}

// touches tells whether a document says something at a path, above or below it.
func touches(doc bson.Raw, path string) bool {
	v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	for _, key := range condition.SplitPath(path) {
		if v.Type != bson.TypeEmbeddedDocument {
			return true
		}
		var err error
		if v, err = bson.Raw(v.Value).LookupErr(key); err != nil {
			return false
		}
	}
	return true
}
