package predict

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// SweepKind is the kind of the tasks that look at people who are due; ScoreKind that of
// the job that looks at everybody.
const (
	SweepKind = "predict.sweep"
	ScoreKind = "predict.score"
)

// shards is how many shares of a workspace's people may be swept at once.
const shards = 4

// RefreshDays is how long a prediction stands while nothing happens.
const RefreshDays = 7

const refreshEvery = RefreshDays * 24 * time.Hour

// together is how many people's predictions one commit tells of.
const together = event.MaxSystemEvents / 8

func (s *Service) sweep() work.Sweep {
	return work.Sweep{Kind: SweepKind, Shards: shards, Clock: s.Clock, Step: s.sweepShard}
}

// handle makes the tasks and the jobs known to this process.
func (s *Service) handle() {
	if s.Jobs != nil {
		s.Jobs.Handle(RebuildKind, work.JobHandlerFunc(s.rebuild), 1)
		s.Jobs.Handle(TrainKind, work.JobHandlerFunc(s.train), 1)
		s.Jobs.Handle(ScoreKind, work.JobHandlerFunc(s.scoreAll), 1)
	}
	if s.Runner != nil {
		s.sweep().Register(s.Runner)
		if s.Jobs != nil {
			s.Runner.Handle(scheduleKind, work.Kind{Handler: work.HandlerFunc(s.schedule), Attempts: -1})
		}
	}
}

// sweepShard predicts for whoever is due in a shard, and returns when the next one is.
func (s *Service) sweepShard(ctx context.Context, ws string, shard int64) (next time.Time, err error) {
	ofShard := store.Eq("shard", shard)
	for {
		now := s.now()
		due, err := Outlooks.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{ofShard, store.Lte("due", now)}, Order: []string{"due"},
		}, together)
		if err != nil {
			return next, err
		}
		if len(due) == 0 {
			first, err := Outlooks.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{ofShard}, Order: []string{"due"}}, 1)
			if err != nil || len(first) == 0 {
				return next, err
			}
			return first[0].Due, nil
		}
		m, err := s.readActives(ctx, ws)
		if err != nil {
			return next, err
		}
		done, err := s.predict(ctx, ws, m, due)
		if err != nil {
			return next, err
		}
		if done == 0 {
			return now, nil // others are at it
		}
	}
}

// predict works out what is predicted of people, at most together of them, and tells
// what has changed. Of whom others were faster it does nothing: they are due still. done
// is of how many something was written.
func (s *Service) predict(ctx context.Context, ws string, m models, people []*Outlook) (done int, err error) {
	set, err := s.settings(ctx, ws)
	if err != nil {
		return 0, err
	}
	keys := make([]string, len(people))
	for i, o := range people {
		keys[i] = o.ID
	}
	held, err := guards.GetMany(ctx, s.Store, keys)
	if err != nil {
		return 0, err
	}
	// Read again, after the guards: whoever moves from now on is found out by them.
	fresh, err := Outlooks.GetMany(ctx, s.Store, keys)
	if err != nil {
		return 0, err
	}
	// What somebody agreed to may have ended by itself, and purposes change.
	persons, err := profile.Profiles.GetMany(ctx, s.Store, keys)
	if err != nil {
		return 0, err
	}
	now := s.now()
	zones, err := s.zones(ctx, ws, persons)
	if err != nil {
		return 0, err
	}
	var events []event.SystemEvent
	var ops []store.Op
	var told []int // how many events each of those has that are told of
	for i, o := range fresh {
		if o == nil || persons[i] == nil {
			continue
		}
		if o.Barred, err = s.barred(ctx, ws, set, persons[i]); err != nil {
			return done, err
		}
		news := m.news(o, set, zones[i], now)
		if len(news) == 0 {
			if !o.Due.IsZero() && !o.Due.After(now) {
				o.Due = now.Add(refreshEvery)
				switch err := work.Commit(ctx, s.Store, Outlooks.Replace(o)); {
				case err == nil:
					done++
				case !lost(err):
					return done, err
				}
			}
			continue
		}
		g := held[i]
		if g == nil {
			g = &guard{Meta: store.Meta{ID: keys[i]}}
		}
		events, ops, told = append(events, news...), append(ops, bump(g)), append(told, len(news))
	}
	if len(events) == 0 {
		return done, nil
	}
	switch _, err := s.Committer.CommitAll(ctx, ws, events, ops...); {
	case err == nil:
		return done + len(told), nil
	case !overtaken(err):
		return done, err
	}
	// One of them has changed meanwhile: each by itself.
	for i, n := range told {
		_, err := s.Committer.CommitAll(ctx, ws, events[:n], ops[i])
		events = events[n:]
		switch {
		case err == nil:
			done++
		case !overtaken(err):
			return done, err
		}
	}
	return done, nil
}

// overtaken reports whether somebody has changed or gone while they were predicted for.
func overtaken(err error) bool {
	code := core.CodeOf(err)
	return errors.Is(err, store.ErrConflict) || code == core.NotFound || code == core.Conflict
}

// models are the active ones that predict something of a person; nil: there is none.
type models struct{ orders, hours, conversions *Model }

// activeOnes returns those of a workspace, at most half a second old.
func (s *Service) activeOnes(ctx context.Context, ws string) (m models, err error) {
	if m.orders, err = s.active(ctx, ws, Orders); err == nil {
		m.hours, err = s.active(ctx, ws, Hours)
	}
	if err == nil {
		m.conversions, err = s.active(ctx, ws, Conversions)
	}
	return m, err
}

// readActives is activeOnes as they are now: what is told by a model that is active no more
// would stand until somebody is looked at again.
func (s *Service) readActives(ctx context.Context, ws string) (m models, err error) {
	for kind, of := range map[Kind]**Model{Orders: &m.orders, Hours: &m.hours, Conversions: &m.conversions} {
		if *of, err = s.readActive(ctx, ws, kind); err != nil {
			return m, err
		}
	}
	return m, nil
}

// figured is a prediction with what it comes from.
type figured struct {
	Figure
	model   string // its id; "" without one
	reasons func() Reasons
	more    bson.D // that is told of it
}

// figures returns what is predicted of somebody.
func (m models) figures(o *Outlook, set *Settings, zone *time.Location, now time.Time) []figured {
	var out []figured
	if _, ok := o.hourly(m.hours, zone, now); ok {
		out = hourFigures(o, m.hours, zone, now)
	}
	if c := m.conversions; c != nil {
		if row, lacks := c.Conversion.row(set, o, dayOf(now)); lacks == "" {
			chance, _ := c.Conversion.chance(row)
			out = append(out, figured{Figure: Figure{Name: LeadConversion, Value: chance}, model: c.ModelID(), reasons: func() Reasons { return c.Conversion.reasons(row) }})
		}
	}
	if m.orders == nil {
		return out
	}
	h, ok := historyUntil(o.days(), dayOf(now))
	if !ok {
		return out
	}
	k := scorer{m.orders.Params, set}
	for _, f := range k.figures(h, now) {
		out = append(out, figured{Figure: f, model: m.orders.ModelID(), reasons: func() Reasons { return k.reasons(h, f.Name, now) }})
	}
	return out
}

// news are the predictions of one person that must be told: those that changed, or must
// go.
func (m models) news(o *Outlook, set *Settings, zone *time.Location, now time.Time) []event.SystemEvent {
	told := o.told()
	last := func(name string) *Told {
		i, ok := slices.BinarySearchFunc(told, name, func(t Told, name string) int { return strings.Compare(t.Name, name) })
		if !ok {
			return nil
		}
		return &told[i]
	}
	var out []event.SystemEvent
	add := func(name string, props bson.D) {
		props = append(bson.D{{Key: "name", Value: name}, {Key: "of", Value: o.V}}, props...)
		id := "predict:" + core.HashID(name, o.ProfileID(), strconv.FormatInt(o.V, 10))
		out = append(out, event.SystemEvent{ProfileID: o.ProfileID(), Input: saying(condition.PredictionComputed, id, props, bson.D{{Key: "name", Value: name}})})
	}
	var figures []figured
	if !o.Barred {
		figures = m.figures(o, set, zone, now)
	}
	for _, name := range names {
		old := last(name)
		i := slices.IndexFunc(figures, func(f figured) bool { return f.Name == name })
		switch {
		case i < 0:
			if old != nil && !old.Gone {
				add(name, bson.D{{Key: "state", Value: "WITHDRAWN"}})
			}
		case old == nil || old.Gone || changed(name, old.Value, figures[i].Value) || name == BestHour && old.Zone != zone.String():
			f := &figures[i]
			props := bson.D{{Key: "value", Value: f.Value}}
			if f.Low != nil {
				props = append(props, bson.E{Key: "low", Value: *f.Low}, bson.E{Key: "high", Value: *f.High})
			}
			if f.model != "" {
				props = append(props, bson.E{Key: "model", Value: f.model})
			}
			add(name, append(append(props, bson.E{Key: "reasons", Value: f.reasons()}), f.more...))
		}
	}
	return out
}

// changed reports whether a prediction differs enough from what was told: by a fiftieth,
// a chance by a hundredth (that of an hour by two), a date by a day.
func changed(name string, told, value float64) bool {
	d := math.Abs(value - told)
	switch name {
	case ChurnRisk, PAlive:
		return d >= 0.01
	case LeadConversion: // most are small
		return d >= 0.01 || d > 0.1*max(told, value)
	case NextOrderAt:
		return d >= 86400
	case BestHour:
		return d != 0
	case BestHourChance:
		return d >= 0.02
	}
	return d > 0.02*max(math.Abs(told), math.Abs(value)) && d > 1e-6
}

// scoreAll is the handler of ScoreKind: it predicts for everybody by the active models,
// and finds out how far people have moved from those that they were trained on.
func (s *Service) scoreAll(ctx context.Context, run *work.JobRun) error {
	var pos struct {
		At     string                 `bson:"at"`
		Done   int64                  `bson:"done"`
		Counts map[string][][]float64 `bson:"counts"` // by model
	}
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	ws := run.Workspace()
	by, err := s.readActives(ctx, ws)
	if err != nil {
		return err
	}
	set, err := s.readSettings(ctx, ws)
	if err != nil {
		return err
	}
	counts := newCounts(by, set, pos.Counts)
	total, err := Outlooks.Count(ctx, s.Store, whole(ws))
	if err != nil {
		return err
	}
	err = walk(ctx, s.Store, Outlooks, ws, pos.At, func(page []*Outlook) error {
		if err := s.count(ctx, ws, counts, page); err != nil {
			return err
		}
		for people := range slices.Chunk(page, together) {
			if _, err := s.predict(ctx, ws, by, people); err != nil {
				return err
			}
		}
		pos.At, pos.Done, pos.Counts = page[len(page)-1].ID, pos.Done+int64(len(page)), counts.all()
		return run.Step(ctx, pos.Done, max(total, pos.Done), pos)
	})
	if err != nil {
		return err
	}
	return counts.note(ctx, s)
}

// count counts the people of a page for the drift of each model.
func (s *Service) count(ctx context.Context, ws string, c *counts, page []*Outlook) error {
	var people []*profile.Profile
	var zones []*time.Location
	if c.hours != nil {
		var err error
		if people, zones, err = s.clocks(ctx, ws, page); err != nil {
			return err
		}
	}
	now := s.now()
	for i, o := range page {
		if o.Barred {
			continue
		}
		c.add(o, dayOf(now))
		if c.hours != nil && people[i] != nil {
			c.engaged(o.signals(), zones[i], now)
		}
	}
	return nil
}
