package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// wait lets time pass, within reason: an emulator need not be as slow as its original.
func (x *Exam) wait(d time.Duration) {
	select {
	case <-time.After(min(d, 500*time.Millisecond)):
	case <-x.ctx.Done():
	}
}

var listRules = []Rule{
	{
		Name:   "lists/members",
		Must:   "people are put into a list, and taken out, and a list without an id is found by its name",
		Remedy: "return the list's id, and a result for each of Add, then of Remove",
		Run: func(x *Exam) {
			x.can(sdk.CanLists)
			v := x.Vendor()
			x.needs("Members", v.Members != nil && v.List != "")
			x.needs("Item", v.Item != nil)
			_, c := x.open()
			change := func(list string, add, remove []sdk.Item) string {
				got, err := c.Members(x.ctx, sdk.ListChange{List: list, Name: v.List, Add: add, Remove: remove})
				if err != nil {
					x.Failf("Members: %v", err)
				}
				for i, r := range got.Results {
					if r.Fault != nil {
						x.Errorf("result %d: %v", i, r.Fault)
					}
				}
				return got.List
			}
			items := x.items(0, 4)
			id := change("", items, nil)
			if id == "" {
				x.Errorf("the list has no id")
			}
			if n := len(v.Members()); n != 4 {
				x.Errorf("the list has %d members of 4", n)
			}
			if again := change("", items[:1], items[2:]); again != id {
				x.Errorf("the same name is another list the second time")
			}
			if n := len(v.Members()); n != 2 {
				x.Errorf("the list has %d members after 2 of 4 left", n)
			}
			change(id, nil, items[2:]) // who is not in it leaves without harm
		},
	},
	{
		Name:   "events/twice",
		Must:   "events are taken, and those with a key that is known only once",
		Remedy: "give the event's Key to the vendor as its idempotency key",
		Run: func(x *Exam) {
			s := x.can(sdk.CanForward)
			v := x.Vendor()
			x.needs("Event", v.Event != nil && v.Events != nil)
			_, c := x.open()
			events := []sdk.Event{v.Event(0), v.Event(1), v.Event(2)}
			for round := range 2 {
				results, err := c.Forward(x.ctx, events)
				if err != nil {
					x.Failf("Forward: %v", err)
				}
				for i, r := range results {
					if r.Fault != nil {
						x.Errorf("event %d: %v", i, r.Fault)
					}
				}
				if n := v.Events(); round == 0 && n != 3 || round == 1 && claims(s, sdk.DedupesEvents) && n != 3 {
					x.Errorf("the vendor has %d events of 3 after %d times", n, round+1)
				}
			}
		},
	},
	{
		Name:   "consents/fresh",
		Must:   "a withdrawal arrives, and only a fresh consent lifts it",
		Remedy: "look at ConsentChange.Fresh before you call what subscribes a person",
		Run: func(x *Exam) {
			x.can(sdk.CanConsents)
			v := x.Vendor()
			x.needs("Consent", v.Consent != nil && v.Granted != nil)
			_, c := x.open()
			for _, step := range []struct {
				granted, fresh, want bool
			}{{true, true, true}, {false, false, false}, {true, false, false}, {true, true, true}} {
				results, err := c.SetConsents(x.ctx, []sdk.ConsentChange{v.Consent(step.granted, step.fresh)})
				if err != nil {
					x.Failf("SetConsents: %v", err)
				}
				// To refuse what is not fresh is fine.
				if f := results[0].Fault; f != nil && step.granted == step.want {
					x.Errorf("granted %t, fresh %t: %v", step.granted, step.fresh, f)
				}
				if got := v.Granted(); got != step.want {
					x.Errorf("after granted %t, fresh %t the vendor has %t", step.granted, step.fresh, got)
				}
			}
		},
	},
}

var channelRules = []Rule{
	{
		Name:   "send/once",
		Must:   "a message reaches the vendor, has an id and a state, and with a known key it does not go out again",
		Remedy: "give Message.Key to the vendor as its idempotency key, or do not claim \"dedupe.send\"",
		Run: func(x *Exam) {
			s := x.can(sdk.CanSend)
			v := x.Vendor()
			x.needs("Message", v.Message != nil && v.Messages != nil)
			_, c := x.open()
			m := v.Message(0)
			sent, err := c.Send(x.ctx, m)
			if err != nil {
				x.Failf("Send: %v", err)
			}
			if sent.ID == "" || sent.State == "" {
				x.Errorf("Send returns the id %q and the state %q", sent.ID, sent.State)
			}
			if n := v.Messages(); n != 1 {
				x.Errorf("the vendor took %d messages of 1", n)
			}
			if claims(s, sdk.DedupesSends) {
				if again, err := c.Send(x.ctx, m); err != nil || again.ID != sent.ID || v.Messages() != 1 {
					x.Errorf("the same key again: %v, %d messages, or another id", err, v.Messages())
				}
			}
			if claims(s, sdk.CanStatus) {
				d, err := c.Status(x.ctx, sdk.StatusQuery{ID: sent.ID, Key: m.Key})
				if err != nil || d.ID != sent.ID || d.State == "" {
					x.Errorf("Status: %v, of %q in the state %q", err, d.ID, d.State)
				}
			}
		},
	},
	{
		Name:   "send/unknown",
		Must:   "a message whose answer is lost is UNKNOWN_OUTCOME, never a fault that has it sent again",
		Remedy: "return sdk.UnknownOutcome when the request went out and no answer came",
		Run: func(x *Exam) {
			s := x.can(sdk.CanSend)
			if claims(s, sdk.DedupesSends) {
				x.Skipf("the vendor sends a message with a key that it knows once")
			}
			v := x.Vendor()
			x.needs("Message", v.Message != nil && v.Messages != nil)
			_, c := x.open()
			x.begin(Losing)
			_, err := c.Send(x.ctx, v.Message(0))
			x.refuses("Send whose answer is lost", err, sdk.FaultUnknownOutcome)
			if n := v.Messages(); n != 1 {
				x.Errorf("the vendor took %d messages of 1: do not try again by yourself", n)
			}
		},
	},
}

var webhookRules = []Rule{
	{
		Name:   "webhook/signature",
		Must:   "a webhook with a true signature is taken; changed, or unsigned, it is UNAUTHORIZED, and old STALE",
		Remedy: "check the signature over the bytes as they came, in constant time, and its age by Webhook.At",
		Run: func(x *Exam) {
			x.can(sdk.CanReceive)
			v := x.Vendor()
			x.needs("Webhook", v.Webhook != nil)
			_, c := x.open()
			now := time.Now()
			hook := v.Webhook(now)
			hook.At = now
			got, err := c.Receive(x.ctx, hook)
			if err != nil {
				x.Failf("Receive: %v", err)
			}
			if again, err := c.Receive(x.ctx, hook); err != nil || !slices.Equal(keysOf(again), keysOf(got)) {
				x.Errorf("the same webhook again has other keys (%v): the host cannot know that it came before", err)
			}
			changed := hook
			changed.Body = append(slices.Clone(hook.Body), ' ')
			_, err = c.Receive(x.ctx, changed)
			x.refuses("a changed body", err, sdk.FaultUnauthorized)
			unsigned := hook
			unsigned.Header = nil
			_, err = c.Receive(x.ctx, unsigned)
			x.refuses("no header at all", err, sdk.FaultUnauthorized)
			late := hook
			late.At = now.Add(24 * time.Hour)
			if _, err = c.Receive(x.ctx, late); err != nil { // a vendor may sign no time
				x.refuses("a day late", err, sdk.FaultStale, sdk.FaultUnauthorized)
			}
		},
	},
}

func keysOf(r sdk.Received) []string {
	var keys []string
	for _, v := range r.Records {
		keys = append(keys, "record "+v.Key)
	}
	for _, v := range r.Events {
		keys = append(keys, "event "+v.Key)
	}
	for _, v := range r.Deliveries {
		keys = append(keys, "delivery "+v.Event)
	}
	for _, v := range r.Inbound {
		keys = append(keys, "inbound "+v.ID)
	}
	for _, v := range r.Consents {
		keys = append(keys, "consent "+v.Key)
	}
	return keys
}

var troubleRules = []Rule{
	{
		Name:   "trouble/busy",
		Must:   "a vendor that is busy is RETRY_AFTER with a time, said within 10 s, and afterwards all is well",
		Remedy: "return sdk.RetryAfter with what the vendor's header says; the host waits, not you",
		Run: func(x *Exam) {
			x.inTrouble(Busy, func(what string, err error) {
				if f := x.fault(what, err, sdk.FaultRetry, sdk.FaultQuota); f != nil && f.After <= 0 && f.Until.IsZero() {
					x.Errorf("%s does not say when to come back", what)
				}
			})
		},
	},
	{
		Name:   "trouble/spent",
		Must:   "a daily quota that is spent is QUOTA_UNTIL with a time to come",
		Remedy: "return sdk.QuotaUntil with the vendor's own reset",
		Run: func(x *Exam) {
			x.inTrouble(Spent, func(what string, err error) {
				if f := x.fault(what, err, sdk.FaultQuota); f != nil && !f.Until.After(time.Now()) {
					x.Errorf("%s is parked until a time that is past", what)
				}
			})
		},
	},
	{
		Name:   "trouble/down",
		Must:   "a vendor that is down is RETRY_AFTER from VENDOR",
		Remedy: "return sdk.RetryAfter for 5xx and for connections that fail; of a message that may have gone out UNKNOWN_OUTCOME",
		Run: func(x *Exam) {
			x.inTrouble(Down, func(what string, err error) {
				kinds := []sdk.FaultKind{sdk.FaultRetry}
				if what == "Send" {
					kinds = append(kinds, sdk.FaultUnknownOutcome)
				}
				if f := x.fault(what, err, kinds...); f != nil && f.Origin != sdk.FromVendor {
					x.Errorf("%s is the fault of %s; it is the vendor's", what, f.Origin)
				}
			})
		},
	},
	{
		Name:   "trouble/garbled",
		Must:   "an answer that breaks off is a fault to retry, or of unknown outcome, and not a success",
		Remedy: "return sdk.Broken when an answer does not decode; after a write sdk.UnknownOutcome",
		Run: func(x *Exam) {
			x.inTrouble(Garbled, func(what string, err error) {
				x.refuses(what, err, sdk.FaultRetry, sdk.FaultUnknownOutcome)
			})
		},
	},
	{
		Name:   "trouble/refused",
		Must:   "a credential that the vendor refuses is UNAUTHORIZED",
		Remedy: "return sdk.Unauthorized, with the scope that is missing as far as the vendor says",
		Run: func(x *Exam) {
			x.inTrouble(Refusing, func(what string, err error) { x.refuses(what, err, sdk.FaultUnauthorized) })
		},
	},
	{
		Name:   "trouble/cancelled",
		Must:   "a call to a vendor that never answers ends within a second when it is cancelled",
		Remedy: "give the context to every request, and wait for nothing without it",
		Run: func(x *Exam) {
			_, c := x.open()
			x.begin(Silent)
			for _, call := range x.calls(c) {
				ctx, cancel := context.WithTimeout(x.ctx, 300*time.Millisecond)
				err := call.do(ctx)
				cancel()
				if err == nil {
					x.Errorf("%s succeeds although the vendor says nothing", call.name)
				} else if !errors.Is(err, context.DeadlineExceeded) && sdk.AsFault(err).Kind == sdk.FaultInternal {
					x.Errorf("%s: %v", call.name, err)
				}
			}
			x.closes(c)
		},
	},
}

// call is something that talks to the vendor.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// calls lists what this connector and this vendor can be asked.
func (x *Exam) calls(c *sdk.RemoteConnection) []call {
	v, s := x.vendor, x.spec()
	out := []call{{"Check", c.Check}}
	if claims(s, sdk.CanPull) && v.Stream != "" && v.Seed != nil {
		v.Seed(1)
		out = append(out, call{"Pull", func(ctx context.Context) error {
			return c.Pull(ctx, sdk.PullRequest{Stream: v.Stream}, func(sdk.Page) error { return nil })
		}})
	}
	if claims(s, sdk.CanUpsert) && v.Stream != "" && v.Item != nil {
		out = append(out, call{"Upsert", func(ctx context.Context) error {
			results, err := c.Upsert(ctx, sdk.Batch{Stream: v.Stream, Items: x.items(900, 2)})
			return oneOf(results, err)
		}})
	}
	if claims(s, sdk.CanForward) && v.Event != nil {
		out = append(out, call{"Forward", func(ctx context.Context) error {
			results, err := c.Forward(ctx, []sdk.Event{v.Event(900)})
			return oneOf(results, err)
		}})
	}
	if claims(s, sdk.CanErase) && v.Subject != nil && v.Seed != nil {
		subject := v.Subject(v.Seed(1)[0])
		subject.Key = "kit-trouble"
		out = append(out, call{"Erase", func(ctx context.Context) error {
			_, err := c.Erase(ctx, subject)
			return err
		}})
	}
	if claims(s, sdk.CanSend) && v.Message != nil {
		out = append(out, call{"Send", func(ctx context.Context) error {
			_, err := c.Send(ctx, v.Message(900))
			return err
		}})
	}
	return out
}

// oneOf is the error of a batch, or that of its first item that failed.
func oneOf(results []sdk.Result, err error) error {
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Fault != nil {
			return r.Fault
		}
	}
	return nil
}

// inTrouble makes every call while the vendor is in trouble, and once more when it is over.
func (x *Exam) inTrouble(t Trouble, judge func(what string, err error)) {
	_, c := x.open()
	calls := x.calls(c)
	for _, call := range calls {
		end := x.begin(t)
		ctx, cancel := context.WithTimeout(x.ctx, 10*time.Second)
		err := call.do(ctx)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
			x.Errorf("%s took longer than 10 s", call.name)
		} else {
			judge(call.name, err)
		}
		cancel()
		end()
		if err := x.recovers(call); err != nil {
			x.Errorf("%s when it is over: %v", call.name, err)
		}
	}
}

// recovers gives a connector that learnt to wait a moment.
func (x *Exam) recovers(c call) error {
	var err error
	for range 10 {
		if err = c.do(x.ctx); err == nil {
			return nil
		}
		f := sdk.AsFault(err)
		if f.Kind != sdk.FaultRetry && f.Kind != sdk.FaultQuota {
			return err
		}
		x.wait(max(f.After, 50*time.Millisecond))
	}
	return fmt.Errorf("after ten times: %w", err)
}
