package klaviyo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// Reasons for which an address gets no mail, as the vendor spells them.
const (
	hardBounce     = "HARD_BOUNCE"
	spamComplaint  = "SPAM_COMPLAINT"
	unsubscribe    = "UNSUBSCRIBE"
	userSuppressed = "USER_SUPPRESSED"
)

// object is a JSON object whose members are nobody's but the caller's.
type object = map[string]any

// profile is one person as the vendor keeps them.
type profile struct {
	id               string
	fields           object // the plain attributes that are set
	location         object
	properties       object
	created, updated time.Time
	lastEvent        time.Time
	email            consent
	sms              consent
	transactional    consent
	suppressions     []suppression
}

// consent is the state of one channel.
type consent struct {
	State  string // SUBSCRIBED, UNSUBSCRIBED or NEVER_SUBSCRIBED
	At     time.Time
	Method string
}

type suppression struct {
	Reason string
	At     time.Time
}

// plain are the attributes that are strings and may be cleared by null.
var plain = []string{
	"email", "phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title", "image",
}

// identifiers finds a profile, the surest first.
var identifiers = []string{"external_id", "email", "phone_number"}

var (
	emailForm = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s.]+$`)
	phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
)

// resource is what a client sends about one profile.
type resource struct {
	Type       string                     `json:"type"`
	ID         *string                    `json:"id"`
	Attributes map[string]json.RawMessage `json:"attributes"`
	Meta       struct {
		Properties struct {
			Append   object          `json:"append"`
			Unappend object          `json:"unappend"`
			Unset    json.RawMessage `json:"unset"`
		} `json:"patch_properties"`
	} `json:"meta"`
}

// change is a resource after it was checked.
type change struct {
	id       string
	fields   object // nil clears
	location object
	props    object
	appends  object
	removes  object
	unset    []string
}

// check reads a resource; at is the pointer of the resource in the request.
func (r resource) check(at string) (change, *fault) {
	c := change{fields: object{}}
	if r.Type != "profile" {
		return c, invalid("The resource type must be `profile`.", at+"/type")
	}
	if r.ID != nil {
		c.id = *r.ID
	}
	for _, name := range plain {
		raw, told := r.Attributes[name]
		if !told {
			continue
		}
		var value *string
		if err := json.Unmarshal(raw, &value); err != nil {
			return c, invalid(fmt.Sprintf("'%s' must be a string or null.", name), at+"/attributes/"+name)
		}
		if value == nil {
			c.fields[name] = nil
			continue
		}
		if problem := checkField(name, *value, at); problem != nil {
			return c, problem
		}
		c.fields[name] = normal(name, *value)
	}
	if fault := members(r.Attributes, "location", at, &c.location); fault != nil {
		return c, fault
	}
	if fault := members(r.Attributes, "properties", at, &c.props); fault != nil {
		return c, fault
	}
	c.appends, c.removes = r.Meta.Properties.Append, r.Meta.Properties.Unappend
	if raw := r.Meta.Properties.Unset; raw != nil {
		var one string
		if json.Unmarshal(raw, &one) == nil {
			c.unset = []string{one}
		} else if json.Unmarshal(raw, &c.unset) != nil {
			return c, invalid("'unset' must be a string or a list of strings.", at+"/meta/patch_properties/unset")
		}
	}
	return c, nil
}

func checkField(name, value, at string) *fault {
	switch {
	case name == "email" && !emailForm.MatchString(value):
		return invalid("Invalid email address", at+"/attributes/email")
	case name == "phone_number" && !phoneForm.MatchString(value):
		return invalid("Invalid phone number format (Example of a valid format: +12345678901)", at+"/attributes/phone_number")
	}
	return nil
}

func members(attributes map[string]json.RawMessage, name, at string, into *object) *fault {
	raw, told := attributes[name]
	if !told || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return invalid(fmt.Sprintf("'%s' must be an object.", name), at+"/attributes/"+name)
	}
	return nil
}

// normal brings an identifier to the form in which it is looked up.
func normal(name, value string) string {
	if name == "email" {
		return strings.ToLower(value)
	}
	return value
}

// find looks for the profile that a change is about. Identifiers of two profiles
// in one change are a conflict, which names the other profile.
func (s *Server) find(c change, at string) (*profile, *fault) {
	var found *profile
	if c.id != "" {
		if found = s.profiles[c.id]; found == nil {
			return nil, notFound("A profile with the given id does not exist.", at+"/id")
		}
	}
	for _, name := range identifiers {
		value, _ := c.fields[name].(string)
		if value == "" {
			continue
		}
		other := s.byIdentifier[name+":"+value]
		switch {
		case other == nil:
		case found == nil:
			found = other
		case found != other:
			return nil, duplicate(other.id, at+"/attributes/"+name)
		}
	}
	return found, nil
}

// upsert applies a change to the profile that it is about, or to a new one. It
// tells whether the profile is new.
func (s *Server) upsert(c change, at string) (*profile, bool, *fault) {
	p, problem := s.find(c, at)
	if problem != nil {
		return nil, false, problem
	}
	fresh := p == nil
	if fresh {
		if !slices.ContainsFunc(identifiers, func(name string) bool { return c.fields[name] != nil }) {
			return nil, false, invalid("One of `id`, `email`, `phone_number`, `external_id` is required.", at)
		}
		p = s.newProfile()
	}
	s.apply(p, c)
	return p, fresh, nil
}

func (s *Server) newProfile() *profile {
	now := s.now()
	p := &profile{
		id: s.ulid(), fields: object{}, location: object{}, properties: object{}, created: now, updated: now,
		email:         consent{State: "NEVER_SUBSCRIBED"},
		sms:           consent{State: "NEVER_SUBSCRIBED"},
		transactional: consent{State: "NEVER_SUBSCRIBED"},
	}
	s.profiles[p.id] = p
	s.order = append(s.order, p)
	return p
}

// apply changes a profile. A null clears, what is absent stays.
func (s *Server) apply(p *profile, c change) {
	for name, value := range c.fields {
		key, identifier := name+":", slices.Contains(identifiers, name)
		if old, set := p.fields[name].(string); set && identifier {
			delete(s.byIdentifier, key+old)
		}
		if value == nil {
			delete(p.fields, name)
			continue
		}
		p.fields[name] = value
		if identifier {
			s.byIdentifier[key+value.(string)] = p
		}
	}
	merge(p.location, c.location)
	merge(p.properties, c.props)
	for name, value := range c.appends {
		list, _ := p.properties[name].([]any)
		for _, each := range aslist(value) {
			if !slices.ContainsFunc(list, func(old any) bool { return same(old, each) }) {
				list = append(list, each)
			}
		}
		p.properties[name] = list
	}
	for name, value := range c.removes {
		list, _ := p.properties[name].([]any)
		gone := aslist(value)
		p.properties[name] = slices.DeleteFunc(slices.Clone(list), func(old any) bool {
			return slices.ContainsFunc(gone, func(each any) bool { return same(old, each) })
		})
	}
	for _, name := range c.unset {
		delete(p.properties, name)
	}
	s.touch(p)
}

// touch marks a profile as changed.
func (s *Server) touch(p *profile) {
	p.updated = s.now()
	s.version++
}

func merge(into, from object) {
	for name, value := range from {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = value
		}
	}
}

func aslist(value any) []any {
	if list, is := value.([]any); is {
		return list
	}
	return []any{value}
}

func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// present writes a profile as the vendor does. Subscriptions are told only when
// they were asked for.
func (s *Server) present(r *http.Request, p *profile, subscriptions bool) object {
	attributes := object{
		"created": stamp(p.created), "updated": stamp(p.updated), "last_event_date": maybe(p.lastEvent),
		"properties": maps.Clone(p.properties),
	}
	for _, name := range plain {
		attributes[name] = p.fields[name]
	}
	location := object{}
	for _, name := range []string{"address1", "address2", "city", "country", "region", "zip", "timezone", "ip"} {
		location[name] = p.location[name]
	}
	for _, name := range []string{"latitude", "longitude"} {
		if value, set := p.location[name]; set {
			location[name] = value
		}
	}
	attributes["location"] = location
	if subscriptions {
		attributes["subscriptions"] = p.subscriptions()
	}
	self := sandbox.BaseURL(r) + "/api/profiles/" + p.id + "/"
	related := func(name string) object {
		return object{"links": object{"self": self + "relationships/" + name + "/", "related": self + name + "/"}}
	}
	return object{
		"type": "profile", "id": p.id, "attributes": attributes, "links": object{"self": self},
		"relationships": object{"lists": related("lists"), "segments": related("segments"), "push-tokens": related("push-tokens")},
	}
}

// subscriptions tells what may be sent, and why not.
func (p *profile) subscriptions() object {
	suppressions := []object{}
	for _, each := range p.suppressions {
		suppressions = append(suppressions, object{"reason": each.Reason, "timestamp": stamp(each.At)})
	}
	channel := func(c consent, can string, may bool) object {
		return object{
			can: may, "consent": c.State, "consent_timestamp": maybe(c.At), "last_updated": maybe(c.At),
			"method": orNil(c.Method), "method_detail": "",
		}
	}
	email := channel(p.email, "can_receive_email_marketing", p.fields["email"] != nil && len(p.suppressions) == 0)
	email["suppression"], email["list_suppressions"] = suppressions, []object{}
	email["double_optin"], email["custom_method_detail"] = nil, nil
	phone := p.fields["phone_number"] != nil
	return object{
		"email": object{"marketing": email},
		"sms": object{
			"marketing":     channel(p.sms, "can_receive_sms_marketing", phone && p.sms.State == "SUBSCRIBED"),
			"transactional": channel(p.transactional, "can_receive_sms_transactional", phone && p.transactional.State == "SUBSCRIBED"),
		},
		"mobile_push": object{"marketing": object{
			"can_receive_push_marketing": false, "consent": "NEVER_SUBSCRIBED", "consent_timestamp": nil,
		}},
	}
}

func (p *profile) suppress(reason string, at time.Time) bool {
	if slices.ContainsFunc(p.suppressions, func(s suppression) bool { return s.Reason == reason }) {
		return false
	}
	p.suppressions = append(p.suppressions, suppression{Reason: reason, At: at})
	return true
}

func (p *profile) lift(reasons ...string) bool {
	before := len(p.suppressions)
	p.suppressions = slices.DeleteFunc(p.suppressions, func(s suppression) bool { return slices.Contains(reasons, s.Reason) })
	return len(p.suppressions) < before
}

// forget removes a profile and all that hangs on it.
func (s *Server) forget(p *profile) {
	delete(s.profiles, p.id)
	for _, name := range identifiers {
		if value, set := p.fields[name].(string); set {
			delete(s.byIdentifier, name+":"+value)
		}
	}
	s.order = slices.DeleteFunc(s.order, func(other *profile) bool { return other == p })
	for _, l := range s.lists {
		delete(l.members, p.id)
	}
	s.events = slices.DeleteFunc(s.events, func(e *happening) bool { return e.profile == p })
	s.version++
}
