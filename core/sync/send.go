package sync

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// callFor is how long one call of a connector may take.
const callFor = 5 * time.Minute

// call calls the connector in the connection's queue.
func (j *job) call(ctx context.Context, f func(ctx context.Context) error) error {
	done, err := j.lim.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	call, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	return f(call)
}

// send hands a batch over, and notes what became of each item. It returns the people who
// changed between the question and the hand-off.
func (j *job) send(ctx context.Context, h *handoff, list []*leaving) (again []string, err error) {
	list, again, err = j.commitHandoff(ctx, h, "sync.push", list)
	if err != nil || len(list) == 0 {
		return again, err
	}
	return again, j.deliver(ctx, list)
}

// deliver writes items; a batch of which nobody knows which item is wrong is halved.
func (j *job) deliver(ctx context.Context, list []*leaving) error {
	var batch []*leaving
	items := make([]Item, 0, len(list))
	for _, l := range list {
		if len(l.item.Fields) > 0 || l.item.Delete {
			items, batch = append(items, l.item), append(batch, l)
		}
	}
	var results []Result
	if len(items) > 0 {
		err := j.call(ctx, func(ctx context.Context) (err error) {
			results, err = j.in.Upsert(ctx, Batch{Stream: j.sync.Stream, Items: items, Bulk: len(items) >= 1000})
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			f := AsFault(err)
			switch {
			case f.Kind != FaultInvalidRecord && f.Kind != FaultRecordGone:
				return f
			case len(batch) == 1:
				results = []Result{{Fault: f}}
			default:
				mid := len(batch) / 2
				if err := j.deliver(ctx, batch[:mid]); err != nil {
					return err
				}
				return j.deliver(ctx, batch[mid:])
			}
		}
		if len(results) != len(items) {
			return &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "RESULTS", Message: "the connector did not say what became of each record", After: time.Minute}
		}
	}
	return j.settle(ctx, list, batch, results)
}

// settle keeps what became of a batch. A passing fault of every item ends the run, which
// leaves the place in the log where it was; one of a few makes dead letters of them.
func (j *job) settle(ctx context.Context, list, batch []*leaving, results []Result) error {
	var ops []store.Op
	var put []*Link
	keep := func(k *Link) { ops, put = append(ops, Links.Put(k)), append(put, k) }
	var fault *Fault
	failed := map[*leaving]bool{}
	for i, l := range batch {
		r := results[i]
		if r.Fault != nil {
			failed[l] = true
			switch {
			case r.Fault.Kind == FaultRecordGone && l.link != nil:
				l.link.Gone, l.link.Dirty = true, 0
				keep(l.link)
				j.run.Skipped++
			case r.Fault.passing() && busy(results):
				fault = r.Fault
			default:
				op, err := j.dead(ctx, Push, l.local, nil, r.Fault)
				if err != nil {
					return err
				}
				ops = append(ops, op)
				j.run.Failed++
				if l.link != nil && l.link.Dirty != 0 {
					l.link.Dirty = 0
					keep(l.link)
				}
			}
			continue
		}
		if r.Outcome == Unchanged {
			j.run.Skipped++
		} else {
			j.run.Written++
		}
		if j.written(l, r) {
			keep(l.link)
		}
	}
	var tell []*leaving
	for _, l := range list {
		if l.tell != nil && !failed[l] && l.link != nil {
			tell = append(tell, l)
		}
	}
	more, err := j.paired(ctx, j.ws, put)
	if err != nil {
		return err
	}
	err = j.save(ctx, append(ops, more...)...)
	if errors.Is(err, store.ErrConflict) { // a pull of the same stream came between: it is compared again
		return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "RACE", Message: "another sync of the stream came between; this one goes on at once", After: 100 * time.Millisecond}
	}
	if err != nil {
		return err
	}
	for _, k := range put {
		k.V++
	}
	if err := j.tellConsents(ctx, tell); err != nil {
		return err
	}
	if fault != nil {
		return fault
	}
	return nil
}

// busy reports whether the vendor took nothing, for now.
func busy(results []Result) bool {
	for _, r := range results {
		if r.Fault == nil || !r.Fault.passing() {
			return false
		}
	}
	return true
}

// written notes in the link what is there now.
func (j *job) written(l *leaving, r Result) bool {
	made := l.link == nil
	if made {
		if r.ID == "" {
			return false // the vendor works on it; a pull will tell its id
		}
		l.link = newLink(j.ws, j.sync.place(), r.ID)
	}
	k := l.link
	k.Local, k.Dirty, k.Stopped, k.Gone = l.local, 0, false, l.item.Delete
	if made && j.consents() {
		k.Dirty = 1 // now that it is known there, its consent can be told
	}
	for f, is := range l.sent {
		k.Theirs[f], k.Ours[f] = is, is
	}
	if r.UpdatedAt.After(k.PushedAt) {
		k.PushedAt = r.UpdatedAt
	}
	return true
}

// consents reports whether this sync tells the vendor what people agreed to.
func (j *job) consents() bool { return j.sync.Channel != "" && j.spec.Can(CanConsents) }

// allow marks that somebody may be handed over, and what the vendor is told of it.
func (j *job) allow(l *leaving) {
	if !j.consents() {
		return
	}
	status, at := consentOf(l.p, j.sync.Purpose, j.sync.Channel, j.now())
	if status != consent.Granted || l.link.Told == status+at.Format(time.RFC3339Nano) {
		return
	}
	// A vendor's own suppression is lifted by a fresh yes alone: what is recorded here holds the
	// latest word, so that a recorded yes is later than every no that we know of.
	l.tell = &ConsentChange{Granted: true, Fresh: true, At: at}
	l.link.Told = status + at.Format(time.RFC3339Nano)
}

// until notes when a consent that the vendor was told of ends by itself: nothing is
// committed then by which it would be heard of.
func (j *job) until(ctx context.Context, l *leaving) error {
	if !j.consents() {
		return nil
	}
	_, until := consent.Status(l.p.Words(j.now()), j.sync.Purpose, j.sync.Channel, j.now())
	if l.link.Until.Equal(until) {
		return nil
	}
	l.link.Until = until
	err := j.lease.Commit(ctx, Links.Replace(l.link))
	switch {
	case err == nil:
		l.link.V++
	case errors.Is(err, store.ErrConflict): // changed: the next run looks again
		return nil
	}
	return err
}

// stop keeps somebody who may not be handed over from being so, and carries the
// withdrawal to where they were handed over before.
func (j *job) stop(ctx context.Context, l *leaving, why string) error {
	if l.link == nil || l.link.Stopped && l.link.Dirty == 0 && l.link.Until.IsZero() {
		return nil
	}
	l.link.Stopped, l.link.Dirty, l.link.Until = true, 0, time.Time{}
	withdrawn := why == consent.ReasonWithdrawn || why == consent.ReasonDenied || why == withheldSuppressed || why == consent.ReasonExpired
	if withdrawn && j.consents() && l.link.Told != why {
		l.tell = &ConsentChange{Granted: false, At: j.now()}
		l.link.Told = why
		return j.tellConsents(ctx, []*leaving{l})
	}
	err := j.lease.Commit(ctx, Links.Replace(l.link))
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// tellConsents carries consents to the vendor, and then notes that it did: after a crash it
// is told again.
func (j *job) tellConsents(ctx context.Context, list []*leaving) error {
	if len(list) == 0 {
		return nil
	}
	changes := make([]ConsentChange, len(list))
	for i, l := range list {
		c := *l.tell
		c.Key = j.hash.all("consent", l.local, l.link.Told)
		c.Channel, c.Source, c.List = j.sync.Channel, "headwater", j.sync.List
		c.Identifiers = map[string]string{}
		for _, h := range l.p.Identifiers {
			if _, have := c.Identifiers[h.Namespace]; !have && (h.Namespace == profile.Email || h.Namespace == profile.Phone) {
				c.Identifiers[h.Namespace] = h.Value
			}
		}
		changes[i] = c
	}
	var results []Result
	err := j.call(ctx, func(ctx context.Context) (err error) {
		results, err = j.in.SetConsents(ctx, changes)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return AsFault(err)
	}
	var ops []store.Op
	var fault *Fault
	for i, l := range list {
		if i < len(results) && results[i].Fault != nil {
			if fault = results[i].Fault; fault.passing() {
				continue
			}
		}
		ops = append(ops, Links.Put(l.link))
	}
	if err := j.save(ctx, ops...); err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	if fault != nil && fault.passing() {
		return fault
	}
	return nil
}

// consentOf returns what a person said of a purpose on a channel, and when.
func consentOf(p *profile.Profile, purpose, channel string, now time.Time) (string, time.Time) {
	words := p.Words(now)
	status, _ := consent.Status(words, purpose, channel, now)
	var at time.Time
	for _, w := range words {
		if w.Purpose == purpose && (w.Channel == "" || w.Channel == channel) && w.At.After(at) {
			at = w.At
		}
	}
	return status, at
}
