package sync

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// forward hands over what happened since the sync was made: the past is not forwarded.
func (j *job) forward(ctx context.Context) error {
	h, err := j.open(ctx)
	if err != nil {
		return err
	}
	return j.eachChanged(ctx, []*store.Spec{event.Events.Spec}, func(string) ([]string, error) { return nil, nil }, func(ids []string) error {
		return j.forwardEvents(ctx, h, ids)
	})
}

func (j *job) forwardEvents(ctx context.Context, h *handoff, ids []string) error {
	for round := 0; len(ids) > 0 && round < 20; round++ {
		keys := make([]string, len(ids))
		for i, id := range ids {
			keys[i] = store.Key(j.ws, id)
		}
		found, err := event.Events.GetMany(ctx, j.Store, keys)
		if err != nil {
			return err
		}
		var events []*event.Event
		var parts []string
		for _, e := range found {
			// What came from there does not go back.
			if e != nil && e.Part != "" && e.Source != j.conn.Source && slices.Contains(j.sync.Names, e.Name) {
				events, parts = append(events, e), append(parts, e.Part)
			}
		}
		if len(events) == 0 {
			return nil
		}
		people, err := j.Profiles.GetMany(ctx, j.ws, parts)
		if err != nil {
			return err
		}
		var list []*leaving
		for i, e := range events {
			if people[i] == nil {
				continue
			}
			l, err := j.event(ctx, h, e, people[i])
			if err != nil {
				return err
			}
			if l != nil {
				list = append(list, l)
			}
		}
		ids = nil
		for part := range slices.Chunk(list, j.limit) {
			part, again, err := j.commitHandoff(ctx, h, "sync.forward", part)
			if err != nil {
				return err
			}
			for _, l := range list {
				if slices.Contains(again, l.p.ProfileID()) {
					ids = append(ids, l.local)
				}
			}
			if err := j.forwardBatch(ctx, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// event makes what is forwarded; nil when it may not be.
func (j *job) event(ctx context.Context, h *handoff, e *event.Event, p *profile.Profile) (*leaving, error) {
	j.run.Read++
	why, err := j.may(ctx, h, p, j.now())
	if err != nil {
		return nil, err
	}
	if why == "" && j.sync.Segment != "" {
		in, err := j.Segments.InAny(ctx, j.ws, p.ProfileID(), []string{j.sync.Segment})
		if err != nil {
			return nil, err
		}
		if !in {
			why = withheldSegment
		}
	}
	if why != "" || !h.allows(core.Behaviour) { // that it happened at all is behaviour
		j.run.Skipped++
		return nil, nil
	}
	out := &Event{Key: store.Rest(e.ID), Name: e.Name, At: e.Timestamp, IDs: map[string]string{}, Identifiers: map[string]string{}, Properties: map[string]any{}}
	for _, held := range p.Identifiers {
		if _, have := out.Identifiers[held.Namespace]; !have && h.allows(profile.IdentifierCategory(held.Namespace)) && held.Namespace != profile.AnonymousID {
			out.Identifiers[held.Namespace] = held.Value
		}
	}
	links, err := j.linksOf(ctx, j.ws, j.sync.Connection, partsOf(p))
	if err != nil {
		return nil, err
	}
	for _, k := range links {
		if !k.Gone && k.Remote != k.Local {
			out.IDs[streamOf(k.Place)] = k.Remote
		}
	}
	sorts, err := j.Events.Categories(ctx, j.ws, event.OwnerOf(e.Name))
	if err != nil {
		return nil, err
	}
	if len(e.Properties) > 0 {
		text, err := event.ToJSON(e.Properties)
		if err != nil {
			return nil, err
		}
		var props map[string]any
		if err := decodeJSON(text, &props); err != nil {
			return nil, err
		}
		out.Properties = h.allowedOf(props, "", sorts)
	}
	if len(out.Identifiers)+len(out.IDs) == 0 {
		return nil, nil
	}
	fields := map[string]any{}
	for k, v := range out.Properties {
		fields[k] = v
	}
	return &leaving{p: p, local: out.Key, item: Item{Key: out.Key, Fields: fields}, event: out}, nil
}

// allowedOf returns the properties whose category may leave; of objects in lists each path
// must.
func (h *handoff) allowedOf(props map[string]any, prefix string, sorts map[string]core.Category) map[string]any {
	out := map[string]any{}
	for k, v := range props {
		path := event.JoinPath(k)
		if prefix != "" {
			path = prefix + "." + path
		}
		switch v := v.(type) {
		case map[string]any:
			if sub := h.allowedOf(v, path, sorts); len(sub) > 0 {
				out[k] = sub
			}
		case []any:
			list := make([]any, 0, len(v))
			for _, e := range v {
				if doc, ok := e.(map[string]any); ok {
					list = append(list, h.allowedOf(doc, path, sorts))
				} else if h.allows(sorts[path]) {
					list = append(list, e)
				}
			}
			if len(list) > 0 {
				out[k] = list
			}
		default:
			if h.allows(sorts[path]) {
				out[k] = v
			}
		}
	}
	return out
}

func (j *job) forwardBatch(ctx context.Context, list []*leaving) error {
	if len(list) == 0 {
		return nil
	}
	events := make([]Event, len(list))
	for i, l := range list {
		events[i] = *l.event
	}
	var results []Result
	err := j.call(ctx, func(ctx context.Context) (err error) {
		results, err = j.in.Forward(ctx, events)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f := AsFault(err)
		switch {
		case f.Kind == FaultInvalidRecord && len(list) > 1:
			if err := j.forwardBatch(ctx, list[:len(list)/2]); err != nil {
				return err
			}
			return j.forwardBatch(ctx, list[len(list)/2:])
		case f.Kind != FaultInvalidRecord:
			return f
		}
		results = []Result{{Fault: f}}
	}
	if len(results) != len(list) {
		return &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "RESULTS", Message: "the connector did not say what became of each event", After: time.Minute}
	}
	var ops []store.Op
	for i, l := range list {
		f := results[i].Fault
		switch {
		case f == nil:
			j.run.Written++
		default: // it is tried again from among the dead letters
			op, err := j.dead(ctx, Push, l.local, nil, f)
			if err != nil {
				return err
			}
			ops = append(ops, op)
			j.run.Failed++
		}
	}
	return j.save(ctx, ops...)
}
