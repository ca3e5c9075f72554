package sync

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// handoff is what a run asks before anything leaves.
type handoff struct {
	register *consent.Register
	chain    []string
	allowed  map[core.Category]bool
	sorts    map[string]core.Category // by path of a trait, or field of the type
	fields   []*mapped                // that may leave
	withheld []string                 // the vendor's names of those that may not
}

func block(reason, message string) error {
	return &Fault{Kind: FaultBlocked, Origin: FromConfig, Reason: reason, Message: message}
}

// agreed refuses what there is no agreement for with who gets it.
func (s *Service) agreed(ctx context.Context, c *Connection, purpose string) error {
	if c.Processor == "" {
		return block("AGREEMENT_MISSING", "nothing is handed over without an agreement: enter the processor with setProcessor and name it in the connection")
	}
	err := s.Consent.ProcessorAllowed(ctx, c.Workspace(), c.Processor, purpose)
	if e := core.AsError(err); e != nil && e.Code == core.Forbidden {
		return block(e.Reason, e.Message+": nothing is handed over until the register of processors says otherwise (setProcessor)")
	}
	return err
}

// open asks what concerns everybody: the agreement with who gets the data, and which fields
// may go there. What is missing is a FaultBlocked that says what to do.
func (j *job) open(ctx context.Context) (*handoff, error) {
	if err := j.agreed(ctx, j.conn, j.sync.Purpose); err != nil {
		return nil, err
	}
	h := &handoff{allowed: map[core.Category]bool{core.None: true}}
	p, err := j.Consent.Processor(ctx, j.ws, j.conn.Processor)
	if err != nil {
		return nil, err
	}
	for _, c := range p.Categories {
		if len(j.sync.Categories) == 0 || slices.Contains(j.sync.Categories, c) {
			h.allowed[c] = true
		}
	}
	if h.register, err = j.Consent.Register(ctx, j.ws); err != nil {
		return nil, err
	}
	if p := h.register.Purpose(j.sync.Purpose); p == nil || p.Archived {
		return nil, block("PURPOSE", "the purpose of this sync is not in force any more; give it another one")
	}
	h.chain = h.register.Chain(j.sync.Purpose)
	if j.sync.Kind == Objects {
		t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, block("TYPE", "the object type of this sync is gone")
		}
		h.sorts = map[string]core.Category{}
		for _, f := range t.Fields {
			h.sorts[f.Key] = f.Category
		}
	} else if h.sorts, err = j.Events.Categories(ctx, j.ws, event.OwnerTrait); err != nil {
		return nil, err
	}
	for i := range j.m.fields {
		f := &j.m.fields[i]
		if !f.pushes {
			continue
		}
		if slices.ContainsFunc(f.needs(), func(place string) bool { return !h.may(place) }) {
			h.withheld = append(h.withheld, f.Remote)
			if f.Remote == j.sync.Match {
				return nil, block("CATEGORY", "the field "+f.Remote+", by which records are found, holds data of a category that this processor, or this sync, is not allowed")
			}
			continue
		}
		h.fields = append(h.fields, f)
	}
	return h, nil
}

// may reports whether data of a place may leave. What nobody classified stays.
func (h *handoff) may(place string) bool {
	switch {
	case place == localID, place == localExternal, strings.HasPrefix(place, inRelations):
		return h.allowed[core.IdentifierID]
	case strings.HasPrefix(place, inIdentifiers):
		return h.allowed[profile.IdentifierCategory(strings.TrimPrefix(place, inIdentifiers))]
	case strings.HasPrefix(place, inFields):
		return h.allows(h.sorts[strings.TrimPrefix(place, inFields)])
	}
	path := strings.TrimPrefix(place, inTraits)
	if c, ok := h.sorts[path]; ok && !h.allows(c) {
		return false
	}
	known := false
	for p, c := range h.sorts {
		if p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(path, p+".") {
			known = true
			if !h.allows(c) {
				return false
			}
		}
	}
	return known || h.allowed[core.Unclassified]
}

func (h *handoff) allows(c core.Category) bool {
	if c == "" {
		c = core.Unclassified
	}
	return h.allowed[c]
}

// The reasons why somebody is not handed over, beside those of verdicts.
const (
	withheldRestricted = "RESTRICTED"
	withheldSuppressed = "SUPPRESSED"
	withheldSegment    = "NOT_IN_SEGMENT"
)

// may tells why a person may not be handed over; "" where they may.
func (j *job) may(ctx context.Context, h *handoff, p *profile.Profile, now time.Time) (string, error) {
	if p.RestrictedFor(h.chain) {
		return withheldRestricted, nil
	}
	v := h.register.Decide(p.Words(now), p.Jurisdiction(h.register), j.sync.Purpose, j.sync.Channel, now)
	if !v.Allowed {
		return v.Reason, nil
	}
	var ids []event.Identifier
	for _, held := range p.Identifiers {
		ids = append(ids, event.Identifier{Namespace: held.Namespace, Value: held.Value})
	}
	if len(ids) == 0 {
		return "", nil
	}
	_, yes, err := j.Consent.Suppressed(ctx, j.ws, j.sync.Channel, ids)
	if err != nil {
		return "", err
	}
	if yes {
		return withheldSuppressed, nil
	}
	return "", nil
}

// leaving is one thing on its way out.
type leaving struct {
	p     *profile.Profile   // nil of a record
	about []*profile.Profile // of a record: the people whom it points at
	local string
	link  *Link
	item  Item
	sent  map[string]string // hashes of what goes, by field
	tell  *ConsentChange
	event *Event
}

// commitHandoff writes down that a batch leaves, on the condition that nothing was
// committed about any of its people since they were asked about. It returns those that may
// leave now; the others (people, or records by their locals) changed, and come again.
func (j *job) commitHandoff(ctx context.Context, h *handoff, action string, list []*leaving) (out []*leaving, again []string, err error) {
	for len(list) > 0 {
		ops, err := j.audited(ctx, j.entry(action, list))
		if err != nil {
			return nil, nil, err
		}
		seen := map[string]bool{}
		for _, l := range list {
			for _, p := range l.people() {
				if !seen[p.ID] {
					seen[p.ID] = true
					ops = append(ops, profile.Profiles.Check(p))
				}
			}
		}
		err = j.lease.Commit(ctx, ops...)
		var c *store.ConflictError
		if err == nil {
			return list, again, nil
		}
		if !errors.As(err, &c) || c.Collection != profile.Profiles.Spec.Name {
			return nil, nil, err
		}
		left := list[:0:0]
		for _, l := range list {
			if slices.ContainsFunc(l.people(), func(p *profile.Profile) bool { return p.ID == c.ID }) {
				id := l.local
				if l.p != nil {
					id = l.p.ProfileID()
				}
				again = append(again, id)
				continue
			}
			left = append(left, l)
		}
		if len(left) == len(list) {
			return nil, nil, err
		}
		list = left
	}
	return nil, again, nil
}

// people lists whom something on its way out is about.
func (l *leaving) people() []*profile.Profile {
	if l.p != nil {
		return []*profile.Profile{l.p}
	}
	return l.about
}

// entry is the entry in the audit log of things that leave.
func (j *job) entry(action string, list []*leaving) audit.Entry {
	e := audit.Entry{
		Workspace: j.ws, Action: action, Resource: j.sync.SyncID(), Purpose: j.sync.Purpose, Fields: fieldsOf(list),
		Details: map[string]string{"connection": j.sync.Connection, "processor": j.conn.Processor, "stream": j.sync.Stream},
	}
	records := 0
	for _, l := range list {
		if l.p == nil {
			records++
		}
		for _, p := range l.people() {
			if id := p.ProfileID(); !slices.Contains(e.Subjects, id) {
				e.Subjects = append(e.Subjects, id)
			}
		}
	}
	if e.SubjectCount = len(e.Subjects); records > 0 {
		e.Details["records"] = strconv.Itoa(records)
	}
	return e
}

// audited returns the operation that writes an entry; none where nobody audits.
func (j *job) audited(ctx context.Context, e audit.Entry) ([]store.Op, error) {
	if j.Audit == nil {
		return nil, nil
	}
	op, err := j.Audit.Op(ctx, e)
	return []store.Op{op}, err
}

// tells writes down that something is told of people, whatever was committed about them
// since: a withdrawal, or that they leave a list, goes in any case.
func (j *job) tells(ctx context.Context, e audit.Entry) error {
	ops, err := j.audited(ctx, e)
	if err != nil || len(ops) == 0 {
		return err
	}
	return j.lease.Commit(ctx, ops...)
}

func fieldsOf(list []*leaving) []string {
	var out []string
	for _, l := range list {
		for f := range l.item.Fields {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	slices.Sort(out)
	return out
}
