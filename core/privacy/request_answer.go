package privacy

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// answerInput is the input of JobAnswer.
type answerInput struct {
	Request string `bson:"request"`
}

// answer does what a verified request asks for. It may run again at any point: its
// events have message ids of their own.
func (d *Desk) answer(ctx context.Context, run *work.JobRun) error {
	var in answerInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ws := run.Workspace()
	// What is read belongs to the request, not to who verified it: the whole of it is
	// read as a part of the server, and the request's own entries tell of it.
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:privacy", Name: "privacy", Purpose: "compliance", Reason: in.Request})
	for range 20 {
		r, err := d.find(ctx, ws, in.Request)
		if err != nil {
			return err
		}
		if r.Status != InProgress || r.statusOf(targetHere).Final() {
			return nil
		}
		err = d.fulfil(ctx, run, r)
		if hopeless(err) {
			err = d.giveUp(ctx, in.Request, ws, err)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return core.Errorf(core.Unavailable, "BUSY", "the request changes too often just now")
}

// hopeless reports whether trying again is no use.
func hopeless(err error) bool {
	switch core.CodeOf(err) {
	case core.Invalid, core.NotFound, core.Forbidden:
		return true
	}
	return false
}

// giveUp notes that a request cannot be fulfilled as it stands. It stays in progress,
// with all that was said in it: whoever works on it mends what is in the way and begins
// the work again, refuses it, or answers by hand.
func (d *Desk) giveUp(ctx context.Context, id, ws string, cause error) error {
	r, err := d.find(ctx, ws, id)
	if err != nil {
		return err
	}
	if r.Status == InProgress && !r.statusOf(targetHere).Final() {
		d.mark(r, targetHere, work.Failed, core.AsError(cause).Reason)
		if err := d.commit(ctx, r, "fail", Requests.Replace(r), nil); err != nil {
			return err
		}
	}
	return work.Permanent(cause)
}

func (d *Desk) mark(r *Request, target string, s work.Status, evidence string) {
	now := d.now()
	for i := range r.Tasks {
		if t := &r.Tasks[i]; t.Target == target {
			t.Status, t.Evidence, t.At = s, evidence, &now
			return
		}
	}
	r.Tasks = append(r.Tasks, Task{Target: target, Status: s, Evidence: evidence, At: &now})
}

// fulfil does the work here and says who else is to be told.
func (d *Desk) fulfil(ctx context.Context, run *work.JobRun, r *Request) error {
	det, err := d.unseal(ctx, r)
	if err != nil {
		return err
	}
	var p *profile.Profile
	if r.Profile != "" {
		p, err = d.o.Profiles.Get(ctx, r.Workspace(), r.Profile)
	} else if det.Identifier != nil {
		p, err = d.o.Profiles.ByIdentifier(ctx, r.Workspace(), *det.Identifier)
	}
	if err != nil && core.CodeOf(err) != core.NotFound {
		return err
	}
	if p != nil {
		r.Profile = p.ProfileID()
	}
	var events []event.SystemEvent
	evidence, answered := "", len(r.Handling.Files) > 0
	switch r.Type {
	case Access, Portability:
		evidence, err = d.export(ctx, run, r, p, det)
	case Rectification:
		evidence, events, err = d.rectify(ctx, r, p, det)
	case Restriction:
		events, err = restriction(r, p, event.NameProcessingRestricted, "restrict")
	case Objection:
		evidence, err = d.object(ctx, r, p)
	default:
		err = core.Errorf(core.Invalid, "REQUEST_TYPE", "requests of type %s are not handled here", r.Type)
	}
	if err != nil {
		return err
	}
	if r.Job == "" {
		j := run.Job()
		r.Job = j.JobID()
	}
	d.mark(r, targetHere, work.Succeeded, evidence)
	ops, err := d.tellAll(ctx, r, p)
	if err != nil {
		return err
	}
	if err := d.advance(r); err != nil {
		return err
	}
	err = d.commitWith(ctx, r, "answer", Requests.Replace(r), nil, events, ops...)
	if !answered && (errors.Is(err, store.ErrConflict) || core.CodeOf(err) == core.NotFound) {
		d.unmake(ctx, r) // the person was erased, or somebody changed the request: nothing was written
	}
	return err
}

// advance sets the status that follows from the tasks.
func (d *Desk) advance(r *Request) error {
	now := d.now()
	waits, open := false, false
	for _, t := range r.Tasks {
		if t.Status == work.Succeeded || t.Status == work.Cancelled {
			continue
		}
		if open = true; t.Ref != "" || t.Status == work.Running {
			waits = true
		}
	}
	switch {
	case !open:
		return r.to(Completed, now)
	case waits && r.Status == InProgress:
		return r.to(AwaitingDestinations, now)
	}
	return nil
}

// rectify corrects a person's identifiers, and makes the events that correct their traits. It
// returns the ids of the releases.
func (d *Desk) rectify(ctx context.Context, r *Request, p *profile.Profile, det details) (string, []event.SystemEvent, error) {
	if p == nil {
		return "", nil, errGone
	}
	evidence, err := d.correct(ctx, r, p, det)
	if err != nil {
		return "", nil, err
	}
	if len(det.Traits) == 0 {
		return evidence, nil, nil
	}
	props, err := bson.Marshal(bson.D{{Key: "request", Value: r.RequestID()}, {Key: "paths", Value: r.Handling.Paths}})
	if err != nil {
		return "", nil, err
	}
	return evidence, []event.SystemEvent{{ProfileID: p.ProfileID(), Input: event.Input{
		MessageID: "privacy:" + r.RequestID() + ":rectify", Name: nameCorrected, Properties: props, Traits: det.Traits,
	}}}, nil
}

var errGone = core.Errorf(core.NotFound, "PROFILE", "there is nobody any more whom the request could be carried out for")

// restriction makes the event that restricts processing of a person's data, or resumes
// it.
func restriction(r *Request, p *profile.Profile, name, what string) ([]event.SystemEvent, error) {
	if p == nil {
		return nil, errGone
	}
	props := bson.D{{Key: "reason", Value: r.RequestID()}}
	if len(r.Handling.Purposes) > 0 {
		props = append(props, bson.E{Key: "purposes", Value: r.Handling.Purposes})
	}
	raw, err := bson.Marshal(props)
	if err != nil {
		return nil, err
	}
	return []event.SystemEvent{{ProfileID: p.ProfileID(), Input: event.Input{
		MessageID: "privacy:" + r.RequestID() + ":" + what, Name: name, Properties: raw,
	}}}, nil
}

// object writes a no to each purpose into the ledger, and returns its entries.
func (d *Desk) object(ctx context.Context, r *Request, p *profile.Profile) (string, error) {
	if p == nil {
		return "", errGone
	}
	if d.o.Object == nil {
		return "", core.Errorf(core.Unavailable, "NO_LEDGER", "objections cannot be recorded by this server")
	}
	evidence := ""
	for _, purpose := range slices.Sorted(slices.Values(r.Handling.Purposes)) {
		entry, err := d.o.Object(ctx, ObjectionWord{
			Workspace: r.Workspace(), ProfileID: p.ProfileID(), Purpose: purpose, Channel: r.Handling.Channel, Request: r.RequestID(),
		})
		if err != nil {
			return "", err
		}
		if evidence != "" {
			evidence += " "
		}
		evidence += entry
	}
	return evidence, nil
}

// Resume ends the restriction that a completed request of that type brought about.
func (d *Desk) Resume(ctx context.Context, ws string, s Step, reason string) (*Request, error) {
	if _, err := wordsFor("reason", reason); err != nil {
		return nil, err
	}
	r, err := d.Get(ctx, ws, s.ID)
	switch {
	case err != nil:
		return nil, err
	case r == nil || r.Type != Restriction || !slices.Contains([]RequestStatus{Completed, AwaitingDestinations}, r.Status):
		return nil, core.Errorf(core.Invalid, "NOT_RESTRICTED", "name a request of type RESTRICTION that was carried out").At("id")
	case s.ExpectedVersion != nil && *s.ExpectedVersion != r.V:
		return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the request has version %d, not %d; read it and try again", r.V, *s.ExpectedVersion).At("expectedVersion")
	case r.Handling.ResumedAt != nil:
		return nil, core.Errorf(core.Conflict, "RESUMED", "processing was resumed").At("id")
	}
	p, err := d.o.Profiles.Get(ctx, ws, r.Profile)
	if err != nil {
		return nil, err
	}
	events, err := restriction(r, p, event.NameProcessingResumed, "resume")
	if err != nil {
		return nil, err
	}
	now := d.now()
	r.Handling.ResumedAt, r.Handling.ClosingNote = &now, reason
	if err := d.commitWith(ctx, r, "resume", Requests.Replace(r), nil, events); err != nil {
		return nil, deskError(err)
	}
	r.V++
	return r, nil
}
