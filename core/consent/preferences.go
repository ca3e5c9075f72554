package consent

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/work"
)

// The paths of the pages that people open by a signed link: before the token.
const (
	PreferencesPath = "/p/"
	UnsubscribePath = "/u/"
)

// How long links are good.
const (
	PreferencesFor = 60 * 24 * time.Hour
	UnsubscribeFor = 400 * 24 * time.Hour // letters are kept longer than a year
)

const (
	usePreferences = "preferences"
	useUnsubscribe = "unsubscribe"
	maxToken       = 2000
)

// Subjects' own words are written by this actor.
const actorSubject = "subject"

// The surfaces of evidence of what people say here.
const (
	SurfacePreferences = "preference_centre"
	SurfaceOneClick    = "one_click"
)

// link is what a token says. It is sealed within it.
type link struct {
	Profile string            `json:"p"`
	Purpose string            `json:"u,omitempty"`
	Channel string            `json:"c,omitempty"`
	By      string            `json:"b,omitempty"` // who made it
	To      *event.Identifier `json:"t,omitempty"` // where the server itself delivered it, over Channel; nil: it is not known
}

// Delivery says that the server itself sends a link to an address. Who opens it holds
// the address: that is what double opt-in is to prove, for that channel.
type Delivery struct {
	Channel string // EMAIL or SMS
	To      event.Identifier
}

// addressed are the namespaces of the addresses of channels.
var addressed = map[string]string{Email: "email", SMS: "phone"}

// Link is a page for one person. Whoever has it acts for them: it is sent to them alone.
type Link struct {
	URL       string // a path of this server when it does not know its own URL
	ExpiresAt time.Time
}

// PreferencesLink makes a person's link to the preference centre. It works while who
// made it may act. Only a part of the server that delivers it may say where to: whoever
// asks for a link by the API could open it themselves, so that one confirms nothing.
func (s *Service) PreferencesLink(ctx context.Context, ws, profile string, to *Delivery) (*Link, error) {
	l := link{Profile: profile}
	if to != nil {
		switch {
		case !core.ActorFrom(ctx).IsSystem():
			return nil, core.Errorf(core.Forbidden, "DELIVERY", "only the server itself says where it delivers a link")
		case addressed[to.Channel] == "" || addressed[to.Channel] != to.To.Namespace:
			return nil, core.Errorf(core.Invalid, "DELIVERY", "a link is delivered to an e-mail address over EMAIL, or to a phone number over SMS")
		}
		l.Channel, l.To = to.Channel, &to.To
	}
	return s.link(ctx, ws, PreferencesPath, usePreferences, PreferencesFor, l)
}

// proves reports whether a link was delivered to an address of the person's, over a
// channel: another holder of the address, or none, makes it prove nothing.
func (s *Service) proves(ctx context.Context, ws string, l link, who *Subject) (channel string, err error) {
	if l.To == nil {
		return "", nil
	}
	held, err := s.People.SubjectBy(ctx, ws, *l.To)
	if err != nil || held == nil || held.ID != who.ID {
		return "", err
	}
	return l.Channel, nil
}

func (s *Service) link(ctx context.Context, ws, path, use string, lasts time.Duration, l link) (*Link, error) {
	who, err := s.subject(ctx, ws, l.Profile)
	if err != nil {
		return nil, err
	}
	l.Profile, l.By = who.Part, actor(ctx)
	until := s.now().Add(lasts)
	token, err := s.Tokens.Sign(ctx, ws, use, l, until)
	if err != nil {
		return nil, err
	}
	ops, err := s.audited(ctx, Trace{Workspace: ws, Action: "consent.link", Resource: use, Profiles: []string{who.ID}, Purpose: l.Purpose, Decision: core.Allow})
	if err == nil && len(ops) > 0 {
		err = work.Commit(ctx, s.Store, ops...)
	}
	return &Link{URL: s.URL + path + token, ExpiresAt: until}, storeError("make a link", err)
}

// follow returns whose link a token is, and a context in which the person acts.
func (s *Service) follow(ctx context.Context, use, token string) (context.Context, string, link, *Subject, error) {
	var l link
	if len(token) > maxToken {
		return ctx, "", l, nil, errLink
	}
	ws, err := keyring.TokenWorkspace(token)
	if err == nil {
		err = s.Tokens.Verify(ctx, ws, use, token, &l, s.now())
	}
	if err == nil && use == usePreferences && s.Stands != nil && l.By != "" { // a link that only ends things is nobody's to end
		var stands bool
		if stands, err = s.Stands(ctx, ws, l.By); err == nil && !stands {
			err = errEnded
		}
	}
	if err != nil {
		return ctx, "", l, nil, err
	}
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: actorSubject, Name: actorSubject, Purpose: Compliance})
	who, err := s.subject(ctx, ws, l.Profile)
	if core.CodeOf(err) == core.NotFound {
		err = errGone // nothing is kept of the person any more
	}
	return ctx, ws, l, who, err
}

var (
	errLink  = core.Errorf(core.Invalid, "TOKEN_INVALID", "this link is not valid here: it is cut, changed, or meant for something else; ask for a new one")
	errEnded = core.Errorf(core.Invalid, "TOKEN_EXPIRED", "who made this link may not act here any more; ask for a new one")
	errGone  = core.Errorf(core.NotFound, "NOTHING_KEPT", "nothing is kept about the person whom this link was made for")
)

// PreferencePage is what a person sees of what they agreed to.
type PreferencePage struct {
	Workspace string       // what the person knows it by; "" where it says nothing
	Purposes  []Preference // those that they decide, then those that they do not
	Notice    *Document    // the privacy policy that is in force, in the language of the page if there is one; nil: none was published
	ExpiresAt time.Time
	OnTheWay  int // messages to the person that were handed to their channels and may still arrive
}

// Preference is one purpose.
type Preference struct {
	Purpose Purpose
	Within  string   // name of the purpose above it, which a yes needs too; "" when it has none
	Choices []Choice // none where the legal basis knows no objection
}

// Choice is what holds for a purpose over a channel.
type Choice struct {
	Purpose, Channel string // channel "" is every one
	Allowed          bool
	Status           string
	Since            time.Time // zero: nothing was said
}

// Ticked reports whether a choice is shown as made: a yes that waits for its confirmation
// is, so that saving the page does not take it back.
func (c Choice) Ticked() bool { return c.Allowed || c.Status == Pending }

// Key names a choice in a form.
func (c Choice) Key() string { return c.Purpose + "|" + c.Channel }

// personal are the channels over which people are reached; the others reach systems.
var personal = []string{Email, SMS, Push, WebChat, InApp}

// Preferences returns what a person agreed to, by their link, for a page in a language
// ("de"). It changes nothing but the audit log, which tells that it was looked at.
func (s *Service) Preferences(ctx context.Context, token, language string) (*PreferencePage, error) {
	ctx, ws, _, who, err := s.follow(ctx, usePreferences, token)
	if err != nil {
		return nil, err
	}
	out, err := s.preferences(ctx, ws, who, language)
	if err != nil {
		return nil, err
	}
	if out.OnTheWay, err = s.onTheWay(ctx, ws, who); err != nil {
		return nil, err
	}
	ops, err := s.audited(ctx, Trace{Workspace: ws, Action: "preferences.view", Resource: "profile", Profiles: []string{who.ID}, Decision: core.Allow})
	if err == nil && len(ops) > 0 {
		err = work.Commit(ctx, s.Store, ops...)
	}
	return out, storeError("write the audit log", err)
}

// onTheWay returns how many messages to a person their channels have not answered for yet.
func (s *Service) onTheWay(ctx context.Context, ws string, who *Subject) (int, error) {
	if s.InFlight == nil {
		return 0, nil
	}
	list, err := s.InFlight(ctx, ws, who.ID)
	return len(list), err
}

func (s *Service) preferences(ctx context.Context, ws string, who *Subject, language string) (*PreferencePage, error) {
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := &PreferencePage{}
	if s.Name != nil {
		if out.Workspace, err = s.Name(ctx, ws); err != nil {
			return nil, err
		}
	}
	now := s.now()
	words := who.Words(now)
	for _, p := range r.Purposes() {
		if p.Archived {
			continue
		}
		pref := Preference{Purpose: p}
		if up := r.Purpose(p.Parent); up != nil && p.Objectionable() {
			pref.Within = up.Name
		}
		channels := []string{""}
		switch {
		case !p.Objectionable():
			channels = nil
		case p.ConsentRequired:
			channels = personal
		}
		for _, channel := range channels {
			v := r.Decide(words, who.Country(r), p.Key, channel, now)
			c := Choice{Purpose: p.Key, Channel: channel, Allowed: v.Allowed, Status: Unknown}
			if w := holds(words, p.Key, channel, now); w != nil {
				c.Status, c.Since = w.Status, w.At
			}
			pref.Choices = append(pref.Choices, c)
		}
		out.Purposes = append(out.Purposes, pref)
	}
	rank := func(p Preference) int {
		switch {
		case p.Choices == nil:
			return 2
		case p.Purpose.ConsentRequired:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out.Purposes, func(a, b Preference) int { return rank(a) - rank(b) })
	out.Notice, err = s.notice(ctx, ws, language)
	return out, storeError("read the documents", err)
}

// maxNotices is how many versions of privacy policies are looked through for one in the
// language of a page.
const maxNotices = 200

// notice returns the latest privacy policy in a language, else in English, else the
// latest of all; nil when none was published.
func (s *Service) notice(ctx context.Context, ws, language string) (*Document, error) {
	found, err := documents.Find(ctx, s.Store, documentsOf(ws, PrivacyPolicy), maxNotices)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	for _, want := range []string{language, "en"} {
		for _, d := range found {
			if spoken, _, _ := strings.Cut(d.Locale, "-"); spoken == want {
				return d, nil
			}
		}
	}
	return found[0], nil
}

// Form is what a person sent in the preference centre.
type Form struct {
	WithdrawAll bool
	Language    string   // of the page that was shown: "de"; "" is English
	On          []string // keys of choices that are ticked
	Had         []string // keys of those that were ticked when the page was shown
}

// SavePreferences does what a person chose, by their link. What is not ticked is taken
// back. A yes is recorded only for what was not ticked when the page was shown and is
// now: a page that was open since before a withdrawal brings no consent back.
func (s *Service) SavePreferences(ctx context.Context, token string, f Form) error {
	ctx, ws, l, who, err := s.follow(ctx, usePreferences, token)
	if err != nil {
		return err
	}
	shown, err := s.preferences(ctx, ws, who, f.Language)
	if err != nil {
		return err
	}
	evidence, err := s.said(ctx, ws, l, shown.Notice, Evidence{Locale: f.Language, Surface: SurfacePreferences, Method: "form"})
	if err != nil {
		return err
	}
	if f.WithdrawAll {
		evidence.Method = "withdraw_all"
		_, err := s.Withdraw(ctx, ws, WithdrawInput{ProfileID: who.Part, Evidence: evidence})
		return err
	}
	proven, err := s.proves(ctx, ws, l, who)
	if err != nil {
		return err
	}
	for _, p := range shown.Purposes {
		if err := s.save(ctx, ws, who, p, f, evidence, proven); err != nil {
			return err
		}
	}
	return nil
}

// save does what a form says of one purpose: first what is taken back. Over the channel
// that the link proves, a yes needs no other confirmation.
func (s *Service) save(ctx context.Context, ws string, who *Subject, p Preference, f Form, evidence *Evidence, proven string) error {
	var off, on []Choice
	ticked := 0
	for _, c := range p.Choices {
		switch is := slices.Contains(f.On, c.Key()); {
		case is && !c.Ticked() && !slices.Contains(f.Had, c.Key()):
			on = append(on, c)
		case !is && (c.Ticked() || c.Status == Granted):
			off = append(off, c)
		}
		if slices.Contains(f.On, c.Key()) {
			ticked++
		}
	}
	if len(off) > 0 && ticked == 0 { // all of it: over channels too that the page does not show
		off = []Choice{{Purpose: p.Purpose.Key}}
	}
	for _, c := range off {
		if _, err := s.Withdraw(ctx, ws, WithdrawInput{ProfileID: who.Part, Purpose: c.Purpose, Channel: c.Channel, Evidence: evidence}); err != nil {
			return err
		}
	}
	for _, c := range on {
		made, err := s.Record(ctx, ws, RecordInput{ProfileID: who.Part, Purpose: c.Purpose, Channel: c.Channel, Evidence: evidence})
		if err != nil {
			return err
		}
		if made.Token == "" || proven == "" || c.Channel != proven {
			continue // who made the link, or another holder of it, may be somebody else: it waits
		}
		var e *core.Error
		if _, err := s.Confirm(ctx, ws, made.Token); errors.As(err, &e) && e.Code != core.Conflict || err != nil && e == nil {
			return err
		}
	}
	return nil
}

// said completes the evidence of what a person says on a page that they opened by a link.
func (s *Service) said(ctx context.Context, ws string, l link, shown *Document, e Evidence) (*Evidence, error) {
	if l.By != "" {
		e.link = append(e.link, bson.E{Key: "linkMadeBy", Value: l.By})
	}
	if l.To != nil {
		e.link = append(e.link, bson.E{Key: "linkSentOver", Value: l.Channel})
	}
	if e.Locale == "" {
		e.Locale = "en"
	}
	if shown != nil {
		e.NoticeHash, e.Locale = "sha256:"+shown.Hash, shown.Locale
		return &e, nil
	}
	r, err := s.Register(ctx, ws) // without a notice the texts of the purposes were what was shown
	if err != nil {
		return nil, err
	}
	e.NoticeHash = "purposes:" + strconv.FormatInt(r.Revision, 10)
	return &e, nil
}
