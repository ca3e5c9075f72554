package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
)

// Currency is that in which the shop reports. Its British customers pay in pounds.
const Currency = "EUR"

// Figures is the services that count, compare and predict.
type Figures struct {
	Figures   *insight.Service
	Budget    *budget.Service
	Trials    *experiment.Service
	Predicts  *predict.Service
	Desk      *privacy.Desk
	Profiles  *profile.Service
	Consent   *consent.Service
	Committer event.Committer
}

// Reckon tells what a shop tells beside its events: its currency with the rates of its
// year, what it spent on advertising, what figures should come to. It tells what
// became of the last newsletter and of a form for consents, ends the experiment that is decided,
// has models trained and answers somebody's request for their data. What is there already
// stays as it is. The history must be loaded.
func Reckon(ctx context.Context, w Workspace, f Figures) error {
	for _, step := range []struct {
		name string
		do   func(context.Context, Workspace) error
	}{
		{"set the currency", f.currency}, {"import costs", f.costs}, {"tell of the newsletter", f.newsletter}, {"set targets", f.targets},
		{"end an experiment", f.conclude}, {"record consents", f.consents}, {"train models", f.train}, {"answer a request", f.answer},
	} {
		if err := step.do(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func decimal(text string) condition.Decimal {
	d, _ := condition.ParseDecimal(text) // a constant
	return d
}

// poundRates are what a pound was worth on the first of each month, from before the
// history begins.
var poundRates = []string{"1.142", "1.150", "1.158", "1.161", "1.149", "1.155", "1.163", "1.170", "1.166", "1.172", "1.168", "1.175", "1.171", "1.169"}

func (f Figures) currency(ctx context.Context, w Workspace) error {
	first := w.LastDay.UTC().AddDate(0, -len(poundRates)+1, 0)
	list := make([]insight.ExchangeRate, len(poundRates))
	for i, rate := range poundRates {
		day := time.Date(first.Year(), first.Month()+time.Month(i), 1, 0, 0, 0, 0, time.UTC)
		list[i] = insight.ExchangeRate{From: "GBP", To: Currency, Day: insight.DateOf(day), Rate: decimal(rate)}
	}
	if err := f.Figures.SetRates(ctx, w.ID, list); err != nil {
		return err
	}
	set, err := f.Figures.ReportingOf(ctx, w.ID)
	if err != nil || set.Version() > 0 { // somebody who tries the demo may choose another
		return err
	}
	if _, err = f.Figures.SetCurrency(ctx, w.ID, Currency, 0, false); err != nil {
		return err
	}
	missing, err := f.Figures.MissingRates(ctx, w.ID, "", "")
	if err == nil && len(missing) > 0 {
		return core.Errorf(core.Internal, "DEMO_RATES", "there is no rate of %s in %s for %s", missing[0].From, missing[0].To, missing[0].Day)
	}
	return err
}

// clicks say what somebody who comes by a channel costs, in cents, and who bills it. Ads in
// social networks have become dear in the last six weeks.
var clicks = map[string]struct {
	account      string
	before, late int
}{
	"search": {"google-ads", 250, 250}, "social": {"meta-ads", 400, 720}, "email": {"newsletter-tool", 290, 290},
}

// Costs returns what was spent on advertising for the first n people up to the day of to,
// by account: for each visit that a campaign brought its price, each day.
func Costs(n int, to time.Time) map[string][]budget.Cost {
	to = midnight(to)
	spent := map[campaign]map[string]int{}
	for _, m := range happenings(n, to) {
		properties, _ := m.body["properties"].(map[string]any)
		if source, ok := properties["utm_source"].(string); ok {
			c := campaign{source, properties["utm_medium"].(string), properties["utm_campaign"].(string)}
			price := clicks[c.medium].before
			if m.at.After(to.Add(-days(42))) {
				price = clicks[c.medium].late
			}
			if spent[c] == nil {
				spent[c] = map[string]int{}
			}
			spent[c][m.at.UTC().Format(time.DateOnly)] += price
		}
	}
	out := map[string][]budget.Cost{}
	for _, c := range campaigns {
		if c.source == "" {
			continue
		}
		account := clicks[c.medium].account
		for day := to.AddDate(0, -Months, 0); day.Before(to); day = day.AddDate(0, 0, 1) {
			text := day.Format(time.DateOnly)
			out[account] = append(out[account], budget.Cost{
				Day: text, Currency: Currency, Amount: string(amount(spent[c][text])), Channel: c.medium, Campaign: c.name, Source: c.source,
			})
		}
	}
	return out
}

func (f Figures) costs(ctx context.Context, w Workspace) error {
	for account, list := range Costs(w.People, w.LastDay) {
		got, err := f.Budget.Import(ctx, w.ID, account, list, false)
		if err != nil {
			return err
		}
		if len(got.Faults) > 0 {
			return got.Faults[0]
		}
	}
	return nil
}

func (f Figures) targets(ctx context.Context, w Workspace) error {
	have, err := f.Budget.ListTargets(ctx, w.ID)
	if err != nil || len(have) > 0 {
		return err
	}
	for _, t := range budget.Usual() {
		if _, err := f.Budget.SetTarget(ctx, w.ID, t.ID, 0, t); err != nil {
			return err
		}
	}
	return f.Budget.Check(ctx, w.ID)
}

func (f Figures) train(ctx context.Context, w Workspace) error {
	for _, kind := range []predict.Kind{predict.Orders, predict.Baskets} {
		if _, err := f.Predicts.Train(ctx, w.ID, kind, true, "demo/"+string(kind)); err != nil {
			return err
		}
	}
	return nil
}

// answer gives the first shopper who signed up their data, for which they asked some time
// ago.
func (f Figures) answer(ctx context.Context, w Workspace) error {
	to := midnight(w.LastDay)
	for i := range w.People {
		p := newPerson(i, to.AddDate(0, -Months, 0), to)
		if p.signup.IsZero() {
			continue
		}
		asked := to.Add(-30 * time.Hour)
		r, err := f.Desk.Open(ctx, w.ID, privacy.OpenInput{
			Type: privacy.Access, Identifier: &event.Identifier{Namespace: profile.UserID, Value: p.userID()}, ReceivedAt: &asked,
			Reason: "asked by telephone", IdempotencyKey: "demo",
		})
		if err != nil || r.Handling.VerifiedAt != nil {
			return err
		}
		_, err = f.Desk.Verify(ctx, w.ID, privacy.VerifyInput{Step: privacy.Step{ID: r.RequestID()}, By: "demo", How: "called back"})
		return err
	}
	return nil
}
