package sync

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// listPlace is where the links of a list's members stand: a link there says that somebody
// was put on it.
func (j *job) listPlace() string { return j.sync.Connection + "/list:" + j.sync.SyncID() }

// pushList carries who entered and left a segment to a list there. Whoever may not be
// handed over any more leaves it.
func (j *job) pushList(ctx context.Context) error {
	h, err := j.open(ctx)
	if err != nil {
		return err
	}
	prefix := j.sync.Segment + "/"
	return j.eachChanged(ctx, []*store.Spec{segment.Changes.Spec, profile.Profiles.Spec}, func(from string) ([]string, error) {
		where := []store.Cond{store.Prefix("_id", prefix)}
		if from != "" {
			where = []store.Cond{store.Gt("_id", store.Key(j.ws, prefix+from)), store.Lt("_id", store.Key(j.ws, j.sync.Segment+"0"))}
		}
		list, err := segment.Memberships.Find(ctx, j.Store, store.Query{Workspace: j.ws, Where: where}, slice)
		out := make([]string, len(list))
		for i, m := range list {
			out[i] = m.Profile
		}
		return out, err
	}, func(ids []string) error {
		people, err := j.moved(ctx, prefix, ids)
		if err != nil {
			return err
		}
		return j.pushMembers(ctx, h, people)
	})
}

// moved turns what the log of changes told into people: of a change of membership whom it
// is about, of a profile that one when it is on the list.
func (j *job) moved(ctx context.Context, prefix string, ids []string) ([]string, error) {
	var out, keys []string
	for _, id := range ids {
		switch {
		case strings.HasPrefix(id, prefix):
			keys = append(keys, store.Key(j.ws, id))
		case !strings.Contains(id, "/"):
			out = append(out, id)
		}
	}
	if len(keys) > 0 {
		list, err := j.Segments.ChangesAt(ctx, keys)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if c != nil && c.Profile != "" && !slices.Contains(out, c.Profile) {
				out = append(out, c.Profile)
			}
		}
	}
	return out, nil
}

func (j *job) pushMembers(ctx context.Context, h *handoff, ids []string) error {
	for round := 0; len(ids) > 0 && round < 20; round++ {
		people, err := j.Profiles.GetMany(ctx, j.ws, ids)
		if err != nil {
			return err
		}
		var add, remove []*leaving
		seen := map[string]bool{}
		for _, p := range people {
			if p == nil || seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			l, in, err := j.member(ctx, h, p)
			if err != nil {
				return err
			}
			switch {
			case l == nil:
			case in:
				add = append(add, l)
			default:
				remove = append(remove, l)
			}
		}
		ids = nil
		for part := range slices.Chunk(add, j.limit) {
			part, again, err := j.commitHandoff(ctx, h, "sync.list", part)
			if err != nil {
				return err
			}
			ids = append(ids, again...)
			if err := j.members(ctx, part, nil); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(remove, j.limit) {
			if err := j.tells(ctx, j.entry("sync.list.remove", part)); err != nil {
				return err
			}
			if err := j.members(ctx, nil, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// member says whether somebody must be put on the list (true) or taken off it; nil when
// they are where they must be.
func (j *job) member(ctx context.Context, h *handoff, p *profile.Profile) (*leaving, bool, error) {
	l := &leaving{p: p, local: p.ProfileID(), sent: map[string]string{}}
	var err error
	if l.link, err = j.linkFor(ctx, j.ws, j.listPlace(), partsOf(p)); err != nil {
		return nil, false, err
	}
	on := l.link != nil && !l.link.Gone
	in, err := j.Segments.InAny(ctx, j.ws, p.ProfileID(), []string{j.sync.Segment})
	if err != nil || !in && !on {
		return nil, false, err
	}
	if in {
		why, err := j.may(ctx, h, p, j.now())
		if err != nil {
			return nil, false, err
		}
		if why != "" {
			in = false
			j.run.Skipped++
		}
	}
	if in == on {
		return nil, false, nil
	}
	j.run.Read++
	fields, match, err := j.render(h, nil, l.sent, func(place string) any { v, _ := localOf(p, place); return v })
	if err != nil {
		return nil, false, j.bury(ctx, l, AsFault(err))
	}
	links, err := j.linksOf(ctx, j.ws, j.sync.Connection, partsOf(p))
	if err != nil {
		return nil, false, err
	}
	l.item = Item{Match: j.sync.Match, Fields: fields}
	for _, k := range links {
		if !k.Gone && !strings.HasPrefix(streamOf(k.Place), "list:") {
			l.item.ID = k.Remote
			break
		}
	}
	if on && l.link.Remote != p.ProfileID() && l.item.ID == "" {
		l.item.ID = strings.TrimPrefix(l.link.Remote, "id:")
	}
	if l.item.ID == "" && asText(match) == "" {
		return nil, false, nil
	}
	l.item.Key = j.hash.all(j.listPlace(), l.local, j.now().Format(time.RFC3339Nano))
	return l, in, nil
}

// members moves people in or out, and notes who is on the list.
func (j *job) members(ctx context.Context, add, remove []*leaving) error {
	all := append(slices.Clone(add), remove...)
	if len(all) == 0 {
		return nil
	}
	change := ListChange{List: j.sync.Stream, Name: j.sync.List}
	if j.state.List != "" {
		change.List = j.state.List
	}
	for _, l := range add {
		change.Add = append(change.Add, l.item)
	}
	for _, l := range remove {
		change.Remove = append(change.Remove, l.item)
	}
	var res ListResult
	err := j.call(ctx, func(ctx context.Context) (err error) {
		res, err = j.in.Members(ctx, change)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f := AsFault(err)
		if f.Kind != FaultInvalidRecord {
			return f
		}
		if len(all) > 1 {
			for _, l := range all {
				a, r := []*leaving{l}, []*leaving(nil)
				if slices.Contains(remove, l) {
					a, r = nil, a
				}
				if err := j.members(ctx, a, r); err != nil {
					return err
				}
			}
			return nil
		}
		res.Results = []Result{{Fault: f}}
	}
	if len(res.Results) != len(all) {
		return &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "RESULTS", Message: "the connector did not say what became of each member", After: time.Minute}
	}
	if res.List != "" {
		j.state.List = res.List
	}
	var ops []store.Op
	var put []*Link
	var fault *Fault
	for i, l := range all {
		r := res.Results[i]
		in := i < len(add)
		switch {
		case r.Fault != nil && r.Fault.passing():
			fault = r.Fault
			continue
		case r.Fault != nil && (in || r.Fault.Kind != FaultRecordGone):
			op, err := j.dead(ctx, Push, l.local, nil, r.Fault)
			if err != nil {
				return err
			}
			ops = append(ops, op)
			j.run.Failed++
			continue
		}
		j.run.Written++
		if l.link == nil {
			l.link = newLink(j.ws, j.listPlace(), l.local)
			l.link.Local = l.local
		}
		l.link.Gone = !in
		ops, put = append(ops, Links.Put(l.link)), append(put, l.link)
	}
	more, err := j.paired(ctx, j.ws, put)
	if err != nil {
		return err
	}
	if err := j.save(ctx, append(ops, more...)...); err != nil {
		return err
	}
	if fault != nil {
		return fault // the place in the log stays: whoever was left out is looked at again
	}
	return nil
}
