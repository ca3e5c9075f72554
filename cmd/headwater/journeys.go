package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/journey/ready"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	vendor "github.com/headwater-cdp/headwater/core/sync"
)

// guide wires journeys behind all that they name and use.
func (a *app) guide() {
	a.journeys = journey.New(journey.ServiceOptions{
		Store: a.store, Clock: a.e.clock, Keys: a.ring, Profiles: a.profiles, Segments: a.segments, Objects: a.objects, Committer: a.pipeline,
		Outbox: a.messages, Coupons: coupons{a.loyalty}, Ledger: ledger{a.loyalty, a.leads}, Hours: a.predicts, Caller: newCaller(a), Access: a.access,
		Audit: access.Recorder(a.audit), Runner: a.runner, Jobs: a.jobs, Words: a.journeyWords, Title: a.templateName, View: a.policies.View, Logger: a.e.log,
	})
	a.profiles.SetFold(profile.Folds{a.segments, a.loyalty, a.leads, a.predicts, a.credits, a.trials, a.figures, a.journeys})
	a.trials.SetJourneys(splits{a.journeys})
	a.messages.OnHandOff(a.journeys.Stand)
	a.library.Register(func(ctx context.Context, ws, kind, name string) ([]library.User, error) {
		if kind != library.KindTemplate {
			return nil, nil
		}
		list, err := a.journeys.Users(ctx, ws, name)
		out := make([]library.User, len(list))
		for i, j := range list {
			out[i] = library.User{ID: j.JourneyID(), Name: j.Name}
		}
		return out, err
	})
}

// installer makes ready journeys the workspace's own.
func (a *app) installer() ready.Installer {
	return ready.Installer{Library: a.library, Segments: a.segments, Loyalty: a.loyalty, Journeys: a.journeys}
}

// templateName names a template; "" for one that cannot be read now.
func (a *app) templateName(ctx context.Context, ws, id string) string {
	t, err := library.Templates.Get(ctx, a.store, store.Key(ws, id))
	if err != nil || t == nil {
		return ""
	}
	return t.Name
}

// coupons gives out codes of the pools of loyalty.
type coupons struct{ *loyalty.Service }

// Take implements journey.Coupons.
func (c coupons) Take(ctx context.Context, ws, pool, profileID, key string, expires time.Time, with ...store.Op) (*journey.Taken, error) {
	got, err := c.Assign(ctx, ws, pool, profileID, key, with...)
	if err != nil {
		if e := core.AsError(err); e.Reason == loyalty.ReasonPoolEmpty || e.Reason == "POOL_EXPIRED" {
			return nil, nil
		}
		return nil, err
	}
	t := &journey.Taken{Code: got.Code(), ExpiresAt: got.ExpiresAt, Stands: []store.Op{loyalty.Coupons.Check(got)}}
	if !expires.IsZero() && (t.ExpiresAt.IsZero() || expires.Before(t.ExpiresAt)) {
		t.ExpiresAt = expires
	}
	return t, nil
}

// Release implements journey.Coupons.
func (c coupons) Release(ctx context.Context, ws, pool, key string, demands ...store.Op) error {
	_, err := c.Service.Release(ctx, ws, pool, key, demands...)
	return err
}

// ledger keeps points and scores.
type ledger struct {
	*loyalty.Service
	leads *lead.Service
}

// Points implements journey.Ledger.
func (l ledger) Points(ctx context.Context, ws, profileID, key string, p journey.Points) (string, error) {
	in := loyalty.Points{ProfileID: profileID, Points: p.Amount, Key: key, Reason: p.Reason}
	change := l.Earn
	if p.Amount < 0 {
		in.Points, change = -p.Amount, l.Spend
	}
	if _, err := change(ctx, ws, in); err != nil {
		if e := core.AsError(err); e.Reason == "POINTS_TOO_FEW" {
			return e.Reason, nil
		}
		return "", err
	}
	return "", nil
}

// Score implements journey.Ledger. A rule that is gone since the version was published
// changes nothing.
func (l ledger) Score(ctx context.Context, ws, profileID, key, by string, sc journey.Score) (string, error) {
	_, err := l.leads.Adjust(ctx, ws, lead.Adjustment{ProfileID: profileID, Rule: sc.Rule, Points: sc.Points, Reason: sc.Reason, By: by, Key: key})
	if e := core.AsError(err); e != nil && e.Reason == "RULE_UNKNOWN" {
		return e.Reason, nil
	}
	return "", err
}

// words is what a workspace knows of what journeys name, as of one moment.
type words struct {
	conditions condition.Vocabulary
	templates  map[string]journey.TemplateInfo
	purposes   []string
	pools      map[string]bool
	rules      []string // of scores
	secrets    []*journey.Secret
	journeys   map[string]journey.JourneyInfo
	channels   map[string]bool
}

func (w *words) Conditions() condition.Vocabulary { return w.conditions }
func (w *words) Template(id string) (journey.TemplateInfo, bool) {
	t, ok := w.templates[id]
	return t, ok
}
func (w *words) Purposes() []string   { return w.purposes }
func (w *words) Pool(key string) bool { return w.pools[key] }
func (w *words) Rule(key string) bool { return slices.Contains(w.rules, key) }
func (w *words) Secret(name string) bool {
	return slices.ContainsFunc(w.secrets, func(s *journey.Secret) bool { return s.Name() == name })
}
func (w *words) Journey(id string) (journey.JourneyInfo, bool) { j, ok := w.journeys[id]; return j, ok }
func (w *words) Connected(channel string) bool                 { return w.channels[channel] }

// journeyWords reads what journeys may name.
func (a *app) journeyWords(ctx context.Context, ws string) (journey.Vocabulary, error) {
	w := &words{
		templates: map[string]journey.TemplateInfo{}, pools: map[string]bool{}, journeys: map[string]journey.JourneyInfo{},
		channels: map[string]bool{consent.InApp: true, consent.WebChat: true},
	}
	var err error
	if w.conditions, err = a.segments.Vocabulary(ctx, ws); err != nil {
		return nil, err
	}
	register, err := a.consent.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	w.purposes = register.Keys()
	templates, err := library.Templates.Find(ctx, a.store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	for _, t := range templates {
		w.templates[t.TemplateID()] = journey.TemplateInfo{Channel: t.Channel, Published: t.Newest > 0, Archived: t.Status == library.Archived}
	}
	pools, err := loyalty.Pools.Find(ctx, a.store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	for _, p := range pools {
		w.pools[p.PoolID()] = true
	}
	if w.rules, err = a.leads.Rules(ctx, ws); err != nil {
		return nil, err
	}
	if w.secrets, err = a.journeys.ListSecrets(ctx, ws); err != nil {
		return nil, err
	}
	if err := a.knownJourneys(ctx, ws, w); err != nil {
		return nil, err
	}
	return w, a.connected(ctx, ws, w)
}

// knownJourneys tells which journeys there are, and which others their newest versions start.
func (a *app) knownJourneys(ctx context.Context, ws string, w *words) error {
	all, err := journey.Journeys.Find(ctx, a.store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return err
	}
	for _, j := range all {
		info := journey.JourneyInfo{Archived: j.Mode == journey.Archived}
		v, err := a.journeys.Version(ctx, ws, j.JourneyID(), j.Latest)
		if err != nil {
			return err
		}
		if v != nil && strings.Contains(v.Definition, `"subJourney"`) {
			d, err := journey.ParseJSON([]byte(v.Definition))
			if err != nil {
				return err
			}
			for _, n := range d.Nodes {
				if n.Step.SubJourney != "" {
					info.Subs = append(info.Subs, n.Step.SubJourney)
				}
			}
		}
		w.journeys[j.JourneyID()] = info
	}
	return nil
}

// connected tells over which channels something goes.
func (a *app) connected(ctx context.Context, ws string, w *words) error {
	list, err := vendor.Connections.Find(ctx, a.store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return err
	}
	for _, c := range list {
		if spec := a.syncs.Connector(c.Connector); spec != nil && spec.Can(vendor.CanSend) {
			for _, channel := range spec.Channels {
				w.channels[channel] = true
			}
		}
	}
	settings, err := a.messages.Settings(core.WithActor(ctx, access.System(ws, "journeys")), ws)
	if err != nil {
		return err
	}
	w.channels[message.Webhook] = settings.Way(message.Webhook).URL != ""
	return nil
}
