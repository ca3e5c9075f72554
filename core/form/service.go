package form

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Tokens signs links and the times at which forms were opened. *keyring.Ring is one.
type Tokens interface {
	Sign(ctx context.Context, ws, use string, claims any, expires time.Time) (string, error)
	Verify(ctx context.Context, ws, use, token string, claims any, now time.Time) error
}

// Options are what a Service is made of. All but Outbox and URL are required.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Profiles  *profile.Service
	Consent   *consent.Service
	Committer event.Committer
	Tokens    Tokens
	// Outbox takes the messages that ask to confirm what is PENDING; nil: that waits until it
	// is confirmed elsewhere.
	Outbox Outbox
	// URL is that of this server as people reach it, without a slash at its end.
	URL func() string
}

// Service keeps forms and takes what is submitted. It is safe for concurrent use.
type Service struct{ Options }

// NewService returns a service over a store whose collections (Specs) are declared.
func NewService(o Options) *Service { return &Service{o} }

// maxForms is how many forms a workspace may have.
const maxForms = 1000

// Create makes a form, which is published by Publish. The same key again returns the form
// that it made.
func (s *Service) Create(ctx context.Context, ws, name string, d Definition, origins []string, key string) (*Form, error) {
	if key == "" || len(key) > 300 {
		return nil, core.Errorf(core.Invalid, "KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	}
	now := s.now()
	f := &Form{
		Meta: store.Meta{ID: store.Key(ws, core.HashID(core.PrefixForm, ws, key))}, Name: name, Draft: d, Origins: origins, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.check(ctx, ws, f); err != nil {
		return nil, err
	}
	f.Sum = sumOf(bson.D{{Key: "name", Value: name}, {Key: "draft", Value: d}, {Key: "origins", Value: origins}})
	var out *Form
	err := work.Retry(ctx, attempts, func() error {
		old, err := Forms.Get(ctx, s.Store, f.ID)
		switch {
		case err != nil:
			return err
		case old != nil && string(old.Sum) != string(f.Sum):
			return core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this key was used for something else; take another").At("idempotencyKey")
		case old != nil:
			out = old
			return nil
		}
		n, err := Forms.Count(ctx, s.Store, store.Query{Workspace: ws})
		if err != nil {
			return err
		}
		if n >= maxForms {
			return core.Errorf(core.Invalid, "TOO_MANY_FORMS", "a workspace has at most %d forms", maxForms)
		}
		if err := work.Commit(ctx, s.Store, Forms.Insert(f)); err != nil {
			return err
		}
		f.V = 1
		out = f
		return nil
	})
	return out, err
}

func (s *Service) check(ctx context.Context, ws string, f *Form) error {
	if strings.TrimSpace(f.Name) == "" || len(f.Name) > 200 {
		return core.Errorf(core.Invalid, "NAME", "give the form a name of at most 200 bytes").At("name")
	}
	if err := checkOrigins(f.Origins); err != nil {
		return err
	}
	r, err := s.Consent.Register(ctx, ws)
	if err != nil {
		return err
	}
	if err := f.Draft.check(func(key string) bool { p := r.Purpose(key); return p != nil && !p.Archived }); err != nil {
		return err.At("definition")
	}
	if id := f.Draft.ConfirmTemplate; id != "" && s.Outbox != nil {
		if err := s.Outbox.Usable(ctx, ws, id, 0, consent.Email); err != nil {
			return core.AsError(err).At("definition", "confirmTemplate")
		}
	}
	return nil
}

// Update changes the draft of a form that has the version expected (the document's, V).
func (s *Service) Update(ctx context.Context, ws, id string, expected int64, change func(*Form)) (*Form, error) {
	return s.change(ctx, ws, id, expected, func(f *Form) ([]store.Op, error) {
		change(f)
		return nil, s.check(ctx, ws, f)
	})
}

// Publish makes the draft what visitors see. The former versions are kept.
func (s *Service) Publish(ctx context.Context, ws, id string, expected int64) (*Form, error) {
	return s.change(ctx, ws, id, expected, func(f *Form) ([]store.Op, error) {
		if err := s.check(ctx, ws, f); err != nil { // a purpose may be gone
			return nil, err
		}
		d := f.Draft
		f.Published, f.Version = &d, f.Version+1
		by := ""
		if a := core.ActorFrom(ctx); a != nil {
			by = a.ID
		}
		return []store.Op{versions.Insert(&version{
			Meta: store.Meta{ID: store.Key(ws, id, fmt.Sprintf("%06d", f.Version))}, At: s.now(), By: by, Definition: d,
		})}, nil
	})
}

func (s *Service) change(ctx context.Context, ws, id string, expected int64, f func(*Form) ([]store.Op, error)) (*Form, error) {
	var out *Form
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.Form(ctx, ws, id)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the form has version %d, not %d; read it and try again", old.V, expected).At("expectedVersion")
		}
		next := *old
		ops, err := f(&next)
		if err != nil {
			return err
		}
		next.UpdatedAt = s.now()
		if err := work.Commit(ctx, s.Store, append(ops, Forms.Replace(&next))...); err != nil {
			return err
		}
		next.V++
		out = &next
		return nil
	})
	return out, err
}

// Form returns a form; NOT_FOUND when there is none.
func (s *Service) Form(ctx context.Context, ws, id string) (*Form, error) {
	f, err := Forms.Get(ctx, s.Store, store.Key(ws, id))
	if err != nil {
		return nil, work.Outward(err)
	}
	if f == nil {
		return nil, core.Errorf(core.NotFound, "FORM", "there is no form with this id").At("id")
	}
	return f, nil
}

// Page lists the forms.
func (s *Service) Page(ctx context.Context, ws string, w core.Window) (store.Page[Form], error) {
	page, err := Forms.Page(ctx, s.Store, store.Query{Workspace: ws}, w)
	return page, work.Outward(err)
}

// Count returns how many forms there are.
func (s *Service) Count(ctx context.Context, ws string) (int64, error) {
	n, err := Forms.Count(ctx, s.Store, store.Query{Workspace: ws})
	return n, work.Outward(err)
}

func ofForm(ws, form string) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("form", form)}, Order: []string{"-at"}}
}

// SubmissionPage lists what was submitted with a form, the latest first.
func (s *Service) SubmissionPage(ctx context.Context, ws, form string, w core.Window) (store.Page[Submission], error) {
	page, err := Submissions.Page(ctx, s.Store, ofForm(ws, form), w)
	return page, work.Outward(err)
}

// SubmissionCount returns how many were submitted.
func (s *Service) SubmissionCount(ctx context.Context, ws, form string) (int64, error) {
	n, err := Submissions.Count(ctx, s.Store, ofForm(ws, form))
	return n, work.Outward(err)
}

// Snippet returns the HTML that shows a form in a page of one of its origins.
func (s *Service) Snippet(f *Form) string {
	base := ""
	if s.URL != nil {
		base = s.URL()
	}
	return fmt.Sprintf(`<div data-headwater-form="%[1]s"></div>`+"\n"+`<script async src="%[2]s%[3]s%[1]s.js"></script>`, f.PublicID(), base, Path)
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// attempts is how often a change is computed anew that others overtook.
const attempts = 30

func document(d bson.D) bson.Raw {
	raw, _ := bson.Marshal(d) // texts, times and numbers: cannot fail
	return raw
}

func sumOf(said bson.D) []byte {
	h := sha256.Sum256(document(said))
	return h[:16]
}
