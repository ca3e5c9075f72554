package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// maxLinks is how many associations one request may read or write.
const maxLinks = 100

type endpoint struct {
	ID string `json:"id"`
}

// linksOf are the ids of a stream's records that others are associated with, by
// their ids. More than the first 500 of one are not read.
func (c *connection) linksOf(ctx context.Context, from, to string, ids []string) (map[string][]string, error) {
	out := map[string][]string{}
	for part := range slices.Chunk(ids, maxLinks) {
		inputs := make([]endpoint, len(part))
		for i, id := range part {
			inputs[i] = endpoint{id}
		}
		var answer struct {
			Results []struct {
				From endpoint `json:"from"`
				To   []struct {
					ID json.Number `json:"toObjectId"`
				} `json:"to"`
			} `json:"results"`
		}
		// Those that have none are told as errors, with 207: they are not.
		if err := c.call(ctx, http.MethodPost, "/crm/v4/associations/"+from+"/"+to+"/batch/read", false, map[string]any{"inputs": inputs}, &answer); err != nil {
			return nil, err
		}
		for _, r := range answer.Results {
			for _, end := range r.To {
				out[r.From.ID] = append(out[r.From.ID], end.ID.String())
			}
		}
	}
	return out, nil
}

// readLinks sets the field of the associations with a stream on records.
func (c *connection) readLinks(ctx context.Context, from, to string, records []sdk.Record, places []int) error {
	ids := make([]string, len(places))
	for i, at := range places {
		ids[i] = records[at].ID
	}
	links, err := c.linksOf(ctx, from, to, ids)
	if err != nil {
		return err
	}
	for _, at := range places {
		list := []any{}
		for _, id := range links[records[at].ID] {
			list = append(list, id)
		}
		records[at].Fields[linked+to] = list
	}
	return nil
}

// wanted are the associations that an item asks for, by stream: all that there are to
// be. A fault says what is not an id.
func wanted(item *sdk.Item) (map[string][]string, *sdk.Fault) {
	var out map[string][]string
	for name, v := range item.Fields {
		stream, ok := strings.CutPrefix(name, linked)
		if !ok {
			continue
		}
		list, ok := v.([]any)
		if s, one := v.(string); one && s != "" {
			list, ok = []any{s}, true
		}
		if !ok && v != nil && v != "" {
			return nil, sdk.InvalidRecord(name, "map a list of HubSpot ids to it").Because("NOT_IDS")
		}
		ids := []string{}
		for _, one := range list {
			id, _ := one.(string)
			if n, is := one.(json.Number); is {
				id = n.String()
			}
			if !numeric(id) {
				return nil, sdk.InvalidRecord(name, "map a list of HubSpot ids to it").Because("NOT_IDS")
			}
			ids = append(ids, id)
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[stream] = ids
	}
	return out, nil
}

// change is one association to make or to take away.
type change struct {
	item     int
	from, to string
}

// link brings the associations of items that are written to what they ask for. The
// faults are the items' own.
func (w *writer) link(ctx context.Context, items []int) error {
	byStream := map[string][]int{}
	for _, i := range items {
		if w.results[i].Fault != nil || !numeric(w.results[i].ID) {
			continue
		}
		for stream := range w.links[i] {
			byStream[stream] = append(byStream[stream], i)
		}
	}
	for stream, some := range byStream {
		ids := make([]string, len(some))
		for n, i := range some {
			ids[n] = w.results[i].ID
		}
		have, err := w.linksOf(ctx, w.object.Stream, stream, ids)
		if err != nil {
			return err
		}
		var add, remove []change
		for _, i := range some {
			id := w.results[i].ID
			for _, to := range w.links[i][stream] {
				if !slices.Contains(have[id], to) {
					add = append(add, change{i, id, to})
				}
			}
			for _, to := range have[id] {
				if !slices.Contains(w.links[i][stream], to) {
					remove = append(remove, change{i, id, to})
				}
			}
		}
		if err := w.associate(ctx, stream, add); err != nil {
			return err
		}
		if err := w.dissociate(ctx, stream, remove); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) associate(ctx context.Context, stream string, changes []change) error {
	for part := range slices.Chunk(changes, maxLinks) {
		inputs := make([]map[string]endpoint, len(part))
		for n, ch := range part {
			inputs[n] = map[string]endpoint{"from": {ch.from}, "to": {ch.to}}
		}
		var answer struct {
			Errors []apiError `json:"errors"`
		}
		path := "/crm/v4/associations/" + w.object.Stream + "/" + stream + "/batch/associate/default"
		if err := w.call(ctx, http.MethodPost, path, true, map[string]any{"inputs": inputs}, &answer); err != nil {
			return err
		}
		for _, e := range answer.Errors {
			for _, ch := range part {
				if slices.Contains(e.Context["fromObjectId"], ch.from) && (e.Context["toObjectId"] == nil || slices.Contains(e.Context["toObjectId"], ch.to)) {
					w.results[ch.item].Fault = sdk.InvalidRecord(linked+stream, "the record to associate with does not exist at HubSpot").Because("NOT_FOUND")
				}
			}
		}
	}
	return nil
}

func (w *writer) dissociate(ctx context.Context, stream string, changes []change) error {
	for part := range slices.Chunk(changes, maxLinks) {
		inputs := make([]map[string]any, len(part))
		for n, ch := range part {
			inputs[n] = map[string]any{"from": endpoint{ch.from}, "to": []endpoint{{ch.to}}}
		}
		path := "/crm/v4/associations/" + w.object.Stream + "/" + stream + "/batch/archive"
		if err := w.call(ctx, http.MethodPost, path, true, map[string]any{"inputs": inputs}, nil); err != nil {
			return err
		}
	}
	return nil
}
