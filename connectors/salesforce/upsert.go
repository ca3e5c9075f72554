package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/batch"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// maxCollection is how many records one request may write.
const maxCollection = 200

// Upsert implements sdk.Upserter. Items with an id are updated, others found or made
// by the field Match, else by the configured external id: an item with neither would
// be made twice when it comes twice.
func (c *connection) Upsert(ctx context.Context, batch sdk.Batch) ([]sdk.Result, error) {
	object, err := objectOf(batch.Stream)
	if err != nil {
		return nil, err
	}
	s, err := c.shape(ctx, object)
	if err != nil {
		return nil, c.again(object, err)
	}
	w := &writer{connection: c, shape: s, items: batch.Items, results: make([]sdk.Result, len(batch.Items))}
	err = c.again(object, w.write(ctx, batch.Bulk))
	if err != nil && w.done == 0 {
		return nil, err
	}
	return w.results, nil
}

// writer writes one batch.
type writer struct {
	*connection
	shape   *shape
	items   []sdk.Item
	results []sdk.Result
	done    int // items of which the vendor said what became
}

// route is how items are written: in one kind of request, by one field.
type route struct {
	way   string // "update", "upsert", "delete"
	match string
}

// write sorts the items by their routes. Where a request fails as a whole, its items
// and those after it have its fault; what was written before stays told.
func (w *writer) write(ctx context.Context, bulk bool) error {
	routes := map[route][]int{}
	var order []route
	for i := range w.items {
		r, fault := w.route(&w.items[i])
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
		items := routes[r]
		switch {
		case failed != nil:
		case r.way == "delete":
			failed = w.chunks(ctx, r, items, w.remove)
			continue
		case bulk && len(items) >= bulkItems:
			failed = w.bulk(ctx, r, items)
			continue
		default:
			failed = w.chunks(ctx, r, items, w.collection)
			continue
		}
		w.fail(items, failed)
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
func (w *writer) route(item *sdk.Item) (route, *sdk.Fault) {
	way := "upsert"
	if item.Delete {
		way = "delete"
	}
	if item.ID != "" {
		if !isID(item.ID) {
			return route{}, sdk.RecordGone("the id is not one of Salesforce's")
		}
		if !item.Delete {
			way = "update"
		}
		return route{way: way}, w.known(item)
	}
	match := item.Match
	if match == "" {
		match = w.config.External
	}
	f := w.shape.byName[match]
	if f == nil || !f.ExternalID || !f.Unique {
		return route{}, &sdk.Fault{Kind: sdk.FaultInvalidConfig, Origin: sdk.FromConfig, Path: safe(match), Reason: "NO_EXTERNAL_ID",
			Message: "make this field on the object at Salesforce, a text field with External ID and Unique ticked, or match by one that is"}
	}
	if key, ok := cell(item.Fields[match]); !ok || key == "#N/A" {
		return route{}, sdk.InvalidRecord(match, "map a value to this field: by it the record is found, or made only once").Because("NO_KEY")
	}
	return route{way: way, match: match}, w.known(item)
}

// known refuses fields that the object does not have before they spoil a request.
func (w *writer) known(item *sdk.Item) *sdk.Fault {
	for name := range item.Fields {
		f := w.shape.byName[name]
		switch {
		case item.Delete:
		case f == nil:
			return sdk.SchemaChanged(safe(name), "Salesforce has no such field on this object, or it is hidden from the user as whom we work: discover again, or give access to the field")
		case !f.Createable && !f.Updateable && name != "Id":
			return sdk.InvalidRecord(name, said["INVALID_FIELD_FOR_INSERT_UPDATE"]).Because("READ_ONLY")
		}
	}
	return nil
}

// chunks cuts items into requests. One key comes once in a request, as the vendor
// wants it; its second comes in the next, so that the last one wins.
func (w *writer) chunks(ctx context.Context, r route, items []int, do func(context.Context, route, []int) error) error {
	left, err := batch.Distinct(items, maxCollection, func(i int) string { return w.key(r, i) }, func(part []int) error {
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
	key, _ := cell(w.items[i].Fields[r.match]) // route has looked
	return strings.ToLower(key)
}

// outcome is one result of a collection.
type outcome struct {
	ID      string     `json:"id"`
	Success bool       `json:"success"`
	Created bool       `json:"created"`
	Errors  []apiError `json:"errors"`
}

// collection writes up to 200 items. The answer is 200 even when some fail, in order.
func (w *writer) collection(ctx context.Context, r route, items []int) error {
	path := "/composite/sobjects"
	if r.match != "" {
		path += "/" + w.shape.Name + "/" + r.match
	}
	records := make([]map[string]any, len(items))
	for n, i := range items {
		record := make(map[string]any, len(w.items[i].Fields)+2)
		for name, v := range w.items[i].Fields {
			record[name] = v
		}
		delete(record, "Id")
		if r.match == "" {
			record["id"] = w.items[i].ID
		}
		record["attributes"] = map[string]string{"type": w.shape.Name}
		records[n] = record
	}
	var outcomes []outcome
	at, err := w.callDated(ctx, http.MethodPatch, path, true, map[string]any{"allOrNone": false, "records": records}, &outcomes)
	if err != nil {
		return w.split(ctx, r, items, err)
	}
	if len(outcomes) != len(items) {
		return sdk.UnknownOutcome("Salesforce answered for another number of records than were sent")
	}
	for n, i := range items {
		w.results[i] = outcomes[n].result(at)
	}
	return w.stamps(ctx, items, at)
}

// split writes the halves of a request that was refused as a whole, because one value
// in it was not even of a type that the vendor reads: only that item is refused.
func (w *writer) split(ctx context.Context, r route, items []int, err error) error {
	if f, ok := err.(*refusal); !ok || f.code != "JSON_PARSER_ERROR" { //nolint:errorlint // do returns it as it is
		return err
	}
	if len(items) == 1 {
		w.results[items[0]].Fault = sdk.InvalidRecord("", said["JSON_PARSER_ERROR"]).Because("JSON_PARSER_ERROR")
		return nil
	}
	half := len(items) / 2
	if err := w.collection(ctx, r, items[:half]); err != nil {
		return err
	}
	return w.collection(ctx, r, items[half:])
}

func (o outcome) result(at time.Time) sdk.Result {
	if !o.Success {
		if len(o.Errors) == 0 {
			return sdk.Result{Fault: sdk.InvalidRecord("", "Salesforce refuses the record and does not say why")}
		}
		return sdk.Result{Fault: o.Errors[0].of(at)}
	}
	if o.Created {
		return sdk.Result{ID: o.ID, Outcome: sdk.Created}
	}
	return sdk.Result{ID: o.ID, Outcome: sdk.Updated}
}

// stamps asks for the vendor's time of what was just written, by which an echo is
// known. A record that somebody changed since has none: that change is not ours. When
// the question fails the write is no less done.
func (w *writer) stamps(ctx context.Context, items []int, at time.Time) error {
	by := map[string][]int{}
	var ids []string
	for _, i := range items {
		if id := w.results[i].ID; w.results[i].Fault == nil && isID(id) {
			by[id] = append(by[id], i)
			ids = append(ids, quote(id))
		}
	}
	if ids == nil {
		return nil
	}
	var answer struct {
		Records []struct {
			ID    string `json:"Id"`
			Stamp string `json:"SystemModstamp"`
		} `json:"records"`
	}
	query := fmt.Sprintf("SELECT Id, SystemModstamp FROM %s WHERE Id IN (%s)", w.shape.Name, strings.Join(ids, ","))
	if err := w.call(ctx, http.MethodGet, "/query?"+url.Values{"q": {query}}.Encode(), false, nil, &answer); err != nil {
		return nil //nolint:nilerr // an echo that is not known as such costs a comparison
	}
	for _, r := range answer.Records {
		stamp, ok := parseTime(r.Stamp)
		for _, i := range by[r.ID] {
			if ok && !stamp.After(at) {
				w.results[i].UpdatedAt = stamp
			}
		}
	}
	return nil
}

// remove deletes up to 200 records. One that is gone already is as deleted.
func (w *writer) remove(ctx context.Context, r route, items []int) error {
	by := map[string]int{}
	var ids []string
	for _, i := range items {
		w.results[i] = sdk.Result{ID: w.items[i].ID, Outcome: sdk.Deleted}
	}
	if r.match == "" {
		for _, i := range items {
			by[w.items[i].ID] = i
			ids = append(ids, w.items[i].ID)
		}
	} else {
		found, err := w.find(ctx, r.match, items)
		if err != nil {
			return err
		}
		for _, i := range items {
			if id := found[w.key(r, i)]; id != "" {
				w.results[i].ID = id
				by[id] = i
				ids = append(ids, id)
			}
		}
	}
	if ids == nil {
		return nil
	}
	var outcomes []outcome
	at, err := w.callDated(ctx, http.MethodDelete, "/composite/sobjects?"+url.Values{"ids": {strings.Join(ids, ",")}, "allOrNone": {"false"}}.Encode(), true, nil, &outcomes)
	if err != nil {
		return err
	}
	if len(outcomes) != len(ids) {
		return sdk.UnknownOutcome("Salesforce answered for another number of records than were sent")
	}
	for n, id := range ids {
		if out := outcomes[n].result(at); out.Fault != nil && out.Fault.Kind != sdk.FaultRecordGone {
			w.results[by[id]].Fault = out.Fault
		}
	}
	return nil
}

// find looks records up by an external id: their ids, by the key in lower case.
func (w *writer) find(ctx context.Context, match string, items []int) (map[string]string, error) {
	keys := make([]string, len(items))
	for n, i := range items {
		text, _ := cell(w.items[i].Fields[match]) // route has looked
		if kind, _ := w.shape.byName[match].form(); kind == "string" {
			text = quote(text)
		}
		keys[n] = text
	}
	var answer struct {
		Records []map[string]any `json:"records"`
	}
	query := fmt.Sprintf("SELECT Id, %s FROM %s WHERE %s IN (%s)", match, w.shape.Name, match, strings.Join(keys, ","))
	if err := w.call(ctx, http.MethodGet, "/query?"+url.Values{"q": {query}}.Encode(), false, nil, &answer); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, r := range answer.Records {
		id, _ := r["Id"].(string)
		if key, ok := cell(r[match]); ok && isID(id) {
			found[strings.ToLower(key)] = id
		}
	}
	return found, nil
}
