package klaviyo

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Members implements sdk.Lister. Who is on a list has consented to nothing by that.
func (c *connection) Members(ctx context.Context, change sdk.ListChange) (sdk.ListResult, error) {
	out := sdk.ListResult{List: change.List, Results: make([]sdk.Result, len(change.Add)+len(change.Remove))}
	if out.List == "" {
		id, err := c.listByName(ctx, change.Name)
		if err != nil {
			return out, err
		}
		out.List = id
	}
	add, remove := out.Results[:len(change.Add)], out.Results[len(change.Add):]
	if err := c.join(ctx, out.List, change.Add, add); err != nil {
		return out, err
	}
	if err := c.leave(ctx, out.List, change.Remove, remove); err != nil {
		if len(change.Add) == 0 {
			return out, err
		}
		for i := range remove { // those who were added stay so
			remove[i].Fault = sdk.AsFault(err)
		}
	}
	return out, nil
}

// listByName finds a list, or makes it. Two calls at once may make two: the host calls
// for one list one after the other.
func (c *connection) listByName(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", sdk.InvalidRecord("name", "a list needs an id or a name")
	}
	quoted, _ := json.Marshal(name) // a string: cannot fail
	var found struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if _, err := c.get(ctx, "/api/lists", url.Values{"filter": {"equals(name," + string(quoted) + ")"}, "sort": {"created"}}, &found); err != nil {
		return "", err
	}
	if len(found.Data) > 0 {
		return found.Data[0].ID, nil
	}
	var made struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	_, err := c.must(c.post(ctx, http.MethodPost, "/api/lists", object{"data": object{
		"type": "list", "attributes": object{"name": name},
	}}, &made))
	return made.Data.ID, err
}

// join adds: those whose id is known by a call, the others by a job that finds or makes
// them by what identifies them, and writes nothing else.
func (c *connection) join(ctx context.Context, list string, items []sdk.Item, results []sdk.Result) error {
	var known []member
	var others []prepared
	for i, item := range items {
		if item.ID != "" {
			known = append(known, member{i, item.ID})
			continue
		}
		p, fault := prepare(i, bare(item))
		if fault != nil {
			results[i].Fault = fault
			continue
		}
		others = append(others, p)
	}
	if err := c.move(ctx, http.MethodPost, list, known, results); err != nil {
		return err
	}
	if len(others) == 0 {
		return nil
	}
	err := c.importAll(ctx, others, list, results)
	if err == nil || len(known) == 0 {
		return err
	}
	for _, p := range others {
		results[p.index].Fault = sdk.AsFault(err)
	}
	return nil
}

// bare is an item with nothing but what it is found by.
func bare(item sdk.Item) sdk.Item {
	fields := map[string]any{}
	for _, name := range keys {
		if value, _ := item.Fields[name].(string); value != "" && (item.Match == "" || item.Match == name) {
			fields[name] = value
		}
	}
	item.Fields = fields
	return item
}

// leave removes those whom the vendor knows.
func (c *connection) leave(ctx context.Context, list string, items []sdk.Item, results []sdk.Result) error {
	if len(items) == 0 {
		return nil
	}
	var known []member
	wanted := map[string]map[string][]int{} // by identifier, by value
	for i, item := range items {
		if item.ID != "" {
			known = append(known, member{i, item.ID})
			continue
		}
		name, value := identifier(bare(item))
		if value == "" {
			results[i].Fault = sdk.InvalidRecord("email", "it needs an id, an e-mail address, a phone number or an external id").Because("NO_IDENTIFIER")
			continue
		}
		if wanted[name] == nil {
			wanted[name] = map[string][]int{}
		}
		wanted[name][value] = append(wanted[name][value], i)
		results[i].Outcome = sdk.Unchanged // unless it is found
	}
	for name, values := range wanted {
		found, err := c.lookup(ctx, name, slices.Sorted(maps.Keys(values)), false)
		if err != nil {
			return err
		}
		for value, p := range found {
			for _, i := range values[value] {
				known = append(known, member{i, p.ID})
			}
		}
	}
	return c.move(ctx, http.MethodDelete, list, known, results)
}

// identifier is the first field of an item by which a profile is found.
func identifier(item sdk.Item) (name, value string) {
	for _, name := range []string{"external_id", "email", "phone_number"} {
		if value, _ := item.Fields[name].(string); value != "" {
			return name, value
		}
	}
	return "", ""
}

// member is a profile and the place of its item.
type member struct {
	index int
	id    string
}

var memberForm = regexp.MustCompile(`^/data/(\d+)/`)

// move adds or removes by id. Somebody who is gone is taken out and told, and does not
// hold up the others.
func (c *connection) move(ctx context.Context, method, list string, all []member, results []sdk.Result) error {
	moved := false
	for len(all) > 0 {
		part := slices.Clone(all[:min(len(all), maxMembers)])
		all = all[len(part):]
		for len(part) > 0 {
			data := make([]object, len(part))
			for i, m := range part {
				data[i] = object{"type": "profile", "id": m.id}
			}
			prob, err := c.post(ctx, method, "/api/lists/"+url.PathEscape(list)+"/relationships/profiles", object{"data": data}, nil)
			if err == nil && prob == nil {
				break
			}
			if prob != nil {
				gone := memberForm.FindStringSubmatch(prob.first().Source.Pointer)
				if i, e := strconv.Atoi(strings.Join(gone[min(1, len(gone)):], "")); e == nil && i < len(part) {
					results[part[i].index].Fault = rejected(prob.first())
					part = slices.Delete(part, i, i+1)
					continue
				}
				err = prob.fault(time.Now())
				if prob.status == http.StatusNotFound {
					err = sdk.RecordGone("the list is not at Klaviyo any more: choose another one").Because("LIST_GONE")
				}
			}
			if !moved {
				return err
			}
			for _, m := range append(part, all...) {
				results[m.index].Fault = sdk.AsFault(err)
			}
			return nil
		}
		for _, m := range part {
			results[m.index] = sdk.Result{ID: m.id, Outcome: sdk.Updated}
		}
		moved = true
	}
	return nil
}

// lookup finds profiles by values of one identifier; what is not there is left out.
func (c *connection) lookup(ctx context.Context, name string, values []string, subscribed bool) (map[string]profile, error) {
	found := map[string]profile{}
	for part := range slices.Chunk(values, pageSize) {
		quoted, _ := json.Marshal(part) // strings: cannot fail
		query := url.Values{"filter": {"any(" + name + "," + string(quoted) + ")"}, "page[size]": {strconv.Itoa(pageSize)}}
		if subscribed {
			query.Set("additional-fields[profile]", "subscriptions")
		}
		var page struct {
			Data []profile `json:"data"`
		}
		if _, err := c.get(ctx, "/api/profiles", query, &page); err != nil {
			return nil, err
		}
		for _, value := range part {
			for _, p := range page.Data {
				if p.has(name, value) {
					found[value] = p
				}
			}
		}
	}
	return found, nil
}

// has compares an identifier as the vendor does.
func (p profile) has(name, value string) bool {
	a := p.Attributes
	is := map[string]*string{"email": a.Email, "phone_number": a.Phone, "external_id": a.ExternalID, "id": &p.ID}[name]
	if is == nil {
		return false
	}
	if name == "email" {
		return strings.EqualFold(*is, value)
	}
	return *is == value
}
