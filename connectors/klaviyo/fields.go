package klaviyo

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Names of streams.
const (
	profiles     = "profiles"
	events       = "events"
	suppressions = "suppressions"
)

// attributes are the plain fields of a profile; keys among them find one.
var (
	keys       = []string{"email", "phone_number", "external_id"}
	attributes = append(slices.Clone(keys), "first_name", "last_name", "organization", "locale", "title", "image")
	places     = []string{"address1", "address2", "city", "country", "region", "zip", "timezone", "ip", "latitude", "longitude"}
)

// Fields that are the vendor's own: they come out and never go in.
const (
	emailConsent   = "email_consent"
	emailAllowed   = "email_allowed"
	emailAt        = "email_consent_at"
	emailReasons   = "email_suppressions"
	smsConsent     = "sms_consent"
	smsAt          = "sms_consent_at"
	created        = "created"
	lastEvent      = "last_event_date"
	locationPrefix = "location."
	propertyPrefix = "properties."
)

var readOnly = []string{emailConsent, emailAllowed, emailAt, emailReasons, smsConsent, smsAt, created, lastEvent}

// schema is the JSON Schema of a profile's fields.
func schema() json.RawMessage {
	p := object{}
	for _, name := range attributes {
		p[name] = object{"type": []string{"string", "null"}}
	}
	p["email"] = object{"type": []string{"string", "null"}, "format": "email"}
	for _, name := range places {
		kind := []string{"string", "null"}
		if name == "latitude" || name == "longitude" {
			kind = []string{"string", "number", "null"}
		}
		p[locationPrefix+name] = object{"type": kind}
	}
	for _, name := range []string{emailConsent, smsConsent} {
		p[name] = object{"type": "string", "readOnly": true, "enum": []string{"SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"}}
	}
	for _, name := range []string{emailAt, smsAt, created, lastEvent} {
		p[name] = object{"type": []string{"string", "null"}, "format": "date-time", "readOnly": true}
	}
	p[emailAllowed] = object{"type": "boolean", "readOnly": true}
	p[emailReasons] = object{"type": "array", "items": object{"type": "string"}, "readOnly": true}
	out, _ := json.Marshal(object{ // of strings: cannot fail
		"type": "object", "properties": p, "patternProperties": object{`^properties\.`: object{}}, "additionalProperties": false,
	})
	return out
}

// resource makes the vendor's resource of an item. What is nil is cleared, what is not
// named stays.
func resource(item sdk.Item) (object, *sdk.Fault) {
	plain, location, properties := object{}, object{}, object{}
	var unset []string
	for name, value := range item.Fields {
		place, isPlace := strings.CutPrefix(name, locationPrefix)
		property, isProperty := strings.CutPrefix(name, propertyPrefix)
		switch {
		case slices.Contains(attributes, name):
			if text, is := value.(string); value != nil && !is {
				return nil, sdk.InvalidRecord(name, "it must be text").Because("NOT_TEXT")
			} else if is && text == "" {
				value = nil // the vendor takes no empty identifiers, and an empty name is none
			}
			plain[name] = value
		case isPlace && slices.Contains(places, place):
			location[place] = value
		case isProperty && property != "":
			if value == nil {
				unset = append(unset, property)
			} else {
				properties[property] = value
			}
		case slices.Contains(readOnly, name):
			return nil, sdk.InvalidRecord(name, "it is Klaviyo's own: consents are not written with a profile").Because("READ_ONLY")
		default:
			return nil, sdk.InvalidRecord(name, "there is no such field; one of your own is written as properties."+"NAME").Because("UNKNOWN_FIELD")
		}
	}
	if len(location) > 0 {
		plain["location"] = location
	}
	if len(properties) > 0 {
		plain["properties"] = properties
	}
	out := object{"type": "profile", "attributes": plain}
	if unset != nil {
		slices.Sort(unset)
		out["meta"] = object{"patch_properties": object{"unset": unset}}
	}
	if item.ID != "" {
		out["id"] = item.ID
		return out, nil
	}
	if item.Match != "" {
		if !slices.Contains(keys, item.Match) {
			return nil, sdk.InvalidRecord(item.Match, "profiles are found by email, phone_number or external_id").Because("BAD_MATCH")
		}
		if text, _ := plain[item.Match].(string); text == "" {
			return nil, sdk.InvalidRecord(item.Match, "the record has no value for the field that it is to be found by").Because("NO_IDENTIFIER")
		}
	}
	if !slices.ContainsFunc(keys, func(k string) bool { return plain[k] != nil }) {
		return nil, sdk.InvalidRecord("email", "it needs an e-mail address, a phone number or an external id").Because("NO_IDENTIFIER")
	}
	return out, nil
}

// profile is the vendor's resource as it is read.
type profile struct {
	ID         string `json:"id"`
	Attributes struct {
		fields
		Location      map[string]any `json:"location"`
		Properties    map[string]any `json:"properties"`
		Created       *time.Time     `json:"created"`
		Updated       *time.Time     `json:"updated"`
		LastEvent     *time.Time     `json:"last_event_date"`
		Subscriptions *subscriptions `json:"subscriptions"`
	} `json:"attributes"`
}

type fields struct {
	Email        *string `json:"email"`
	Phone        *string `json:"phone_number"`
	ExternalID   *string `json:"external_id"`
	FirstName    *string `json:"first_name"`
	LastName     *string `json:"last_name"`
	Organization *string `json:"organization"`
	Locale       *string `json:"locale"`
	Title        *string `json:"title"`
	Image        *string `json:"image"`
}

type subscriptions struct {
	Email struct {
		Marketing struct {
			Allowed      bool       `json:"can_receive_email_marketing"`
			Consent      string     `json:"consent"`
			At           *time.Time `json:"consent_timestamp"`
			Suppressions []struct {
				Reason string    `json:"reason"`
				At     time.Time `json:"timestamp"`
			} `json:"suppression"`
		} `json:"marketing"`
	} `json:"email"`
	SMS struct {
		Marketing struct {
			Allowed bool       `json:"can_receive_sms_marketing"`
			Consent string     `json:"consent"`
			At      *time.Time `json:"consent_timestamp"`
		} `json:"marketing"`
	} `json:"sms"`
}

// record flattens a profile into fields.
func (p profile) record() sdk.Record {
	a := p.Attributes
	f := map[string]any{}
	for name, value := range map[string]*string{
		"email": a.Email, "phone_number": a.Phone, "external_id": a.ExternalID, "first_name": a.FirstName, "last_name": a.LastName,
		"organization": a.Organization, "locale": a.Locale, "title": a.Title, "image": a.Image,
	} {
		if value != nil {
			f[name] = *value
		} else {
			f[name] = nil
		}
	}
	for name, value := range a.Location {
		f[locationPrefix+name] = value
	}
	for name, value := range a.Properties {
		f[propertyPrefix+name] = value
	}
	stamp := func(name string, t *time.Time) {
		if t != nil {
			f[name] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	stamp(created, a.Created)
	stamp(lastEvent, a.LastEvent)
	if s := a.Subscriptions; s != nil {
		f[emailConsent], f[smsConsent] = s.Email.Marketing.Consent, s.SMS.Marketing.Consent
		f[emailAllowed] = s.Email.Marketing.Allowed
		stamp(emailAt, s.Email.Marketing.At)
		stamp(smsAt, s.SMS.Marketing.At)
		reasons := []any{}
		for _, each := range s.Email.Marketing.Suppressions {
			reasons = append(reasons, each.Reason)
		}
		f[emailReasons] = reasons
	}
	r := sdk.Record{ID: p.ID, Fields: f}
	if a.Updated != nil {
		r.UpdatedAt = *a.Updated
	}
	return r
}
