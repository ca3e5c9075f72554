package condition

import (
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/headwater-cdp/headwater/core"
)

var (
	channels        = []string{"EMAIL", "SMS", "PUSH", "WEB_CHAT", "IN_APP", "WEBHOOK"}
	consentStatuses = []string{"GRANTED", "DENIED", "PENDING", "WITHDRAWN", "EXPIRED", "UNKNOWN"}
	messageStatuses = []string{"SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "COMPLAINED", "REPLIED", "UNSUBSCRIBED"}
	maxLatitude     = decimal.NewFromInt(90)
	maxLongitude    = decimal.NewFromInt(180)
	maxRadius       = decimal.NewFromInt(20_038) // half the way around
)

const (
	segmentPrefix = "seg"
	maxChain      = 1000 // segments looked at for cycles
)

func (r *reader) object(v any) *Object {
	m, _ := r.fields(v, "object", "type", "relation", "match", "where", "count")
	o := &Object{Type: r.name(m, "type"), Relation: r.optionalName(m, "relation"), Match: Quantifier(r.enum(m, "match", "ANY", "ALL", "NONE"))}
	o.Count = r.ranged(m, "count", true)
	if m["count"] != nil {
		if o.Match != "" && o.Match != MatchAny { // ANY is the default, which GraphQL fills in
			r.at("match", func() {
				r.fault(ReasonNotAllowed, "match and count exclude each other: with a count, that many records must match")
			})
		}
		o.Match = ""
	} else if o.Match == "" {
		o.Match = MatchAny
	}
	s := subject{}
	if r.voc != nil && o.Type != "" {
		t, ok := r.voc.ObjectType(o.Type)
		if ok {
			s = r.fieldsOf(t)
		}
		r.at("type", func() {
			if !ok {
				r.fault(ReasonUnknownType, "there is no type of records with this key%s", didYouMean(o.Type, r.voc.ObjectTypes()))
			}
		})
		if o.Relation != "" && ok && !slices.Contains(t.Relations, o.Relation) {
			r.at("relation", func() {
				r.fault(ReasonRelation, "the type's relations to people are %s%s", list(t.Relations, "and"), didYouMean(o.Relation, t.Relations))
			})
		}
	}
	o.Where = r.predicates(m, "where", s)
	return o
}

func (r *reader) membership(v any, kind string) *Membership {
	m, _ := r.fields(v, kind, "id", "entered")
	out := &Membership{ID: r.name(m, "id"), Entered: r.window(m, "entered")}
	if out.ID == "" {
		return out
	}
	r.at("id", func() { r.segmentID(out.ID, kind) })
	return out
}

func (r *reader) segmentID(id, kind string) {
	if core.IDPrefix(id) != segmentPrefix {
		r.fault(ReasonName, "the id of a segment or list begins with %q", segmentPrefix+"_")
		return
	}
	if id == r.opt.Self {
		r.path = r.path[:len(r.path)-1]
		r.fault(ReasonCycle, "a segment cannot refer to itself (%s)", id)
		r.path = append(r.path, "id")
		return
	}
	if r.voc == nil {
		return
	}
	info, ok := r.voc.Segment(id)
	switch {
	case !ok:
		r.fault(ReasonSegment, "there is no segment or list with this id")
	case info.Archived:
		r.fault(ReasonArchived, "this segment is archived; restore it or refer to another one")
	case kind == "list" && !info.Static:
		r.fault(ReasonNotAList, "this is a segment that follows from a condition, not a list; use segment")
	default:
		if chain := r.cycle(id); chain != nil {
			r.path = r.path[:len(r.path)-1]
			r.fault(ReasonCycle, "a segment cannot refer to itself through others (%s)", strings.Join(chain, " → "))
			r.path = append(r.path, "id")
		}
	}
}

// cycle finds the shortest way from a segment back to the one that is being saved.
func (r *reader) cycle(id string) []string {
	if r.opt.Self == "" {
		return nil
	}
	from := map[string]string{id: r.opt.Self}
	for queue := []string{id}; len(queue) > 0 && len(from) <= maxChain; queue = queue[1:] {
		info, _ := r.voc.Segment(queue[0])
		for _, next := range info.Refers {
			if next == r.opt.Self {
				chain := []string{next}
				for at := queue[0]; at != r.opt.Self; at = from[at] {
					chain = append(chain, at)
				}
				slices.Reverse(chain[1:])
				return append(chain, next)
			}
			if _, seen := from[next]; !seen {
				from[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func (r *reader) consent(v any) *Consent {
	m, _ := r.fields(v, "consent", "purpose", "channel", "status")
	c := &Consent{Purpose: r.name(m, "purpose"), Channel: r.enum(m, "channel", channels...)}
	if r.required(m, "status") {
		c.Status = r.enum(m, "status", consentStatuses...)
	}
	if p, ok := r.voc.(Purposes); ok && c.Purpose != "" && !slices.Contains(p.PurposeKeys(), c.Purpose) {
		r.at("purpose", func() {
			r.warn(WarnUnknownPurpose, "there is no purpose with this key, so that every status is UNKNOWN"+didYouMean(c.Purpose, p.PurposeKeys()))
		})
	}
	return c
}

func (r *reader) message(v any) *Message {
	m, _ := r.fields(v, "message", "status", "campaignId", "nodeId", "window")
	out := &Message{CampaignID: r.optionalName(m, "campaignId"), NodeID: r.optionalName(m, "nodeId"), Window: r.window(m, "window")}
	if r.required(m, "status") {
		out.Status = r.enum(m, "status", messageStatuses...)
	}
	return out
}

func (r *reader) bucket(v any) *Bucket {
	m, _ := r.fields(v, "bucket", "salt", "from", "to")
	b := &Bucket{From: r.whole(m, "from", 0, Buckets-1), To: r.whole(m, "to", 1, Buckets)}
	if r.required(m, "salt") {
		r.at("salt", func() { b.Salt, _ = r.text(m["salt"], MaxName) }) // "" is the salt of the stored bucket
	}
	if m["from"] != nil && m["to"] != nil && b.To > 0 && b.From >= b.To {
		r.fault(ReasonRange, "no bucket lies in this range: from must be below to, which is itself out")
	}
	return b
}

func (r *reader) geo(v any) *Geo {
	m, _ := r.fields(v, "geo", "path", "lat", "lon", "radiusKm")
	g := &Geo{Path: r.dotted(m, "path")}
	types := r.typesAt(nil, g.Path, r.traits())
	if lacks(types, "object", "array") {
		r.at("path", func() {
			r.fault(ReasonTypeMismatch, "geo reads an object with lat and lon; only %s was seen here", list(types, "and"))
		})
	}
	read := func(key string, most decimal.Decimal, circle bool) (lit string) {
		if !r.required(m, key) {
			return ""
		}
		lit, d, ok := r.number(m, key)
		if ok && (d.Abs().GreaterThan(most) || circle && d.Sign() <= 0) {
			r.at(key, func() {
				if circle {
					r.fault(ReasonRange, "a radius is above 0 and at most %s km", most)
				} else {
					r.fault(ReasonRange, "%s lies between -%s and %s degrees", key, most, most)
				}
			})
		}
		return lit
	}
	g.Lat, g.Lon, g.RadiusKm = read("lat", maxLatitude, false), read("lon", maxLongitude, false), read("radiusKm", maxRadius, true)
	return g
}
