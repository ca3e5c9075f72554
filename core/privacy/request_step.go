package privacy

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Step names a request and the version that its caller has seen.
type Step struct {
	ID              string
	ExpectedVersion *int64
}

// step reads a request, changes it and commits it with its events and its entry in the
// audit log.
func (d *Desk) step(ctx context.Context, ws string, s Step, action string, change func(r *Request, now time.Time) ([]store.Op, error)) (*Request, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	r, err := d.find(ctx, ws, s.ID)
	if err != nil {
		return nil, err
	}
	if s.ExpectedVersion != nil && *s.ExpectedVersion != r.V {
		return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the request has version %d, not %d; read it and try again", r.V, *s.ExpectedVersion).At("expectedVersion")
	}
	if r.Handling == nil {
		r.Handling = &Handling{}
	}
	ops, err := change(r, d.now())
	if err != nil {
		return nil, err
	}
	if err := d.commit(ctx, r, action, Requests.Replace(r), nil, ops...); err != nil {
		return nil, deskError(err)
	}
	r.V++
	return r, nil
}

func (d *Desk) find(ctx context.Context, ws, id string) (*Request, error) {
	r, err := Requests.Get(ctx, d.o.Store, store.Key(ws, id))
	if err != nil {
		return nil, deskError(err)
	}
	if r == nil || core.IDPrefix(id) != core.PrefixPrivacy {
		return nil, core.Errorf(core.NotFound, "PRIVACY_REQUEST", "there is no privacy request with this id").At("id")
	}
	return r, nil
}

// commit writes a request with a system event about the person and an entry of the
// audit log. A person who is not there any more has no event.
func (d *Desk) commit(ctx context.Context, r *Request, action string, own store.Op, asked *event.Identifier, ops ...store.Op) error {
	return d.commitWith(ctx, r, action, own, asked, nil, ops...)
}

// commitWith is commit with more events about the person.
func (d *Desk) commitWith(ctx context.Context, r *Request, action string, own store.Op, asked *event.Identifier, events []event.SystemEvent, ops ...store.Op) error {
	e := audit.Entry{
		Workspace: r.Workspace(), Action: "privacy." + action, Resource: r.RequestID(),
		Details: map[string]string{"type": string(r.Type), "status": string(r.Status)},
	}
	if r.Profile != "" {
		e.Subjects = []string{r.Profile}
	}
	if asked != nil {
		e.Identifiers = []audit.Subject{{Namespace: asked.Namespace, Value: asked.Value}}
	}
	op, err := d.o.Audit.Op(ctx, e)
	if err != nil {
		return err
	}
	all := append([]store.Op{own, op}, ops...)
	if r.Profile == "" {
		_, err = d.o.Committer.CommitAll(ctx, r.Workspace(), nil, all...)
		return err
	}
	props, err := bson.Marshal(bson.D{
		{Key: "request", Value: r.RequestID()}, {Key: "type", Value: string(r.Type)}, {Key: "step", Value: action},
		{Key: "status", Value: string(r.Status)}, {Key: "dueAt", Value: r.Deadline()},
		{Key: "seconds", Value: int64(d.now().Sub(r.ReceivedAt).Seconds())}, // since it came
	})
	if err != nil {
		return err
	}
	handled := event.SystemEvent{ProfileID: r.Profile, Input: event.Input{
		MessageID: "privacy:" + r.RequestID() + ":" + core.NewID(action, d.now()), Name: nameHandled, Properties: props,
	}}
	_, err = d.o.Committer.CommitAll(ctx, r.Workspace(), append([]event.SystemEvent{handled}, events...), all...)
	if core.CodeOf(err) == core.NotFound && len(events) == 0 && len(r.Handling.Files) == 0 { // erased since: nothing that was read before is answered
		_, err = d.o.Committer.CommitAll(ctx, r.Workspace(), nil, all...)
	}
	return err
}

// to changes the status of a request, where that is lawful.
func (r *Request) to(s RequestStatus, now time.Time) error {
	if r.Status == s {
		return nil
	}
	if !slices.Contains(lawful[r.Status], s) {
		return core.Errorf(core.Conflict, "REQUEST_STATUS", "a request that is %s cannot become %s", r.Status, s).At("id")
	}
	if r.Status = s; s.Final() {
		r.CompletedAt = &now
		if r.Handling != nil {
			r.Handling.Sealed = nil
		}
	}
	return nil
}

func wordsFor(path, text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxWords {
		return "", core.Errorf(core.Invalid, "REASON", "say it in 1 to %d bytes", maxWords).At(path)
	}
	return text, nil
}

// VerifyInput says that the identity of who asked was checked.
type VerifyInput struct {
	Step
	By  string // who checked; "": the actor
	How string // "passport shown at the counter": never the values of what was shown
}

// Verify notes that the identity was checked, and begins the work, in one commit. An
// erasure that was asked for is begun by its own Service: its check is noted, also when
// it is over.
func (d *Desk) Verify(ctx context.Context, ws string, in VerifyInput) (*Request, error) {
	how, err := wordsFor("method", in.How)
	if err != nil {
		return nil, err
	}
	if len(in.By) > maxAssignee {
		return nil, errVerifiedBy
	}
	r, err := d.step(ctx, ws, in.Step, "verify", func(r *Request, now time.Time) ([]store.Op, error) {
		if r.Handling.VerifiedAt != nil || r.Status.Final() && r.Type != Erasure {
			return nil, core.Errorf(core.Conflict, "ALREADY_VERIFIED", "the identity was verified, or the request is over").At("id")
		}
		if r.VerifiedBy = in.By; r.VerifiedBy == "" {
			r.VerifiedBy = core.ActorFrom(ctx).ID
		}
		r.Handling.VerifiedHow, r.Handling.VerifiedAt = how, &now
		if r.Type == Erasure {
			return nil, nil
		}
		if err := r.to(InProgress, now); err != nil {
			return nil, err
		}
		return d.begin(ctx, r, now)
	})
	if err == nil {
		d.o.Jobs.Wake()
	}
	return r, err
}

// begin returns the operations that begin the work of a request, and look after it.
func (d *Desk) begin(ctx context.Context, r *Request, now time.Time) ([]store.Op, error) {
	j, ops, err := d.o.Jobs.Prepare(ctx, JobAnswer, r.Workspace(), answerInput{Request: r.RequestID()}, jobKey(r))
	if err != nil {
		return nil, err
	}
	watch, err := watched(ctx, d.o.Store, r, now)
	if err != nil {
		return nil, err
	}
	r.Job = j.JobID()
	d.mark(r, targetHere, work.Queued, "")
	return append(ops, watch...), nil
}

// ExtendInput gives a request more time.
type ExtendInput struct {
	Step
	Until  *time.Time // nil: two months more
	Reason string     // the person is told it
}

// Extend puts the answer off, once, by up to two months. The person is to be told why
// before the first month is over: a task says so.
func (d *Desk) Extend(ctx context.Context, ws string, in ExtendInput) (*Request, error) {
	reason, err := wordsFor("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	return d.step(ctx, ws, in.Step, "extend", func(r *Request, now time.Time) ([]store.Op, error) {
		last := monthsAfter(r.ReceivedAt, 3)
		until := last
		if in.Until != nil {
			until = in.Until.UTC().Truncate(time.Millisecond)
		}
		switch {
		case r.Status.Final():
			return nil, core.Errorf(core.Conflict, "REQUEST_STATUS", "a request that is %s needs no more time", r.Status).At("id")
		case r.ExtendedTo != nil:
			return nil, core.Errorf(core.Conflict, "EXTENDED", "a request is extended once").At("id")
		case now.After(r.DueAt):
			return nil, core.Errorf(core.Conflict, "EXTENSION_LATE", "the person had to be told of an extension by %s", r.DueAt.Format(time.DateOnly)).At("id")
		case !until.After(r.DueAt) || until.After(last):
			return nil, core.Errorf(core.Invalid, "EXTENSION", "a request may be extended by up to two months: to a time after %s, by %s", r.DueAt.Format(time.RFC3339), last.Format(time.RFC3339)).At("until")
		}
		first := r.DueAt
		r.FirstDueAt, r.ExtendedTo, r.DueAt, r.Handling.ExtensionReason = &first, &until, until, reason
		r.Tasks = append(r.Tasks, Task{Target: targetSubject + ": extension", Status: work.Queued, At: &now})
		return nil, nil
	})
}

// RefuseInput refuses a request.
type RefuseInput struct {
	Step
	Reason string // the person is told it
}

// Refuse ends a request that nothing was begun for, or that could not be carried out.
// The person is to be told why, and of the right to complain: a task says so.
func (d *Desk) Refuse(ctx context.Context, ws string, in RefuseInput) (*Request, error) {
	reason, err := wordsFor("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	return d.step(ctx, ws, in.Step, "refuse", func(r *Request, now time.Time) ([]store.Op, error) {
		switch {
		case r.Status == Refused:
			return nil, core.Errorf(core.Conflict, "REQUEST_STATUS", "the request was refused").At("id")
		case r.Status != Received && r.statusOf(targetHere) != work.Failed:
			return nil, core.Errorf(core.Conflict, "REQUEST_STATUS", "a request that is %s cannot be refused: its work has begun", r.Status).At("id")
		}
		forget, err := forgetting(ctx, d.o.Store, r)
		if err != nil {
			return nil, err
		}
		if err := r.to(Refused, now); err != nil {
			return nil, err
		}
		r.Handling.Refusal = reason
		for i := range r.Tasks {
			if !r.Tasks[i].Status.Final() {
				r.Tasks[i].Status, r.Tasks[i].At = work.Cancelled, &now
			}
		}
		r.Tasks = append(r.Tasks, Task{Target: targetSubject + ": refusal", Status: work.Queued, At: &now})
		return forget, nil
	})
}

// Assign gives a request to somebody; "" to nobody.
func (d *Desk) Assign(ctx context.Context, ws string, s Step, assignee string) (*Request, error) {
	if len(assignee) > maxAssignee {
		return nil, core.Errorf(core.Invalid, "ASSIGNEE", "an assignee is the id of a key or member, at most %d bytes", maxAssignee).At("assignee")
	}
	return d.step(ctx, ws, s, "assign", func(r *Request, _ time.Time) ([]store.Op, error) {
		if r.Status.Final() {
			return nil, core.Errorf(core.Conflict, "REQUEST_STATUS", "the request is %s", r.Status).At("id")
		}
		r.Assignee = assignee
		return nil, nil
	})
}

// TaskInput adds something to be done by hand, or says what became of it.
type TaskInput struct {
	Step
	Target   string      // what, in few words: "paper archive"
	Status   work.Status // QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED
	Evidence string      // what proves it; never a personal value
}

// maxTasks is how many tasks a request has at most.
const maxTasks = 100

// SetTask adds a task to a request or changes it. What this server does by itself is not
// anybody's to change, but for two things: work here that FAILED is begun again by
// QUEUED, and a destination that has no end is given up by FAILED, with evidence.
func (d *Desk) SetTask(ctx context.Context, ws string, in TaskInput) (*Request, error) {
	target := strings.TrimSpace(in.Target)
	switch {
	case target == "" || len(target) > 200 || target == targetFiles || target == targetHold:
		return nil, core.Errorf(core.Invalid, "TARGET", "a task is named in 1 to 200 bytes, and not %q or %q", targetFiles, targetHold).At("target")
	case target == targetHere && in.Status != work.Queued:
		return nil, core.Errorf(core.Invalid, "TARGET", "the work of %q can only be begun again, by QUEUED", targetHere).At("target")
	case !slices.Contains([]work.Status{work.Queued, work.Running, work.Succeeded, work.Failed, work.Cancelled}, in.Status):
		return nil, core.Errorf(core.Invalid, "STATUS", "a task is QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED").At("status")
	case len(in.Evidence) > maxWords:
		return nil, core.Errorf(core.Invalid, "EVIDENCE", "the evidence has at most %d bytes", maxWords).At("evidence")
	}
	r, err := d.step(ctx, ws, in.Step, "task", func(r *Request, now time.Time) ([]store.Op, error) {
		if target == targetHere {
			if r.Status != InProgress || r.statusOf(targetHere) != work.Failed {
				return nil, core.Errorf(core.Conflict, "TASKS", "only work that failed is begun again").At("target")
			}
			return d.begin(ctx, r, now)
		}
		i := slices.IndexFunc(r.Tasks, func(t Task) bool { return t.Target == target })
		fresh := i < 0
		if fresh {
			if r.Status.Final() || len(r.Tasks) >= maxTasks {
				return nil, core.Errorf(core.Conflict, "TASKS", "a request that is over gets no more tasks, and none has more than %d", maxTasks).At("target")
			}
			r.Tasks = append(r.Tasks, Task{Target: target})
			i = len(r.Tasks) - 1
		}
		t := &r.Tasks[i]
		asked, err := d.asks(ctx, r, t)
		if err != nil {
			return nil, err
		}
		if asked && (fresh || in.Status != work.Failed || strings.TrimSpace(in.Evidence) == "") {
			return nil, core.Errorf(core.Conflict, "TASK_RUNNING", "a destination is at work on it; wait for its word, or give it up: FAILED, with evidence").At("target")
		}
		t.Status, t.Evidence, t.At = in.Status, in.Evidence, &now
		return nil, nil
	})
	if err == nil && target == targetHere {
		d.o.Jobs.Wake()
	}
	return r, err
}

// asks reports whether this server asks a destination about the task, or will.
func (d *Desk) asks(ctx context.Context, r *Request, t *Task) (bool, error) {
	if t.Status.Final() {
		return false, nil
	}
	if t.Ref != "" {
		return true, nil
	}
	list, err := d.destinations(ctx, r.Workspace())
	return slices.ContainsFunc(list, func(dest Destination) bool {
		_, hears := dest.(Informed)
		return dest.Name() == t.Target && (hears || r.Type == Erasure)
	}), err
}

// Close completes a request by hand: when everything else was done and what is left was
// looked at. All its tasks are over then. An erasure ends by itself, with its receipt;
// one that FAILED is closed when what failed was seen to.
func (d *Desk) Close(ctx context.Context, ws string, s Step, note string) (*Request, error) {
	if len(note) > maxWords {
		return nil, core.Errorf(core.Invalid, "NOTE", "a note has at most %d bytes", maxWords).At("note")
	}
	return d.step(ctx, ws, s, "close", func(r *Request, now time.Time) ([]store.Op, error) {
		switch {
		case r.Status.Final() && r.Status != Failed:
			return nil, core.Errorf(core.Conflict, "REQUEST_STATUS", "the request is %s", r.Status).At("id")
		case r.Type == Erasure && r.Status != Failed:
			return nil, core.Errorf(core.Conflict, "REQUEST_TYPE", "an erasure is not closed by hand: it ends with its receipt").At("id")
		}
		for _, t := range r.Tasks {
			if !t.Status.Final() {
				return nil, core.Errorf(core.Conflict, "TASKS_OPEN", "%s is not done; finish or cancel it first", t.Target).At("id")
			}
		}
		r.Handling.ClosingNote, r.Handling.ClosedBy = note, core.ActorFrom(ctx).ID
		return nil, r.to(Completed, now)
	})
}
