package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// unit is a unit of work: some events of one workspace, what becomes of each, and
// the operations that make it so. It is built in memory from reads that may be
// stale; the conditions of the operations find out.
type unit struct {
	p         *Pipeline
	workspace string
	items     []*item
	results   []event.Result
	look      bool  // whether to read what is stored under the message ids
	fresh     []int // indexes of the items to insert, in order
	people    *profile.Unit
	derived   profile.Derived // what the batch has because of people
	observed  func()          // tells the registry that its writes are on disk
	ops       []store.Op
	at        time.Time
}

// DroppedCounter counts the events ("events") that were older than the erasure of whom
// they name.
const DroppedCounter = "privacy/dropped"

// errCulprits says that some items cannot be applied and were marked: build again,
// for others may have been taken for repetitions of them.
var errCulprits = errors.New("ingest: an event cannot be applied")

// build reads what the items touch and computes the operations. With an error
// other than errCulprits it is not known which item is to blame, if any is.
func (p *Pipeline) build(ctx context.Context, items []*item, look bool) (*unit, error) {
	u := &unit{
		p: p, workspace: items[0].workspace, items: items, look: look,
		results: make([]event.Result, len(items)), at: p.Clock.Now(),
	}
	if err := u.reread(ctx); err != nil {
		return u, err
	}
	aside, err := u.sort(ctx)
	if err == nil && len(u.fresh) > 0 {
		err = u.apply(ctx)
	}
	if err == nil && len(aside) > 0 {
		err = u.quarantine(ctx, aside)
	}
	if err == nil {
		u.replayed()
	}
	return u, err
}

// sort decides which items are new and returns the indexes of those to put aside.
func (u *unit) sort(ctx context.Context) (aside []int, err error) {
	keys := make([]string, 0, len(u.items))
	keyOf := make([]string, len(u.items))
	place := make(map[string]int, len(u.items))
	for i, it := range u.items {
		if it.over != nil || it.erased != nil || it.refusal() != nil {
			continue
		}
		key := event.Key(u.workspace, it.in.MessageID)
		keyOf[i] = key
		if _, twice := place[key]; !twice {
			place[key] = len(keys)
			keys = append(keys, key)
		}
	}
	var dropped int64
	defer func() {
		if dropped > 0 {
			u.ops = append(u.ops, store.AddTo(u.workspace, DroppedCounter, int(u.at.UnixNano()%store.Lanes), map[string]int64{"events": dropped}))
		}
	}()
	sums := make([][]byte, len(keys)) // of the event that has the key
	if u.look {
		known, err := event.Events.GetMany(ctx, u.p.Store, keys)
		if err != nil {
			return nil, fmt.Errorf("ingest: read events: %w", err)
		}
		for i, e := range known {
			if e != nil {
				sums[i] = e.Sum
			}
		}
	}
	for i, it := range u.items {
		r := &u.results[i]
		r.MessageID = it.in.MessageID
		if it.over != nil {
			r.Status, r.Err = event.Rejected, it.over
			continue
		}
		if it.erased != nil {
			r.Status, r.Err = event.Dropped, it.erased
			dropped++
			continue
		}
		if r.Err = it.refusal(); r.Err == nil {
			n := place[keyOf[i]]
			if sums[n] != nil {
				repeated(r, store.Rest(keyOf[i]), bytes.Equal(sums[n], it.in.Sum))
				continue
			}
			verdict, err := u.p.Events.Check(ctx, u.workspace, it.in)
			if err != nil {
				return nil, fmt.Errorf("ingest: tracking plan: %w", err)
			}
			r.Err = verdict.Err()
			if r.Err == nil {
				sums[n] = it.in.Sum
				r.Status, r.EventID = event.Accepted, store.Rest(keyOf[i])
				u.fresh = append(u.fresh, i)
				continue
			}
		}
		if it.line > 0 {
			r.Err = r.Err.At("line", strconv.FormatInt(it.line, 10))
		}
		r.Status = event.Quarantined
		aside = append(aside, i)
	}
	return aside, nil
}

// repeated answers an item whose message id was seen before.
func repeated(r *event.Result, id string, same bool) {
	if same {
		r.Status, r.EventID = event.Duplicate, id
		return
	}
	r.Status = event.Rejected
	r.Err = core.Errorf(core.Conflict, "MESSAGE_ID_REUSED",
		"another event has this messageId; give each event its own, and send a retry with the same payload").At("messageId")
}

// apply resolves and folds the new events in memory.
func (u *unit) apply(ctx context.Context) error {
	inputs := make([]*event.Input, len(u.fresh))
	for i, n := range u.fresh {
		inputs[i] = u.items[n].in
	}
	var err error
	if u.people, err = u.p.Profiles.Begin(ctx, u.workspace, inputs); err != nil {
		return fmt.Errorf("ingest: read profiles: %w", err)
	}
	parts := make([]string, len(u.fresh))
	culprits := false
	for i, n := range u.fresh {
		it := u.items[n]
		e, err := u.people.Apply(it.in, it.source, it.at)
		if err != nil {
			if refused := asRefusal(err); refused.Reason == profile.ReasonErased {
				it.erased, culprits = refused, true
			} else {
				it.bad, culprits = refused, true
			}
			continue
		}
		parts[i] = e.Part
		u.ops = append(u.ops, event.Events.Insert(e))
		runtime.Gosched() // a unit is milliseconds of work: who waits to read goes first
	}
	if culprits {
		return errCulprits
	}
	for i, n := range u.fresh {
		u.results[n].ProfileID = u.people.ProfileOf(parts[i])
	}
	u.ops = append(u.ops, u.people.Ops()...)
	if u.derived, err = u.p.Profiles.Derive(ctx, u.people, nil); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	u.ops = append(u.ops, u.derived.Ops...)
	ops, done, err := u.p.Events.Observe(ctx, u.workspace, inputs, u.at)
	if err != nil {
		return fmt.Errorf("ingest: registry: %w", err)
	}
	u.ops, u.observed = append(u.ops, ops...), done
	return nil
}

// quarantine puts items aside, each payload once, and notes what became of those
// that come from there.
func (u *unit) quarantine(ctx context.Context, aside []int) error {
	list := make([]event.Aside, 0, len(aside))
	for _, i := range aside {
		if u.items[i].replay == nil {
			in := *u.items[i].in
			in.Err = u.results[i].Err
			list = append(list, event.Aside{Source: u.items[i].source, Input: &in})
		}
	}
	ops, err := u.p.Events.QuarantineOps(ctx, u.workspace, list, u.at)
	if err != nil {
		return fmt.Errorf("ingest: read quarantine: %w", err)
	}
	u.ops = append(u.ops, ops...)
	return nil
}

// refusal is why the item is not to be applied, or nil.
func (it *item) refusal() *core.Error {
	if it.bad != nil {
		return it.bad
	}
	return it.in.Err
}

// asRefusal is what a client is told of an event that cannot be applied.
func asRefusal(err error) *core.Error {
	var e *core.Error
	if errors.As(err, &e) {
		return e
	}
	return core.Errorf(core.Internal, "UNPROCESSABLE",
		"this event cannot be processed and is kept in the quarantine; replay it when the cause is mended").Wrap(err)
}
