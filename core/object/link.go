package object

import (
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
)

// ProfileNamespace stands for the namespace of a link to a person by profile id.
const ProfileNamespace = "profile"

// Link leads from a record to a person or to another record.
type Link struct {
	Relation string
	// Namespace is an identifier's namespace, or ProfileNamespace; "" when the
	// relation leads to a record.
	Namespace string
	Value     string // the identifier's value, the profile's id, the record's external id
}

const linkSep = "\x1f"

// LinkToken writes a link of a record of a type as it is indexed.
func LinkToken(typeKey string, l Link) string {
	return typeKey + linkSep + l.Relation + linkSep + l.Namespace + linkSep + l.Value
}

// parseLink reads what LinkToken wrote.
func parseLink(token string) Link {
	_, rest, _ := strings.Cut(token, linkSep)
	var l Link
	l.Relation, rest, _ = strings.Cut(rest, linkSep)
	l.Namespace, l.Value, _ = strings.Cut(rest, linkSep)
	return l
}

// LinksOf returns the record's links, ordered by relation, namespace and value.
func (r *Record) LinksOf() []Link {
	out := make([]Link, len(r.Links))
	for i, token := range r.Links {
		out[i] = parseLink(token)
	}
	return out
}

// RelatedTo returns the relations by which a record is related to a person who has
// the identifiers and the profile ids, each once.
func RelatedTo(r *Record, ids []event.Identifier, parts []string) []string {
	var out []string
	for _, token := range r.Links {
		l := parseLink(token)
		if l.Namespace == "" || !names(l, ids, parts) || len(out) > 0 && out[len(out)-1] == l.Relation {
			continue // links are sorted: the same relation comes in one run
		}
		out = append(out, l.Relation)
	}
	return out
}

func names(l Link, ids []event.Identifier, parts []string) bool {
	if l.Namespace == ProfileNamespace {
		for _, p := range parts {
			if p == l.Value {
				return true
			}
		}
		return false
	}
	for _, id := range ids {
		if id.Namespace == l.Namespace && id.Value == l.Value {
			return true
		}
	}
	return false
}
