package predict

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/store"
)

// The least that a model of hours is trained from.
const (
	MinEngaged     = 30  // people who engaged with messages
	MinEngagements = 200 // hours of days in which they did
)

func (z Size) missingHours() []string {
	var out []string
	if z.Engaged < MinEngaged {
		out = append(out, fmt.Sprintf("%d people have opened, clicked or answered; a model needs %d", z.Engaged, MinEngaged))
	}
	if z.Engagements < MinEngagements {
		out = append(out, fmt.Sprintf("there are %d engagements; a model needs %d", z.Engagements, MinEngagements))
	}
	return out
}

// hours trains a model of hours. It reads everybody three times: for the workspace's shares,
// for what these weigh, and for how good it would have been.
func (t *training) hours(ctx context.Context) error {
	if t.pos.Step != "cells" {
		return t.write(ctx)
	}
	now := t.s.now()
	m := &Model{Kind: Hours, Status: Candidate, To: now, By: by(ctx)}
	t.pos.Model = m
	var pool sendhour.Pool
	bins := make([]float64, hourBins)
	first := now
	err := t.engaged(ctx, &m.Size.Barred, func(signals []sendhour.Signal, zone *time.Location) {
		counts, n := sendhour.Hours(signals, zone, now)
		if n == 0 {
			return
		}
		pool.Add(counts)
		byHours(bins, counts)
		m.Size.Engaged++
		m.Size.Engagements += n
		for _, s := range signals {
			if s.Kind != sendhour.Active && s.At.Before(first) {
				first = s.At
			}
		}
	})
	if err != nil {
		return err
	}
	if m.Size.Engaged > 0 {
		m.From, m.Size.Days = first, int64(now.Sub(first)/(24*time.Hour))
	}
	if m.Missing = m.Size.missingHours(); len(m.Missing) > 0 {
		m.Status = Insufficient
		return t.nextThenWrite(ctx)
	}
	m.Shares = sharesOf([][]float64{bins})
	if m.Hours, err = t.prior(ctx, pool.Shares(), now); err != nil {
		return err
	}
	if m.Quality, err = t.judgeHours(ctx, now, now.AddDate(0, 0, -int(max(7, min(m.Size.Days/3, 60))))); err != nil {
		return err
	}
	return t.nextThenWrite(ctx)
}

func (t *training) nextThenWrite(ctx context.Context) error {
	if err := t.next(ctx, "write"); err != nil {
		return err
	}
	return t.write(ctx)
}

// engaged calls f with the signals of everybody who does not object, and by whose clock their
// hours are.
func (t *training) engaged(ctx context.Context, barred *int64, f func([]sendhour.Signal, *time.Location)) error {
	total, err := Outlooks.Count(ctx, t.s.Store, store.Query{Workspace: t.ws})
	if err != nil {
		return err
	}
	done := int64(0)
	return walk(ctx, t.s.Store, Outlooks, t.ws, "", func(page []*Outlook) error {
		people, zones, err := t.s.clocks(ctx, t.ws, page)
		if err != nil {
			return err
		}
		for i, o := range page {
			switch {
			case people[i] == nil:
			case o.Barred:
				*barred++
			default:
				f(o.signals(), zones[i])
			}
		}
		done += int64(len(page))
		return t.run.Step(ctx, t.pos.Done+done, t.pos.Done+max(total, done), nil)
	})
}

// prior finds what shares weigh by what was known at an instant.
func (t *training) prior(ctx context.Context, shares sendhour.Shares, until time.Time) (*sendhour.Prior, error) {
	fit := sendhour.NewFit(shares)
	var none int64
	err := t.engaged(ctx, &none, func(signals []sendhour.Signal, zone *time.Location) {
		counts, _ := sendhour.Hours(signals, zone, until)
		fit.Add(counts)
	})
	return &sendhour.Prior{Shares: shares, Weight: fit.Weight()}, err
}

// judgeHours compares what would have been said at an instant with the engagements since: the
// mean logarithm of the share that was given to their hours, and how many fell into the hour
// that was said to be the best, by what was known of each person and, beside it, by the
// workspace's shares alone and by nothing.
func (t *training) judgeHours(ctx context.Context, now, until time.Time) (map[string]float64, error) {
	var pool sendhour.Pool
	var none int64
	err := t.engaged(ctx, &none, func(signals []sendhour.Signal, zone *time.Location) {
		counts, _ := sendhour.Hours(signals, zone, until)
		pool.Add(counts)
	})
	if err != nil {
		return nil, err
	}
	prior, err := t.prior(ctx, pool.Shares(), until)
	if err != nil {
		return nil, err
	}
	var n, own, usual, hits, usualHits, people float64
	usualBest := prior.Shares.Best()
	err = t.engaged(ctx, &none, func(signals []sendhour.Signal, zone *time.Location) {
		var since []sendhour.Signal
		for _, s := range signals {
			if s.At.After(until) {
				since = append(since, s)
			}
		}
		came, count := sendhour.Hours(since, zone, now)
		if count == 0 {
			return
		}
		means := prior.With(sendhour.Count(signals, zone, until)).Means()
		people++
		n += float64(count)
		for h, c := range came {
			own += c * math.Log(means[h])
			usual += c * math.Log(prior.Shares[h])
		}
		hits += came[means.Best()]
		usualHits += came[usualBest]
	})
	q := map[string]float64{"holdoutDays": now.Sub(until).Hours() / 24, "holdoutPeople": people, "holdoutEngagements": n}
	if n > 0 {
		q["holdoutLogLikelihood"], q["workspaceLogLikelihood"], q["uniformLogLikelihood"] = own/n, usual/n, -math.Log(24)
		q["holdoutHits"], q["workspaceHits"] = hits/n, usualHits/n
	}
	return q, err
}
