package message

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// maxWindow is how far back caps look.
const maxWindow = 90 * 24 * time.Hour

// maxReserved is how many hand-offs are remembered of one person: the highest limit there
// can be, and some.
const maxReserved = 1500

// Reserved is what caps count of one person: the hand-offs of the last time. A hand-off
// takes its place in its own commit, so that of two which both would be the last one wins.
type Reserved struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	List       []Place          `bson:"l"`
	Prune      time.Time        `bson:"prune"` // nothing in it counts from then on
}

// Place is one hand-off that counts.
type Place struct {
	Message string    `bson:"m"` // msg_…
	At      time.Time `bson:"t"`
	Channel string    `bson:"c"`
	Purpose string    `bson:"p"`
}

// Reservations holds what caps count.
var Reservations = store.Declare[Reserved](store.Spec{
	Name: "message_caps", Subject: "_id", Data: map[string]core.Category{"l": core.Behaviour},
	Indexes: []store.Index{store.On("prune")},
})

// counts reports whether a place counts for a cap.
func (c *Cap) counts(channel, purpose string) bool {
	return (c.Channel == "" || c.Channel == channel) && (len(c.Purposes) == 0 || slices.Contains(c.Purposes, purpose))
}

// since returns from when on places count at an instant.
func (c *Cap) since(zone *time.Location, now time.Time) time.Time {
	if c.Calendar == "" {
		return now.Add(-c.Rolling)
	}
	from, _ := period(c.Calendar, zone, now)
	return from.Add(-time.Nanosecond) // that instant itself counts
}

// period returns the calendar period within which an instant lies.
func period(name string, zone *time.Location, now time.Time) (from, to time.Time) {
	l := now.In(zone)
	y, m, d := l.Date()
	midnight := func(y int, m time.Month, d int) time.Time { return wall(y, m, d, 0, zone, time.Time{}) }
	switch name {
	case PerWeek:
		d -= (int(l.Weekday()) + 6) % 7
		return midnight(y, m, d), midnight(y, m, d+7)
	case PerMonth:
		return midnight(y, m, 1), midnight(y, m+1, 1)
	}
	return midnight(y, m, d), midnight(y, m, d+1)
}

// room reports whether a message finds room under every cap, and else which one says no
// and when it will have room if nothing else comes; zero when it must not wait.
func (t *Settings) room(m *Message, places []Place, zone *time.Location, now time.Time) (full *Cap, until time.Time) {
	for i := range t.Caps {
		c := &t.Caps[i]
		if !c.counts(m.Channel, m.Purpose) || c.Exempt != nil && m.Priority >= *c.Exempt {
			continue
		}
		since := c.since(zone, now)
		var counted []time.Time
		for _, p := range places {
			if p.Message != m.MessageID() && c.counts(p.Channel, p.Purpose) && p.At.After(since) {
				counted = append(counted, p.At)
			}
		}
		if int64(len(counted)) < c.Limit {
			continue
		}
		if !c.Defer {
			return c, time.Time{}
		}
		full = c
		var free time.Time
		if c.Calendar != "" {
			_, free = period(c.Calendar, zone, now)
		} else {
			slices.SortFunc(counted, time.Time.Compare)
			free = counted[int64(len(counted))-c.Limit].Add(c.Rolling).Add(time.Millisecond)
		}
		if free.After(until) {
			until = free
		}
	}
	return full, until
}

// reserve returns the document with a place for a message, without what no cap counts any
// more.
func (r *Reserved) reserve(m *Message, now time.Time) *Reserved {
	next := *r
	next.List = slices.DeleteFunc(slices.Clone(r.List), func(p Place) bool {
		return p.Message == m.MessageID() || !p.At.After(now.Add(-maxWindow))
	})
	if over := len(next.List) - maxReserved + 1; over > 0 {
		next.List = next.List[over:]
	}
	next.List = append(next.List, Place{Message: m.MessageID(), At: now, Channel: m.Channel, Purpose: m.Purpose})
	next.Prune = now.Add(maxWindow)
	return &next
}

// tidy deletes what no cap counts any more.
func (s *Service) tidy(ctx context.Context, ws string) error {
	old, err := Reservations.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Lt("prune", s.now())}}, 200)
	if err != nil {
		return storeError("read the caps", err)
	}
	for _, d := range old {
		if err := work.Commit(ctx, s.Store, Reservations.Delete(d)); err != nil && conflictOf(err) == nil {
			return storeError("delete what no cap counts", err)
		}
	}
	return nil
}

// release returns the document without the place of a message; nil when it has none.
func (r *Reserved) release(id string) *Reserved {
	i := slices.IndexFunc(r.List, func(p Place) bool { return p.Message == id })
	if i < 0 {
		return nil
	}
	next := *r
	next.List = slices.Delete(slices.Clone(r.List), i, i+1)
	return &next
}
