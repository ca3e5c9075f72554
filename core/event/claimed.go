package event

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxClaimed bounds the identifiers that are read out of one payload.
const maxClaimed = 20

// Normalise brings an identifier to the form in which it is kept; false when it can
// name nobody.
type Normalise func(ctx context.Context, workspace string, id Identifier) (Identifier, bool, error)

// SetNormalise sets how identifiers in what is kept aside are brought to the form in
// which people are looked for: until then they are kept as they were sent. It is called
// once, before the first event is taken.
func (s *Service) SetNormalise(f Normalise) { s.normalise = f }

// claimed lists whom a payload names in any of the ways in which an event may, as far as
// it can be read, in the form of QuarantineItem.IDs.
func (s *Service) claimed(ctx context.Context, ws string, in *Input) ([]string, error) {
	var out []string
	for _, id := range claims(in) {
		ok := id.Value != "" && len(id.Value) <= MaxID && strings.IndexByte(id.Namespace+id.Value, 0) < 0
		if ok && s.normalise != nil {
			var err error
			if id, ok, err = s.normalise(ctx, ws, id); err != nil {
				return nil, err
			}
		}
		if !ok {
			continue
		}
		switch id.Namespace {
		case "user_id":
			out = append(out, "userId/"+id.Value)
		case "anonymous_id":
			out = append(out, "anonymousId/"+id.Value)
		default:
			out = append(out, id.Namespace+"/"+id.Value)
		}
		if len(out) == maxClaimed {
			break
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// claims reads the identifiers of a payload, out of what was decoded of it, out of its
// text, and out of the context of its batch.
func claims(in *Input) []Identifier {
	out := []Identifier{{"user_id", in.UserID}, {"anonymous_id", in.AnonymousID}, {"user_id", in.PreviousID}, {"anonymous_id", in.PreviousID}}
	people := func(traits map[string]any) {
		out = append(out, Identifier{"email", strings.ToLower(strings.TrimSpace(scalar(traits["email"])))}, Identifier{"phone", scalar(traits["phone"])})
	}
	about := func(c map[string]any) {
		traits, _ := c["traits"].(map[string]any)
		people(traits)
		device, _ := c["device"].(map[string]any)
		out = append(out, Identifier{"device_id", scalar(device["id"])}, Identifier{"advertising_id", scalar(device["advertisingId"])})
		list, _ := c["externalIds"].([]any)
		for _, one := range list[:min(len(list), maxClaimed)] {
			e, _ := one.(map[string]any)
			out = append(out, Identifier{scalar(e["type"]), scalar(e["id"])})
		}
	}
	people(plainDoc(in.Traits))
	about(plainDoc(in.Context))
	if in.Defaults != nil {
		about(plainDoc(in.Defaults.Context))
	}
	people(plainJSON(member(in.Raw, "traits")))
	about(plainJSON(member(in.Raw, "context")))
	return out
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case int64:
		return strconv.FormatInt(v, 10)
	case int32:
		return strconv.FormatInt(int64(v), 10)
	}
	return ""
}

// plainDoc decodes a document, as far as it is one.
func plainDoc(doc bson.Raw) map[string]any {
	if len(doc) == 0 {
		return nil
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return nil
	}
	return plainJSON(text)
}

func plainJSON(text []byte) map[string]any {
	var out map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}
