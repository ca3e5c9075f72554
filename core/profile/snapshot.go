package profile

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// NameHistoryFolded is the system event that stands for the events of a part that
// retention deleted: what they said of the person, without what they were. A part has
// one at most. It holds for as late an instant as the latest of those that it stands for
// was committed; what was before cannot be asked for any more.
const NameHistoryFolded = "History Folded"

// snapshot is what such an event holds.
type snapshot struct {
	Events    int64     `bson:"events"` // that it stands for
	FirstSeen time.Time `bson:"firstSeenAt"`
	LastSeen  time.Time `bson:"lastSeenAt"`
	Created   time.Time `bson:"createdAt"`
	Traits    []Trait   `bson:"traits,omitempty"`
}

// folded reports whether an event stands for others.
func (f *fact) folded() bool { return f.Type == event.System && f.Name == NameHistoryFolded }

// applyFolded folds what an event says that stands for others.
func (p *Profile) applyFolded(f *fact, r *rules) {
	var s snapshot
	if bson.Unmarshal(f.Properties, &s) != nil {
		return // written here, and never by a client
	}
	if p.Events == 0 || s.Created.Before(p.CreatedAt) {
		p.CreatedAt = s.Created
	}
	p.Events += s.Events
	p.Seq = max(p.Seq, f.Seq)
	p.UpdatedAt = later(p.UpdatedAt, f.CommittedAt)
	p.FirstSeenAt = earlier(p.FirstSeenAt, s.FirstSeen)
	p.LastSeenAt = later(p.LastSeenAt, s.LastSeen)
	for _, t := range s.Traits {
		t.Rule, t.Priority = LastWrite, 0
		if r.priorities != nil {
			if ranks, ok := r.priorities[top(t.Path)]; ok {
				t.Rule, t.Priority = SourcePriority, ranks[t.Source]
			}
		}
		p.Traits = put(p.Traits, t)
	}
}

// Foldable reports whether retention may delete an event: what Headwater itself noted,
// and what proves what a person agreed to, stays.
func Foldable(e *event.Event) bool {
	if e.Type == event.System {
		return false
	}
	_, says := event.Lookup(e.Context, "consent")
	return !says && !event.Flag(e.Context, "gpc")
}

// FoldAway returns the operations that delete events of one part of a person and put
// one in their place that says the same of the person. They conflict when the person,
// or one of the events, changed since. The events must be Foldable.
func (s *Service) FoldAway(ctx context.Context, p *Profile, part string, events []*event.Event) ([]store.Op, error) {
	ws := p.Workspace()
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	messageID := "snapshot:" + part
	key := event.SystemKey(ws, messageID)
	doc, err := event.Events.Get(ctx, s.db, key)
	if err != nil {
		return nil, storeError("read the history", err)
	}
	var sum Profile
	if doc != nil {
		sum.applyFolded(factOf(doc), r)
	} else {
		doc = &event.Event{
			Meta: store.Meta{ID: key}, MessageID: messageID, Part: part, Type: event.System, Name: NameHistoryFolded, Source: SystemSource,
		}
	}
	ops := []store.Op{Profiles.Replace(p)}
	for _, e := range events {
		if e.Part != part || !Foldable(e) {
			return nil, core.Errorf(core.Internal, "INTERNAL", "internal error")
		}
		sum.apply(factOf(e), r, nil)
		doc.Seq = max(doc.Seq, e.Seq)
		doc.Timestamp, doc.CommittedAt = later(doc.Timestamp, e.Timestamp), later(doc.CommittedAt, e.CommittedAt)
		ops = append(ops, event.Events.Delete(e))
	}
	doc.ReceivedAt = doc.CommittedAt
	if doc.Properties, err = bson.Marshal(snapshot{sum.Events, sum.FirstSeenAt, sum.LastSeenAt, sum.CreatedAt, sum.Traits}); err != nil {
		return nil, err
	}
	hash := sha256.Sum256(doc.Properties)
	doc.Sum = hash[:16]
	return append(ops, event.Events.Put(doc)), nil
}

// beforeFolded is the answer to who asks for an instant whose events were deleted.
func beforeFolded(at time.Time) error {
	return core.Errorf(core.Invalid, "RETENTION", "what was known then was deleted, as the retention rules have it; the earliest instant is %s",
		at.UTC().Format(time.RFC3339Nano)).At("asOf")
}

// Cleared returns the traits of an event that clears the traits at some paths.
func Cleared(paths []string) (bson.Raw, error) {
	regs := make([]Trait, len(paths))
	for i, path := range paths {
		regs[i] = Trait{Path: path, Value: null}
	}
	slices.SortFunc(regs, func(a, b Trait) int { return strings.Compare(a.Path, b.Path) })
	return bson.Marshal(tree(regs, 0))
}
