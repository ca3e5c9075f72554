package sync

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// about is whom a record of a type points at.
type about struct {
	people   []*profile.Profile
	stranger bool // somebody whom nobody here knows, and who so said nothing
}

// aboutPeople reports whether records of a type can point at people.
func aboutPeople(t *object.Type) bool {
	return slices.ContainsFunc(t.Relations, func(r object.Relation) bool { return r.Target == "" })
}

// aboutOf finds whom records are about, in their order.
func (j *job) aboutOf(ctx context.Context, t *object.Type, records []*object.Record) ([]about, error) {
	out := make([]about, len(records))
	if !aboutPeople(t) {
		return out, nil
	}
	var ids []string
	var names []event.Identifier
	var idOf, nameOf []int
	for i, r := range records {
		for _, l := range r.LinksOf() {
			switch l.Namespace {
			case "": // to a record
			case object.ProfileNamespace:
				ids, idOf = append(ids, l.Value), append(idOf, i)
			default:
				names, nameOf = append(names, event.Identifier{Namespace: l.Namespace, Value: l.Value}), append(nameOf, i)
			}
		}
	}
	add := func(i int, p *profile.Profile) {
		switch {
		case p == nil:
			out[i].stranger = true
		case !slices.ContainsFunc(out[i].people, func(have *profile.Profile) bool { return have.ID == p.ID }):
			out[i].people = append(out[i].people, p)
		}
	}
	for from := 0; from < len(ids); from += 1000 {
		to := min(from+1000, len(ids))
		found, err := j.Profiles.GetMany(ctx, j.ws, ids[from:to])
		if err != nil {
			return nil, err
		}
		for k, p := range found {
			add(idOf[from+k], p)
		}
	}
	for from := 0; from < len(names); from += 1000 {
		to := min(from+1000, len(names))
		found, err := j.Profiles.ByIdentifiers(ctx, j.ws, names[from:to])
		if err != nil {
			return nil, err
		}
		for k, p := range found {
			add(nameOf[from+k], p)
		}
	}
	return out, nil
}

// mayRecord tells why a record may not be handed over for the sake of those whom it is
// about; "" where it may. One of them who says no is enough.
func (j *job) mayRecord(ctx context.Context, h *handoff, a about) (string, error) {
	for _, p := range a.people {
		if why, err := j.may(ctx, h, p, j.now()); err != nil || why != "" {
			return why, err
		}
	}
	if a.stranger {
		if v := h.register.Decide(nil, "", j.sync.Purpose, j.sync.Channel, j.now()); !v.Allowed {
			return v.Reason, nil
		}
	}
	return "", nil
}

// ofPeople turns ids of people among what the log of changes told into the keys of the
// records of the type that point at them: what may be handed over may be another thing now.
func (j *job) ofPeople(ctx context.Context, ids []string) ([]string, error) {
	people, err := j.Profiles.GetMany(ctx, j.ws, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return strings.Contains(id, "/") }))
	if err != nil {
		return nil, err
	}
	var keys []string
	seen := map[string]bool{}
	for _, p := range people {
		if p == nil || seen[p.ID] {
			continue
		}
		seen[p.ID] = true
		names := make([]event.Identifier, len(p.Identifiers))
		for i, held := range p.Identifiers {
			names[i] = event.Identifier{Namespace: held.Namespace, Value: held.Value}
		}
		list, err := j.Objects.Related(ctx, j.ws, j.sync.Type, names, partsOf(p))
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			keys = append(keys, r.Record.ID)
		}
	}
	return keys, nil
}
