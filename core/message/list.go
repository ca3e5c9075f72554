package message

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Filter chooses messages; what it does not say chooses all.
type Filter struct {
	ProfileID  string
	Journey    string
	Enrollment string
	Campaign   string
	Status     []Status
	Channel    string
	From, To   time.Time // when they were decided, To exclusive
}

// query returns the query that serves most of a filter, and the rest of it; nil when nothing
// is left.
func (f Filter) query(ws, part string) (store.Query, func(*Message) bool) {
	q := store.Query{Workspace: ws, Order: []string{"-at"}}
	rest := func(*Message) bool { return true }
	left := false
	also := func(g func(*Message) bool) {
		before := rest
		rest, left = func(m *Message) bool { return before(m) && g(m) }, true
	}
	by := ""
	if part != "" {
		by, q.Where = "part", append(q.Where, store.Eq("part", part))
	}
	for _, c := range []struct {
		field, value string
		of           func(*Message) string
	}{
		{"enrollment", f.Enrollment, func(m *Message) string { return m.Enrollment }},
		{"campaign", f.Campaign, func(m *Message) string { return m.Campaign }},
		{"journey", f.Journey, func(m *Message) string { return m.Journey }},
	} {
		switch {
		case c.value == "":
		case by == "":
			by, q.Where = c.field, append(q.Where, store.Eq(c.field, c.value))
		default:
			also(func(m *Message) bool { return c.of(m) == c.value })
		}
	}
	switch {
	case len(f.Status) == 1 && by == "":
		q.Where = append(q.Where, store.Eq("status", string(f.Status[0])))
	case len(f.Status) > 0:
		also(func(m *Message) bool { return slices.Contains(f.Status, m.Status) })
	}
	if f.Channel != "" {
		also(func(m *Message) bool { return m.Channel == f.Channel })
	}
	if !f.From.IsZero() {
		q.Where = append(q.Where, store.Gte("at", f.From))
	}
	if !f.To.IsZero() {
		q.Where = append(q.Where, store.Lt("at", f.To))
	}
	if !left {
		rest = nil
	}
	return q, rest
}

// part returns the part that a filter's person is looked for by: messages were decided for
// one part, and of a merged person each part has its own.
func (s *Service) parts(ctx context.Context, ws string, f Filter) ([]string, error) {
	if f.ProfileID == "" {
		return []string{""}, nil
	}
	p, err := s.Profiles.Get(ctx, ws, f.ProfileID)
	if err != nil || p == nil {
		return nil, err
	}
	return p.Parts, nil
}

// List returns a window of messages, the latest first: of people alone whom the actor of ctx
// may see.
func (s *Service) List(ctx context.Context, ws string, f Filter, w core.Window) (profile.Listed[Message], error) {
	var none profile.Listed[Message]
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return none, err
	}
	parts, err := s.parts(ctx, ws, f)
	if err != nil || len(parts) == 0 {
		return none, err
	}
	if len(parts) > 1 {
		return s.ofParts(ctx, ws, f, parts, gate, w)
	}
	q, rest := f.query(ws, parts[0])
	return profile.VisiblePage(w, func(w core.Window) (store.Page[Message], error) {
		page, err := Messages.Page(ctx, s.Store, q, w)
		return page, storeError("read the messages", err)
	}, func(list []*Message) error { return s.keep(ctx, gate, rest, list) })
}

// keep puts nil in the place of messages that a filter leaves out or whose person the actor
// may not see.
func (s *Service) keep(ctx context.Context, gate *profile.Gate, rest func(*Message) bool, list []*Message) error {
	var ids []string
	for i, m := range list {
		if m != nil && rest != nil && !rest(m) {
			list[i] = nil
		}
		if m := list[i]; m != nil && m.Part != "" && !slices.Contains(ids, m.Part) {
			ids = append(ids, m.Part)
		}
	}
	if gate.Open() || len(ids) == 0 {
		return nil
	}
	people, err := gate.ShowMany(ctx, ids)
	if err != nil {
		return err
	}
	for i, m := range list {
		if m != nil && m.Part != "" && people[slices.Index(ids, m.Part)] == nil {
			list[i] = nil
		}
	}
	return nil
}

// maxOfPerson is how many messages are looked through of one person who was merged.
const maxOfPerson = 2000

// ofParts lists the messages of a person of several parts.
func (s *Service) ofParts(ctx context.Context, ws string, f Filter, parts []string, gate *profile.Gate, w core.Window) (profile.Listed[Message], error) {
	var all []*Message
	for _, part := range parts {
		q, rest := f.query(ws, part)
		list, err := Messages.Find(ctx, s.Store, q, maxOfPerson)
		if err != nil {
			return profile.Listed[Message]{}, storeError("read the messages", err)
		}
		if err := s.keep(ctx, gate, rest, list); err != nil {
			return profile.Listed[Message]{}, err
		}
		for _, m := range list {
			if m != nil {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Message) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
	})
	return profile.Listed[Message]{Page: cut(all, w, (*Message).MessageID)}, nil
}

// cut returns a window of a list; a cursor is the id of an item.
func cut[T any](list []*T, w core.Window, id func(*T) string) store.Page[T] {
	from, to := 0, len(list)
	if i := slices.IndexFunc(list, func(m *T) bool { return id(m) == w.After }); w.After != "" && i >= 0 {
		from = i + 1
	}
	if i := slices.IndexFunc(list, func(m *T) bool { return id(m) == w.Before }); w.Before != "" && i >= 0 {
		to = max(from, i)
	}
	page := store.Page[T]{HasPrev: from > 0, HasNext: to < len(list)}
	if w.Backward && to-from > w.Limit {
		from, page.HasPrev = to-w.Limit, true
	} else if !w.Backward && to-from > w.Limit {
		to, page.HasNext = from+w.Limit, true
	}
	for _, m := range list[from:to] {
		page.Items, page.Cursors = append(page.Items, m), append(page.Cursors, id(m))
	}
	return page
}

// maxCounted is how many messages are looked at to be counted.
const maxCounted = 20_000

// Count returns how many messages a filter chooses, up to maxCounted where no index tells.
func (s *Service) Count(ctx context.Context, ws string, f Filter) (int64, error) {
	parts, err := s.parts(ctx, ws, f)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, part := range parts {
		q, rest := f.query(ws, part)
		if rest == nil {
			n, err := Messages.Count(ctx, s.Store, q)
			if err != nil {
				return 0, storeError("count the messages", err)
			}
			total += n
			continue
		}
		list, err := Messages.Find(ctx, s.Store, q, maxCounted)
		if err != nil {
			return 0, storeError("count the messages", err)
		}
		for _, m := range list {
			if rest(m) {
				total++
			}
		}
	}
	return total, nil
}

// Show returns a message as the actor of ctx may see it, or nil.
func (s *Service) Show(ctx context.Context, ws, id string) (*Message, error) {
	if core.IDPrefix(id) != core.PrefixMessage || len(id) > 64 {
		return nil, nil
	}
	m, err := Messages.Get(ctx, s.Store, store.Key(ws, id))
	if m == nil || err != nil {
		return nil, storeError("read the message", err)
	}
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	one := []*Message{m}
	err = s.keep(ctx, gate, nil, one)
	return one[0], err
}
