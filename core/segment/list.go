package segment

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// MaxListItems is how many people one call adds to a list or removes from it.
const MaxListItems = 1000

// ListItem names a person: by profile id, or else by an identifier.
type ListItem struct {
	ProfileID  string
	Identifier event.Identifier
}

// ListStatus says what became of an item.
type ListStatus string

// The statuses.
const (
	ListAdded   ListStatus = "ADDED"
	ListRemoved ListStatus = "REMOVED"
	ListAlready ListStatus = "ALREADY" // was on the list, or was not when it should be removed
	ListUnknown ListStatus = "UNKNOWN" // nobody has this id or identifier
)

// ListResult is what became of an item.
type ListResult struct {
	ProfileID string // "" when nobody was found
	Status    ListStatus
}

// AddToList adds at most MaxListItems people to a static list. Each that is added
// is an event, List Joined. What was committed before an error stays. Who may not be
// seen is unknown; identifiers that may not be read in clear are FORBIDDEN, reason
// PROTECTED_FIELD.
func (s *Service) AddToList(ctx context.Context, ws, id string, items []ListItem) ([]ListResult, error) {
	return s.changeList(ctx, ws, id, items, true)
}

// RemoveFromList removes at most MaxListItems people from a static list, by events
// List Left.
func (s *Service) RemoveFromList(ctx context.Context, ws, id string, items []ListItem) ([]ListResult, error) {
	return s.changeList(ctx, ws, id, items, false)
}

func (s *Service) changeList(ctx context.Context, ws, id string, items []ListItem, join bool) ([]ListResult, error) {
	if len(items) == 0 || len(items) > MaxListItems {
		return nil, invalid("ITEMS", "name 1 to %d people at once, not %d; upload a file for more", MaxListItems, len(items)).At("items")
	}
	if err := s.mayList(ctx, ws, id); err != nil {
		return nil, err
	}
	for i, it := range items {
		if (it.ProfileID == "") == (it.Identifier == event.Identifier{}) {
			return nil, invalid("ITEM", "name a person by a profile's id or by an identifier").At("items", strconv.Itoa(i))
		}
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		if it.ProfileID != "" {
			continue
		}
		if err := by.gate.LookUp(it.Identifier.Namespace); err != nil {
			return nil, core.AsError(err).At("items", strconv.Itoa(i), "identifier")
		}
		audit.Lookup(ctx, it.Identifier.Namespace, it.Identifier.Value)
	}
	whose, err := by.audience()
	if err != nil {
		return nil, fail(err)
	}
	people, err := s.whoIs(ctx, ws, items, whose) // who may not be seen is nobody
	if err != nil {
		return nil, fail(err)
	}
	out := make([]ListResult, 0, len(items))
	for len(people) > 0 {
		n := min(len(people), listSlice)
		results, err := s.moveOnList(ctx, ws, id, people[:n], join)
		if err != nil {
			return nil, fail(err)
		}
		out, people = append(out, results...), people[n:]
	}
	return out, nil
}

// mayList refuses what is no static list in use, and one whose people the actor of ctx
// may not change.
func (s *Service) mayList(ctx context.Context, ws, id string) error {
	if _, err := s.list(ctx, ws, id); err != nil {
		return err
	}
	voc, err := s.vocabularyNow(ctx, ws)
	if err == nil {
		err = s.mayMove(ctx, voc, id)
	}
	return fail(err)
}

// list returns a static list that is in use.
func (s *Service) list(ctx context.Context, ws, id string) (*Segment, error) {
	seg, err := s.Get(ctx, ws, id)
	switch {
	case err != nil:
		return nil, err
	case seg == nil:
		return nil, notFound("id")
	case seg.Kind != Static:
		return nil, invalid("NOT_STATIC", "the segment's members follow from its condition; only a STATIC one is a list").At("id")
	case seg.Status == Archived:
		return nil, archived("id")
	}
	return seg, nil
}

// whoIs returns the profile id of each item, "" where nobody was found.
func (s *Service) whoIs(ctx context.Context, ws string, items []ListItem, whose *audience) ([]string, error) {
	out := make([]string, len(items))
	var ids []string
	var names []event.Identifier
	var idAt, nameAt []int
	for i, it := range items {
		if it.ProfileID != "" {
			ids, idAt = append(ids, it.ProfileID), append(idAt, i)
		} else {
			names, nameAt = append(names, it.Identifier), append(nameAt, i)
		}
	}
	byID, err := s.profiles.GetMany(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	byName, err := s.profiles.ByIdentifiers(ctx, ws, names)
	if err != nil {
		return nil, err
	}
	note := func(found []*profile.Profile, at []int) {
		for i, p := range found {
			if whose.admits(ctx, p) {
				out[at[i]] = p.ProfileID()
			}
		}
	}
	note(byID, idAt)
	note(byName, nameAt)
	return out, nil
}

// listSlice is how many people are moved in one commit. What follows from one event
// is several operations: its own, the profile, the behaviour, the membership, the
// change, and those of segments that ask for the list.
const listSlice = 100

// moveOnList adds people to a list or removes them, in one commit, or in several when
// what follows is too much for one; "" is nobody.
func (s *Service) moveOnList(ctx context.Context, ws, id string, people []string, join bool) ([]ListResult, error) {
	out, err := s.moveAtOnce(ctx, ws, id, people, join)
	if !errors.Is(err, store.ErrTooLarge) || len(people) < 2 {
		return out, err
	}
	first, err := s.moveOnList(ctx, ws, id, people[:len(people)/2], join)
	if err != nil {
		return nil, err
	}
	second, err := s.moveOnList(ctx, ws, id, people[len(people)/2:], join)
	return append(first, second...), err
}

func (s *Service) moveAtOnce(ctx context.Context, ws, id string, people []string, join bool) ([]ListResult, error) {
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = membershipKey(ws, id, orNobody(p))
	}
	stored, err := Memberships.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, err
	}
	properties, err := bson.Marshal(bson.D{{Key: "segmentId", Value: id}})
	if err != nil {
		return nil, err
	}
	name, moved := NameListLeft, ListRemoved
	if join {
		name, moved = NameListJoined, ListAdded
	}
	out := make([]ListResult, len(people))
	seen := make(map[string]bool, len(people))
	var events []event.SystemEvent
	for i, p := range people {
		out[i] = ListResult{ProfileID: p, Status: ListAlready}
		if p == "" {
			out[i].Status = ListUnknown
			continue
		}
		if seen[p] || (stored[i] != nil) == join {
			continue
		}
		seen[p], out[i].Status = true, moved
		events = append(events, event.SystemEvent{ProfileID: p, Input: event.Input{
			Type: event.System, Name: name, Properties: properties,
			MessageID: core.NewID(core.PrefixMessageID, s.clock.Now()),
		}})
	}
	if len(events) == 0 {
		return out, nil
	}
	if err := s.outlast(ctx, ws, id, events); err != nil {
		return nil, err
	}
	_, err = s.committer.CommitAll(ctx, ws, events)
	return out, err
}

// outlast dates events about a list after what was said before of the same people,
// by a process whose clock is ahead perhaps: the latest word holds.
func (s *Service) outlast(ctx context.Context, ws, id string, events []event.SystemEvent) error {
	keys := make([]string, len(events))
	for i := range events {
		keys[i] = store.Key(ws, events[i].ProfileID)
	}
	behaviours, err := Behaviours.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	now := millis(s.clock.Now())
	for i, b := range behaviours {
		if b == nil {
			continue
		}
		for j := range b.Parts {
			if l := b.Parts[j].list(id); l != nil && l.At >= now.UnixMilli() && !events[i].Input.Timestamp.After(time.UnixMilli(l.At)) {
				events[i].Input.Timestamp = time.UnixMilli(l.At + 1).UTC()
			}
		}
	}
	return nil
}

// orNobody is a key's part for nobody, which no profile has.
func orNobody(profileID string) string {
	if profileID == "" {
		return core.PrefixProfile + "_"
	}
	return profileID
}

// everyKey asks for the documents below a prefix of their keys.
func everyKey(ws, prefix string) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", prefix)}}
}
