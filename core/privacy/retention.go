package privacy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// JobRetention goes through all people and applies the rules.
	JobRetention  = "privacy.retention"
	taskRetention = "privacy.retention.daily"
	retentionDay  = 24 * time.Hour

	retentionPage = 50  // people between two notes of where the job stands
	foldSlice     = 150 // events that one batch deletes, each of which may leave several operations; of those that leave rows, a quarter
)

type retentionInput struct {
	DryRun bool      `bson:"dryRun"`
	At     time.Time `bson:"at"` // rules are applied as of this instant
}

// RetentionResult is the result of the job.
type RetentionResult struct {
	DryRun bool             `bson:"dryRun"`
	People int64            `bson:"people"`           // looked at
	Held   int64            `bson:"held"`             // left alone because of a legal hold
	Failed int64            `bson:"failed"`           // left for the next day because of an error
	Faults []RetentionFault `bson:"faults,omitempty"` // the first of those
	Rules  map[string]int64 `bson:"rules"`            // ret_… to how many events, traits, messages or people
	After  string           `bson:"after,omitempty"`  // key of the last person: where to go on
	Walked bool             `bson:"walked,omitempty"` // all people were looked at
	Tests  []string         `bson:"tests,omitempty"`  // rules by which messages that are no person's were looked at
}

// RetentionFault is a person to whom the rules could not be applied.
type RetentionFault struct {
	Profile string `bson:"profile"` // prof_…
	Reason  string `bson:"reason"`  // of the error
}

// maxFaults is how many people a result names.
const maxFaults = 20

// fault notes that the rules could not be applied to a person, so that the others have
// their turn; false when the error is not about the person.
func (r *RetentionResult) fault(id string, err error) bool {
	e := core.AsError(err)
	if errors.Is(err, store.ErrUnavailable) || e.Code == core.Unavailable && e.Reason != "BUSY" {
		return false
	}
	if r.Failed++; len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, RetentionFault{id, e.Reason})
	}
	return true
}

// RunRetention starts the job that applies the rules now, or with dryRun counts what it
// would delete.
func (d *Desk) RunRetention(ctx context.Context, ws string, dryRun bool, idempotencyKey string) (*work.Job, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	op, err := d.o.Audit.Op(ctx, audit.Entry{Workspace: ws, Action: "privacy.runRetention", Resource: "retention", Details: map[string]string{"dryRun": boolText(dryRun)}})
	if err != nil {
		return nil, err
	}
	in := retentionInput{DryRun: dryRun}
	if idempotencyKey == "" {
		in.At = d.now()
	}
	j, err := d.o.Jobs.Start(ctx, JobRetention, ws, in, idempotencyKey, op)
	return j, deskError(err)
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// daily starts the job once a day, while there are rules. Once it began with the first
// rule it goes on for ever: a rule that is made just now counts on it.
func (d *Desk) daily(ctx context.Context, l *work.Lease) error {
	ws := l.Task().Workspace
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:retention", Name: "retention", Purpose: "compliance"})
	rules, err := d.rules(ctx, ws)
	if err != nil {
		return err
	}
	now := d.now()
	if slices.ContainsFunc(rules, func(r *RetentionRule) bool { return r.Enabled }) {
		if _, err := d.o.Jobs.Start(ctx, JobRetention, ws, retentionInput{At: l.Task().DueAt.Truncate(retentionDay)}, "daily "+now.Format(time.DateOnly)); err != nil && core.CodeOf(err) != core.Conflict {
			return err
		}
		if _, err := d.keepRecord(ctx, ws); err != nil { // so that asOf knows of what changed since yesterday
			return err
		}
	}
	return l.Reschedule(ctx, now.Add(retentionDay), nil)
}

// schedule returns the operation that begins the daily task; none when there is one.
func (d *Desk) schedule(ctx context.Context, ws string) ([]store.Op, error) {
	task, err := work.Find(ctx, d.o.Store, ws, taskRetention, dailyName)
	if err != nil || task != nil {
		return nil, err
	}
	return []store.Op{work.Enqueue(work.Item{Kind: taskRetention, Workspace: ws, Name: dailyName, DueAt: d.now().Add(time.Hour)})}, nil
}

const dailyName = "daily"

// retain is the handler of JobRetention. It goes on where an earlier run stopped.
func (d *Desk) retain(ctx context.Context, run *work.JobRun) error {
	var in retentionInput
	if err := run.Input(&in); err != nil {
		return err
	}
	if in.At.IsZero() {
		in.At = run.Job().CreatedAt
	}
	ws := run.Workspace()
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:retention", Name: "retention", Purpose: "compliance"})
	rules, err := d.rules(ctx, ws)
	if err != nil {
		return err
	}
	rules = slices.DeleteFunc(rules, func(r *RetentionRule) bool { return !r.Enabled })
	out := RetentionResult{DryRun: in.DryRun, Rules: map[string]int64{}}
	if _, err := run.Position(&out); err != nil {
		return err
	}
	if out.Rules == nil {
		out.Rules = map[string]int64{}
	}
	for _, r := range rules {
		out.Rules[r.RuleID()] += 0
	}
	total, err := profile.Profiles.Count(ctx, d.o.Store, store.Query{Workspace: ws})
	if err != nil {
		return err
	}
	for !out.Walked {
		q := store.Query{Workspace: ws}
		if out.After != "" {
			q.Where = []store.Cond{store.Gt("_id", store.Key(ws, out.After))}
		}
		people, err := profile.Profiles.Find(ctx, d.o.Store, q, retentionPage)
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := d.retainOne(ctx, p, rules, in, &out); err != nil {
				if ctx.Err() != nil || !out.fault(p.ProfileID(), err) {
					return err
				}
				d.o.Logger.Warn("privacy: retention leaves somebody for tomorrow", "profile", p.ProfileID(), "error", core.AsError(err).Reason)
			}
			out.After = p.ProfileID()
			out.People++
		}
		if out.Walked = len(people) < retentionPage; out.Walked {
			out.After = ""
		}
		if err := run.Step(ctx, out.People, max(total, out.People), out); err != nil {
			return err
		}
	}
	for _, r := range rules {
		if r.Kind != RetainMessages || slices.Contains(out.Tests, r.RuleID()) {
			continue
		}
		n, err := d.retainTests(ctx, ws, r, in)
		if err != nil {
			return err
		}
		out.Rules[r.RuleID()] += n
		out.Tests = append(out.Tests, r.RuleID())
		if err := run.Step(ctx, out.People, max(total, out.People), out); err != nil {
			return err
		}
	}
	return run.Result(out)
}

// retainOne applies the rules to one person.
func (d *Desk) retainOne(ctx context.Context, p *profile.Profile, rules []*RetentionRule, in retentionInput, out *RetentionResult) error {
	held, err := d.held(ctx, p)
	if err != nil {
		return err
	}
	if held {
		out.Held++
		return nil
	}
	for _, r := range rules {
		cutoff := in.At.Add(-r.After)
		n := int64(0)
		switch r.Kind {
		case RetainPeople:
			if n, err = d.retainPerson(ctx, p, r, cutoff, in.DryRun); n > 0 && !in.DryRun {
				out.Rules[r.RuleID()] += n
				return err // nothing is left of the person
			}
		case RetainTraits:
			n, err = d.retainTraits(ctx, p, r, cutoff, in)
		case RetainEvents:
			n, err = d.retainEvents(ctx, p.Workspace(), p.ProfileID(), r, cutoff, in.DryRun)
		case RetainMessages:
			n, err = d.retainMessages(ctx, p.Workspace(), p.ProfileID(), r, cutoff, in.DryRun)
		}
		out.Rules[r.RuleID()] += n
		if errors.Is(err, errHeld) {
			out.Held++
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errHeld says that a legal hold protects the person, since the job began with them.
var errHeld = errors.New("privacy: a legal hold protects the person")

// held reports whether a legal hold protects the person.
func (d *Desk) held(ctx context.Context, p *profile.Profile) (bool, error) {
	if d.o.Erasure == nil {
		return false, nil
	}
	ids := make([]event.Identifier, len(p.Identifiers))
	for i, h := range p.Identifiers {
		ids[i] = event.Identifier{Namespace: h.Namespace, Value: h.Value}
	}
	holds, err := d.o.Erasure.holdsOn(ctx, p.Workspace(), p.Parts, ids)
	return len(holds) > 0, err
}

// retainPerson erases somebody who was not seen since the cutoff.
func (d *Desk) retainPerson(ctx context.Context, p *profile.Profile, r *RetentionRule, cutoff time.Time, dryRun bool) (int64, error) {
	seen := p.LastSeenAt
	if seen.IsZero() {
		seen = p.CreatedAt
	}
	if !seen.Before(cutoff) {
		return 0, nil
	}
	if dryRun || d.o.Erasure == nil {
		return 1, nil
	}
	key := []string{r.RuleID(), p.ProfileID()}
	if r.Action == RetainAnonymise {
		key = append(key, string(r.Action))
	}
	_, err := d.o.Erasure.Erase(ctx, p.Workspace(), EraseInput{
		ProfileID: p.ProfileID(), Reason: "retention rule " + r.RuleID(), IdempotencyKey: strings.Join(key, " "), Anonymise: r.Action == RetainAnonymise,
	})
	if core.CodeOf(err) == core.NotFound { // erased, or merged away, meanwhile
		return 0, nil
	}
	return 1, err
}

// retainTraits clears the traits that nothing has said again since the cutoff.
func (d *Desk) retainTraits(ctx context.Context, p *profile.Profile, r *RetentionRule, cutoff time.Time, in retentionInput) (int64, error) {
	categories, err := d.o.Events.Categories(ctx, p.Workspace(), event.OwnerTrait)
	if err != nil {
		return 0, err
	}
	var paths []string
	for _, t := range p.Traits {
		if t.Value.Type == bson.TypeNull || !t.At.Before(cutoff) {
			continue
		}
		c, known := categories[t.Path]
		if !known {
			c = event.DefaultCategory(event.OwnerTrait, t.Path)
		}
		if r.Category == "" || c == r.Category {
			paths = append(paths, t.Path)
		}
	}
	if len(paths) == 0 || in.DryRun {
		return int64(len(paths)), nil
	}
	traits, err := profile.Cleared(paths)
	if err != nil {
		return 0, err
	}
	props, err := bson.Marshal(bson.D{{Key: "rule", Value: r.RuleID()}})
	if err != nil {
		return 0, err
	}
	_, err = d.o.Committer.Commit(ctx, p.Workspace(), event.Input{
		MessageID: "retention:" + r.RuleID() + ":" + p.ProfileID() + ":" + in.At.Format(time.RFC3339), Name: nameExpired, Properties: props, Traits: traits,
	}, p.ProfileID())
	if core.CodeOf(err) == core.NotFound {
		return 0, nil
	}
	return int64(len(paths)), err
}

// nameExpired is the system event that clears traits.
const nameExpired = "Traits Expired"

// retainEvents deletes a person's events that happened before the cutoff. What they said
// of the person is kept in a snapshot, what they counted in the residuals.
func (d *Desk) retainEvents(ctx context.Context, ws, id string, r *RetentionRule, cutoff time.Time, dryRun bool) (int64, error) {
	var n int64
	for races := 0; ; {
		p, err := d.o.Profiles.Get(ctx, ws, id)
		if err != nil || p == nil {
			if core.CodeOf(err) == core.NotFound {
				err = nil
			}
			return n, err
		}
		// Of the person as FoldAway is given them: a hold that is placed later changes
		// their version, and the batch conflicts.
		if held, err := d.held(ctx, p); err != nil || held {
			return n, cmp.Or(err, errHeld)
		}
		some, part, count, err := d.oldEvents(ctx, p, r, cutoff, dryRun)
		if err != nil || dryRun {
			return count, err
		}
		if len(some) == 0 {
			return n, nil
		}
		ops, err := d.o.Profiles.FoldAway(ctx, p, part, some)
		if err != nil {
			return n, err
		}
		if d.o.Erasure != nil {
			left, err := d.o.Erasure.leave(ctx, ws, some, r.Action)
			if err != nil {
				return n, err
			}
			ops = append(ops, left...)
		}
		switch err := work.Commit(ctx, d.o.Store, ops...); {
		case err == nil:
			n += int64(len(some))
			races = 0
		case !errors.Is(err, store.ErrConflict) || races == 50:
			return n, err
		default:
			races++
			if err := d.o.Clock.Sleep(ctx, time.Duration(races)*time.Millisecond); err != nil {
				return n, err
			}
		}
	}
}

// leave returns the operations that keep what deleted events leave.
func (s *Service) leave(ctx context.Context, ws string, events []*event.Event, action RetentionAction) ([]store.Op, error) {
	var out []store.Op
	for _, e := range events {
		ops, err := s.residualOps(ctx, ws, e)
		if err != nil {
			return nil, err
		}
		out = append(out, ops...)
		if action == RetainAnonymise {
			row, _, err := s.anonymousEvent(ctx, ws, e)
			if err != nil {
				return nil, err
			}
			out = append(out, row...)
		}
	}
	return out, nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// oldEvents returns at most foldSlice events of one part that a rule is about, or with
// all counts those of all parts.
func (d *Desk) oldEvents(ctx context.Context, p *profile.Profile, r *RetentionRule, cutoff time.Time, all bool) (some []*event.Event, part string, n int64, err error) {
	for _, part = range p.Parts {
		q := store.Query{Workspace: p.Workspace(), Where: []store.Cond{store.Eq("part", part), store.Lt("timestamp", cutoff)}, Order: []string{"timestamp"}}
		err = event.Events.Each(ctx, d.o.Store, q, func(e *event.Event) error {
			if !profile.Foldable(e) || len(r.Names) > 0 && !slices.Contains(r.Names, e.Name) {
				return nil
			}
			n++
			if !all {
				if some = append(some, e); len(some) == foldSlice || r.Action == RetainAnonymise && len(some) == foldSlice/4 {
					return errEnough
				}
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		if err != nil || len(some) > 0 {
			return some, part, n, err
		}
	}
	return nil, "", n, nil
}
