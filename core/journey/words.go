package journey

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Names gives the names of things that journeys hold by id. An empty name leaves the
// id.
type Names interface {
	condition.Names
	Template(id string) string
	Journey(id string) string
}

// speaker puts steps into words.
type speaker struct{ names Names }

func (s speaker) conditions() condition.Names {
	if s.names == nil {
		return nil
	}
	return s.names
}

func (s speaker) where(n *condition.Node) string { return condition.Words(n, s.conditions()) }

// named returns the quoted name of something, or its id.
func (s speaker) named(id string, name func(Names) string) string {
	if s.names != nil {
		if text := name(s.names); text != "" {
			return strconv.Quote(text)
		}
	}
	return id
}

// Words says what a step does, in English: "wait 1 hour". Operands of conditions
// appear in it. names may be nil.
func Words(st *Step, names Names) string { return speaker{names}.step(st) }

func (s speaker) step(st *Step) string {
	switch {
	case st.Entry != nil:
		return s.entry(st.Entry)
	case st.Message != nil:
		m := st.Message
		return fmt.Sprintf("send %s by %s for %s", s.named(m.Template, func(n Names) string { return n.Template(m.Template) }), m.Channel, m.Purpose)
	case st.Wait != nil:
		return s.wait(st.Wait)
	case st.Branch != nil:
		return "choose"
	case st.Split != nil:
		return "split by " + strconv.Quote(st.Split.Salt)
	case st.Holdout != nil:
		return "keep some out by " + strconv.Quote(st.Holdout.Salt)
	case st.UpdateTrait != nil:
		if st.UpdateTrait.Value == nil {
			return "clear " + st.UpdateTrait.Path
		}
		return "set " + st.UpdateTrait.Path + " to " + text(st.UpdateTrait.Value)
	case st.UpsertObject != nil:
		return "write the " + st.UpsertObject.Type + " " + st.UpsertObject.ExternalID
	case st.Webhook != nil:
		return "call " + st.Webhook.URL
	case st.Coupon != nil:
		return "take a coupon of " + strconv.Quote(st.Coupon.Pool)
	case st.Points != nil:
		return fmt.Sprintf("%+d points: %s", st.Points.Amount, st.Points.Reason)
	case st.Score != nil && st.Score.Rule != "":
		return "score by " + st.Score.Rule
	case st.Score != nil:
		return fmt.Sprintf("score %+d: %s", st.Score.Points, st.Score.Reason)
	case st.Task != nil:
		return "ask " + st.Task.Assignee + ": " + st.Task.Title
	case st.Approval != nil:
		return "wait for the approval of " + st.Approval.Role
	case st.SubJourney != "":
		return "go through " + s.named(st.SubJourney, func(n Names) string { return n.Journey(st.SubJourney) })
	case st.Goal != nil:
		return "goal: " + s.where(st.Goal)
	case st.Exit:
		return "leave"
	}
	return "nothing"
}

func (s speaker) entry(e *Entry) string {
	segment := func(id string) string {
		return s.named(id, func(n Names) string { return n.Segment(id) })
	}
	switch {
	case e.Event != nil:
		return "whoever " + s.where(&condition.Node{Event: e.Event})
	case e.SegmentEntered != "":
		return "whoever enters the segment " + segment(e.SegmentEntered)
	case e.SegmentLeft != "":
		return "whoever leaves the segment " + segment(e.SegmentLeft)
	case e.Date != nil:
		return "once " + s.where(&condition.Node{Trait: e.Date})
	case e.Object != nil:
		return "when a " + e.Object.Type + " changes: whoever " + s.where(&condition.Node{Object: e.Object})
	case e.List != "":
		return "whoever is put on the list " + segment(e.List)
	}
	return "whoever the API lets in"
}

func (s speaker) wait(w *Wait) string {
	switch {
	case w.Duration != nil:
		return "wait " + span(w.Duration)
	case w.Event != nil:
		return "wait until the person " + s.where(&condition.Node{Event: w.Event}) + ", at most " + span(w.Timeout)
	case w.LocalTime != "":
		return "wait until " + w.LocalTime + " where the person is"
	case w.Best != nil:
		return "wait until the person's best hour, within " + span(w.Best.Within) + "; " + w.Best.LocalTime + " where nothing is known of it"
	case w.Trait != "":
		return "wait until " + w.Trait
	}
	return "wait until " + w.Until.UTC().Format("2006-01-02 15:04") + " UTC"
}

// span writes a period in words: "1 hour", "3 days", "1 year and 2 hours".
func span(p *condition.Period) string {
	if p == nil {
		return "for ever"
	}
	var out []string
	add := func(n int64, unit string) {
		switch {
		case n == 1:
			out = append(out, "1 "+unit)
		case n > 1:
			out = append(out, fmt.Sprintf("%d %ss", n, unit))
		}
	}
	add(int64(p.Months/12), "year")
	add(int64(p.Months%12), "month")
	rest := p.Elapsed
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		add(int64(rest/u.d), u.name)
		rest %= u.d
	}
	if rest > 0 || len(out) == 0 {
		out = append(out, rest.String())
	}
	if len(out) > 1 {
		return strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
	}
	return out[0]
}

// armWords says what an edge stands for.
func (s speaker) armWords(n *Node, on string) string {
	label := on
	for _, a := range n.Step.Branch {
		if a.Name == on {
			label += ": " + s.where(a.Where)
		}
	}
	for _, split := range []*Split{n.Step.Split, n.Step.Holdout} {
		if split == nil {
			continue
		}
		total := 0
		for _, a := range split.Arms {
			total += a.Weight
		}
		for _, a := range split.Arms {
			if a.Name == on {
				label += " (" + strconv.FormatFloat(float64(a.Weight)*100/float64(total), 'f', -1, 64) + "%)"
			}
		}
	}
	return label
}

// onsOf returns the edges of a node in the order in which they are told, with where
// they lead; a holdout's arms without an edge lead to "".
func onsOf(d *Definition, n *Node) (ons []string, to map[string]string) {
	to = map[string]string{}
	for _, e := range d.Edges {
		if e.From == n.ID {
			to[e.On] = e.To
		}
	}
	may, _ := ends(&n.Step)
	for _, on := range may {
		if _, ok := to[on]; ok || n.Step.Holdout != nil {
			ons = append(ons, on)
		}
	}
	return ons, to
}

// title is a node's name and what it does.
func (s speaker) title(n *Node) string {
	words := s.step(&n.Step)
	if n.Name == "" {
		return words
	}
	return n.Name + ": " + words
}
