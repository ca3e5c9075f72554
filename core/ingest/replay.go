package ingest

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// MaxReplay is how many items one call of Replay takes.
const MaxReplay = 200

// Replay sends items of the quarantine through the pipeline again, as they would
// be taken now: the correction where there is one. The results are in the order of
// ids. ACCEPTED and DUPLICATE close the item in the same commit; QUARANTINED
// leaves it open with the new reason; REJECTED is an unknown item, one that is no
// longer open (reason ALREADY_REPLAYED, ALREADY_DISCARDED), or one whose message
// id another event has.
func (p *Pipeline) Replay(ctx context.Context, workspace string, ids []string) ([]event.Result, error) {
	if len(ids) > MaxReplay {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "at most %d items are replayed at once", MaxReplay).At("ids")
	}
	unique := slices.Compact(slices.Sorted(slices.Values(ids)))
	keys := make([]string, len(unique))
	for i, id := range unique {
		keys[i] = store.Key(workspace, id)
	}
	docs, err := event.Quarantine.GetMany(ctx, p.Store, keys)
	if err != nil {
		return nil, outward(err)
	}
	found := slices.DeleteFunc(docs, func(q *event.QuarantineItem) bool { return q == nil })
	results, err := p.replay(ctx, workspace, found)
	byID := make(map[string]event.Result, len(found))
	for i, r := range results {
		byID[found[i].QuarantineID()] = r
	}
	out := make([]event.Result, len(ids))
	for i, id := range ids {
		r, ok := byID[id]
		if !ok && err == nil {
			r = event.Result{Status: event.Rejected, Err: core.Errorf(core.NotFound, "QUARANTINE_ITEM", "nothing in the quarantine has this id").At("ids")}
		}
		out[i] = r
	}
	return out, err
}

func (p *Pipeline) replay(ctx context.Context, workspace string, docs []*event.QuarantineItem) ([]event.Result, error) {
	inputs := make([]event.Input, len(docs))
	now := p.Clock.Now()
	for i, q := range docs {
		inputs[i] = q.Replay(now)
	}
	return p.ingest(ctx, workspace, "", inputs, func(i int, it *item) {
		it.source, it.at, it.replay = docs[i].Source, docs[i].ReceivedAt, docs[i]
	})
}

// reread reads the items of the quarantine that the unit replays as they are now:
// somebody else may have corrected, replayed or discarded them.
func (u *unit) reread(ctx context.Context) error {
	var keys []string
	for _, it := range u.items {
		if it.replay != nil {
			keys = append(keys, it.replay.ID)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	docs, err := event.Quarantine.GetMany(ctx, u.p.Store, keys)
	if err != nil {
		return err
	}
	n := 0
	for _, it := range u.items {
		if it.replay == nil {
			continue
		}
		q := docs[n]
		n++
		switch {
		case q == nil:
			it.over = core.Errorf(core.NotFound, "QUARANTINE_ITEM", "nothing in the quarantine has this id").At("ids")
		case q.Status != event.QuarantineOpen && q.Status != event.QuarantineCorrected:
			it.over = core.Errorf(core.Conflict, "ALREADY_"+string(q.Status), "the item is no longer open").At("ids")
		case q.V != it.replay.V:
			in := q.Replay(u.at)
			it.in, it.replay, it.bad = &in, q, nil
		}
	}
	return nil
}

// replayed adds what becomes of the items of the quarantine that the unit replays.
func (u *unit) replayed() {
	for i, it := range u.items {
		if it.replay == nil || it.over != nil {
			continue
		}
		switch r := &u.results[i]; r.Status {
		case event.Accepted, event.Duplicate:
			u.ops = append(u.ops, it.replay.ReplayedOp(it.call.ctx, r.EventID, u.at))
		case event.Dropped:
			u.ops = append(u.ops, event.Quarantine.Delete(it.replay))
		default:
			u.ops = append(u.ops, it.replay.FailedOp(it.call.ctx, r.Err, u.at))
		}
	}
}

// ReplayKind is the kind of the job that replays the quarantine.
const ReplayKind = "replay"

// ReplayInput is the input of such a job: which items. The zero value is all that
// are open.
type ReplayInput struct {
	Status event.QuarantineStatus `bson:"status,omitempty"`
	Reason string                 `bson:"reason,omitempty"`
	Source string                 `bson:"source,omitempty"`
	From   *time.Time             `bson:"from,omitempty"`
	To     *time.Time             `bson:"to,omitempty"`
}

// ReplayCounts is the result of a replay job, and a part of its position.
type ReplayCounts struct {
	Replayed   int64 `bson:"replayed"`   // became events, or were events already
	StillAside int64 `bson:"stillAside"` // refused again
	Skipped    int64 `bson:"skipped"`    // no longer open when their turn came
}

type replayPosition struct {
	Counts ReplayCounts `bson:"counts"`
	Cursor string       `bson:"cursor"`
	Done   int64        `bson:"done"`
	Total  int64        `bson:"total"`
}

// ReplayHandler runs replay jobs. An item is tried once by a job: those refused
// again stay behind its cursor.
func (p *Pipeline) ReplayHandler() work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in ReplayInput
		if err := run.Input(&in); err != nil {
			return err
		}
		var at replayPosition
		started, err := run.Position(&at)
		if err != nil {
			return err
		}
		ws := run.Workspace()
		filter := event.QuarantineFilter{Status: in.Status, Reason: in.Reason, Source: in.Source, From: in.From, To: in.To}
		if !started {
			if at.Total, err = p.Events.CountQuarantined(ctx, ws, filter); err != nil {
				return err
			}
		}
		for {
			page, err := p.Events.Quarantined(ctx, ws, filter, core.Window{Limit: 100, After: at.Cursor})
			if err != nil {
				return err
			}
			if len(page.Items) > 0 {
				if err := p.patiently(ctx, func() error {
					results, err := p.replay(ctx, ws, page.Items)
					if err == nil {
						at.Counts.add(results)
					}
					return err
				}); err != nil {
					return err
				}
				at.Cursor = page.Cursors[len(page.Cursors)-1]
				at.Done += int64(len(page.Items))
			}
			if err := run.Result(at.Counts); err != nil {
				return err
			}
			if err := run.Step(ctx, at.Done, max(at.Done, at.Total), at); err != nil {
				return err
			}
			if !page.HasNext {
				return nil
			}
		}
	})
}

func (c *ReplayCounts) add(results []event.Result) {
	for _, r := range results {
		switch r.Status {
		case event.Accepted, event.Duplicate:
			c.Replayed++
		case event.Quarantined:
			c.StillAside++
		default:
			c.Skipped++
		}
	}
}

// patiently runs f again while the pipeline is full.
func (p *Pipeline) patiently(ctx context.Context, f func() error) error {
	for {
		err := f()
		if core.CodeOf(err) != core.RateLimited || !pause(ctx, 100*time.Millisecond) {
			return err
		}
	}
}
