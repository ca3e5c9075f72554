package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// pull reads the stream from the saved cursor until there is no more for now.
func (j *job) pull(ctx context.Context) error {
	done, err := j.lim.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	j.asOf = j.now()
	var kept error
	var still still
	err = j.in.Pull(ctx, PullRequest{Stream: j.sync.Stream, Cursor: j.state.Cursor, Fields: j.m.remoteNames()}, func(p Page) error {
		if f := still.look(&p); f != nil {
			kept = f
		} else {
			kept = j.page(ctx, p)
		}
		return kept
	})
	if kept != nil { // the connector may have wrapped it
		return kept
	}
	return err
}

// freshFor is how long after a pull began nothing is written over what it may have missed.
const freshFor = 200 * time.Millisecond

// fresh pulls once more, right before what is here of some people, or records, goes where it
// has been: what somebody wrote there since is compared first, so that the conflict policy
// decides, and not who writes last. What comes between this and the write is lost: the
// vendors have no condition on a write.
func (j *job) fresh(ctx context.Context, locals [][]string) error {
	if !j.sync.Direction.pulls() || j.now().Sub(j.asOf) < freshFor {
		return nil
	}
	links, err := j.linksFor(ctx, j.ws, j.sync.place(), locals)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(links, func(l *Link) bool { return l != nil && !l.Gone }) {
		return nil
	}
	return j.pull(ctx)
}

// slice is how many records are taken in one commit.
const slice = 200

// page keeps the records of a page, then the cursor behind them.
func (j *job) page(ctx context.Context, p Page) error {
	if f := cursorFault(p.Cursor); f != nil {
		return f
	}
	if err := j.same(ctx); err != nil {
		return err
	}
	j.believed(&p)
	for from := 0; from < len(p.Records); from += slice {
		if err := j.take(ctx, p.Records[from:min(from+slice, len(p.Records))]); err != nil {
			return err
		}
	}
	if err := j.takeEvents(ctx, p.Events); err != nil {
		return err
	}
	if err := j.takeTold(ctx, p); err != nil {
		return err
	}
	if len(p.Cursor) > 0 {
		j.state.Cursor = p.Cursor
	}
	if len(p.Records)+len(p.Events)+len(p.Consents)+len(p.Deliveries)+len(p.Inbound) == 0 && !j.began {
		return nil // saved with the end of the run
	}
	return j.save(ctx)
}

// takeTold keeps what a page tells beside records: what people decided, after the records
// that may make those people, and what became of messages.
func (j *job) takeTold(ctx context.Context, p Page) error {
	if len(p.Consents) > 0 {
		list, err := j.syncsOf(ctx, j.ws, j.sync.Connection)
		if err != nil {
			return err
		}
		if err := j.takeConsents(ctx, j.conn, list, p.Consents); err != nil {
			return err
		}
	}
	j.run.Read += int64(len(p.Consents) + len(p.Deliveries) + len(p.Inbound))
	return j.report(ctx, j.conn, p.Deliveries, p.Inbound, j.now())
}

// take keeps records, tried again when another sync of the same stream came between, and in
// parts when they are too much for one commit.
func (j *job) take(ctx context.Context, list []Record) error {
	for try := 0; ; try++ {
		run := *j.run
		err := j.takeOnce(ctx, list)
		if halved(err, len(list)) {
			*j.run = run
			if err := j.take(ctx, list[:len(list)/2]); err != nil {
				return err
			}
			return j.take(ctx, list[len(list)/2:])
		}
		if err == nil || !errors.Is(err, store.ErrConflict) || try == 5 {
			return err
		}
		*j.run = run
	}
}

// coming is a record on its way in.
type coming struct {
	r      *Record
	link   *Link
	p      *profile.Profile
	get    func(place string) any       // what is here; nil: nothing is
	since  func(place string) time.Time // since when
	input  *event.Input
	result *event.Result
	fault  *Fault
	skip   bool
}

func (j *job) takeOnce(ctx context.Context, list []Record) error {
	switch j.sync.Kind {
	case Objects:
		return j.takeObjects(ctx, list)
	case Costs:
		return j.takeCosts(ctx, list)
	case Events: // nothing says what they are here
		j.run.Read += int64(len(list))
		j.run.Skipped += int64(len(list))
		return nil
	}
	in, err := j.meet(ctx, list)
	if err != nil {
		return err
	}
	var inputs []event.Input
	var of []*coming
	for _, c := range in {
		j.decide(c)
		if c.input != nil && c.fault == nil {
			c.input.Seal(j.now())
			inputs = append(inputs, *c.input)
			of = append(of, c)
		}
	}
	results, err := j.ingest(ctx, inputs)
	if err != nil {
		return err
	}
	for i := range results {
		of[i].result = &results[i]
	}
	if err := j.know(ctx, of); err != nil {
		return err
	}
	var ops []store.Op
	var put []*Link
	for _, c := range in {
		j.run.Read++
		switch {
		case c.fault != nil:
			op, err := j.dead(ctx, Pull, "", c.r, c.fault)
			if err != nil {
				return err
			}
			ops = append(ops, op)
			j.run.Failed++
			continue
		case c.skip:
			j.run.Skipped++
		case c.input != nil:
			j.run.Written++
		default:
			j.run.Skipped++
		}
		if c.link != nil && c.link.Local != "" {
			ops, put = append(ops, Links.Put(c.link)), append(put, c.link)
		}
	}
	more, err := j.paired(ctx, j.ws, put)
	if err != nil {
		return err
	}
	return j.save(ctx, append(ops, more...)...)
}

// meet finds what is known of the records.
func (j *job) meet(ctx context.Context, list []Record) ([]*coming, error) {
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = linkKey(j.ws, j.sync.place(), list[i].ID)
	}
	links, err := Links.GetMany(ctx, j.Store, keys)
	if err != nil {
		return nil, err
	}
	out := make([]*coming, 0, len(list))
	last := map[string]int{}
	var ids []string
	var who []*coming
	var names []event.Identifier
	var named []*coming
	for i := range list {
		c := &coming{r: &list[i]}
		if links[i] != nil {
			c.link = copyLink(links[i])
		}
		if at, ok := last[keys[i]]; ok { // twice in one slice: the later one counts
			out[at].skip, out[at].link = true, nil
		}
		last[keys[i]] = len(out)
		out = append(out, c)
		switch {
		case c.link != nil && c.link.Local != "":
			ids, who = append(ids, c.link.Local), append(who, c)
		case !c.r.Deleted:
			for _, id := range j.identifiers(c.r) {
				names, named = append(names, id), append(named, c)
			}
		}
	}
	if len(ids) > 0 {
		found, err := j.Profiles.GetMany(ctx, j.ws, ids)
		if err != nil {
			return nil, err
		}
		for i, c := range who {
			c.p = found[i]
		}
	}
	for from := 0; from < len(names); from += 1000 {
		to := min(from+1000, len(names))
		found, err := j.Profiles.ByIdentifiers(ctx, j.ws, names[from:to])
		if err != nil {
			return nil, err
		}
		for i, c := range named[from:to] {
			if c.p == nil {
				c.p = found[i]
			}
		}
	}
	return out, nil
}

// remoteName is the identifier under which a record of the vendor's names a person here, so
// that one without an address is the same person the next time.
func (j *job) remoteName(id string) event.Identifier {
	name := j.sync.place() + "/" + id
	if len(name) > 200 {
		name = core.HashID(core.PrefixLink, j.sync.place(), id)
	}
	return event.Identifier{Namespace: profile.AnonymousID, Value: name}
}

// identifiers lists whom a record names, the vendor's own name last.
func (j *job) identifiers(r *Record) []event.Identifier {
	var out []event.Identifier
	all := allOf(r)
	for i := range j.m.fields {
		f := &j.m.fields[i]
		namespace, ok := strings.CutPrefix(f.Local, inIdentifiers)
		if !ok {
			switch f.Local {
			case inTraits + profile.Email:
				namespace = profile.Email
			case inTraits + profile.Phone:
				namespace = profile.Phone
			default:
				continue
			}
		}
		v, err := f.local(r, all)
		if text := asText(v); err == nil && text != "" {
			out = append(out, event.Identifier{Namespace: namespace, Value: text})
		}
	}
	return append(out, j.remoteName(r.ID))
}

// decide says what becomes of a record, field by field: see doc.go.
func (j *job) decide(c *coming) {
	if c.skip {
		return
	}
	r := c.r
	if c.fault = r.wrong(); c.fault != nil {
		return
	}
	if r.Deleted {
		j.deleted(c)
		return
	}
	if c.link == nil {
		c.link = newLink(j.ws, j.sync.place(), r.ID)
		if c.p != nil {
			c.link.Local = c.p.ProfileID()
		}
	}
	l := c.link
	if !r.UpdatedAt.IsZero() && r.UpdatedAt.Before(l.PushedAt) {
		c.skip = true // read before our last write: what is newer comes
		return
	}
	l.Gone = false
	if c.p != nil {
		c.get = func(place string) any { v, _ := localOf(c.p, place); return v }
		c.since = func(place string) time.Time { _, at := localOf(c.p, place); return at }
	}
	traits := map[string]any{}
	at, changed, fault := j.winners(c, func(f *mapped, v any) {
		if path, ok := strings.CutPrefix(f.Local, inTraits); ok {
			nest(traits, path, v)
		}
	})
	if fault != nil {
		c.fault = fault
		return
	}
	if !changed && l.Local != "" {
		return
	}
	j.identify(c, traits, at)
}

// winners calls set with what of a record is to be written here, and returns when that
// holds from. The link is brought up to date for when it is.
func (j *job) winners(c *coming, set func(f *mapped, v any)) (at time.Time, changed bool, fault *Fault) {
	r, l := c.r, c.link
	all := allOf(r)
	if at = r.UpdatedAt; at.IsZero() || at.After(j.now()) {
		at = j.now()
	}
	get := func(place string) any {
		if c.get == nil {
			return nil
		}
		return c.get(place)
	}
	for i := range j.m.fields {
		f := &j.m.fields[i]
		there := j.hash.of(f.Remote, r.Fields[f.Remote])
		if there == l.Theirs[f.Remote] {
			continue
		}
		if !f.pulls {
			// Ours to say: what somebody wrote over it goes back, unless it is how the vendor
			// writes what we sent.
			if !l.PushedAt.IsZero() && r.UpdatedAt.After(l.PushedAt) {
				l.Ours[f.Remote] = overwritten
				l.Dirty = 1
			}
			l.Theirs[f.Remote] = there
			continue
		}
		v, err := f.local(r, all)
		if err != nil {
			return at, false, AsFault(err)
		}
		var since time.Time
		if c.since != nil {
			since = c.since(f.Local)
		}
		if f.pushes {
			mine, err := f.remote(get)
			if err != nil {
				return at, false, AsFault(err)
			}
			here := j.hash.of(f.Remote, mine)
			if here == there {
				l.Theirs[f.Remote], l.Ours[f.Remote] = there, there
				continue
			}
			if here != l.Ours[f.Remote] && !f.remoteWins(r, since) {
				l.Theirs[f.Remote], l.Ours[f.Remote] = there, overwritten
				l.Dirty = 1
				continue
			}
			if mine, err = f.remote(func(place string) any {
				if place == f.Local {
					return v
				}
				return get(place)
			}); err != nil {
				return at, false, AsFault(err)
			}
			l.Ours[f.Remote] = j.hash.of(f.Remote, mine)
		}
		if since.After(at.Add(-time.Millisecond)) { // what wins must be the later word in the fold too
			at = since.Add(time.Millisecond)
		}
		changed = true
		l.Theirs[f.Remote] = there
		set(f, v)
	}
	return at, changed, nil
}

// overwritten stands in Link.Ours for a value that is not there any more: it is the hash of
// none, so that what is here, nothing too, goes there.
const overwritten = "-"

// remoteWins decides a conflict. Of two words of one instant the vendor's counts.
func (f *mapped) remoteWins(r *Record, since time.Time) bool {
	switch f.authority {
	case RemoteWins:
		return true
	case LocalWins:
		return false
	}
	return r.UpdatedAt.IsZero() || !r.UpdatedAt.Before(since)
}

// identify makes the event by which a record is written here.
func (j *job) identify(c *coming, traits map[string]any, at time.Time) {
	r := c.r
	ids := j.identifiers(r)
	in := event.Input{Type: event.Identify, Name: event.NameIdentified, Timestamp: at}
	var external []map[string]any
	for _, id := range ids {
		switch id.Namespace {
		case profile.UserID:
			in.UserID = id.Value
		case profile.AnonymousID:
			in.AnonymousID = id.Value
		default:
			external = append(external, map[string]any{"type": id.Namespace, "id": id.Value, "collection": "users"})
		}
	}
	if c.p != nil && len(c.p.Identifiers) > 0 { // the record may have lost all that named them
		h := c.p.Identifiers[0]
		external = append(external, map[string]any{"type": h.Namespace, "id": h.Value, "collection": "users"})
	}
	var err *core.Error
	if len(traits) > 0 {
		if in.Traits, err = event.FromJSON(traits); err != nil {
			c.fault = &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: err.Reason, Message: err.Message, Path: strings.Join(err.Path, ".")}
			return
		}
		if len(in.Traits) > maxTraits {
			c.fault = tooLarge()
			return
		}
	}
	context := map[string]any{"connection": j.sync.Connection}
	if len(external) > 0 {
		context["externalIds"] = external
	}
	if in.Context, err = event.FromJSON(context); err != nil {
		c.fault = &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: err.Reason, Message: err.Message}
		return
	}
	in.MessageID = j.messageID(c, traits)
	c.input = &in
}
