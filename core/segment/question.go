package segment

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// question is a condition as it is asked of people beside what is kept for live
// segments: in previews, dry runs and explanations.
type question struct {
	s       *Service
	ws      string
	now     time.Time
	program *condition.Program
	needs   condition.Needs
	set     *Set
	wanted  wanted
	whose   *audience               // who counts; nil: everybody
	gate    *profile.Gate           // whose sources' data is looked at; nil: that of all
	reads   bool                    // behaviours are read
	kept    []string                // ledgers that behaviours hold for everybody
	fresh   []*condition.LedgerFold // ledgers that nobody keeps: folded from a person's events
	specs   []*condition.LedgerSpec // of fresh
}

// ask prepares the condition of a segment, stored or drafted, to be asked by an actor: it
// looks at the data that the actor is shown, and not at that of sources which did not
// collect for the purpose. What is kept of everybody's events does not tell them apart, so
// that there the events themselves are read.
func (s *Service) ask(ctx context.Context, by *sight, seg *Segment) (*question, error) {
	ws := by.ws
	program, err := CompileWhere(seg)
	if err != nil {
		return nil, err
	}
	set, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, err
	}
	q := &question{s: s, ws: ws, now: s.clock.Now(), program: program, needs: program.Needs(), set: set}
	if by.gate.Limited() {
		q.gate = by.gate
	}
	for _, spec := range q.needs.Ledgers {
		if l := set.ledgers[spec.Key]; q.gate == nil && l != nil && l.building == 0 && l.spec.Keep.Covers(spec.Keep) {
			q.kept = append(q.kept, spec.Key)
			continue
		}
		fold, err := condition.CompileLedger(spec)
		if err != nil {
			return nil, err
		}
		q.fresh, q.specs = append(q.fresh, fold), append(q.specs, spec)
	}
	q.reads = len(q.kept) > 0 || len(q.needs.Segments) > 0
	q.wanted = wantedBy(&q.needs, q.heavy() || q.gate != nil && len(q.needs.Traits) > 0 || q.gate != nil && q.needs.Zone)
	return q, nil
}

// heavy tells that a person costs reads of their own: of events or records.
func (q *question) heavy() bool { return len(q.fresh) > 0 || len(q.needs.Objects) > 0 }

// asked is the facts of a person as a question sees them.
type asked struct {
	facts
	folded map[string][]*condition.Ledger // fresh ones, by key
}

// Ledgers implements condition.Facts.
func (a *asked) Ledgers(key string) []*condition.Ledger {
	if l, ok := a.folded[key]; ok {
		return l
	}
	return a.facts.Ledgers(key)
}

// facts gathers what the condition can look at of a person: p holds what is wanted,
// b is the person's behaviour, nil for none.
func (q *question) facts(ctx context.Context, p *profile.Profile, b *Behaviour) (*asked, error) {
	if q.gate != nil {
		p = q.gate.Collected(p)
	}
	a := &asked{facts: facts{set: q.set, profile: p}}
	if b != nil {
		a.parts, a.members = b.Parts, b.Members
		if spilled(b, q.kept) {
			w := q.s.newPerson(q.set, p, p.ProfileID(), b, q.now)
			w.months = map[monthKey]*condition.Ledger{}
			for i := range w.b.Parts {
				for _, key := range q.kept {
					if err := w.loadMonths(ctx, &w.b.Parts[i], key); err != nil {
						return nil, err
					}
				}
			}
			a.parts, a.months = w.b.Parts, w.months
		}
	}
	for _, key := range q.needs.Objects {
		related, err := q.s.related(ctx, p, key, nil)
		if err != nil {
			return nil, err
		}
		if a.records == nil {
			a.records = map[string][]*object.Related{}
		}
		a.records[key] = related
	}
	if len(q.fresh) > 0 {
		a.folded = make(map[string][]*condition.Ledger, len(q.fresh))
		for _, part := range p.Parts {
			if err := q.fold(ctx, part, a.folded); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// spilled tells whether a behaviour keeps some of the ledgers in months.
func spilled(b *Behaviour, keys []string) bool {
	for i := range b.Parts {
		for _, l := range b.Parts[i].Ledgers {
			if len(l.Months) > 0 && slices.Contains(keys, l.Key) {
				return true
			}
		}
	}
	return false
}

// fold reads the events of a part into the ledgers that nobody keeps.
func (q *question) fold(ctx context.Context, part string, out map[string][]*condition.Ledger) error {
	ledgers := make([]*condition.Ledger, len(q.fresh))
	for i, spec := range q.specs {
		ledgers[i] = &condition.Ledger{}
		out[spec.Key] = append(out[spec.Key], ledgers[i])
	}
	where := []store.Cond{store.Eq("part", part)}
	if from := q.from(); !from.IsZero() {
		where = append(where, store.Gte("timestamp", from))
	}
	err := event.Events.Each(ctx, q.s.db, store.Query{Workspace: q.ws, Where: where, Order: []string{"timestamp"}}, func(e *event.Event) error {
		if q.gate != nil && q.gate.Foreign(e.Source) {
			return nil
		}
		for i, spec := range q.specs {
			if spec.Event == e.Name && spec.System == (e.Type == event.System) {
				q.fresh[i].Add(ledgers[i], condition.LedgerEvent{ID: store.Rest(e.ID), At: e.Timestamp, Properties: e.Properties}, q.now)
			}
		}
		return nil
	})
	for i, f := range q.fresh {
		f.Prune(ledgers[i], q.now)
	}
	return err
}

// from is the time of the earliest event that a fresh ledger needs; zero: any.
func (q *question) from() time.Time {
	from := q.now
	for _, spec := range q.specs {
		k := spec.Keep
		if k.All || k.Total || k.Latest > 0 && k.For == 0 || spec.Kind == condition.Latest || spec.Kind == condition.Last {
			return time.Time{}
		}
		if k.For > 0 {
			from = earlier(from, q.now.Add(-k.For))
		}
		if !k.From.IsZero() {
			from = earlier(from, k.From)
		}
	}
	return from
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// matches asks the question of a person, whose profile it reads into p.
func (q *question) matches(ctx context.Context, raw bson.Raw, b *Behaviour, p *profile.Profile) (bool, error) {
	if err := q.wanted.read(raw, p); err != nil {
		return false, err
	}
	f, err := q.facts(ctx, p, b)
	if err != nil {
		return false, err
	}
	in := q.program.Evaluate(f, q.now).Value
	return in, f.fault
}

// counts takes somebody who may not be seen for somebody who neither meets the condition
// nor is a member.
func (q *question) counts(ctx context.Context, raw bson.Raw, p *profile.Profile, in, member bool) (bool, bool, error) {
	if q.whose.everybody() || !in && !member {
		return in, member, nil
	}
	ok, err := q.whose.admitsRaw(ctx, p.ProfileID(), raw)
	return in && ok, member && ok, err
}
