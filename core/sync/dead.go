package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// dead returns the operation that keeps what could not be carried over: of a pull the
// record, of a push who or what it was, since what is pushed then is what is here then.
func (j *job) dead(ctx context.Context, d Direction, local string, r *Record, f *Fault) (store.Op, error) {
	what := local
	var kept, remote string
	if r != nil {
		what, remote = r.ID, r.ID
		var err error
		if kept, err = payload(r); err != nil {
			return store.Op{}, err
		}
		remote = cut(remote, maxRemote)
	}
	key := store.Key(j.ws, core.HashID(core.PrefixDeadLetter, j.sync.SyncID(), string(d), what))
	dead, err := DeadLetters.Get(ctx, j.Store, key)
	if err != nil {
		return store.Op{}, err
	}
	if dead == nil {
		dead = &Dead{Meta: store.Meta{ID: key}, Sync: j.sync.SyncID(), Direction: d}
	}
	dead.Local, dead.Remote, dead.Payload, dead.Fault, dead.At = local, remote, kept, *f, j.now()
	dead.Attempts++
	switch {
	case f.Reason == relationUnknown && dead.Attempts < triesOfRelation:
		dead.Replay = replayLater
	case dead.Replay == replayLater:
		dead.Replay = 0
	}
	return DeadLetters.Put(dead), nil
}

// bury keeps what failed before it could leave.
func (j *job) bury(ctx context.Context, l *leaving, f *Fault) error {
	j.run.Read++
	j.run.Failed++
	op, err := j.dead(ctx, Push, l.local, nil, f)
	if err != nil {
		return err
	}
	ops := []store.Op{op}
	if l.link != nil && l.link.Dirty != 0 {
		l.link.Dirty = 0
		ops = append(ops, Links.Replace(l.link))
	}
	err = j.save(ctx, ops...)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// kept is a record in a dead letter.
type kept struct {
	Fields    map[string]any `json:"fields,omitempty"`
	Deleted   bool           `json:"deleted,omitempty"`
	Merged    string         `json:"merged,omitempty"`
	UpdatedAt time.Time      `json:"updatedAt,omitzero"`
}

// ShownPayload returns the fields of a record that could not be taken; nil of a push.
func (d *Dead) ShownPayload() map[string]any {
	var k kept
	if d.Payload == "" || decodeJSON([]byte(d.Payload), &k) != nil {
		return nil
	}
	return k.Fields
}

func errDead() error {
	return core.Errorf(core.NotFound, "DEAD_LETTER", "there is no such dead letter; it was replayed or discarded")
}

// DeadLetter returns a dead letter, or nil.
func (s *Service) DeadLetter(ctx context.Context, ws, id string) (*Dead, error) {
	if core.IDPrefix(id) != core.PrefixDeadLetter {
		return nil, nil
	}
	d, err := DeadLetters.Get(ctx, s.Store, store.Key(ws, id))
	return d, storeError("read the dead letter", err)
}

func deadQuery(ws, sync string) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-at"}}
	if sync != "" {
		q.Where = []store.Cond{store.Eq("sync", sync)}
	}
	return q
}

// ListDeadLetters returns a window of the dead letters, of one sync when it is named, the latest
// first.
func (s *Service) ListDeadLetters(ctx context.Context, ws, sync string, w core.Window) (store.Page[Dead], error) {
	return DeadLetters.Page(ctx, s.Store, deadQuery(ws, sync), w)
}

// CountDeadLetters returns how many ListDeadLetters lists.
func (s *Service) CountDeadLetters(ctx context.Context, ws, sync string) (int64, error) {
	return DeadLetters.Count(ctx, s.Store, deadQuery(ws, sync))
}

// MaxDead is how many dead letters one call replays or discards.
const MaxDead = 500

// chosen returns the dead letters with the ids, or, without ids, the next ones of a sync.
func (s *Service) chosen(ctx context.Context, ws, sync string, ids []string) ([]*Dead, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	if len(ids) > MaxDead {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "name at most %d dead letters at once, or the sync for all of them", MaxDead).At("ids")
	}
	if len(ids) == 0 {
		if _, err := s.mustSync(ctx, ws, sync); err != nil {
			return nil, core.AsError(err).At("syncId")
		}
		list, err := DeadLetters.Find(ctx, s.Store, deadQuery(ws, sync), MaxDead)
		return list, storeError("read the dead letters", err)
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = store.Key(ws, id)
	}
	list, err := DeadLetters.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, storeError("read the dead letters", err)
	}
	for _, d := range list {
		if d == nil {
			return nil, errDead()
		}
	}
	return list, nil
}

// DiscardDeadLetters forgets dead letters, and returns how many; without ids the next
// MaxDead of a sync.
func (s *Service) DiscardDeadLetters(ctx context.Context, ws, sync string, ids []string, dryRun bool) (int, error) {
	list, err := s.chosen(ctx, ws, sync, ids)
	if err != nil || dryRun || len(list) == 0 {
		return len(list), err
	}
	ops := make([]store.Op, len(list))
	for i, d := range list {
		ops[i] = DeadLetters.Delete(d)
	}
	err = s.commit(ctx, &audit.Entry{Workspace: ws, Action: "deadLetters.discard", Resource: list[0].Sync, SubjectCount: len(list)}, ops...)
	return len(list), storeError("discard the dead letters", err)
}

// ReplayDeadLetters has dead letters carried over again by the next run of their syncs, which
// begins at once; without ids the next MaxDead of a sync. What fails again is a dead
// letter again.
func (s *Service) ReplayDeadLetters(ctx context.Context, ws, sync string, ids []string, dryRun bool) (int, error) {
	list, err := s.chosen(ctx, ws, sync, ids)
	if err != nil || dryRun || len(list) == 0 {
		return len(list), err
	}
	var ops []store.Op
	syncs := map[string]bool{}
	for _, d := range list {
		syncs[d.Sync] = true
		d.Replay = 1
		ops = append(ops, DeadLetters.Replace(d))
	}
	if err := s.commit(ctx, &audit.Entry{Workspace: ws, Action: "deadLetters.replay", Resource: list[0].Sync, SubjectCount: len(list)}, ops...); err != nil {
		return 0, storeError("replay the dead letters", err)
	}
	for id := range syncs {
		if err := s.soon(ctx, ws, id); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// What stands in Dead.Replay.
const (
	replayNow   = 1 // somebody asked for it
	replayLater = 2 // each run tries it again by itself
)

// replay carries over what somebody asked to replay, and once what each run tries again.
func (j *job) replay(ctx context.Context) error {
	find := func(mark int64, n int) ([]*Dead, error) {
		return DeadLetters.Find(ctx, j.Store, store.Query{
			Workspace: j.ws, Where: []store.Cond{store.Eq("sync", j.sync.SyncID()), store.Eq("replay", mark)},
		}, n)
	}
	for {
		list, err := find(replayNow, slice)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		if err := j.replaySome(ctx, list); err != nil {
			return err
		}
	}
	list, err := find(replayLater, 5*slice)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(list, slice) {
		if err := j.replaySome(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// overtaken returns the operations that forget letters which runs try again, about records
// of which something newer was taken.
func (j *job) overtaken(ctx context.Context, taken []string) ([]store.Op, error) {
	if len(taken) == 0 || !slices.ContainsFunc(j.m.fields, func(f mapped) bool { return f.rel != nil }) {
		return nil, nil
	}
	keys := make([]string, len(taken))
	for i, id := range taken {
		keys[i] = store.Key(j.ws, core.HashID(core.PrefixDeadLetter, j.sync.SyncID(), string(Pull), id))
	}
	found, err := DeadLetters.GetMany(ctx, j.Store, keys)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, d := range found {
		if d != nil && d.Replay == replayLater {
			ops = append(ops, DeadLetters.Delete(d))
		}
	}
	return ops, nil
}

// replaySome carries over what some dead letters are about, and forgets those that went
// through.
func (j *job) replaySome(ctx context.Context, list []*Dead) error {
	var records []Record
	var locals []string
	var again []*Dead
	for _, d := range list {
		if d.Direction == Push {
			locals = append(locals, d.Local)
			continue
		}
		if d.Payload == "" { // it was too large to be kept: the vendor has to give it again
			again = append(again, d)
			continue
		}
		var k kept
		if err := decodeJSON([]byte(d.Payload), &k); err != nil {
			return err
		}
		records = append(records, Record{ID: d.Remote, Fields: k.Fields, Deleted: k.Deleted, Merged: k.Merged, UpdatedAt: k.UpdatedAt})
	}
	// What fails again counts one attempt more; the letters of what does not go last, so
	// that a crash between carries them over once more and loses none.
	if len(records) > 0 {
		if err := j.take(ctx, records); err != nil {
			return err
		}
	}
	if len(locals) > 0 {
		if err := j.pushAgain(ctx, locals); err != nil {
			return err
		}
	}
	var ops []store.Op
	for _, d := range list {
		now, err := DeadLetters.Get(ctx, j.Store, d.ID)
		switch {
		case err != nil:
			return err
		case now == nil:
		case slices.Contains(again, d):
			now.Replay = 0
			now.Attempts++
			ops = append(ops, DeadLetters.Replace(now))
		case now.Attempts == d.Attempts: // it went through
			ops = append(ops, DeadLetters.Delete(now))
		case now.Replay == replayNow:
			now.Replay = 0
			ops = append(ops, DeadLetters.Replace(now))
		}
	}
	return j.save(ctx, ops...)
}

// pushAgain hands over what is here of some dead letters of a push.
func (j *job) pushAgain(ctx context.Context, locals []string) error {
	h, err := j.open(ctx)
	if err != nil {
		return err
	}
	switch j.sync.Kind {
	case Profiles:
		return j.pushPeople(ctx, h, locals)
	case List:
		return j.pushMembers(ctx, h, locals)
	case Events:
		return j.forwardEvents(ctx, h, locals)
	}
	keys := make([]string, len(locals))
	for i, l := range locals {
		keys[i] = object.RecordKey(j.ws, j.sync.Type, externalOf(l))
	}
	return j.pushRecords(ctx, h, keys)
}

// DeadCategories returns the category of each field of a dead letter's payload, by which it
// may be shown: those of what the field map makes of it here; Unclassified where it does not
// say.
func (s *Service) DeadCategories(ctx context.Context, y *Sync) (map[string]core.Category, error) {
	out := map[string]core.Category{}
	sorts, err := s.Events.Categories(ctx, y.Workspace(), event.OwnerTrait)
	if err != nil {
		return nil, err
	}
	if y.Kind == Objects {
		t, err := s.Objects.Type(ctx, y.Workspace(), y.Type)
		if err != nil {
			return nil, err
		}
		sorts = map[string]core.Category{}
		if t != nil {
			for _, f := range t.Fields {
				sorts[f.Key] = f.Category
			}
		}
	}
	for _, f := range y.Fields {
		out[f.Remote] = categoryOf(f.Local, sorts)
	}
	return out, nil
}

func categoryOf(place string, sorts map[string]core.Category) core.Category {
	switch {
	case place == localID, place == localExternal, strings.HasPrefix(place, inRelations):
		return core.IdentifierID
	case len(place) > len(inIdentifiers) && place[:len(inIdentifiers)] == inIdentifiers:
		return profile.IdentifierCategory(place[len(inIdentifiers):])
	}
	for _, prefix := range []string{inTraits, inFields} {
		if len(place) > len(prefix) && place[:len(prefix)] == prefix {
			if c := sorts[place[len(prefix):]]; c != "" {
				return c
			}
		}
	}
	return core.Unclassified
}
