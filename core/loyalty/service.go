package loyalty

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Options are what a Service is made of. Store, Clock, Profiles and Committer are
// required; without a Runner nothing expires and no tier changes.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Profiles  *profile.Service
	Committer event.Committer
	Runner    *work.Runner
	Jobs      *work.Jobs   // nil: nothing is rebuilt
	Logger    *slog.Logger // slog.Default()
}

// Service gives coupons and keeps points. It is safe for concurrent use; several
// processes may run one on the same store.
type Service struct {
	Options
	programs programCache
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its sweep with the Runner.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{Options: o}
	s.handle()
	return s
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

func lane() int { return rand.IntN(store.Lanes) }

// person returns the profile of somebody who must exist.
func (s *Service) person(ctx context.Context, ws, id string) (*profile.Profile, error) {
	p, err := s.Profiles.Get(ctx, ws, id)
	if err != nil {
		return nil, work.Outward(err)
	}
	if p == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	return p, nil
}

// saying makes a system event. Its sum is that of said alone, so that the same call
// again is known by what the caller said and not by what time it was.
func saying(name, messageID string, properties, said bson.D) event.Input {
	return event.Input{Type: event.System, Name: name, MessageID: messageID, Properties: document(properties), Sum: sumOf(said)}
}

func document(d bson.D) bson.Raw {
	raw, _ := bson.Marshal(d) // texts, times and numbers: cannot fail
	return raw
}

func sumOf(said bson.D) []byte {
	h := sha256.Sum256(document(said))
	return h[:16]
}

// commitOne commits an event that must be new: one that a rival has committed just now is
// a lost race, after which what it did is read.
func (s *Service) commitOne(ctx context.Context, ws string, e event.Input, profileID string, ops ...store.Op) error {
	out, err := s.Committer.Commit(ctx, ws, e, profileID, ops...)
	if err == nil && out.Status != event.Accepted {
		return store.ErrConflict
	}
	return err
}

// maxKey is how many bytes a caller's key may have.
const maxKey = 300

func checkKey(key, path string) *core.Error {
	if key == "" || len(key) > maxKey {
		return core.Errorf(core.Invalid, "KEY", "give a key of 1 to %d bytes, which makes a repetition of the call harmless", maxKey).At(path)
	}
	return nil
}

var errKeyUsed = core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this key was used for something else; take another").At("idempotencyKey")
