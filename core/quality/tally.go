package quality

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// tally counts the events that came on a day, unless that is done, and shows each to
// also, which is nil where nobody asks.
func (s *Service) tally(ctx context.Context, ws string, d time.Time, also func(*event.Event)) error {
	key := store.Key(ws, dayText(d))
	old, err := Tallies.Get(ctx, s.Store, key)
	if err != nil || old != nil && also == nil {
		return err
	}
	t := &Tally{Meta: store.Meta{ID: key}, Day: d}
	if old != nil {
		t.V = old.V
	}
	from := flows{}
	err = event.Events.Each(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Gte("receivedAt", d), store.Lt("receivedAt", d.AddDate(0, 0, 1))}, Order: []string{"-receivedAt"},
	}, func(e *event.Event) error {
		if e.Type == event.System {
			return nil // what Headwater itself noted
		}
		t.Total++
		from.add(e.Name, e.Source, e.ReceivedAt)
		if also != nil {
			also(e)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	t.From = from.list()
	return work.Commit(ctx, s.Store, Tallies.Put(t))
}

// flows counts by name and source.
type flows map[[2]string]*Flow

func (f flows) add(name, source string, at time.Time) {
	key := [2]string{name, source}
	fl := f[key]
	if fl == nil {
		if len(f) >= maxFlows {
			return
		}
		fl = &Flow{Name: name, Source: source}
		f[key] = fl
	}
	fl.Count++
	if at.After(fl.Latest) {
		fl.Latest = at
	}
}

func (f flows) list() []Flow {
	out := make([]Flow, 0, len(f))
	for _, fl := range f {
		out = append(out, *fl)
	}
	slices.SortFunc(out, func(a, b Flow) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Source, b.Source)) })
	return out
}

// of returns how many events of the day a rule asks for, and when the latest came.
func (t *Tally) of(r *Rule) (count int64, latest time.Time) {
	for _, f := range t.From {
		if r.Owner != "" && r.Owner != f.Name || r.Source != "" && r.Source != f.Source {
			continue
		}
		count += f.Count
		if f.Latest.After(latest) {
			latest = f.Latest
		}
	}
	if r.Owner == "" && r.Source == "" {
		count = t.Total
	}
	return count, latest
}

// flows gives the rules about the flow of events what the tallies say.
func (s *Service) flows(ctx context.Context, ws string, j *judgement) error {
	var asked []*judged
	oldest := j.day.AddDate(0, 0, -history)
	for _, r := range j.rules {
		if r.Kind != Freshness && r.Kind != Volume {
			continue
		}
		asked = append(asked, r)
		if from := day(j.day.Add(-r.MaxAge)); r.Kind == Freshness && from.Before(oldest) {
			oldest = from
		}
	}
	if len(asked) == 0 {
		return nil
	}
	began := time.Time{} // the first day that has events
	var list []*Tally
	for from := oldest; !from.After(j.day); from = from.AddDate(0, 0, 50) {
		var keys []string
		for d := from; d.Before(from.AddDate(0, 0, 50)) && !d.After(j.day); d = d.AddDate(0, 0, 1) {
			keys = append(keys, store.Key(ws, dayText(d)))
		}
		docs, err := Tallies.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		for _, t := range docs {
			if t == nil {
				continue
			}
			if began.IsZero() && t.Total > 0 {
				began = t.Day
			}
			list = append(list, t)
		}
	}
	for _, r := range asked {
		for _, t := range list {
			count, latest := t.of(r.Rule)
			if latest.After(r.latest) {
				r.latest = latest
			}
			switch {
			case t.Day.Equal(j.day):
				r.came = count
			case !began.IsZero() && !t.Day.Before(began) && t.Day.Weekday() == j.day.Weekday() && t.Day.After(j.day.AddDate(0, 0, -history-1)):
				r.before = append(r.before, count)
			}
		}
	}
	return nil
}
