package sync

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// callFor is how long one call of a connector may take.
const callFor = 5 * time.Minute

// call calls the connector in the connection's queue.
func (j *job) call(ctx context.Context, f func(ctx context.Context) error) error {
	if err := j.same(ctx); err != nil {
		return err
	}
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

// settled is how many items' links are committed at once: a map may have many fields.
const settled = 50

// settle keeps what became of a batch. A fault of every item that is the connection's ends the
// run, which leaves the place in the log where it was; one of a few makes dead letters of
// them.
func (j *job) settle(ctx context.Context, list, batch []*leaving, results []Result) error {
	all := everybody(results)
	failed := map[*leaving]bool{}
	var fault *Fault
	for from := 0; from < len(batch) || from == 0; from += settled {
		to := min(from+settled, len(batch))
		f, err := j.settlePart(ctx, batch[from:to], results[from:to], all, failed)
		if err != nil {
			return err
		}
		if f != nil {
			fault = f
		}
	}
	var tell []*leaving
	for _, l := range list {
		if l.tell != nil && !failed[l] && l.link != nil {
			tell = append(tell, l)
		}
	}
	if err := j.tellConsents(ctx, tell); err != nil {
		return err
	}
	if fault != nil {
		return fault
	}
	return nil
}

func (j *job) settlePart(ctx context.Context, batch []*leaving, results []Result, all bool, failed map[*leaving]bool) (fault *Fault, err error) {
	owners, err := j.owners(ctx, batch, results)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	var put []*Link
	keep := func(k *Link) {
		if !slices.Contains(put, k) {
			put = append(put, k)
		}
	}
	bury := func(l *leaving, f *Fault) error {
		op, err := j.dead(ctx, Push, l.local, nil, f)
		ops = append(ops, op)
		failed[l] = true
		j.run.Failed++
		return err
	}
	for i, l := range batch {
		r := results[i]
		if r.Fault != nil {
			failed[l] = true
			switch {
			case r.Fault.Kind == FaultRecordGone && l.link != nil:
				l.link.Gone, l.link.Dirty = true, 0
				keep(l.link)
				j.run.Skipped++
			case all:
				fault = r.Fault
			default:
				if err := bury(l, r.Fault); err != nil {
					return nil, err
				}
				if l.link != nil && l.link.Dirty != 0 {
					l.link.Dirty = 0
					keep(l.link)
				}
			}
			continue
		}
		if l.link == nil && r.ID != "" {
			key := linkKey(j.ws, j.sync.place(), r.ID)
			if other := owners[key]; other != nil && other.Local != l.local {
				if err := bury(l, sameRecord(j.sync.Match)); err != nil {
					return nil, err
				}
				// What the owner has goes there again: the vendor's record is theirs.
				for f, is := range l.sent {
					if other.Ours[f] != is {
						other.Theirs[f], other.Ours[f], other.Dirty = is, overwritten, 1
					}
				}
				keep(other)
				continue
			}
			if l.link = owners[key]; l.link == nil {
				l.link = newLink(j.ws, j.sync.place(), r.ID)
				owners[key] = l.link
			}
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
	for _, k := range put {
		ops = append(ops, Links.Put(k))
	}
	more, err := j.paired(ctx, j.ws, put)
	if err != nil {
		return nil, err
	}
	err = j.save(ctx, append(ops, more...)...)
	if errors.Is(err, store.ErrConflict) { // a pull of the same stream came between: it is compared again
		return nil, &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "RACE", Message: "another sync of the stream came between; this one goes on at once", After: 100 * time.Millisecond}
	}
	if err != nil {
		return nil, err
	}
	for _, k := range put {
		k.V++
	}
	return fault, nil
}

// owners returns the links there are already of the records that items without one were
// written to, by key. One whose person is gone belongs to nobody.
func (j *job) owners(ctx context.Context, batch []*leaving, results []Result) (map[string]*Link, error) {
	var keys []string
	for i, l := range batch {
		if r := results[i]; l.link == nil && r.Fault == nil && r.ID != "" {
			if key := linkKey(j.ws, j.sync.place(), r.ID); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	out := map[string]*Link{}
	if len(keys) == 0 {
		return out, nil
	}
	found, err := Links.GetMany(ctx, j.Store, keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if found[i] == nil {
			continue
		}
		k := copyLink(found[i])
		gone := k.Gone || k.Local == ""
		if !gone && j.sync.Kind == Profiles {
			p, err := j.Profiles.GetMany(ctx, j.ws, []string{k.Local})
			if err != nil {
				return nil, err
			}
			gone = p[0] == nil
			if !gone {
				k.Local = p[0].ProfileID()
			}
		}
		if gone {
			k.Local = ""
		}
		out[key] = k
	}
	for i, l := range batch { // what belongs to nobody is the first one's
		if r := results[i]; l.link == nil && r.Fault == nil && r.ID != "" {
			if k := out[linkKey(j.ws, j.sync.place(), r.ID)]; k != nil && k.Local == "" {
				k.Local = l.local
			}
		}
	}
	return out, nil
}

func sameRecord(match string) *Fault {
	return &Fault{Kind: FaultInvalidRecord, Origin: FromConfig, Reason: "SAME_RECORD", Path: match,
		Message: "the vendor has one record for this and another one here, because both have the same value in the field by which records are found; make the values differ, merge the two here, or find records by another field"}
}

// written notes in the link what is there now.
func (j *job) written(l *leaving, r Result) bool {
	if l.link == nil {
		return false // the vendor works on it; a pull will tell its id
	}
	k := l.link
	made := k.V == 0
	k.Local, k.Dirty, k.Stopped, k.Gone = l.local, 0, false, l.item.Delete
	if made && j.consents() {
		k.Dirty = 1 // now that it is known there, its consent can be told
	}
	for f, is := range l.sent {
		k.Theirs[f], k.Ours[f] = is, is
	}
	if at := j.instant(r.UpdatedAt); at.After(k.PushedAt) {
		k.PushedAt = at
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
	e := j.entry("sync.consent", list)
	granted := 0
	for _, c := range changes {
		if c.Granted {
			granted++
		}
	}
	e.Fields, e.Details["channel"] = nil, j.sync.Channel
	e.Details["granted"], e.Details["withdrawn"] = strconv.Itoa(granted), strconv.Itoa(len(changes)-granted)
	if err := j.tells(ctx, e); err != nil {
		return err
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
