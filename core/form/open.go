package form

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
)

// What tokens are for, and how long they are good.
const (
	useOpened  = "form-opened"
	usePrefill = "form-prefill"

	openedFor  = 24 * time.Hour
	PrefillFor = 30 * 24 * time.Hour
)

// opened is what the token of an open form says.
type opened struct {
	Form  string    `json:"f"`
	At    time.Time `json:"t"`
	Nonce string    `json:"n"` // the submission's id, where the visitor gives none
}

// visitor is what the token of a link says.
type visitor struct {
	Form    string `json:"f"`
	Profile string `json:"p"`
}

// View is a form as a visitor sees it.
type View struct {
	Form   *Form
	Asked  *Definition
	Values map[string]string // of fields that are filled in, by key
	Blocks []string          // texts that the visitor is shown
	Token  string            // to be submitted with the answers
	Known  string            // the token of the signed link that the visitor came by; "" for none
}

// Find returns the published form with a public id. NOT_FOUND, reason FORM, when there is
// none.
func (s *Service) Find(ctx context.Context, publicID string) (ws string, f *Form, err error) {
	none := core.Errorf(core.NotFound, "FORM", "there is no form at this address")
	ws, id, ok := strings.Cut(publicID, ".")
	if !ok || core.IDPrefix(ws) != core.PrefixWorkspace || core.IDPrefix(id) != core.PrefixForm || len(publicID) > 100 {
		return "", nil, none
	}
	f, err = Forms.Get(ctx, s.Store, ws+"/"+id)
	if err != nil {
		return "", nil, work.Outward(err)
	}
	if f == nil || f.Published == nil {
		return "", nil, none
	}
	return ws, f, nil
}

// Open shows a form to a visitor; known is the token of the link that they came by, "" for
// none. A link that is not good any more shows the form as to a stranger.
func (s *Service) Open(ctx context.Context, publicID, known string) (*View, error) {
	ws, f, err := s.Find(ctx, publicID)
	if err != nil {
		return nil, err
	}
	v := &View{Form: f, Asked: f.Published, Values: map[string]string{}}
	var p *profile.Profile
	if known != "" {
		if p, err = s.visitor(ctx, ws, f, known); err != nil {
			return nil, err
		}
	}
	if p != nil {
		v.Known = known
		for _, field := range f.Published.Fields {
			if t := p.TraitAt(field.Trait); field.Prefill && t != nil {
				v.Values[field.Key] = plain(t.Value)
			}
		}
	}
	for i := range f.Published.Blocks {
		b := &f.Published.Blocks[i]
		program, err := b.compile()
		if err != nil {
			return nil, work.Outward(err)
		}
		if program == nil || p != nil && program.Evaluate(facts{p}, s.now()).Value {
			v.Blocks = append(v.Blocks, b.Text)
		}
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails since Go 1.24
	v.Token, err = s.Tokens.Sign(ctx, ws, useOpened, opened{f.FormID(), s.now(), base64.RawURLEncoding.EncodeToString(nonce[:])}, s.now().Add(openedFor))
	return v, work.Outward(err)
}

// visitor returns whom a link was signed for; nil when it is not good.
func (s *Service) visitor(ctx context.Context, ws string, f *Form, token string) (*profile.Profile, error) {
	var c visitor
	good := len(token) <= 2000 && s.Tokens.Verify(ctx, ws, usePrefill, token, &c, s.now()) == nil
	if !good || c.Form != f.FormID() {
		return nil, nil
	}
	p, err := s.Profiles.Get(ctx, ws, c.Profile)
	if core.CodeOf(err) == core.NotFound {
		err = nil // erased: p is nil
	}
	return p, work.Outward(err)
}

// PrefillLink makes a link that shows a form to one person, with the fields filled in that
// allow it. Whoever has the link sees them: it is sent to that person alone.
func (s *Service) PrefillLink(ctx context.Context, ws, id, profileID string) (url string, expires time.Time, err error) {
	f, err := s.Form(ctx, ws, id)
	if err != nil {
		return "", expires, err
	}
	p, err := s.Profiles.Get(ctx, ws, profileID)
	if err != nil {
		return "", expires, work.Outward(err)
	}
	if p == nil {
		return "", expires, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	expires = s.now().Add(PrefillFor)
	token, err := s.Tokens.Sign(ctx, ws, usePrefill, visitor{id, p.ProfileID()}, expires)
	if err != nil {
		return "", expires, work.Outward(err)
	}
	base := ""
	if s.URL != nil {
		base = s.URL()
	}
	return base + Path + f.PublicID() + "?v=" + token, expires, nil
}

// plain writes a trait as a person would.
func plain(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeBoolean:
		if v.Boolean() {
			return "true"
		}
		return ""
	}
	if n, ok := v.AsInt64OK(); ok {
		return strconv.FormatInt(n, 10)
	}
	if f, ok := v.DoubleOK(); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return ""
}

// facts answers what blocks ask of a visitor.
type facts struct{ p *profile.Profile }

var _ condition.Facts = facts{}

// ProfileID implements condition.Facts.
func (f facts) ProfileID() string { return f.p.ProfileID() }

// Location implements condition.Facts.
func (f facts) Location() *time.Location { return nil }

// Trait implements condition.Facts.
func (f facts) Trait(path string) (bson.RawValue, bool) {
	t := f.p.TraitAt(path)
	if t == nil || t.Value.Type == bson.TypeNull {
		return bson.RawValue{}, false
	}
	return t.Value, true
}

// Ledgers implements condition.Facts.
func (f facts) Ledgers(string) []*condition.Ledger { return nil }

// Records implements condition.Facts.
func (f facts) Records(string, string) []bson.Raw { return nil }

// Member implements condition.Facts.
func (f facts) Member(string) (time.Time, bool) { return time.Time{}, false }

// ConsentStatus implements condition.Facts.
func (f facts) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return consent.Unknown, time.Time{}
}

// Record implements condition.Facts.
func (f facts) Record() bson.Raw { return nil }
