package klaviyo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Upsert implements sdk.Upserter. Nothing in it touches a subscription.
func (c *connection) Upsert(ctx context.Context, batch sdk.Batch) ([]sdk.Result, error) {
	if batch.Stream != profiles {
		return nil, sdk.Unsupported("only profiles are written")
	}
	results := make([]sdk.Result, len(batch.Items))
	var ready []prepared
	for i, item := range batch.Items {
		if item.Delete {
			results[i].Fault = sdk.Unsupported("Klaviyo removes a profile only for good: ask for an erasure").Because("NO_DELETE")
			continue
		}
		p, fault := prepare(i, item)
		if fault != nil {
			results[i].Fault = fault
			continue
		}
		ready = append(ready, p)
	}
	if len(ready) > 0 && (batch.Bulk || len(ready) >= c.config.BulkFrom) {
		return results, c.importAll(ctx, ready, "", results)
	}
	for n, p := range ready {
		result, err := c.importOne(ctx, p)
		if err != nil {
			if n == 0 && len(ready) == len(batch.Items) {
				return nil, err // nothing was written
			}
			for _, rest := range ready[n:] {
				results[rest.index].Fault = sdk.AsFault(err)
			}
			return results, nil
		}
		results[p.index] = result
	}
	return results, nil
}

// prepared is a resource, written down once, and the place of its item.
type prepared struct {
	index int
	item  sdk.Item
	json  json.RawMessage
}

func prepare(index int, item sdk.Item) (prepared, *sdk.Fault) {
	document, fault := resource(item)
	if fault != nil {
		return prepared{}, fault
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return prepared{}, sdk.InvalidRecord("", "a value cannot be written as JSON")
	}
	if len(raw) > maxProfile {
		return prepared{}, sdk.InvalidRecord("", "a profile is at most 100 KB: map fewer or shorter fields").Because("TOO_LARGE")
	}
	return prepared{index, item, raw}, nil
}

func (c *connection) importOne(ctx context.Context, p prepared) (sdk.Result, error) {
	var answer struct {
		Data profile `json:"data"`
	}
	// Whether it is new is told by the status alone; an id that is known is an update.
	var status int
	prob, err := c.send(ctx, http.MethodPost, "/api/profile-import", object{"data": p.json}, &answer, &status)
	if err != nil {
		return sdk.Result{}, err
	}
	if prob != nil {
		return sdk.Result{Fault: prob.fault(time.Now())}, nil
	}
	result := sdk.Result{ID: answer.Data.ID, Outcome: sdk.Updated}
	if status == http.StatusCreated {
		result.Outcome = sdk.Created
	}
	if at := answer.Data.Attributes.Updated; at != nil {
		result.UpdatedAt = *at
	}
	return result, nil
}

// importAll writes many by jobs, into a list when one is named, and fills the results
// of their items. The error is set only when nothing at all was written.
func (c *connection) importAll(ctx context.Context, all []prepared, list string, results []sdk.Result) error {
	for first := true; len(all) > 0; first = false {
		n, size := 0, 0
		for n < len(all) && n < maxImportItems && (n == 0 || size+len(all[n].json) < maxImportBytes) {
			size += len(all[n].json) + 1
			n++
		}
		job := all[:n]
		err := c.importJob(ctx, job, list, results)
		if err != nil {
			if first {
				return err
			}
			for _, p := range all {
				results[p.index].Fault = sdk.AsFault(err)
			}
			return nil
		}
		all = all[n:]
	}
	return nil
}

type importJob struct {
	Data struct {
		ID         string `json:"id"`
		Attributes struct {
			Status string `json:"status"`
			Failed *int   `json:"failed_count"`
		} `json:"attributes"`
	} `json:"data"`
}

// maxRejects is how often a job is sent again without the record that spoilt it.
const maxRejects = 20

func (c *connection) importJob(ctx context.Context, all []prepared, list string, results []sdk.Result) error {
	var job importJob
	for tries := 0; ; tries++ {
		data := make([]json.RawMessage, len(all))
		for i, p := range all {
			data[i] = p.json
		}
		document := object{"type": "profile-bulk-import-job", "attributes": object{"profiles": object{"data": data}}}
		if list != "" {
			document["relationships"] = object{"lists": object{"data": []object{{"type": "list", "id": list}}}}
		}
		prob, err := c.post(ctx, http.MethodPost, "/api/profile-bulk-import-jobs", object{"data": document}, &job)
		if err != nil {
			return err
		}
		if prob == nil {
			break
		}
		place := placeForm.FindStringSubmatch(prob.first().Source.Pointer)
		if place == nil || tries == maxRejects {
			return prob.fault(time.Now())
		}
		i, err := strconv.Atoi(place[1])
		if err != nil || i >= len(all) {
			return prob.fault(time.Now())
		}
		results[all[i].index] = sdk.Result{Fault: rejected(prob.first())}
		if all = slices.Delete(slices.Clone(all), i, i+1); len(all) == 0 {
			return nil
		}
	}
	// From here on the vendor has them: what goes wrong now is not a reason to write again.
	done, err := c.await(ctx, &job)
	outcome := sdk.Updated
	if !done {
		outcome = sdk.Accepted
	}
	for _, p := range all {
		results[p.index] = sdk.Result{ID: p.item.ID, Outcome: outcome}
	}
	switch {
	case err == nil && job.Data.Attributes.Status == "cancelled":
		for _, p := range all {
			results[p.index] = sdk.Result{Fault: sdk.RetryAfter(time.Minute, "the import was cancelled at Klaviyo").Because("CANCELLED")}
		}
	case done && job.Data.Attributes.Failed != nil && *job.Data.Attributes.Failed > 0:
		if unknown := c.importErrors(ctx, job.Data.ID, all, results, *job.Data.Attributes.Failed); unknown {
			for _, p := range all {
				if results[p.index].Fault == nil {
					results[p.index] = sdk.Result{Fault: sdk.UnknownOutcome("Klaviyo refused some profiles of this import and does not say which").Because("ERRORS_UNREAD")}
				}
			}
		}
	}
	return nil
}

// await asks until a job is done, more and more seldom. It answers false when that did
// not happen in time.
func (c *connection) await(ctx context.Context, job *importJob) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.config.JobWait)*time.Second)
	defer cancel()
	pause := 50 * time.Millisecond
	for {
		if status := job.Data.Attributes.Status; status == "complete" || status == "cancelled" {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 5*time.Second)
		var next importJob
		_, err := c.get(ctx, "/api/profile-bulk-import-jobs/"+url.PathEscape(job.Data.ID), nil, &next)
		if fault := sdk.AsFault(err); err != nil {
			if fault.Kind != sdk.FaultRetry {
				return false, err
			}
			pause = max(pause, min(fault.After, 10*time.Second))
			continue
		}
		*job = next
	}
}

var placeForm = regexp.MustCompile(`/profiles/data/(\d+)(/|$)`)

// importErrors reads why profiles failed. The vendor says which by place, or by what
// was sent; it answers true when some of the failures could not be told.
func (c *connection) importErrors(ctx context.Context, id string, all []prepared, results []sdk.Result, failed int) (unknown bool) {
	path, query := "/api/profile-bulk-import-jobs/"+url.PathEscape(id)+"/import-errors", url.Values{"page[size]": {"100"}}
	seen := 0
	for {
		var page struct {
			Data []struct {
				Attributes struct {
					vendorError
					Payload map[string]any `json:"original_payload"`
				} `json:"attributes"`
			} `json:"data"`
			Links struct {
				Next string `json:"next"`
			} `json:"links"`
		}
		if _, err := c.get(ctx, path, query, &page); err != nil {
			return true
		}
		for _, each := range page.Data {
			for _, p := range culprits(each.Attributes.Source.Pointer, each.Attributes.Payload, all) {
				results[p.index] = sdk.Result{Fault: rejected(each.Attributes.vendorError)}
				seen++
			}
		}
		if page.Links.Next == "" {
			return seen < failed
		}
		var err error
		if path, err = c.client.Path(page.Links.Next); err != nil {
			return true
		}
		query = nil // it stands in the link
	}
}

// culprits finds the items that an error is about.
func culprits(pointer string, payload map[string]any, all []prepared) []prepared {
	if m := placeForm.FindStringSubmatch(pointer); m != nil {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(all) {
			return all[i : i+1]
		}
	}
	var found []prepared
	for _, name := range keys {
		value, _ := payload[name].(string)
		if value == "" {
			continue
		}
		for _, p := range all {
			if p.item.Fields[name] == value {
				found = append(found, p)
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}
