package privacy

import (
	"bytes"
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
)

// OpenInput is a request of a data subject as it came in. One of ProfileID and
// Identifier says whose it is; an identifier that nobody has is asked about all the
// same.
type OpenInput struct {
	Type           RequestType
	ProfileID      string
	Identifier     *event.Identifier
	ReceivedAt     *time.Time // nil: now
	Reason         string
	Assignee       string
	Purposes       []string           // RESTRICTION: none are all; OBJECTION: one at least
	Channel        string             // OBJECTION; "" is every channel
	Traits         bson.Raw           // RECTIFICATION: what the traits should say; null clears one
	Add            []event.Identifier // RECTIFICATION: identifiers that the person has
	Release        []event.Identifier // RECTIFICATION: identifiers that are not the person's
	IdempotencyKey string
	DryRun         bool
}

// The bounds of the texts of a request, in bytes.
const (
	maxWords    = 1000
	maxAssignee = 100
	maxPurposes = 50
)

// Open takes a request in. It is RECEIVED, and waits for the identity to be verified;
// it is due one calendar month after its receipt.
//
// Errors: FORBIDDEN; INVALID (SUBJECT, RECEIVED_AT, PURPOSES, TRAITS, REASON, …);
// NOT_FOUND (PROFILE); CONFLICT (IDEMPOTENCY_KEY_REUSED).
func (d *Desk) Open(ctx context.Context, ws string, in OpenInput) (*Request, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	now := d.now()
	if err := d.checkOpen(ctx, ws, &in, now); err != nil {
		return nil, err
	}
	p, err := d.whose(ctx, ws, in.ProfileID, in.Identifier)
	if err != nil {
		return nil, err
	}
	if err := d.checkReleases(ctx, ws, p, in.Release); err != nil {
		return nil, err
	}
	r := &Request{
		Type: in.Type, Status: Received, ReceivedAt: now, Reason: in.Reason, Assignee: in.Assignee,
		RequestedBy: core.ActorFrom(ctx).ID, IdempotencyKey: in.IdempotencyKey,
		Handling: &Handling{Purposes: in.Purposes, Channel: in.Channel, Paths: pathsOf(in.Traits)},
		Tasks:    []Task{{Target: targetHere, Status: "QUEUED"}},
	}
	if in.ReceivedAt != nil {
		r.ReceivedAt = in.ReceivedAt.UTC().Truncate(time.Millisecond)
	}
	r.DueAt = monthsAfter(r.ReceivedAt, 1)
	id := core.NewID(core.PrefixPrivacy, now)
	if in.IdempotencyKey != "" {
		id = core.HashID(core.PrefixPrivacy, "request", ws, in.IdempotencyKey)
	}
	r.ID = store.Key(ws, id)
	if err := d.seal(ctx, ws, r, p, &in); err != nil {
		return nil, err
	}
	if in.IdempotencyKey != "" {
		earlier, err := d.earlier(ctx, r)
		if earlier != nil || err != nil {
			return earlier, err
		}
	}
	if in.DryRun {
		return r, nil
	}
	err = d.commit(ctx, r, "open", Requests.Insert(r), in.Identifier)
	if errors.Is(err, store.ErrConflict) && in.IdempotencyKey != "" {
		earlier, eerr := d.earlier(ctx, r)
		if earlier != nil || eerr != nil {
			return earlier, eerr
		}
	}
	if err != nil {
		return nil, deskError(err)
	}
	r.V = 1
	return r, nil
}

// earlier returns the request that was opened with the same idempotency key, or nil.
func (d *Desk) earlier(ctx context.Context, r *Request) (*Request, error) {
	old, err := Requests.Get(ctx, d.o.Store, r.ID)
	if err != nil || old == nil {
		return nil, deskError(err)
	}
	if old.Handling == nil || !bytes.Equal(old.Handling.Sum, r.Handling.Sum) {
		return nil, errReused
	}
	return old, nil
}

func (d *Desk) checkOpen(ctx context.Context, ws string, in *OpenInput, now time.Time) error {
	in.Reason = strings.TrimSpace(in.Reason)
	fault := func(reason, path, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	switch {
	case !slices.Contains([]RequestType{Access, Portability, Rectification, Restriction, Objection}, in.Type):
		return fault("REQUEST_TYPE", "type", "a desk takes ACCESS, PORTABILITY, RECTIFICATION, RESTRICTION and OBJECTION; ask for an erasure with requestErasure")
	case (in.ProfileID == "") == (in.Identifier == nil):
		return fault("SUBJECT", "profileId", "name whose request it is: either a profile or an identifier")
	case in.ReceivedAt != nil && (in.ReceivedAt.After(now) || in.ReceivedAt.Before(now.AddDate(-5, 0, 0))):
		return fault("RECEIVED_AT", "receivedAt", "a request was received within the last five years, and not later than now")
	case len(in.Reason) > maxWords:
		return fault("REASON", "reason", "a reason has at most %d bytes", maxWords)
	case len(in.Assignee) > maxAssignee:
		return fault("ASSIGNEE", "assignee", "an assignee is the id of a key or member, at most %d bytes", maxAssignee)
	case len(in.IdempotencyKey) > 200:
		return fault("IDEMPOTENCY_KEY", "idempotencyKey", "an idempotency key has at most 200 bytes")
	case in.Type == Rectification && len(pathsOf(in.Traits)) == 0 && len(in.Add)+len(in.Release) == 0:
		return fault("TRAITS", "traits", "say what is to be corrected: the traits as they should be, an identifier that the person has, or one that is not theirs")
	case len(in.Add)+len(in.Release) > profile.MaxCorrected:
		return fault("IDENTIFIERS", "releaseIdentifiers", "a rectification releases and adds at most %d identifiers together", profile.MaxCorrected)
	case in.Type != Rectification && (len(in.Traits) > 0 || len(in.Add)+len(in.Release) > 0):
		return fault("TRAITS", "traits", "only a rectification corrects traits and identifiers")
	case in.Type == Objection && len(in.Purposes) == 0:
		return fault("PURPOSES", "purposes", "name the purposes that the person objects to")
	case len(in.Purposes) > 0 && in.Type != Objection && in.Type != Restriction, len(in.Purposes) > maxPurposes:
		return fault("PURPOSES", "purposes", "a restriction or an objection names at most %d purposes; other requests name none", maxPurposes)
	case in.Channel != "" && in.Type != Objection:
		return fault("CHANNEL", "channel", "only an objection is about a channel")
	}
	reg, err := d.o.Consent.Register(ctx, ws)
	if err != nil {
		return err
	}
	for _, key := range in.Purposes {
		switch p := reg.Purpose(key); {
		case p == nil:
			return fault("PURPOSE", "purposes", "there is no purpose %q", key)
		case in.Type == Objection && !p.Objectionable():
			return fault("OBJECTION_DOES_NOT_APPLY", "purposes", "the legal basis of %s knows no objection; refuse such a request with this reason", key)
		}
	}
	return nil
}

// whose returns the profile that a request is about; nil when nobody has the
// identifier.
func (d *Desk) whose(ctx context.Context, ws, id string, by *event.Identifier) (*profile.Profile, error) {
	if by != nil {
		return d.o.Profiles.ByIdentifier(ctx, ws, *by)
	}
	p, err := d.o.Profiles.Get(ctx, ws, id)
	if err == nil && p == nil {
		err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	return p, err
}

// seal notes in r whose it is, and seals what may hold personal values.
func (d *Desk) seal(ctx context.Context, ws string, r *Request, p *profile.Profile, in *OpenInput) error {
	kind, value := audit.KindProfile, in.ProfileID
	if p != nil {
		r.Profile, value = p.ProfileID(), p.ProfileID()
	}
	if in.Identifier != nil && p == nil {
		kind, value = in.Identifier.Namespace, in.Identifier.Value
	}
	var err error
	if r.Subject, err = d.o.Keys.Pseudonym(ctx, ws, kind, value); err != nil {
		return err
	}
	plain, err := bson.Marshal(details{Identifier: in.Identifier, Traits: in.Traits, Adds: in.Add, Release: in.Release})
	if err != nil {
		return err
	}
	said, err := bson.Marshal(bson.D{
		{Key: "type", Value: string(in.Type)}, {Key: "profile", Value: in.ProfileID}, {Key: "details", Value: plain},
		{Key: "received", Value: in.ReceivedAt}, {Key: "reason", Value: in.Reason}, {Key: "purposes", Value: in.Purposes}, {Key: "channel", Value: in.Channel},
	})
	if err != nil {
		return err
	}
	if r.Handling.Sum, err = d.o.Keys.MAC(ctx, ws, secretRequests, said); err != nil {
		return err
	}
	r.Handling.Sealed, err = d.o.Keys.Seal(ctx, ws, plain, []byte(r.ID))
	return err
}

// unseal returns the details of a request; empty ones when they were dropped.
func (d *Desk) unseal(ctx context.Context, r *Request) (out details, err error) {
	if r.Handling == nil || len(r.Handling.Sealed) == 0 {
		return out, nil
	}
	plain, err := d.o.Keys.Open(ctx, r.Workspace(), r.Handling.Sealed, []byte(r.ID))
	if err != nil {
		return out, err
	}
	return out, bson.Unmarshal(plain, &out)
}

// pathsOf lists the paths of the leaves of a document, sorted.
func pathsOf(doc bson.Raw) []string {
	var out []string
	var walk func(doc []byte, keys []string)
	walk = func(doc []byte, keys []string) {
		for it := event.Elements(doc); it.Next(); {
			here := append(slices.Clone(keys), string(it.Key()))
			if v := it.Value(); v.Type == bson.TypeEmbeddedDocument {
				walk(v.Value, here)
			} else {
				out = append(out, event.JoinPath(here...))
			}
		}
	}
	if len(doc) > 0 {
		walk(doc, nil)
	}
	slices.Sort(out)
	return out
}

// deskError is outward for those who change what they have read: a conflict is theirs.
func deskError(err error) error {
	var e *core.Error
	if !errors.As(err, &e) && errors.Is(err, store.ErrConflict) {
		return core.Errorf(core.Conflict, "CONFLICT", "somebody else changed it meanwhile; read it and try again").Wrap(err)
	}
	return outward(err)
}
