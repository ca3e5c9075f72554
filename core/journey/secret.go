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

// Secret is what the calls of webhook nodes are signed with. Nobody is ever shown it again.
type Secret struct {
	store.Meta `bson:",inline"` // key: workspace/name
	Sealed     []byte           `bson:"s"`
	At         time.Time        `bson:"at"` // when it was last set
	By         string           `bson:"by,omitempty"`
}

// Name returns the name by which nodes call it.
func (s *Secret) Name() string { return store.Rest(s.ID) }

// Version rises with each change.
func (s *Secret) Version() int64 { return s.V }

// Secrets holds them.
var Secrets = store.Declare[Secret](store.Spec{Name: "journey_secrets"})

var secretName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

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
	switch {
	case !secretName.MatchString(name):
		return nil, core.Errorf(core.Invalid, "SECRET_NAME", "a secret's name is a letter and up to 63 letters, digits, _ and -").At("name")
	case len(value) < minSecret || len(value) > maxSecret:
		return nil, core.Errorf(core.Invalid, "SECRET", "a secret has %d to %d bytes", minSecret, maxSecret).At("secret")
	}
	for try := 0; ; try++ {
		next, err := Secrets.Get(ctx, s.Store, store.Key(ws, name))
		if err != nil {
			return nil, storeError("read the secret", err)
		}
		if next == nil {
			next = &Secret{Meta: store.Meta{ID: store.Key(ws, name)}}
		}
		if expected != nil && *expected != next.V {
			return nil, core.Errorf(core.Conflict, "VERSION", "the secret is at version %d now; read the list again", next.V).At("expectedVersion")
		}
		if next.Sealed, err = s.Keys.Seal(ctx, ws, []byte(value), []byte(next.ID)); err != nil {
			return nil, err
		}
		next.At, next.By = s.now(), actor(ctx)
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

// ListSecrets returns the secrets of a workspace, by name.
func (s *Service) ListSecrets(ctx context.Context, ws string) ([]*Secret, error) {
	list, err := Secrets.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	return list, storeError("list the secrets", err)
}

// secret opens the secret of a name; "" is none. One that is gone signs nothing, and nothing
// goes unsigned that was to be signed.
func (s *Service) secret(ctx context.Context, ws, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	doc, err := Secrets.Get(ctx, s.Store, store.Key(ws, name))
	if err != nil {
		return "", err
	}
	if doc == nil {
		return "", work.Permanent(core.Errorf(core.NotFound, "SECRET", "the secret that signs the calls of a webhook node is gone"))
	}
	plain, err := s.Keys.Open(ctx, ws, doc.Sealed, []byte(doc.ID))
	return string(plain), err
}
