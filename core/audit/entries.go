package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Record is an entry as it is in the log. Its subjects are pseudonyms.
type Record struct {
	Index        int64
	Hash         string // of the leaf, base64
	Body         []byte // what was hashed
	EntryID      string // aud_…
	Workspace    string
	At           time.Time
	Actor        string
	Action       string
	Resource     string
	Fields       []string
	Subjects     []string // psn_…; empty beyond 200
	SubjectSet   []string // beyond 200: hex SHA-256 of the chunks of the set
	Identifiers  []string // psn_… of what was asked for
	SubjectCount int
	Purpose      string
	Reason       string
	Decision     core.Effect
	RequestID    string
	Details      map[string]string
}

// Filter narrows Entries; what is zero does not.
type Filter struct {
	Actor     string
	Subject   *Subject // an identifier of a person
	ProfileID string
	Purpose   string
	Action    string
	Decision  core.Effect
	RequestID string
	From, To  time.Time // of Record.At; both are included
}

// empty reports whether the filter lets everything pass.
func (f Filter) empty() bool { return f == Filter{} }

// criteria is a filter made ready: whom it asks for as pseudonyms.
type criteria struct {
	Filter
	who      []string // any of these; nil: nobody is asked for
	from, to int64    // indexes: from is included, to is not
}

func (l *Log) criteria(ctx context.Context, ws string, f Filter) (*criteria, error) {
	h, err := l.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	c := &criteria{Filter: f, to: h.Size}
	if f.Subject != nil || f.ProfileID != "" {
		if c.who, err = l.who(ctx, ws, f); err != nil {
			return nil, err
		}
	}
	// No entry is younger than its block, and none waited longer than Lag.
	at := func(t time.Time, otherwise int64) (int64, error) {
		found, err := blocks.Find(ctx, l.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Gte("sealed", t.UTC().Truncate(time.Millisecond))}, Order: []string{"sealed"}}, 1)
		if err != nil || len(found) == 0 {
			return otherwise, storeFault(err)
		}
		return found[0].First, nil
	}
	if !f.From.IsZero() {
		if c.from, err = at(f.From, h.Size); err != nil {
			return nil, err
		}
	}
	if !f.To.IsZero() {
		if c.to, err = at(f.To.Add(h.Lag+2*time.Millisecond), h.Size); err != nil {
			return nil, err
		}
	}
	c.from = max(c.from, h.Dropped)
	return c, nil
}

// who returns the pseudonyms under which a person may be in the log: of the profile, of
// the identifier, and of the profiles that have or had the identifier.
func (l *Log) who(ctx context.Context, ws string, f Filter) ([]string, error) {
	psn, err := l.pseudonyms(ctx, ws)
	if err != nil {
		return nil, err
	}
	var out []string
	if f.ProfileID != "" {
		out = append(out, psn(KindProfile, f.ProfileID))
	}
	if f.Subject == nil {
		return out, nil
	}
	mark, err := l.identifier(ctx, ws, *f.Subject, psn)
	if err != nil {
		return nil, err
	}
	mine := []string{mark}
	d, err := links.Get(ctx, l.o.Store, store.Key(ws, mark))
	if err != nil {
		return nil, storeFault(err)
	}
	if d != nil {
		mine = append(mine, d.Profiles...)
	}
	if l.o.Resolve != nil {
		ids, err := l.o.Resolve(ctx, ws, *f.Subject)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			once(&mine, psn(KindProfile, id))
		}
	}
	if f.ProfileID != "" { // both are asked for: the identifier is only of use if it is theirs
		if slices.Contains(mine, out[0]) {
			return out, nil
		}
		return []string{}, nil
	}
	return mine, nil
}

// lookLimit is how many entries a page looks at before it is given short.
const lookLimit = 50_000

// Entries returns the entries that match, the newest first. A page may be short, or
// empty, though HasNext says that there is more: what is rare is looked for in parts.
func (l *Log) Entries(ctx context.Context, ws string, f Filter, w core.Window) (store.Page[Record], error) {
	var page store.Page[Record]
	c, err := l.criteria(ctx, ws, f)
	if err != nil {
		return page, err
	}
	low, high := c.from, c.to
	if w.After != "" {
		n, err := placeOf(w.After, "after")
		if err != nil {
			return page, err
		}
		high, page.HasPrev = min(high, n), n < c.to
	}
	if w.Before != "" {
		n, err := placeOf(w.Before, "before")
		if err != nil {
			return page, err
		}
		low = max(low, n+1)
	}
	found, cut, err := l.look(ctx, ws, c, low, high, w.Limit+1, w.Backward)
	if err != nil {
		return page, err
	}
	more := len(found) > w.Limit
	found = found[:min(len(found), w.Limit)]
	if w.Backward {
		slices.Reverse(found)
		page.HasPrev, page.HasNext = more || cut, w.Before != ""
	} else {
		page.HasNext = more || cut || w.Before != ""
	}
	for _, r := range found {
		page.Items = append(page.Items, r)
		page.Cursors = append(page.Cursors, cursorOf(r.Index))
	}
	return page, nil
}

func cursorOf(index int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("audit:" + strconv.FormatInt(index, 36)))
}

func placeOf(cursor, argument string) (int64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < 7 || string(raw[:6]) != "audit:" {
		return 0, store.ErrBadCursor.At(argument)
	}
	n, err := strconv.ParseInt(string(raw[6:]), 36, 64)
	if err != nil {
		return 0, store.ErrBadCursor.At(argument)
	}
	return n, nil
}

// Entry returns the entry with an id, or nil: there is none, or its body was dropped.
func (l *Log) Entry(ctx context.Context, ws, id string) (*Record, error) {
	prefix, bits, ok := core.Pack(id)
	if !ok || prefix != core.PrefixAudit {
		return nil, nil
	}
	made := time.UnixMilli(int64(bits[0])<<40 | int64(bits[1])<<32 | int64(bits[2])<<24 | int64(bits[3])<<16 | int64(bits[4])<<8 | int64(bits[5]))
	// An entry of a long operation has its id from the beginning and comes in at the end.
	c, err := l.criteria(ctx, ws, Filter{From: made.Add(-time.Millisecond)})
	if err != nil {
		return nil, err
	}
	c.Filter = Filter{}
	var out *Record
	err = l.each(ctx, ws, c, c.from, c.to, false, func(r *Record) (bool, error) {
		if r.EntryID == id {
			out = r
		}
		return out == nil, nil
	})
	return out, err
}

// Count returns how many entries match. With a filter it looks at every one that the
// filter may mean.
func (l *Log) Count(ctx context.Context, ws string, f Filter) (int64, error) {
	c, err := l.criteria(ctx, ws, f)
	if err != nil || f.empty() {
		return max(c.size(), 0), err
	}
	var n int64
	err = l.each(ctx, ws, c, c.from, c.to, true, func(*Record) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}

// size is how many entries lie between the bounds.
func (c *criteria) size() int64 {
	if c == nil {
		return 0
	}
	return c.to - c.from
}

// look collects at most limit matches in [low, high), the newest first or, backward, the
// oldest first. cut tells that it gave up before the end.
func (l *Log) look(ctx context.Context, ws string, c *criteria, low, high int64, limit int, backward bool) (found []*Record, cut bool, err error) {
	looked := 0
	err = l.eachBlock(ctx, ws, c, low, high, !backward, func(b *block) (bool, error) {
		bodies, err := b.bodiesOf()
		if err != nil {
			return false, err
		}
		for k := range bodies {
			i := int64(k)
			if !backward {
				i = int64(len(bodies) - 1 - k)
			}
			index := b.First + i
			if index < low || index >= high {
				continue
			}
			r, err := l.match(ctx, ws, c, index, bodies[i])
			if err != nil {
				return false, err
			}
			if r != nil {
				found = append(found, r)
			}
			if len(found) == limit {
				return false, nil
			}
		}
		if looked += len(bodies); looked > lookLimit && len(found) > 0 {
			cut = true
			return false, nil
		}
		return true, nil
	})
	return found, cut, storeFault(err)
}

// match returns the record of a body when it meets the criteria, else nil.
func (l *Log) match(ctx context.Context, ws string, c *criteria, index int64, raw []byte) (*Record, error) {
	e, hash, err := parseBody(raw)
	if err != nil {
		return nil, fmt.Errorf("audit: the entry with index %d is damaged: %w", index, err)
	}
	f := &c.Filter
	switch {
	case f.Actor != "" && e.Actor != f.Actor, f.Purpose != "" && e.Purpose != f.Purpose, f.Action != "" && e.Action != f.Action,
		f.Decision != "" && e.Decision != string(f.Decision), f.RequestID != "" && e.RequestID != f.RequestID,
		!f.From.IsZero() && e.At.Before(f.From), !f.To.IsZero() && e.At.After(f.To):
		return nil, nil
	}
	if c.who != nil {
		in, err := l.concerns(ctx, ws, e, c.who)
		if err != nil || !in {
			return nil, err
		}
	}
	return record(index, raw, e, hash), nil
}

// concerns reports whether an entry is about one of the pseudonyms.
func (l *Log) concerns(ctx context.Context, ws string, e *body, who []string) (bool, error) {
	for _, p := range who {
		if slices.Contains(e.Subjects, p) || slices.Contains(e.Identifiers, p) {
			return true, nil
		}
	}
	for from := 0; from < len(e.SubjectSet); from += 50 {
		var ids []string
		for n := from; n < min(from+50, len(e.SubjectSet)); n++ {
			ids = append(ids, setKey(ws, e.ID, n))
		}
		docs, err := sets.GetMany(ctx, l.o.Store, ids)
		if err != nil {
			return false, err
		}
		for _, d := range docs {
			if d != nil && slices.ContainsFunc(who, func(p string) bool { return inChunk(d.Data, p) }) {
				return true, nil
			}
		}
	}
	return false, nil
}

func record(index int64, raw []byte, e *body, hash tlog.Hash) *Record {
	return &Record{
		Index: index, Hash: hash.String(), Body: raw, EntryID: e.ID, Workspace: e.Workspace, At: e.At, Actor: e.Actor, Action: e.Action,
		Resource: e.Resource, Fields: e.Fields, Subjects: e.Subjects, SubjectSet: e.SubjectSet, Identifiers: e.Identifiers,
		SubjectCount: e.SubjectCount, Purpose: e.Purpose, Reason: e.Reason, Decision: core.Effect(e.Decision), RequestID: e.RequestID, Details: e.Details,
	}
}
