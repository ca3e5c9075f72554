package salesforce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// people are the objects that are about a person.
var people = []string{"Contact", "Lead"}

// Erase implements sdk.Eraser. Deleted records stay in the recycle bin for 15 days,
// so they are emptied first: what lies there says nothing of anybody.
func (c *connection) Erase(ctx context.Context, subject sdk.Subject) (sdk.EraseReceipt, error) {
	var parts []string
	known, done := false, true
	for _, object := range people {
		n, err := c.eraseFrom(ctx, object, subject)
		if err != nil {
			return sdk.EraseReceipt{}, err
		}
		// More than one request erases are left to the next call.
		known, done = known || n > 0, done && n < maxCollection
		parts = append(parts, fmt.Sprintf("%d %s", n, streamOf(object)))
	}
	return sdk.EraseReceipt{
		Done: done, Known: known, Erased: time.Now().UTC(), Retry: time.Second,
		Detail: strings.Join(parts, " and ") + " were emptied and deleted; the emptied records leave the recycle bin after 15 days. Notes, e-mails and files of theirs are the organisation's to delete.",
	}, nil
}

func (c *connection) eraseFrom(ctx context.Context, object string, subject sdk.Subject) (int, error) {
	s, err := c.shape(ctx, object)
	if err != nil {
		return 0, err
	}
	condition := s.who(subject, c.config.External)
	if condition == "" {
		return 0, nil
	}
	var found struct {
		Records []struct {
			ID string `json:"Id"`
		} `json:"records"`
	}
	query := "SELECT Id FROM " + object + " WHERE " + condition + " LIMIT " + fmt.Sprint(maxCollection)
	if err := c.call(ctx, http.MethodGet, "/query?"+url.Values{"q": {query}}.Encode(), false, nil, &found); err != nil {
		return 0, err
	}
	w := &writer{connection: c, shape: s, items: make([]sdk.Item, len(found.Records)), results: make([]sdk.Result, len(found.Records))}
	all := make([]int, len(found.Records))
	for i, r := range found.Records {
		if !isID(r.ID) {
			return 0, sdk.Broken("Salesforce answered a record without an id; it is asked again")
		}
		fields := s.blank()
		if f := s.byName[c.config.External]; f != nil && f.Updateable && f.Type == "string" {
			fields[f.Name] = mark(subject) + fmt.Sprint(i)
		}
		w.items[i], all[i] = sdk.Item{ID: r.ID, Fields: fields}, i
	}
	for _, do := range []func(context.Context, route, []int) error{w.collection, w.remove} {
		if len(all) == 0 {
			return 0, nil
		}
		if err := do(ctx, route{}, all); err != nil {
			return 0, err
		}
		for _, i := range all {
			if f := w.results[i].Fault; f != nil && f.Kind != sdk.FaultRecordGone {
				return 0, f
			}
		}
	}
	return len(all), nil
}

// mark is the beginning of the external id that an emptied record has until it is
// deleted: a call that comes again finds it by nothing else.
func mark(subject sdk.Subject) string {
	sum := sha256.Sum256([]byte(subject.Key))
	return "erased-" + hex.EncodeToString(sum[:8]) + "-"
}

// who is the condition for a person's records; empty when nothing is known by which
// this object could be asked.
func (s *shape) who(subject sdk.Subject, external string) string {
	var terms []string
	is := func(name, value string) {
		if s.byName[name] != nil && value != "" {
			terms = append(terms, name+" = "+quote(value))
		}
	}
	if id := subject.IDs[streamOf(s.Name)]; isID(id) {
		is("Id", id)
	}
	is("Email", subject.Identifiers["email"])
	is(external, subject.Identifiers["externalId"])
	if terms == nil {
		// A household shares a number: it is only asked by when nothing else is known.
		is("Phone", subject.Identifiers["phone"])
		is("MobilePhone", subject.Identifiers["phone"])
	}
	if f := s.byName[external]; f != nil && f.Type == "string" {
		terms = append(terms, external+" LIKE "+quote(mark(subject)+"%"))
	}
	return strings.Join(terms, " OR ")
}

// blank empties every field that can hold something of a person. What is required
// says that it was erased.
func (s *shape) blank() map[string]any {
	out := map[string]any{}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch {
		case !f.Updateable || !f.readable():
		case f.Nillable && !slices.Contains([]string{"picklist", "boolean", "reference"}, f.Type):
			out[f.Name] = nil
		case !f.Nillable && !f.Defaulted && f.Type == "string":
			out[f.Name] = "Erased"
		}
	}
	return out
}
