package condition

import (
	"fmt"
	"strings"
)

// Names gives the names of things that conditions hold by id. An empty name leaves
// the id or the key.
type Names interface {
	Segment(id string) string
	ObjectType(key string) string
}

// Words puts a condition into English, said of a person: `ordered at least twice in
// the last 30 days and has not ordered in the last 7 days`. It is for reading, not
// for parsing. Operands appear in it, so that it is as personal as the condition.
// names may be nil.
func Words(n *Node, names Names) string {
	return speaker{names}.node(n).text
}

// phrase is some words; how they join decides about commas and brackets.
type phrase struct {
	text string
	ends ending
}

type ending int

const (
	whole    ending = iota // nothing that follows can be taken for a part of it
	trailing               // ends in a "where": a comma must follow
	joined                 // several parts: brackets must surround it
)

type speaker struct{ names Names }

func (s speaker) node(n *Node) phrase {
	switch {
	case n == nil:
		return phrase{text: "anything"}
	case n.And != nil:
		return s.join(n.And, "and")
	case n.Or != nil:
		return s.join(n.Or, "or")
	case n.Not != nil:
		return s.not(n.Not)
	case n.Event != nil:
		return s.event(n.Event)
	case n.FirstTime != nil:
		return s.firstTime(n.FirstTime)
	case n.Stopped != nil:
		return s.stopped(n.Stopped)
	case n.LastEvent != nil:
		return s.lastEvent(n.LastEvent)
	case n.Sequence != nil:
		return s.sequence(n.Sequence)
	case n.Aggregate != nil:
		return s.aggregate(n.Aggregate)
	case n.Message != nil:
		return s.message(n.Message, false)
	}
	return s.state(n)
}

// state speaks of what is so, as against what happened.
func (s speaker) state(n *Node) phrase {
	switch {
	case n.Trait != nil:
		return s.predicate(n.Trait)
	case n.Field != nil:
		return s.predicate(n.Field)
	case n.Prediction != nil:
		p := *n.Prediction
		p.Path = "" // a name, which must not be taken apart
		return phrase{text: "the prediction " + quote(n.Prediction.Path) + " " + s.asked(&p).text, ends: s.asked(&p).ends}
	case n.Object != nil:
		return s.object(n.Object)
	case n.Segment != nil:
		return s.membership(n.Segment, "is in the segment ", "entered")
	case n.List != nil:
		return s.membership(n.List, "is on the list ", "joined")
	case n.Consent != nil:
		return phrase{text: consentWords(n.Consent, false)}
	case n.Bucket != nil:
		b := n.Bucket
		return phrase{text: fmt.Sprintf("is in buckets %d to %d of %d by the salt %s", b.From, b.To-1, Buckets, quote(b.Salt))}
	case n.Geo != nil:
		return phrase{text: fmt.Sprintf("%s lies within %s km of %s, %s", pathWords(n.Geo.Path), n.Geo.RadiusKm, n.Geo.Lat, n.Geo.Lon), ends: trailing}
	}
	return phrase{text: "nothing"}
}

// join puts phrases together: "a and b", "a, b and c"; with commas everywhere where
// one of them is trailing, and brackets around what is joined itself.
func (s speaker) join(ns []*Node, word string) phrase {
	parts := make([]phrase, len(ns))
	for i, n := range ns {
		parts[i] = s.node(n)
	}
	return joinPhrases(parts, word)
}

func joinPhrases(parts []phrase, word string) phrase {
	if len(parts) == 1 {
		return parts[0]
	}
	texts, commas := make([]string, len(parts)), false
	for i, p := range parts {
		texts[i] = p.text
		if p.ends == joined {
			texts[i] = "(" + p.text + ")"
		}
		commas = commas || p.ends == trailing
	}
	last := len(texts) - 1
	before := strings.Join(texts[:last], ", ")
	if commas {
		before += ","
	}
	return phrase{before + " " + word + " " + texts[last], joined}
}

// not denies a node, in its own words where it has some.
func (s speaker) not(n *Node) phrase {
	switch {
	case n.Not != nil:
		return s.node(n.Not)
	case n.Event != nil:
		if c := countOf(n.Event.Count); !c.never() {
			return s.hasNot(n.Event)
		}
	case n.Message != nil:
		return s.message(n.Message, true)
	case n.Segment != nil && n.Segment.Entered == nil:
		return s.membership(n.Segment, "is not in the segment ", "")
	case n.List != nil && n.List.Entered == nil:
		return s.membership(n.List, "is not on the list ", "")
	case n.Consent != nil && n.Consent.Status == "GRANTED":
		return phrase{text: consentWords(n.Consent, true)}
	}
	return phrase{text: "not (" + s.node(n).text + ")"}
}

func (s speaker) membership(m *Membership, is, came string) phrase {
	name := ""
	if s.names != nil {
		name = s.names.Segment(m.ID)
	}
	if name == "" {
		name = m.ID
	}
	text := is + quote(name)
	if m.Entered != nil {
		text += " (" + came + " " + windowWords(m.Entered) + ")"
	}
	return phrase{text: text}
}

func (s speaker) object(o *Object) phrase {
	name := ""
	if s.names != nil {
		name = s.names.ObjectType(o.Type)
	}
	if name == "" {
		name = pathWords(o.Type)
	}
	as := ""
	if o.Relation != "" {
		as = " as " + pathWords(o.Relation)
	}
	var text string
	switch {
	case o.Count != nil:
		c := countOf(o.Count)
		if c.never() {
			text = "has no related " + name + as
			break
		}
		text = "has " + c.things("related "+name, "related "+name+" records") + as
	case o.Match == MatchNone:
		text = "has no related " + name + as
	case o.Match == MatchAll:
		text = "has related " + name + " records" + as
		if len(o.Where) > 0 {
			return phrase{text + " and each is one where " + s.predicates(o.Where), trailing}
		}
	default:
		text = "has a related " + name + as
	}
	return s.where(text, o.Where)
}

// where adds what must hold of the thing that text ends in.
func (s speaker) where(text string, ps []*Predicate) phrase {
	if len(ps) == 0 {
		return phrase{text: text}
	}
	return phrase{text + " where " + s.predicates(ps), trailing}
}

func (s speaker) predicates(ps []*Predicate) string {
	parts := make([]phrase, len(ps))
	for i, p := range ps {
		parts[i] = s.predicate(p)
	}
	return joinPhrases(parts, "and").text
}

// consentVerbs say what became of a consent.
var consentVerbs = map[string][2]string{
	"GRANTED": {"has granted ", "has not granted "}, "DENIED": {"has denied "}, "PENDING": {"has yet to confirm "},
	"WITHDRAWN": {"has withdrawn "}, "EXPIRED": {"has let expire "}, "UNKNOWN": {"has not answered about "},
}

func consentWords(c *Consent, not bool) string {
	text := consentVerbs[c.Status][0]
	if not {
		text = consentVerbs[c.Status][1]
	}
	text += c.Purpose
	if c.Channel != "" {
		text += " on " + c.Channel
	}
	return text
}
