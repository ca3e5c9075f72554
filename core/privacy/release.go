package privacy

import (
	"context"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// ReleaseInput says that an identifier is not a person's.
type ReleaseInput struct {
	ProfileID      string
	Identifier     event.Identifier
	Reason         string // for people; 1 to 500 bytes, never a personal value
	IdempotencyKey string
	DryRun         bool
}

// Release lets go of an identifier that is not a person's, without a request: see
// profile.Service.Correct for what it means and for the errors, whose path here begins with
// "identifier". It takes who may govern, and leaves an entry in the audit log.
func (d *Desk) Release(ctx context.Context, ws string, in ReleaseInput) (*profile.Correction, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	if len(in.IdempotencyKey) > 200 {
		return nil, core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
	}
	key := ""
	if in.IdempotencyKey != "" {
		key = "key:" + in.IdempotencyKey
	}
	c, err := d.o.Profiles.Correct(ctx, ws, profile.CorrectInput{
		ProfileID: in.ProfileID, Release: []event.Identifier{in.Identifier}, Reason: in.Reason, Key: key, DryRun: in.DryRun,
		With: d.released(ctx, ws, "releaseIdentifier"),
	})
	if err != nil {
		e := *core.AsError(err)
		if len(e.Path) > 0 && e.Path[0] == "release" {
			e.Path = []string{"identifier"}
		}
		return nil, &e
	}
	return c, nil
}

// RestoreInput takes a release back.
type RestoreInput struct {
	ReleaseID string // rel_…
	Reason    string // for people; 1 to 500 bytes, never a personal value
	DryRun    bool
}

// Restore gives a released identifier back: see profile.Service.Restore. It takes who may
// govern, and leaves an entry in the audit log.
func (d *Desk) Restore(ctx context.Context, ws string, in RestoreInput) (*profile.Correction, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	return d.o.Profiles.Restore(ctx, ws, profile.RestoreInput{
		ReleaseID: in.ReleaseID, Reason: in.Reason, DryRun: in.DryRun, With: d.released(ctx, ws, "restoreIdentifier"),
	})
}

// released makes the entry of the audit log that is committed with a correction. It names
// the identifiers as every entry does: by keyed pseudonyms.
func (d *Desk) released(ctx context.Context, ws, action string) func(*profile.Correction) ([]store.Op, error) {
	return func(c *profile.Correction) ([]store.Op, error) {
		e := audit.Entry{Workspace: ws, Action: "privacy." + action, Subjects: []string{c.Profile.ProfileID()}, Details: map[string]string{}}
		for _, r := range append(c.Releases, c.Restored...) {
			id := r.Named()
			e.Resource, e.Details["namespace"] = r.ReleaseID(), id.Namespace
			e.Identifiers = append(e.Identifiers, audit.Subject{Namespace: id.Namespace, Value: id.Value})
		}
		op, err := d.o.Audit.Op(ctx, e)
		return []store.Op{op}, err
	}
}

// checkReleases tells whoever opens a rectification at once that the person does not hold
// an identifier that is to be released.
func (d *Desk) checkReleases(ctx context.Context, ws string, p *profile.Profile, ids []event.Identifier) error {
	for i, id := range ids {
		n, ok, err := d.o.Profiles.Normalise(ctx, ws, id)
		if err != nil {
			return err
		}
		held := false
		if p != nil {
			for _, h := range p.Identifiers {
				held = held || h.Namespace == n.Namespace && h.Value == n.Value
			}
		}
		if !ok || p != nil && !held {
			return core.Errorf(core.Invalid, "IDENTIFIER_NOT_HELD", "the person does not hold this identifier; name one of those that the profile lists").At("releaseIdentifiers", strconv.Itoa(i))
		}
	}
	return nil
}

// correct releases and adds the identifiers that a rectification names, in one commit, and
// returns the ids of the releases. Done again it changes nothing more.
func (d *Desk) correct(ctx context.Context, r *Request, p *profile.Profile, det details) (string, error) {
	add := det.Adds
	if det.Add != nil {
		add = append(add, *det.Add)
	}
	if len(add)+len(det.Release) == 0 {
		return "", nil
	}
	c, err := d.o.Profiles.Correct(ctx, r.Workspace(), profile.CorrectInput{
		ProfileID: p.ProfileID(), Release: det.Release, Add: add,
		Reason: "rectification " + r.RequestID(), Request: r.RequestID(), Key: "request:" + r.RequestID(),
		With: d.released(ctx, r.Workspace(), "correctIdentifiers"),
	})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, one := range c.Releases {
		ids = append(ids, one.ReleaseID())
	}
	return strings.Join(ids, " "), nil
}

// ownReleases leaves the value out of the releases of an access export that somebody else
// has since: it is another person's name.
func (d *Desk) ownReleases(ctx context.Context, w person, f func(bson.Raw) error) func(bson.Raw) error {
	return func(doc bson.Raw) error {
		name := event.Text(doc, "identifier")
		ns, value, _ := strings.Cut(name, ":")
		p, err := d.o.Profiles.ByIdentifier(ctx, w.ws, event.Identifier{Namespace: ns, Value: value})
		if err != nil {
			return err
		}
		if p == nil || w.isOne(p) {
			return f(doc)
		}
		var out bson.D
		for it := event.Elements(doc); it.Next(); {
			if key := string(it.Key()); key != "identifier" {
				out = append(out, bson.E{Key: key, Value: it.Value()})
			}
		}
		raw, err := bson.Marshal(append(out, bson.E{Key: "namespace", Value: ns}))
		if err != nil {
			return err
		}
		return f(raw)
	}
}

func (w person) isOne(p *profile.Profile) bool {
	for _, part := range w.parts {
		for _, own := range p.Parts {
			if part == own {
				return true
			}
		}
	}
	return false
}
