package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// list is a list as the API tells of it.
type list struct {
	List struct {
		ID         string `json:"listId"`
		Processing string `json:"processingType"`
		TypeID     string `json:"objectTypeId"`
	} `json:"list"`
}

// Members implements sdk.Lister, for static lists of contacts. Who comes into a list and
// is no contact yet becomes one.
func (c *connection) Members(ctx context.Context, change sdk.ListChange) (sdk.ListResult, error) {
	id, err := c.listID(ctx, change)
	if err != nil {
		return sdk.ListResult{}, err
	}
	items := slices.Concat(change.Add, change.Remove)
	out := sdk.ListResult{List: id, Results: make([]sdk.Result, len(items))}
	contacts, faults, err := c.contacts(ctx, items)
	if err == nil {
		err = c.introduce(ctx, change.Add, contacts, faults)
	}
	if err != nil {
		return sdk.ListResult{}, err
	}
	add, remove := []string{}, []string{}
	for i := range items {
		switch adding := i < len(change.Add); {
		case faults[i] != nil:
			out.Results[i].Fault = faults[i]
		case contacts[i] == "" && adding:
			out.Results[i].Fault = sdk.RecordGone("HubSpot has no such contact: write it before it comes into a list").Because("NO_CONTACT")
		case contacts[i] == "":
			out.Results[i].Outcome = sdk.Unchanged
		case adding:
			add = append(add, contacts[i])
		default:
			remove = append(remove, contacts[i])
		}
	}
	var answer struct {
		Added   []string `json:"recordsIdsAdded"`
		Removed []string `json:"recordIdsRemoved"`
		Missing []string `json:"recordIdsMissing"`
	}
	if len(add)+len(remove) > 0 {
		in := map[string][]string{"recordIdsToAdd": add, "recordIdsToRemove": remove}
		if err := c.call(ctx, http.MethodPut, "/crm/v3/lists/"+id+"/memberships/add-and-remove", true, in, &answer); err != nil {
			return sdk.ListResult{}, gone(err)
		}
	}
	for i := range items {
		r := &out.Results[i]
		if r.Fault != nil || r.Outcome != "" {
			continue
		}
		r.ID, r.Outcome = contacts[i], sdk.Unchanged
		switch adding := i < len(change.Add); {
		case adding && slices.Contains(answer.Missing, r.ID):
			r.Fault = sdk.RecordGone("HubSpot has no such contact any more").Because("NO_CONTACT")
		case adding && slices.Contains(answer.Added, r.ID), !adding && slices.Contains(answer.Removed, r.ID):
			r.Outcome = sdk.Updated
		}
	}
	return out, nil
}

// introduce makes the contacts that come into a list and are not there yet.
func (c *connection) introduce(ctx context.Context, add []sdk.Item, contacts []string, faults []*sdk.Fault) error {
	var items []sdk.Item
	var places []int
	for i, item := range add {
		if contacts[i] == "" && faults[i] == nil && item.ID == "" {
			items, places = append(items, item), append(places, i)
		}
	}
	if items == nil {
		return nil
	}
	results, err := c.Upsert(ctx, sdk.Batch{Stream: "contacts", Items: items})
	if err != nil {
		return err
	}
	for n, i := range places {
		contacts[i], faults[i] = results[n].ID, results[n].Fault
	}
	return nil
}

// gone says that a list was deleted.
func gone(err error) error {
	if f := sdk.AsFault(err); f.Kind == sdk.FaultRecordGone {
		return sdk.RecordGone("somebody deleted the list at HubSpot: choose another, or let it be made again by its name").Because("LIST_GONE")
	}
	return err
}

// listID is the list's id: as given, found by name, or made.
func (c *connection) listID(ctx context.Context, change sdk.ListChange) (string, error) {
	if change.List != "" {
		if !numeric(change.List) {
			return "", sdk.InvalidRecord("", "the list's id is not one of HubSpot's")
		}
		var l list
		if err := c.call(ctx, http.MethodGet, "/crm/v3/lists/"+change.List, false, nil, &l); err != nil {
			return "", gone(err)
		}
		return l.id()
	}
	if strings.TrimSpace(change.Name) == "" {
		return "", sdk.InvalidRecord("", "a list has an id or a name")
	}
	var l list
	err := c.call(ctx, http.MethodGet, "/crm/v3/lists/object-type-id/0-1/name/"+url.PathEscape(change.Name), false, nil, &l)
	if err != nil && sdk.AsFault(err).Kind == sdk.FaultRecordGone {
		err = c.call(ctx, http.MethodPost, "/crm/v3/lists", true, map[string]string{"name": change.Name, "objectTypeId": "0-1", "processingType": "MANUAL"}, &l)
	}
	if err != nil {
		return "", err
	}
	return l.id()
}

func (l *list) id() (string, error) {
	switch {
	case l.List.Processing == "DYNAMIC":
		return "", sdk.InvalidRecord("", "the list is a dynamic one, whose members HubSpot chooses: take a static list").Because("DYNAMIC_LIST")
	case l.List.TypeID != "0-1":
		return "", sdk.InvalidRecord("", "the list is not one of contacts").Because("NOT_CONTACTS")
	case !numeric(l.List.ID):
		return "", sdk.Broken("HubSpot answered a list without an id; it is asked again")
	}
	return l.List.ID, nil
}

// contacts are the ids of the contacts that items mean; empty for one that is unknown.
func (c *connection) contacts(ctx context.Context, items []sdk.Item) (ids []string, faults []*sdk.Fault, err error) {
	o, err := c.objectType(ctx, "contacts")
	if err != nil {
		return nil, nil, err
	}
	ids, faults = make([]string, len(items)), make([]*sdk.Fault, len(items))
	matches := map[string][]int{}
	for i, item := range items {
		match := item.Match
		if match == "" {
			match = c.config.Unique
		}
		switch {
		case numeric(item.ID):
			ids[i] = item.ID
		case o.properties[match] == nil || !o.properties[match].Unique:
			faults[i] = noKey("")
		default:
			matches[match] = append(matches[match], i)
		}
	}
	for match, some := range matches {
		keys := make([]string, 0, len(some))
		for _, i := range some {
			if key, ok := text(items[i].Fields[match]); ok && key != "" && !slices.Contains(keys, strings.ToLower(key)) {
				keys = append(keys, strings.ToLower(key))
			}
		}
		found, err := c.find(ctx, o, match, keys)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range some {
			key, _ := text(items[i].Fields[match])
			ids[i] = found[strings.ToLower(key)]
		}
	}
	return ids, faults, nil
}
