package journey

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Secret is what the calls of webhook nodes are signed with. Its value is shown once, to who
// has it made, and never again.
type Secret struct {
	store.Meta `bson:",inline"` // key: workspace/name
	Sealed     []byte           `bson:"s"`
	At         time.Time        `bson:"at"` // when it was last set
	By         string           `bson:"by,omitempty"`
	CreatedAt  time.Time        `bson:"created,omitempty"`
	Prefix     string           `bson:"prefix,omitempty"` // the first characters of one that was made here
	Print      string           `bson:"print,omitempty"`  // a keyed hash of the value, 8 hex digits
	Old        []byte           `bson:"old,omitempty"`    // sealed: the one before, which signs too
	OldUntil   time.Time        `bson:"oldUntil,omitempty"`
	Sum        string           `bson:"sum,omitempty"` // of the idempotency key that made it
	UsedAt     time.Time        `bson:"-"`             // when it last signed, to the minute; zero: never. From secretUse
}

// Name returns the name by which nodes call it.
func (s *Secret) Name() string { return store.Rest(s.ID) }

// Version rises with each change.
func (s *Secret) Version() int64 { return s.V }

// Secrets holds them.
var Secrets = store.Declare[Secret](store.Spec{Name: "journey_secrets"})

// secretUse says when a secret last signed. Whoever publishes what names the secret writes it
// too, so that of a deletion and a publication at the same time one loses.
type secretUse struct {
	store.Meta `bson:",inline"` // key: workspace/name
	At         time.Time        `bson:"at,omitempty"`
	N          int64            `bson:"n,omitempty"` // publications
}

var secretUses = store.Declare[secretUse](store.Spec{Name: "journey_secret_uses"})

var secretName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// DefaultSecret is the name of the secret that signs, once there is one, where a node names
// none, and what is sent over the channel WEBHOOK.
const DefaultSecret = "default"

// The bounds of a secret, in bytes.
const (
	minSecret = 16
	maxSecret = 512
)

// SetSecret sets the secret of a name: from the next call on it signs. expected is the
// version that the caller knows, 0 where there is none yet; nil is any.
func (s *Service) SetSecret(ctx context.Context, ws, name, value string, expected *int64) (*Secret, error) {
	if err := access.Allow(ctx, access.Govern); err != nil {
		return nil, err
	}
	if err := checkSecret(name, value); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		next, err := Secrets.Get(ctx, s.Store, store.Key(ws, name))
		if err != nil {
			return nil, storeError("read the secret", err)
		}
		if next == nil {
			next = &Secret{Meta: store.Meta{ID: store.Key(ws, name)}, CreatedAt: s.now()}
		}
		if expected != nil && *expected != next.V {
			return nil, core.Errorf(core.Conflict, "VERSION", "the secret is at version %d now; read the list again", next.V).At("expectedVersion")
		}
		next.Old, next.OldUntil, next.Prefix = nil, time.Time{}, ""
		if err := s.fillSecret(ctx, ws, next, value); err != nil {
			return nil, err
		}
		ops, err := s.recorded(ctx, ws, "journey.secret", name, nil, Secrets.Put(next))
		if err != nil {
			return nil, err
		}
		if err := s.commit(ctx, ops); errors.Is(err, store.ErrConflict) && try < maxChanges {
			continue
		} else if err != nil {
			return nil, storeError("write the secret", err)
		}
		next.V++
		return next, nil
	}
}

// ListSecrets returns the secrets of a workspace, by name, without their values.
func (s *Service) ListSecrets(ctx context.Context, ws string) ([]*Secret, error) {
	list, err := Secrets.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, storeError("list the secrets", err)
	}
	keys := make([]string, len(list))
	for i, one := range list {
		keys[i] = one.ID
	}
	uses, err := secretUses.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, storeError("list the secrets", err)
	}
	for i, one := range list {
		if uses[i] != nil {
			one.UsedAt = uses[i].At
		}
		if one.CreatedAt.IsZero() {
			one.CreatedAt = one.At
		}
		if !s.now().Before(one.OldUntil) {
			one.OldUntil = time.Time{}
		}
		if one.Print != "" {
			continue
		}
		plain, err := s.Keys.Open(ctx, ws, one.Sealed, []byte(one.ID)) // of before there were fingerprints
		if err != nil {
			return nil, err
		}
		if one.Print, err = s.fingerprint(ctx, ws, string(plain)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SigningSecrets returns the secrets that sign what names one, the newest first: while a
// rotation overlaps, there are two. "" is the workspace's own, DefaultSecret, and none where
// there is no such. Another that is gone is an error: nothing goes unsigned that was to be
// signed.
func (s *Service) SigningSecrets(ctx context.Context, ws, name string) ([]string, error) {
	own := name == ""
	if own {
		name = DefaultSecret
	}
	doc, err := Secrets.Get(ctx, s.Store, store.Key(ws, name))
	switch {
	case err != nil:
		return nil, err
	case doc == nil && own:
		return nil, nil
	case doc == nil:
		return nil, work.Permanent(core.Errorf(core.NotFound, "SECRET", "the secret that signs the calls of a webhook node is gone"))
	}
	sealed := [][]byte{doc.Sealed}
	if doc.Old != nil && s.now().Before(doc.OldUntil) {
		sealed = append(sealed, doc.Old)
	}
	out := make([]string, len(sealed))
	for i, one := range sealed {
		plain, err := s.Keys.Open(ctx, ws, one, []byte(doc.ID))
		if err != nil {
			return nil, err
		}
		out[i] = string(plain)
	}
	s.signed(ctx, ws, name)
	return out, nil
}

// signed notes, once a minute, that a secret signs.
func (s *Service) signed(ctx context.Context, ws, name string) {
	now := s.now().Truncate(time.Minute)
	use, err := secretUses.Get(ctx, s.Store, store.Key(ws, name))
	if err == nil && use != nil && !use.At.Before(now) {
		return
	}
	if err == nil {
		if use == nil {
			use = &secretUse{Meta: store.Meta{ID: store.Key(ws, name)}}
		}
		use.At = now
		err = work.Commit(ctx, s.Store, secretUses.Put(use))
	}
	if err != nil && !errors.Is(err, store.ErrConflict) { // else another has noted it
		s.Logger.Warn("journey: note that a secret signs", "reason", core.AsError(err).Reason)
	}
}
