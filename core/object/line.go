package object

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// jsonItem is how a line of NDJSON writes an item: as a call that writes records
// does, [{"relation", "to": [target, …]}, …], or shorter {relation: [target, …]}. At is
// when it held (RFC 3339), see Item.
type jsonItem struct {
	ExternalID string          `json:"externalId"`
	Fields     json.RawMessage `json:"fields"`
	Links      jsonLinks       `json:"links"`
	At         time.Time       `json:"at"`
}

// jsonLinks are the targets of relations.
type jsonLinks map[string][]jsonTarget

type jsonRelation struct {
	Relation string        `json:"relation"`
	To       *[]jsonTarget `json:"to"`
}

// jsonTarget is exactly one of {"identifier": {"namespace", "value"}}, which may be
// written {"namespace", "value"}, {"profileId"} and {"externalId"}.
type jsonTarget struct {
	Identifier *jsonIdentifier `json:"identifier"`
	ProfileID  string          `json:"profileId"`
	ExternalID string          `json:"externalId"`
	jsonIdentifier
}

type jsonIdentifier struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *jsonLinks) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '[' {
		var m map[string][]jsonTarget
		if err := strictly(text, &m); err != nil {
			return err
		}
		*l = m
		return nil
	}
	var list []jsonRelation
	if err := strictly(text, &list); err != nil {
		return err
	}
	*l = jsonLinks{}
	for _, r := range list {
		if r.Relation == "" || r.To == nil {
			return fmt.Errorf("links without a relation, or without to")
		}
		if (*l)[r.Relation] == nil {
			(*l)[r.Relation] = []jsonTarget{}
		}
		(*l)[r.Relation] = append((*l)[r.Relation], *r.To...)
	}
	return nil
}

// link returns the target as a link; ok is false when it is not exactly one.
func (t *jsonTarget) link() (l Link, ok bool) {
	n := 0
	set := func(is bool, as Link) {
		if is {
			n, l = n+1, as
		}
	}
	if t.Identifier != nil {
		set(true, Link{Namespace: t.Identifier.Namespace, Value: t.Identifier.Value})
	}
	set(t.jsonIdentifier != jsonIdentifier{}, Link{Namespace: t.Namespace, Value: t.Value})
	set(t.ProfileID != "", Link{Namespace: ProfileNamespace, Value: t.ProfileID})
	set(t.ExternalID != "", Link{Value: t.ExternalID})
	return l, n == 1
}

// strictly decodes one JSON value whose members are all known.
func strictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value")
	}
	return nil
}

// decodeItem reads a line.
func decodeItem(text []byte) (Item, *core.Error) {
	wrong := invalid("LINE_SYNTAX", `a line is an object {"externalId": text, "fields": object, "links": [{"relation", "to": [{"identifier": {"namespace", "value"}} or {"profileId"} or {"externalId"}]}], "at": time}`)
	var in jsonItem
	if err := strictly(text, &in); err != nil {
		return Item{}, wrong.Wrap(err)
	}
	it := Item{ExternalID: in.ExternalID, At: in.At}
	if len(in.Fields) > 0 && string(in.Fields) != "null" {
		it.Fields = bytes.Clone(in.Fields)
	}
	for relation, targets := range in.Links {
		if it.Links == nil {
			it.Links = map[string][]Link{}
		}
		out := make([]Link, len(targets))
		for i := range targets {
			var ok bool
			if out[i], ok = targets[i].link(); !ok {
				return Item{ExternalID: in.ExternalID}, wrong.At("links", relation)
			}
		}
		it.Links[relation] = out
	}
	return it, nil
}
