package object

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// setLinks returns the links of the record after the item: those of the relations
// that it names are replaced.
func (d *draft) setLinks(given map[string][]Link) ([]string, *core.Error) {
	var out []string
	if d.before != nil {
		for _, token := range d.before.Links {
			relation := parseLink(token).Relation
			if _, replaced := given[relation]; !replaced && d.t.Relation(relation) != nil {
				out = append(out, token)
			}
		}
	}
	for key, links := range given {
		r := d.t.Relation(key)
		if r == nil {
			return nil, d.t.unknownRelation(key).At(clipKey(key))
		}
		if d.t.Trial != nil && len(links) > 0 {
			if tr := relationOf(d.t.Trial.Relations, key); tr == nil || !tr.Many && len(links) > 1 {
				return nil, errChanging.At(key)
			}
		}
		if !r.Many && len(links) > 1 {
			return nil, invalid("RELATION_SINGLE", "the relation %s leads to one, not to %d", key, len(links)).At(key)
		}
		for i, l := range links {
			n, err := r.normalise(l)
			if err != nil {
				return nil, err.At(key, strconv.Itoa(i))
			}
			out = append(out, LinkToken(d.t.Key, n))
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > MaxLinks {
		return nil, invalid("TOO_MANY_LINKS", "a record has at most %d links, over all of its relations", MaxLinks)
	}
	if len(peopleOf(&Record{Links: out})) > MaxPeople {
		return nil, invalid("TOO_MANY_LINKS", "a record has at most %d links to people", MaxPeople)
	}
	return out, nil
}

func (t *Type) unknownRelation(key string) *core.Error {
	var keys []string
	for i := range t.Relations {
		keys = append(keys, t.Relations[i].Key)
	}
	if len(keys) == 0 {
		return invalid("RELATION_UNKNOWN", "the object type %s has no relations", t.Key)
	}
	return invalid("RELATION_UNKNOWN", "the object type %s has no such relation; it has %s", t.Key, strings.Join(keys, ", "))
}

// normalise brings a link to the form in which it is compared: identifiers as
// profiles know them, so far as that is the same in every workspace.
func (r *Relation) normalise(l Link) (Link, *core.Error) {
	l.Relation = r.Key
	value, ok := strings.TrimSpace(l.Value), true
	switch {
	case r.Target != "" && l.Namespace != "":
		return l, invalid("LINK", "the relation %s leads to records: give an external id and no namespace", r.Key).At("namespace")
	case r.Target == "" && l.Namespace == "":
		return l, invalid("LINK", "the relation %s leads to people: give an identifier's namespace and value, or a profile's id", r.Key).At("namespace")
	case r.Target == "" && !validKey(l.Namespace):
		return l, invalid("LINK", "a namespace is small letters, digits and underscores").At("namespace")
	case l.Namespace == ProfileNamespace:
		ok = core.IDPrefix(value) == core.PrefixProfile && !strings.ContainsAny(value, "/")
	case l.Namespace == "email":
		value, ok = normaliseEmail(value)
	case l.Namespace == "phone":
		value, ok = normalisePhone(value)
	}
	if !ok || !printable(value) {
		return l, invalid("LINK", "the value is not what %s holds, or is not 1 to %d bytes of text", orWord(l.Namespace, "an external id"), MaxExternalID).At("value")
	}
	l.Value = value
	return l, nil
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// peopleOf lists whom the links of records name.
func peopleOf(records ...*Record) []event.Identifier {
	var out []event.Identifier
	for _, r := range records {
		if r == nil {
			continue
		}
		for _, token := range r.Links {
			if l := parseLink(token); l.Namespace != "" {
				out = append(out, event.Identifier{Namespace: l.Namespace, Value: l.Value})
			}
		}
	}
	return out
}
