package sync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// push hands over the people who changed: those of dirty links, then everybody the first
// time, then those of the store's log of changes.
func (j *job) push(ctx context.Context) error {
	h, err := j.open(ctx)
	if err != nil {
		return err
	}
	do := func(ids []string) error { return j.pushPeople(ctx, h, ids) }
	if err := j.eachDirty(ctx, do); err != nil {
		return err
	}
	return j.eachChanged(ctx, []*store.Spec{profile.Profiles.Spec}, func(from string) ([]string, error) {
		list, err := profile.Profiles.Find(ctx, j.Store, store.Query{Workspace: j.ws, Where: after(j.ws, from)}, slice)
		out := make([]string, len(list))
		for i, p := range list {
			out[i] = p.ProfileID()
		}
		return out, err
	}, do)
}

// after bounds a walk by key to what comes after an id.
func after(ws, id string) []store.Cond {
	if id == "" {
		return nil
	}
	return []store.Cond{store.Gt("_id", store.Key(ws, id))}
}

// eachDirty calls do with those whose links say that what is here must go there.
func (j *job) eachDirty(ctx context.Context, do func([]string) error) error {
	list, err := Links.Find(ctx, j.Store, store.Query{
		Workspace: j.ws, Where: []store.Cond{store.Eq("place", j.sync.place()), store.Eq("dirty", int64(1))},
	}, 0)
	if err != nil {
		return err
	}
	over, err := Links.Find(ctx, j.Store, store.Query{ // consents that ended by themselves
		Workspace: j.ws, Where: []store.Cond{store.Eq("place", j.sync.place()), store.Lt("until", j.now())},
	}, 0)
	if err != nil {
		return err
	}
	list = append(list, over...)
	for part := range slices.Chunk(list, slice) {
		ids := make([]string, 0, len(part))
		for _, l := range part {
			ids = append(ids, l.Local)
		}
		if err := do(ids); err != nil {
			return err
		}
	}
	return nil
}

// eachChanged walks everything the first time, and then what the log of changes tells; the
// place in it is saved when do has carried a part over. A place that is no longer kept
// begins with a walk again.
func (j *job) eachChanged(ctx context.Context, specs []*store.Spec, walk func(from string) ([]string, error), do func([]string) error) error {
	if j.state.Token == "" && !j.state.Scanning {
		token, err := j.Store.Now(ctx)
		if err != nil {
			return err
		}
		j.state.Token, j.state.Scanning, j.state.Scan = string(token), true, ""
		if err := j.save(ctx); err != nil {
			return err
		}
	}
	for j.state.Scanning {
		ids, err := walk(j.state.Scan)
		if err != nil {
			return err
		}
		if err := do(ids); err != nil {
			return err
		}
		if len(ids) < slice {
			j.state.Scanning, j.state.Scan = false, ""
		} else {
			j.state.Scan = ids[len(ids)-1]
		}
		if err := j.save(ctx); err != nil {
			return err
		}
	}
	err := j.follow(ctx, specs, do)
	if errors.Is(err, store.ErrTokenExpired) {
		j.state.Token, j.state.Scanning = "", false
		if err := j.save(ctx); err != nil {
			return err
		}
		return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "CHANGES_EXPIRED", Message: "the sync stood longer than changes are kept; everything is compared again", After: time.Second}
	}
	return err
}

// follow reads the log of changes up to now. The run's own mark in it tells that it has
// caught up: a commit made after everything that must be seen.
func (j *job) follow(ctx context.Context, specs []*store.Spec, do func([]string) error) error {
	token := store.Token(j.state.Token)
	if now, err := j.Store.Now(ctx); err != nil {
		return err
	} else if now == token { // nothing at all was committed
		return nil
	}
	mark := &Mark{Meta: store.Meta{ID: j.sync.ID}}
	if old, err := marks.Get(ctx, j.Store, j.sync.ID); err != nil {
		return err
	} else if old != nil {
		mark = old
	}
	mark.N++
	if err := j.lease.Commit(ctx, marks.Put(mark)); err != nil {
		return err
	}
	w, err := j.Store.Watch(ctx, token, append(specs[:len(specs):len(specs)], marks.Spec)...)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	prefix := j.ws + "/"
	var ids []string
	var last store.Token
	flush := func() error {
		if last == "" {
			return nil
		}
		if err := do(ids); err != nil {
			return err
		}
		quiet := len(ids) == 0
		j.state.Token, ids = string(last), nil
		last = ""
		if quiet && !j.began {
			return nil // saved with the end of the run
		}
		return j.save(ctx)
	}
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if c.Collection == marks.Spec.Name {
			if c.Key == mark.ID && c.Version > mark.V {
				last = c.Token
				return flush()
			}
			continue
		}
		if len(c.Key) <= len(prefix) || c.Key[:len(prefix)] != prefix {
			continue
		}
		id := c.Key[len(prefix):]
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		last = c.Token
		if len(ids) >= slice {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// Mark is a commit of a run's own, by which its watch knows that it has caught up.
type Mark struct {
	store.Meta `bson:",inline"` // key: workspace/syn_…
	N          int64            `bson:"n"`
}

var marks = store.Declare[Mark](store.Spec{Name: "sync_marks", Reach: store.ReachNobody})

// pushPeople hands over what changed of some people, a call's worth at a time.
func (j *job) pushPeople(ctx context.Context, h *handoff, ids []string) error {
	for part := range slices.Chunk(ids, min(j.limit, slice)) {
		locals := make([][]string, len(part))
		for i, id := range part {
			locals[i] = []string{id}
		}
		if err := j.fresh(ctx, locals); err != nil {
			return err
		}
		if err := j.pushSome(ctx, h, part); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) pushSome(ctx context.Context, h *handoff, ids []string) error {
	for round := 0; len(ids) > 0; round++ {
		people, err := j.Profiles.GetMany(ctx, j.ws, ids)
		if err != nil {
			return err
		}
		var list []*leaving
		seen := map[string]bool{}
		var present []*profile.Profile
		var locals [][]string
		for _, p := range people {
			if p == nil || seen[p.ID] { // erased, or two parts of one
				continue
			}
			seen[p.ID] = true
			present, locals = append(present, p), append(locals, partsOf(p))
		}
		links, err := j.linksFor(ctx, j.ws, j.sync.place(), locals)
		if err != nil {
			return err
		}
		for i, p := range present {
			l, err := j.prepare(ctx, h, p, links[i])
			if err != nil {
				return err
			}
			if l != nil {
				list = append(list, l)
			}
		}
		ids = nil
		for part := range slices.Chunk(list, j.limit) {
			again, err := j.send(ctx, h, part)
			if err != nil {
				return err
			}
			ids = append(ids, again...)
		}
		if round == 20 { // somebody changes without end: the next run has them in its log
			break
		}
	}
	return nil
}

// prepare says what of a person must go there; nil when nothing must, or may.
func (j *job) prepare(ctx context.Context, h *handoff, p *profile.Profile, link *Link) (*leaving, error) {
	l := &leaving{p: p, local: p.ProfileID(), link: link, sent: map[string]string{}}
	if l.link != nil && l.link.Gone { // deleted there: it is not made again
		return nil, j.clean(ctx, l.link)
	}
	fields, match, err := j.render(h, l.link, l.sent, func(place string) any {
		v, _ := localOf(p, place)
		return v
	})
	if err != nil {
		return nil, j.bury(ctx, l, AsFault(err))
	}
	if len(fields) == 0 && (l.link == nil || !l.link.Stopped) && !j.consents() {
		if l.link != nil {
			return nil, j.clean(ctx, l.link)
		}
		return nil, nil
	}
	if l.link == nil && (match == nil || asText(match) == "") {
		return nil, nil // nothing by which the vendor could know them
	}
	j.run.Read++
	why, err := j.may(ctx, h, p, j.now())
	if err == nil && why == "" && j.sync.Segment != "" && j.Segments != nil {
		var in bool
		if in, err = j.Segments.InAny(ctx, j.ws, p.ProfileID(), []string{j.sync.Segment}); err == nil && !in {
			why = withheldSegment
		}
	}
	if err != nil {
		return nil, err
	}
	if why != "" {
		j.run.Skipped++
		return nil, j.stop(ctx, l, why)
	}
	l.item = Item{Match: j.sync.Match, Fields: fields}
	if l.link != nil {
		l.item.ID = l.link.Remote
		if err := j.until(ctx, l); err != nil {
			return nil, err
		}
		j.allow(l)
	} else if _, ok := fields[j.sync.Match]; !ok {
		l.item.Fields[j.sync.Match] = match
	}
	if len(fields) == 0 && l.tell == nil {
		return nil, j.clean(ctx, l.link)
	}
	key := []string{j.sync.place(), l.local}
	for _, f := range slices.Sorted(maps.Keys(l.sent)) {
		key = append(key, f, l.sent[f])
	}
	l.item.Key = j.hash.all(key...)
	return l, nil
}

// render makes the vendor's form of the fields that differ from what was carried over last,
// with their hashes in sent. match is the value of the field by which a record is found.
func (j *job) render(h *handoff, link *Link, sent map[string]string, get func(string) any) (fields map[string]any, match any, err error) {
	fields = map[string]any{}
	for _, f := range h.fields {
		v, err := f.remote(get)
		if err != nil {
			return nil, nil, err
		}
		if f.Remote == j.sync.Match {
			match = v
		}
		is := j.hash.of(f.Remote, v)
		was := ""
		if link != nil {
			was = link.Ours[f.Remote]
			if was != overwritten && is == link.Theirs[f.Remote] {
				continue // it is so there already
			}
		}
		if is != was {
			if err := j.checkResult(f, canonical(v)); err != nil {
				return nil, nil, err
			}
			if f.rel != nil && f.rel.strange(v) {
				return nil, nil, errRelation(f.Remote, streamOf(f.rel.place))
			}
			fields[f.Remote], sent[f.Remote] = canonical(v), is
		}
	}
	return fields, match, nil
}

// clean takes the mark off a link of which nothing is left to carry over.
func (j *job) clean(ctx context.Context, l *Link) error {
	if l.Dirty == 0 {
		return nil
	}
	l.Dirty = 0
	err := j.lease.Commit(ctx, Links.Replace(l))
	if errors.Is(err, store.ErrConflict) {
		return nil // changed: it is looked at again
	}
	return err
}
