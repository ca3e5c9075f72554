package profile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// maxIdentifiers bounds what one event may name.
const maxIdentifiers = 20

// named is what an input says about whom it is, before it is known who that is.
type named struct {
	ids []event.Identifier // the highest priority first, no repeats
	// previous is an alias's former id in both namespaces that it may mean: a user
	// id if such a user is known, else an anonymous id.
	previousUser, previousAnonymous event.Identifier
}

// keys calls f with every identifier that must be looked up.
func (n *named) keys(f func(event.Identifier)) {
	for _, id := range n.ids {
		f(id)
	}
	for _, id := range []event.Identifier{n.previousUser, n.previousAnonymous} {
		if id.Value != "" {
			f(id)
		}
	}
}

// extract reads the identifiers out of an input.
func (r *rules) extract(in *event.Input) *named {
	n := &named{ids: make([]event.Identifier, 0, 4)}
	add := func(namespace, value string) {
		if value == "" || len(n.ids) >= maxIdentifiers {
			return
		}
		if id, ok := r.normalise(namespace, value); ok && !slices.Contains(n.ids, id) {
			n.ids = append(n.ids, id)
		}
	}
	add(UserID, in.UserID)
	add(AnonymousID, in.AnonymousID)
	if in.Type == event.Identify {
		add(Email, textAt(in.Traits, "email"))
		add(Phone, textAt(in.Traits, "phone"))
	}
	if len(in.Context) > 0 {
		r.fromContext(in.Context, add)
	}
	if in.Type == event.Alias && in.PreviousID != "" {
		n.previousUser, _ = r.normalise(UserID, in.PreviousID)
		n.previousAnonymous, _ = r.normalise(AnonymousID, in.PreviousID)
	}
	r.sort(n.ids)
	return n
}

func (r *rules) fromContext(context bson.Raw, add func(namespace, value string)) {
	if traits, ok := context.Lookup("traits").DocumentOK(); ok {
		add(Email, textAt(traits, "email"))
		add(Phone, textAt(traits, "phone"))
	}
	if device, ok := context.Lookup("device").DocumentOK(); ok {
		add("device_id", textAt(device, "id"))
		add("advertising_id", textAt(device, "advertisingId"))
	}
	list, ok := context.Lookup("externalIds").ArrayOK()
	if !ok {
		return
	}
	values, err := list.Values()
	if err != nil {
		return
	}
	for _, v := range values {
		doc, ok := v.DocumentOK()
		if !ok {
			continue
		}
		// Only ids of people, and only as they are: a hashed one is another value.
		if c := textAt(doc, "collection"); c != "" && c != "users" {
			continue
		}
		if e := textAt(doc, "encoding"); e != "" && e != "none" {
			continue
		}
		add(textAt(doc, "type"), textAt(doc, "id"))
	}
}

// sort puts the highest priority first; equal ones go by name.
func (r *rules) sort(ids []event.Identifier) {
	slices.SortStableFunc(ids, func(a, b event.Identifier) int {
		return cmp.Or(
			cmp.Compare(r.namespaces[b.Namespace].Priority, r.namespaces[a.Namespace].Priority),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Value, b.Value),
		)
	})
}

// textAt returns a string or whole number of a document as text, else "".
func textAt(doc bson.Raw, key string) string {
	if len(doc) == 0 {
		return ""
	}
	v := doc.Lookup(key)
	switch v.Type {
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeInt64, bson.TypeInt32:
		n, _ := v.AsInt64OK()
		return strconv.FormatInt(n, 10)
	}
	return ""
}
