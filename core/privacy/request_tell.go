package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// askLater is when a destination that said nothing else is asked again.
const askLater = time.Minute

func (d *Desk) destinations(ctx context.Context, ws string) ([]Destination, error) {
	if d.o.Destinations == nil {
		return nil, nil
	}
	return d.o.Destinations(ctx, ws)
}

// tellAll adds a task for each destination that is to hear of a change, and returns the
// operation that begins to tell them.
func (d *Desk) tellAll(ctx context.Context, r *Request, p *profile.Profile) ([]store.Op, error) {
	if p == nil || r.Type == Access || r.Type == Portability {
		return nil, nil
	}
	list, err := d.destinations(ctx, r.Workspace())
	if err != nil {
		return nil, err
	}
	some := false
	for _, dest := range list {
		if _, ok := dest.(Informed); ok {
			d.mark(r, dest.Name(), work.Running, "")
			some = true
		} else {
			d.mark(r, dest.Name(), work.Queued, "takes no notices: tell them by hand")
		}
	}
	if !some {
		return nil, nil
	}
	return []store.Op{work.Enqueue(work.Item{Kind: taskTell, Workspace: r.Workspace(), Name: r.RequestID(), DueAt: d.now()})}, nil
}

// tell tells the destinations of one request, and asks those again that are at work.
func (d *Desk) tell(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	ctx = core.WithActor(ctx, &core.Actor{Workspace: t.Workspace, ID: "system:privacy", Name: "privacy", Purpose: "compliance", Reason: t.Name})
	r, err := d.find(ctx, t.Workspace, t.Name)
	if core.CodeOf(err) == core.NotFound {
		return nil
	}
	if err != nil || r.Status.Final() {
		return err
	}
	n, err := d.notice(ctx, r)
	if err != nil {
		return err
	}
	list, err := d.destinations(ctx, t.Workspace)
	if err != nil {
		return err
	}
	next, fault := time.Duration(0), error(nil)
	for i := range r.Tasks {
		task := &r.Tasks[i]
		if task.Status != work.Running {
			continue
		}
		wait, err := d.tellOne(ctx, n, task, list)
		fault = errors.Join(fault, err)
		if task.Status == work.Running && (next == 0 || wait < next) {
			next = wait
		}
	}
	if err := d.advance(r); err != nil {
		return err
	}
	if err := d.commit(ctx, r, "tell", Requests.Replace(r), nil); err != nil {
		return err
	}
	if fault != nil {
		return fault
	}
	if next > 0 {
		return l.Reschedule(ctx, d.now().Add(next), nil)
	}
	return nil
}

// tellOne tells one destination, or asks what became of it, and notes the answer.
func (d *Desk) tellOne(ctx context.Context, n Notice, task *Task, list []Destination) (time.Duration, error) {
	for _, dest := range list {
		if dest.Name() != task.Target {
			continue
		}
		var a Answer
		var err error
		if informed, ok := dest.(Informed); ok && task.Ref == "" {
			a, err = informed.Inform(ctx, n)
		} else {
			a, err = dest.Check(ctx, n.Subject.Workspace, task.Ref)
		}
		if err != nil {
			task.Evidence = core.AsError(err).Reason
			return askLater, err
		}
		now := d.now()
		task.Status, task.Ref, task.Evidence, task.At = a.Status, a.Ref, a.Evidence, &now
		if a.After > 0 {
			return a.After, nil
		}
		return askLater, nil
	}
	now := d.now()
	task.Status, task.Evidence, task.At = work.Failed, "the destination is gone", &now
	return 0, nil
}

// notice makes what destinations are told.
func (d *Desk) notice(ctx context.Context, r *Request) (Notice, error) {
	n := Notice{Type: r.Type, Purposes: r.Handling.Purposes, Subject: Subject{Workspace: r.Workspace(), Request: r.RequestID()}}
	det, err := d.unseal(ctx, r)
	if err != nil {
		return n, err
	}
	n.Traits, n.Released = det.Traits, det.Release
	p, err := d.o.Profiles.Get(ctx, r.Workspace(), r.Profile)
	if err != nil && core.CodeOf(err) != core.NotFound {
		return n, err
	}
	if p != nil {
		n.Subject.Parts = p.Parts
		for _, h := range p.Identifiers {
			n.Subject.Identifiers = append(n.Subject.Identifiers, event.Identifier{Namespace: h.Namespace, Value: h.Value})
		}
	}
	return n, nil
}
