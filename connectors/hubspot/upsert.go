package hubspot

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/internal/batch"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// maxBatch is how many records one request may write.
const maxBatch = 100

// Upsert implements sdk.Upserter. Items with an id are updated, others found or made
// by the property Match, else by the configured unique property: an item with neither
// would be made twice when it comes twice.
func (c *connection) Upsert(ctx context.Context, batch sdk.Batch) ([]sdk.Result, error) {
	object, err := c.objectType(ctx, batch.Stream)
	if err != nil {
		return nil, c.again(batch.Stream, err)
	}
	w := &writer{connection: c, object: object, items: batch.Items, results: make([]sdk.Result, len(batch.Items)), links: make([]map[string][]string, len(batch.Items))}
	err = c.again(batch.Stream, w.write(ctx))
	if err != nil && w.done == 0 {
		return nil, err
	}
	return w.results, nil
}

// writer writes one batch.
type writer struct {
	*connection
	object  *objectType
	items   []sdk.Item
	results []sdk.Result
	links   []map[string][]string // the associations that items ask for
	done    int                   // items of which the vendor said what became
}

// route is how items are written: in one kind of request, by one property.
type route struct {
	way   string // "update", "upsert", "delete"
	match string
}

// write sorts the items by their routes. Where a request fails as a whole, its items
// and those after it have its fault; what was written before stays told.
func (w *writer) write(ctx context.Context) error {
	routes := map[route][]int{}
	var order []route
	for i := range w.items {
		r, fault := w.route(i)
		if fault != nil {
			w.results[i].Fault = fault
			continue
		}
		if routes[r] == nil {
			order = append(order, r)
		}
		routes[r] = append(routes[r], i)
	}
	var failed error
	for _, r := range order {
		if failed != nil {
			w.fail(routes[r], failed)
			continue
		}
		failed = w.chunks(ctx, r, routes[r])
	}
	return failed
}

// fail gives items the fault of their request.
func (w *writer) fail(items []int, err error) {
	for _, i := range items {
		w.results[i].Fault = sdk.AsFault(err)
	}
}

// route says how an item is written, or why it cannot be.
func (w *writer) route(i int) (route, *sdk.Fault) {
	item := &w.items[i]
	way := "upsert"
	if item.Delete {
		way = "delete"
	} else if fault := w.known(i); fault != nil {
		return route{}, fault
	}
	if item.ID != "" {
		if !numeric(item.ID) {
			return route{}, sdk.RecordGone("the id is not one of HubSpot's")
		}
		if !item.Delete {
			way = "update"
		}
		return route{way: way}, nil
	}
	match := item.Match
	if match == "" {
		match = w.config.Unique
	}
	if p := w.object.properties[match]; p == nil || !p.Unique {
		if !propertyName.MatchString(match) {
			match = ""
		}
		return route{}, noKey(match)
	}
	if key, ok := text(item.Fields[match]); !ok || key == "" {
		return route{}, sdk.InvalidRecord(match, "map a value to this property: by it the record is found, or made only once").Because("NO_KEY")
	}
	return route{way, match}, nil
}

// known refuses properties that the object does not have before they spoil a request.
func (w *writer) known(i int) *sdk.Fault {
	for name, v := range w.items[i].Fields {
		if strings.HasPrefix(name, linked) {
			continue
		}
		p := w.object.properties[name]
		switch {
		case p == nil:
			if !propertyName.MatchString(name) {
				name = ""
			}
			return sdk.SchemaChanged(name, "HubSpot has no such property on this object: discover again, or make the property").Because("PROPERTY_DOESNT_EXIST")
		case p.Modification.ReadOnly:
			return sdk.InvalidRecord(name, said["READ_ONLY_VALUE"]).Because("READ_ONLY_VALUE")
		}
		if _, ok := text(v); !ok {
			return sdk.InvalidRecord(name, "map text, a number, true or false, or a list of texts to it").Because("NOT_TEXT")
		}
	}
	var fault *sdk.Fault
	w.links[i], fault = wanted(&w.items[i])
	return fault
}

// chunks cuts items into requests. One key comes once in a request, as the vendor
// wants it; its second comes in the next, so that the last one wins.
func (w *writer) chunks(ctx context.Context, r route, items []int) error {
	do := w.batch
	if r.way == "delete" {
		do = w.remove
	}
	left, err := batch.Distinct(items, maxBatch, func(i int) string { return w.key(r, i) }, func(part []int) error {
		err := do(ctx, r, part)
		if err == nil {
			w.done += len(part)
		}
		return err
	})
	if err != nil {
		w.fail(left, err)
	}
	return err
}

// key is what an item is found by.
func (w *writer) key(r route, i int) string {
	if r.match == "" {
		return w.items[i].ID
	}
	key, _ := text(w.items[i].Fields[r.match]) // route has looked
	return strings.ToLower(key)
}

// written is the answer to a batch.
type written struct {
	Results []object   `json:"results"`
	Errors  []apiError `json:"errors"`
}

// input is one record of a batch. The trace is the item's place: by it the vendor's
// results and errors are matched, as they come in any order.
type input struct {
	ID         string            `json:"id"`
	IDProperty string            `json:"idProperty,omitempty"`
	Properties map[string]string `json:"properties"`
	Trace      string            `json:"objectWriteTraceId"`
}

// batch writes up to 100 items, and then their associations.
func (w *writer) batch(ctx context.Context, r route, items []int) error {
	inputs := make([]input, len(items))
	for n, i := range items {
		in := input{ID: w.items[i].ID, IDProperty: r.match, Properties: map[string]string{}, Trace: strconv.Itoa(i)}
		for name, v := range w.items[i].Fields {
			if !strings.HasPrefix(name, linked) {
				in.Properties[name], _ = text(v) // known has looked
			}
		}
		if r.match != "" {
			in.ID = in.Properties[r.match]
		}
		inputs[n] = in
	}
	var answer written
	if err := w.call(ctx, http.MethodPost, w.object.path()+"/batch/"+r.way, true, map[string]any{"inputs": inputs}, &answer); err != nil {
		return w.split(ctx, r, items, err)
	}
	told := map[int]bool{}
	for k := range answer.Results {
		if i, ok := w.traced(answer.Results[k].Trace, items); ok {
			told[i] = true
			w.results[i] = w.object.result(&answer.Results[k], r)
		}
	}
	for k := range answer.Errors {
		for _, trace := range answer.Errors[k].Context["objectWriteTraceId"] {
			if i, ok := w.traced(trace, items); ok {
				told[i] = true
				w.results[i] = sdk.Result{Fault: answer.Errors[k].of()}
			}
		}
	}
	for _, i := range items {
		if !told[i] {
			w.results[i] = sdk.Result{Fault: sdk.UnknownOutcome("HubSpot did not say what became of this record")}
		}
	}
	return w.link(ctx, items)
}

// traced is the item of a trace, when it is one of these.
func (w *writer) traced(trace string, items []int) (int, bool) {
	i, err := strconv.Atoi(trace)
	return i, err == nil && slices.Contains(items, i)
}

func (o *objectType) result(one *object, r route) sdk.Result {
	out := sdk.Result{ID: one.ID, Outcome: sdk.Updated, UpdatedAt: o.changed(one)}
	if r.way == "upsert" && one.New {
		out.Outcome = sdk.Created
	}
	return out
}

// split writes the halves of a batch that was refused as a whole although its inputs
// were traced, so that only what is at fault is refused.
func (w *writer) split(ctx context.Context, r route, items []int, err error) error {
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	if len(items) == 1 {
		w.results[items[0]].Fault = refused.Fault
		return nil
	}
	half := len(items) / 2
	if err := w.batch(ctx, r, items[:half]); err != nil {
		return err
	}
	return w.batch(ctx, r, items[half:])
}

// remove archives up to 100 records. One that is gone already is as deleted.
func (w *writer) remove(ctx context.Context, r route, items []int) error {
	found := map[string]string{}
	if r.match != "" {
		keys := make([]string, len(items))
		for n, i := range items {
			keys[n] = w.key(r, i)
		}
		var err error
		if found, err = w.find(ctx, w.object, r.match, keys); err != nil {
			return err
		}
	}
	var inputs []endpoint
	for _, i := range items {
		id := w.items[i].ID
		if r.match != "" {
			id = found[w.key(r, i)]
		}
		w.results[i] = sdk.Result{ID: id, Outcome: sdk.Deleted}
		if id != "" {
			inputs = append(inputs, endpoint{id})
		}
	}
	if inputs == nil {
		return nil
	}
	return w.call(ctx, http.MethodPost, w.object.path()+"/batch/archive", true, map[string]any{"inputs": inputs}, nil)
}

// find looks records up by a unique property: their ids, by the key in lower case.
func (c *connection) find(ctx context.Context, o *objectType, match string, keys []string) (map[string]string, error) {
	out := map[string]string{}
	for part := range slices.Chunk(keys, maxBatch) {
		inputs := make([]endpoint, len(part))
		for i, key := range part {
			inputs[i] = endpoint{key}
		}
		var answer written
		in := map[string]any{"inputs": inputs, "idProperty": match, "properties": []string{match}}
		if err := c.call(ctx, http.MethodPost, o.path()+"/batch/read", false, in, &answer); err != nil {
			return nil, err
		}
		for _, one := range answer.Results {
			if key := one.Properties[match]; key != nil && numeric(one.ID) {
				out[strings.ToLower(*key)] = one.ID
			}
		}
	}
	return out, nil
}
