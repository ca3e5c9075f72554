package consent

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
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
	Profile string `json:"p"`
	Purpose string `json:"u,omitempty"`
	Channel string `json:"c,omitempty"`
}

// Link is a page for one person. Whoever has it acts for them: it is sent to them alone.
type Link struct {
	URL       string // a path of this server when it does not know its own URL
	ExpiresAt time.Time
}

// PreferencesLink makes a person's link to the preference centre.
func (s *Service) PreferencesLink(ctx context.Context, ws, profile string) (*Link, error) {
	return s.link(ctx, ws, PreferencesPath, usePreferences, PreferencesFor, link{Profile: profile})
}

func (s *Service) link(ctx context.Context, ws, path, use string, lasts time.Duration, l link) (*Link, error) {
	who, err := s.subject(ctx, ws, l.Profile)
	if err != nil {
		return nil, err
	}
	l.Profile = who.Part
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
	errLink = core.Errorf(core.Invalid, "TOKEN_INVALID", "this link is not valid here: it is cut, changed, or meant for something else; ask for a new one")
	errGone = core.Errorf(core.NotFound, "NOTHING_KEPT", "nothing is kept about the person whom this link was made for")
)

// PreferencePage is what a person sees of what they agreed to.
type PreferencePage struct {
	Workspace string       // what the person knows it by; "" where it says nothing
	Purposes  []Preference // those that they decide, then those that they do not
	Notice    *Document    // the privacy policy that is in force; nil: none was published
	ExpiresAt time.Time
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

// Key names a choice in a form.
func (c Choice) Key() string { return c.Purpose + "|" + c.Channel }

// personal are the channels over which people are reached; the others reach systems.
var personal = []string{Email, SMS, Push, WebChat, InApp}

// Preferences returns what a person agreed to, by their link. It changes nothing but the
// audit log, which tells that it was looked at.
func (s *Service) Preferences(ctx context.Context, token string) (*PreferencePage, error) {
	ctx, ws, _, who, err := s.follow(ctx, usePreferences, token)
	if err != nil {
		return nil, err
	}
	out, err := s.preferences(ctx, ws, who)
	if err != nil {
		return nil, err
	}
	ops, err := s.audited(ctx, Trace{Workspace: ws, Action: "preferences.view", Resource: "profile", Profiles: []string{who.ID}, Decision: core.Allow})
	if err == nil && len(ops) > 0 {
		err = work.Commit(ctx, s.Store, ops...)
	}
	return out, storeError("write the audit log", err)
}

func (s *Service) preferences(ctx context.Context, ws string, who *Subject) (*PreferencePage, error) {
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
	notices, err := documents.Find(ctx, s.Store, documentsOf(ws, PrivacyPolicy), 1)
	if len(notices) > 0 {
		out.Notice = notices[0]
	}
	return out, storeError("read the documents", err)
}

// Form is what a person sent in the preference centre.
type Form struct {
	WithdrawAll bool
	On          []string // keys of choices that are ticked
	Had         []string // keys of those that were ticked when the page was shown
}

// SavePreferences does what a person chose, by their link. What is not ticked is taken
// back. A yes is recorded only for what was not ticked when the page was shown and is
// now: a page that was open since before a withdrawal brings no consent back.
func (s *Service) SavePreferences(ctx context.Context, token string, f Form) error {
	ctx, ws, _, who, err := s.follow(ctx, usePreferences, token)
	if err != nil {
		return err
	}
	shown, err := s.preferences(ctx, ws, who)
	if err != nil {
		return err
	}
	evidence, err := s.said(ctx, ws, shown, SurfacePreferences, "form")
	if err != nil {
		return err
	}
	if f.WithdrawAll {
		evidence.Method = "withdraw_all"
		_, err := s.Withdraw(ctx, ws, WithdrawInput{ProfileID: who.Part, Evidence: evidence})
		return err
	}
	for _, p := range shown.Purposes {
		if err := s.save(ctx, ws, who, p, f, evidence); err != nil {
			return err
		}
	}
	return nil
}

// save does what a form says of one purpose: first what is taken back.
func (s *Service) save(ctx context.Context, ws string, who *Subject, p Preference, f Form, evidence *Evidence) error {
	var off, on []Choice
	ticked := 0
	for _, c := range p.Choices {
		switch is := slices.Contains(f.On, c.Key()); {
		case is && !c.Allowed && !slices.Contains(f.Had, c.Key()):
			on = append(on, c)
		case !is && (c.Allowed || c.Status == Granted || c.Status == Pending):
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
		if made.Token == "" {
			continue
		}
		// The link came to the person as the one that confirms would: it proves the same.
		var e *core.Error
		if _, err := s.Confirm(ctx, ws, made.Token); errors.As(err, &e) && e.Code != core.Conflict || err != nil && e == nil {
			return err
		}
	}
	return nil
}

// said is the evidence of what a person says on a page.
func (s *Service) said(ctx context.Context, ws string, shown *PreferencePage, surface, method string) (*Evidence, error) {
	e := &Evidence{Locale: "en", Surface: surface, Method: method}
	if shown != nil && shown.Notice != nil {
		e.NoticeHash = "sha256:" + shown.Notice.Hash
		return e, nil
	}
	r, err := s.Register(ctx, ws) // without a notice the texts of the purposes were what was shown
	if err != nil {
		return nil, err
	}
	e.NoticeHash = "purposes:" + strconv.FormatInt(r.Revision, 10)
	return e, nil
}
