package predict

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Purposes tells the purposes of a workspace. *consent.Service does.
type Purposes interface {
	Register(ctx context.Context, ws string) (*consent.Register, error)
}

// Options are what a Service is made of. Store, Clock, Profiles and Committer are
// required; without a Runner nobody's predictions are renewed, without Jobs there is no
// training.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Profiles  *profile.Service
	Committer event.Committer
	Consent   Purposes // nil: only a restriction of processing bars predictions
	// Categories returns the category of each path of an owner of fields; nil: nobody is
	// judged by traits. *event.Service's does.
	Categories func(ctx context.Context, ws, owner string) (map[string]core.Category, error)
	// May refuses a condition that the actor of ctx may not ask; nil: everybody may.
	May func(ctx context.Context, ws string, n *condition.Node) error
	// Converted returns the stage of whoever is converted; nil or "": becoming a customer is
	// ordering.
	Converted func(ctx context.Context, ws string) (string, error)
	// Zones tells by whose clocks the hours of people are counted; nil: by that of their trait
	// "timezone", else by UTC.
	Zones  func(ctx context.Context, ws string, people []*profile.Profile) ([]*time.Location, error)
	Runner *work.Runner
	Jobs   *work.Jobs
	Logger *slog.Logger // slog.Default()
}

// Service predicts what people are likely to do. It is safe for concurrent use; several
// processes may run one on the same store.
type Service struct {
	Options
	mu     sync.Mutex
	kept   map[string]kept      // settings by workspace
	models map[string]keptModel // active ones by workspace and kind
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its sweep, timer and jobs.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{Options: o, kept: map[string]kept{}, models: map[string]keptModel{}}
	s.handle()
	return s
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// saying makes a system event. Its sum is that of said alone, so that the same call
// again is known by what was said and not by what time it was.
func saying(name, messageID string, properties, said bson.D) event.Input {
	h := sha256.Sum256(document(said))
	return event.Input{Type: event.System, Name: name, MessageID: messageID, Properties: document(properties), Sum: h[:16]}
}

func document(v any) bson.Raw {
	raw, _ := bson.Marshal(v) // texts, times and numbers: cannot fail
	return raw
}

// barred reports whether no predictions may be made of somebody: they object to the
// purpose, it is not theirs to agree to and they have not, or processing is restricted.
func (s *Service) barred(ctx context.Context, ws string, set *Settings, p *profile.Profile) (bool, error) {
	chain := []string{set.Purpose}
	if s.Consent != nil {
		r, err := s.Consent.Register(ctx, ws)
		if err != nil {
			return false, err
		}
		if !r.Decide(p.Words(s.now()), p.Jurisdiction(r), set.Purpose, "", s.now()).Allowed {
			return true, nil
		}
		chain = r.Chain(set.Purpose)
	}
	return p.IsRestricted() && p.RestrictedFor(chain), nil
}
