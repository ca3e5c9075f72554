package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
)

// Furnishing is the version of what Define, Stock, Guide and Reckon make: a workspace that has an
// earlier one, or none, is given it.
const Furnishing = 4

// segmentsMade is the version that the present segments were first made by.
const segmentsMade = 2

// Workspace is where the demo's types and segments are made.
type Workspace struct {
	ID       string
	Objects  *object.Service
	Segments *segment.Service
	Events   *event.Service
	People   int       // how many of the shop's people it has
	LastDay  time.Time // of its history
}

// Define says what the shop's own fields hold, and makes its types of records and its segments, through the services,
// as anybody's requests do. Before the history is loaded it costs next to nothing;
// after it, jobs look at everybody. What is there already stays as it is. The jobs
// of segments must be running.
func Define(ctx context.Context, w Workspace) error {
	if err := w.classify(ctx); err != nil {
		return err
	}
	if err := w.define(ctx); err != nil {
		return err
	}
	_, err := w.segments(ctx)
	return err
}

// Stock writes the records of the shop's types and fills its list, after the history
// was loaded. What is there already stays as it is.
func Stock(ctx context.Context, w Workspace) error {
	if err := w.keep(ctx, TypeSubscription, Subscriptions(w.People, w.LastDay)); err != nil {
		return err
	}
	if err := w.keep(ctx, TypeVisit, Visits(w.People, w.LastDay)); err != nil {
		return err
	}
	ids, err := w.segments(ctx)
	if err != nil {
		return err
	}
	var items []segment.ListItem
	for _, id := range panel(w.People, w.LastDay) {
		items = append(items, segment.ListItem{Identifier: id})
	}
	if _, err := w.Segments.AddToList(ctx, w.ID, ids["panel"], items); err != nil {
		return fmt.Errorf("fill the panel: %w", err)
	}
	return nil
}

func (w Workspace) define(ctx context.Context) error {
	for _, t := range types {
		_, err := w.Objects.CreateType(ctx, w.ID, t)
		if err != nil && core.AsError(err).Reason != "TYPE_EXISTS" {
			return fmt.Errorf("define %s: %w", t.Key, err)
		}
	}
	return nil
}

// keep writes records, some hundred at a time.
func (w Workspace) keep(ctx context.Context, typeKey string, items []object.Item) error {
	for begin := 0; begin < len(items); begin += object.MaxUpsert {
		results, err := w.Objects.Upsert(ctx, w.ID, typeKey, items[begin:min(begin+object.MaxUpsert, len(items))])
		if err != nil {
			return fmt.Errorf("write records of %s: %w", typeKey, err)
		}
		for _, r := range results {
			if r.Err != nil && r.Err.Reason != "RECORD_DELETED" { // somebody who tries the demo may delete
				return core.Errorf(core.Internal, "DEMO_REFUSED", "a record of the demo was refused").Wrap(r.Err)
			}
		}
	}
	return nil
}

// segments makes the segments, or finds them, and returns their ids by key.
func (w Workspace) segments(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	for _, d := range Definitions {
		in := segment.CreateInput{
			Name: d.Name, Description: d.Description, TimeZone: d.TimeZone, Tags: append([]string{"demo"}, d.Tags...),
			IdempotencyKey: fmt.Sprintf("demo/%d/%s", segmentsMade, d.Key),
		}
		if d.Where == "" {
			in.Kind = segment.Static
		} else {
			var err error
			if in.Where, err = d.tree(ids); err != nil {
				return nil, err
			}
		}
		made, err := w.Segments.Create(ctx, w.ID, in)
		if err != nil {
			return nil, fmt.Errorf("make segment %s: %w", d.Key, err)
		}
		ids[d.Key] = made.Segment.SegmentID()
	}
	return ids, nil
}
