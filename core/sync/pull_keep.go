package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// messageID is the same when the same change of a record comes again: after a crash between
// the event and the link.
func (j *job) messageID(c *coming, traits any) string {
	text, _ := json.Marshal(canonical(traits))
	return "sync:" + j.hash.all(j.sync.place(), c.r.ID, fmt.Sprint(c.link.V), fmt.Sprint(c.r.UpdatedAt.UnixMilli()), string(text), fmt.Sprint(c.r.Deleted))
}

// ingest sends events through the pipeline; when that is full, it waits.
func (j *job) ingest(ctx context.Context, inputs []event.Input) ([]event.Result, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	for {
		results, err := j.Committer.Ingest(ctx, j.ws, j.conn.Source, inputs)
		if err == nil || core.CodeOf(err) != core.RateLimited {
			return results, err
		}
		if err := j.Clock.Sleep(ctx, max(core.AsError(err).RetryAfter, 100*time.Millisecond)); err != nil {
			return nil, err
		}
	}
}

// know learns from the results whom the records are.
func (j *job) know(ctx context.Context, list []*coming) error {
	var ids []event.Identifier
	var of []*coming
	for _, c := range list {
		switch res := c.result; {
		case res.Status == event.Accepted && res.ProfileID != "":
			c.link.Local = res.ProfileID
		case res.Status == event.Quarantined:
			c.fault = &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: "QUARANTINED", Message: "the record was put aside; the quarantine says why"}
			if res.Err != nil {
				c.fault.Reason, c.fault.Message, c.fault.Path = res.Err.Reason, res.Err.Message, strings.Join(res.Err.Path, ".")
			}
		case res.Status == event.Dropped: // older than the erasure of whom it names
			c.skip, c.link = true, nil
		case c.link.Local == "": // it came before a crash
			ids, of = append(ids, j.remoteName(c.r.ID)), append(of, c)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := j.Profiles.ByIdentifiers(ctx, j.ws, ids)
	if err != nil {
		return err
	}
	for i, c := range of {
		if found[i] != nil {
			c.link.Local = found[i].ProfileID()
		}
	}
	return nil
}

// deleted carries a deletion, or a merge, at the vendor over.
func (j *job) deleted(c *coming) {
	if c.link == nil || c.link.Gone && c.r.Merged == "" {
		c.skip = true
		return
	}
	l := c.link
	l.Gone = true
	if c.r.Merged != "" {
		j.mergedAway(c)
		return
	}
	if j.sync.Deletions != DeleteDeleted {
		return
	}
	traits := map[string]any{}
	at := c.r.UpdatedAt
	if at.IsZero() || at.After(j.now()) {
		at = j.now()
	}
	for i := range j.m.fields {
		f := &j.m.fields[i]
		path, ok := strings.CutPrefix(f.Local, inTraits)
		if !ok || !f.pulls {
			continue
		}
		nest(traits, path, nil)
		delete(l.Theirs, f.Remote)
		delete(l.Ours, f.Remote)
		if c.p != nil {
			if _, since := localOf(c.p, f.Local); since.After(at.Add(-time.Millisecond)) {
				at = since.Add(time.Millisecond)
			}
		}
	}
	if len(traits) > 0 && c.p != nil {
		j.identify(c, traits, at)
	}
}

// mergedAway tells that two records of the vendor's are one person: the rules of identity
// here decide whether that makes one of two.
func (j *job) mergedAway(c *coming) {
	if c.p == nil {
		return
	}
	old := j.remoteName(c.r.ID)
	in := event.Input{Type: event.Identify, Name: event.NameIdentified, Timestamp: j.now(), AnonymousID: j.remoteName(c.r.Merged).Value}
	external := []map[string]any{{"type": old.Namespace, "id": old.Value, "collection": "users"}}
	for _, h := range c.p.Identifiers {
		if h.Namespace != profile.AnonymousID {
			external = append(external, map[string]any{"type": h.Namespace, "id": h.Value, "collection": "users"})
			break
		}
	}
	var err *core.Error
	if in.Context, err = event.FromJSON(map[string]any{"connection": j.sync.Connection, "externalIds": external}); err != nil {
		return
	}
	in.MessageID = j.messageID(c, c.r.Merged)
	c.input = &in
}

// takeEvents keeps what happened at the vendor.
func (j *job) takeEvents(ctx context.Context, list []Event) error {
	for from := 0; from < len(list); from += slice {
		part := list[from:min(from+slice, len(list))]
		inputs := make([]event.Input, 0, len(part))
		for i := range part {
			if in, ok := j.eventInput(&part[i]); ok {
				inputs = append(inputs, in)
			} else {
				j.run.Failed++
			}
		}
		results, err := j.ingest(ctx, inputs)
		if err != nil {
			return err
		}
		j.run.Read += int64(len(part))
		for _, r := range results {
			switch r.Status {
			case event.Accepted:
				j.run.Written++
			case event.Duplicate, event.Dropped, event.Rejected:
				j.run.Skipped++
			default:
				j.run.Failed++ // the quarantine has it
			}
		}
	}
	return nil
}

// eventInput makes of something that happened at the vendor an event here.
func (s *Service) eventInput(c *Connection, e *Event, hash hasher) (event.Input, bool) {
	at := e.At
	if at.IsZero() {
		at = s.now()
	}
	in := event.Input{Type: event.Track, Name: e.Name, Timestamp: at, MessageID: "sync:" + hash.all("event", c.ConnectionID(), e.Key)}
	if e.Key == "" || e.Name == "" || len(e.Name) > event.MaxName {
		return in, false
	}
	var external []map[string]any
	for namespace, v := range e.Identifiers {
		switch namespace {
		case profile.UserID, "externalId":
			in.UserID = v
		case profile.AnonymousID:
			in.AnonymousID = v
		default:
			external = append(external, map[string]any{"type": namespace, "id": v, "collection": "users"})
		}
	}
	for stream, id := range e.IDs {
		if in.AnonymousID == "" {
			in.AnonymousID = c.ConnectionID() + "/" + stream + "/" + id
		}
	}
	if in.UserID == "" && in.AnonymousID == "" && len(external) == 0 {
		return in, false
	}
	var err *core.Error
	if len(e.Properties) > 0 {
		if in.Properties, err = event.FromJSON(e.Properties); err != nil {
			return in, false
		}
	}
	context := map[string]any{"connection": c.ConnectionID()}
	if len(external) > 0 {
		context["externalIds"] = external
	}
	if in.Context, err = event.FromJSON(context); err != nil {
		return in, false
	}
	in.Seal(s.now())
	return in, true
}

func (j *job) eventInput(e *Event) (event.Input, bool) {
	return j.Service.eventInput(j.conn, e, j.hash)
}
