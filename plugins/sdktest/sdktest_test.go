package sdktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
	"github.com/headwater-cdp/headwater/plugins/sdktest/check"
	"github.com/headwater-cdp/headwater/plugins/sdktest/loopback"
)

// The test binary is a connector too: the good one, and those that break a rule.
func TestMain(m *testing.M) {
	as := os.Getenv("KIT_AS")
	switch as {
	case "":
		os.Exit(m.Run())
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		serveDeaf()
	case "hanging":
		if os.Getenv(sdk.Handshake.MagicCookieKey) == "" {
			time.Sleep(time.Minute)
		}
		sdk.Serve(loopback.Connector{})
	case "orphan":
		servePlain()
	case "littering":
		os.WriteFile(os.TempDir()+"/state", []byte("cursor"), 0o600)
		sdk.Serve(loopback.Connector{})
	case "good":
		sdk.Serve(loopback.Connector{})
	default:
		sdk.Serve(broken()[as].connector)
	}
}

func vendor(t testing.TB) sdktest.Vendor {
	v := loopback.NewVendor()
	t.Cleanup(v.Close)
	return v.Kit()
}

func TestTheLoopbackConforms(t *testing.T) {
	t.Parallel()
	sdktest.Run(t, sdktest.Kit{
		Connector: loopback.Connector{}, Program: os.Args[0], Env: []string{"KIT_AS=good"}, Vendor: vendor,
	})
}

// No rule may be skipped for the loopback: it is what proves that a rule can pass.
func TestNoRuleIsSkipped(t *testing.T) {
	t.Parallel()
	for _, rule := range check.Rules() {
		kit := sdktest.Kit{Connector: loopback.Connector{}, Vendor: vendor}
		if rule.Process {
			kit = sdktest.Kit{Program: os.Args[0], Env: []string{"KIT_AS=good"}, Vendor: vendor}
		}
		f := sdktest.Examine(t, kit, rule.Name)
		if f.Status == check.Skip {
			t.Errorf("%s: %v", rule.Name, f.Detail)
		}
	}
}

type mistake struct {
	rules     []string // that must find it
	connector sdk.Connector
}

// broken lists connectors with a mistake.
func broken() map[string]mistake {
	spec := func(f func(s *sdk.Spec)) loopback.Connector {
		return loopback.Connector{Over: loopback.Over{Spec: func(next func() sdk.Spec) sdk.Spec {
			s := next()
			f(&s)
			return s
		}}}
	}
	schema := func(s string) loopback.Connector {
		return spec(func(spec *sdk.Spec) { spec.ConfigSchema = json.RawMessage(s) })
	}
	over := func(o loopback.Over) loopback.Connector { return loopback.Connector{Over: o} }
	type upsert = func(context.Context, sdk.Batch) ([]sdk.Result, error)
	type pull = func(context.Context, sdk.PullRequest, func(sdk.Page) error) error
	starts := 0
	kept := map[string]string{}
	return map[string]mistake{
		"no name":    {[]string{"spec/words"}, spec(func(s *sdk.Spec) { s.Name = "Has Spaces" })},
		"no version": {[]string{"spec/words"}, spec(func(s *sdk.Spec) { s.Version = "1.0" })},
		"no data":    {[]string{"spec/words"}, spec(func(s *sdk.Spec) { s.Categories = nil })},
		"changing spec": {[]string{"spec/constant"}, spec(func(s *sdk.Spec) {
			starts++
			s.Title = fmt.Sprint(starts)
		})},
		"schema of a list":     {[]string{"spec/schema"}, schema(`{"type":"array"}`)},
		"schema without form":  {[]string{"spec/schema"}, schema(`{"type":"object","properties":{"a":{"type":12}}}`)},
		"schema without title": {[]string{"spec/schema"}, schema(`{"type":"object","properties":{"a":{"type":"string"}}}`)},
		"open secret":          {[]string{"spec/secrets"}, schema(`{"type":"object","properties":{"apiKey":{"type":"string","title":"Key"}}}`)},
		"host with a scheme":   {[]string{"spec/hosts"}, spec(func(s *sdk.Spec) { s.Hosts = []string{"https://api.vendor.com/v1"} })},
		"host of no property":  {[]string{"spec/hosts"}, spec(func(s *sdk.Spec) { s.Hosts = []string{"config:nowhere"} })},
		"channel of no kind":   {[]string{"spec/kinds"}, spec(func(s *sdk.Spec) { s.Channels = nil })},
		"nobody erased": {[]string{"spec/kinds"}, spec(func(s *sdk.Spec) {
			s.Capabilities = slices.DeleteFunc(s.Capabilities, func(c sdk.Capability) bool { return c == sdk.CanErase })
		})},
		"claim without method": {[]string{"config/offers"}, bare{}},
		"method without claim": {[]string{"config/offers"}, spec(func(s *sdk.Spec) { s.Capabilities = s.Capabilities[1:] })},
		"misfitting schema":    {[]string{"config/fits"}, schema(`{"type":"object","required":["other"],"properties":{"other":{"type":"string","title":"O"}}}`)},
		"panic on {}": {[]string{"config/refused"}, over(loopback.Over{Open: func(ctx context.Context, c sdk.Config, h sdk.Host,
			next func(context.Context, sdk.Config, sdk.Host) (sdk.Connection, error)) (sdk.Connection, error) {
			var form map[string]string
			if json.Unmarshal(c, &form) != nil || form["token"] == "" {
				panic("no token")
			}
			return next(ctx, c, h)
		}})},
		"check that fails": {[]string{"config/check"}, over(loopback.Over{Check: func(context.Context, func(context.Context) error) error {
			return sdk.RetryAfter(time.Second, "not now")
		}})},
		"streams twice": {[]string{"config/streams"}, over(loopback.Over{Discover: func(ctx context.Context, next func(context.Context) ([]sdk.Stream, error)) ([]sdk.Stream, error) {
			s, err := next(ctx)
			return append(s, s...), err
		}})},
		"stream with a false key": {[]string{"config/streams"}, over(loopback.Over{Discover: func(ctx context.Context, next func(context.Context) ([]sdk.Stream, error)) ([]sdk.Stream, error) {
			s, err := next(ctx)
			s[0].Keys = []string{"nothing"}
			return s, err
		}})},
		"slow to close": {[]string{"config/reopen", "pull/stops"}, over(loopback.Over{Close: func(next func() error) error {
			time.Sleep(1100 * time.Millisecond)
			return next()
		}})},
		"silent about withdrawals": {[]string{"pull/consents"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error {
				p.Consents = nil
				return emit(p)
			})
		}})},
		"withdrawals without a key": {[]string{"pull/consents"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error {
				for i := range p.Consents {
					p.Consents[i].Key = fmt.Sprint(time.Now().UnixNano())
				}
				return emit(p)
			})
		}})},
		"first page only": {[]string{"pull/whole"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			pages := 0
			return next(ctx, q, func(p sdk.Page) error {
				if pages++; pages > 1 {
					return nil
				}
				return emit(p)
			})
		}})},
		"no cursors": {[]string{"pull/whole"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error { p.Cursor = nil; return emit(p) })
		}})},
		"cursor ahead": {[]string{"pull/resume", "pull/crash"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error {
				var at struct{ After int }
				json.Unmarshal(p.Cursor, &at)
				p.Cursor = fmt.Appendf(nil, `{"after":%d}`, at.After+10)
				return emit(p)
			})
		}})},
		"cursor in memory": {[]string{"pull/crash"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			if cursor, ok := kept[string(q.Cursor)]; ok {
				q.Cursor = []byte(cursor)
			}
			return next(ctx, q, func(p sdk.Page) error {
				name := fmt.Sprint("page-", len(kept))
				kept[name] = string(p.Cursor)
				p.Cursor = []byte(name)
				return emit(p)
			})
		}})},
		"always everything": {[]string{"pull/changes"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			q.Cursor = nil
			return next(ctx, q, emit)
		}})},
		"no deletions": {[]string{"pull/deletions"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error {
				p.Records = slices.DeleteFunc(p.Records, func(r sdk.Record) bool { return r.Deleted })
				return emit(p)
			})
		}})},
		"latin pull": {[]string{"pull/unicode"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(ctx, q, func(p sdk.Page) error {
				for _, r := range p.Records {
					if s, ok := r.Fields["name"].(string); ok {
						r.Fields["name"] = latin(s)
					}
				}
				return emit(p)
			})
		}})},
		"any cursor": {[]string{"pull/cursor"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			if err := next(ctx, q, emit); sdk.AsFault(err) == nil || sdk.AsFault(err).Kind != sdk.FaultCursorLost {
				return err
			}
			q.Cursor = nil
			return next(ctx, q, emit)
		}})},
		"any stream": {[]string{"pull/stream"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			q.Stream = "people"
			return next(ctx, q, emit)
		}})},
		"deaf to emit": {[]string{"pull/stops"}, over(loopback.Over{Pull: func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next pull) error {
			return next(context.WithoutCancel(ctx), q, func(p sdk.Page) error {
				if err := emit(p); err != nil {
					time.Sleep(1200 * time.Millisecond)
					return err
				}
				return nil
			})
		}})},
		"no writing": {[]string{"upsert/writes"}, over(loopback.Over{Upsert: func(_ context.Context, b sdk.Batch, _ upsert) ([]sdk.Result, error) {
			out := make([]sdk.Result, len(b.Items))
			for i := range out {
				out[i] = sdk.Result{ID: fmt.Sprint("x", i), Outcome: sdk.Created}
			}
			return out, nil
		}})},
		"reversed results": {[]string{"upsert/writes", "upsert/big"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			r, err := next(ctx, b)
			slices.Reverse(r)
			return r, err
		}})},
		"duplicates": {[]string{"upsert/twice"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			for i := range b.Items {
				b.Items[i].Fields["email"] = fmt.Sprint(time.Now().UnixNano(), "@example.org")
			}
			return next(ctx, b)
		}})},
		"all or nothing": {[]string{"upsert/partial"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			r, err := next(ctx, b)
			for _, one := range r {
				if one.Fault != nil {
					return nil, one.Fault
				}
			}
			return r, err
		}})},
		"small batches": {[]string{"upsert/big"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			if len(b.Items) > 200 {
				return nil, sdk.InvalidRecord("", "too many")
			}
			return next(ctx, b)
		}})},
		"latin upsert": {[]string{"upsert/unicode"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			for i := range b.Items {
				if s, ok := b.Items[i].Fields["name"].(string); ok {
					b.Items[i].Fields["name"] = latin(s)
				}
			}
			return next(ctx, b)
		}})},
		"no deleting": {[]string{"upsert/delete"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			if len(b.Items) > 0 && b.Items[0].Delete {
				return []sdk.Result{{Outcome: sdk.Deleted}}, nil
			}
			return next(ctx, b)
		}})},
		"erases nobody": {[]string{"erase/forgets"}, over(loopback.Over{Erase: func(context.Context, sdk.Subject, func(context.Context, sdk.Subject) (sdk.EraseReceipt, error)) (sdk.EraseReceipt, error) {
			return sdk.EraseReceipt{Done: true, Known: true, Erased: time.Now()}, nil
		}})},
		"list without removal": {[]string{"lists/members"}, over(loopback.Over{Members: func(ctx context.Context, l sdk.ListChange, next func(context.Context, sdk.ListChange) (sdk.ListResult, error)) (sdk.ListResult, error) {
			n := len(l.Remove)
			l.Remove = nil
			r, err := next(ctx, l)
			r.Results = append(r.Results, make([]sdk.Result, n)...)
			return r, err
		}})},
		"events by another key": {[]string{"events/twice"}, over(loopback.Over{Forward: func(ctx context.Context, e []sdk.Event, next func(context.Context, []sdk.Event) ([]sdk.Result, error)) ([]sdk.Result, error) {
			for i := range e {
				e[i].Key = fmt.Sprint(time.Now().UnixNano())
			}
			return next(ctx, e)
		}})},
		"consent that is not fresh": {[]string{"consents/fresh"}, over(loopback.Over{Consents: func(ctx context.Context, c []sdk.ConsentChange, next func(context.Context, []sdk.ConsentChange) ([]sdk.Result, error)) ([]sdk.Result, error) {
			c[0].Fresh = true
			return next(ctx, c)
		}})},
		"sends twice": {[]string{"send/once"}, over(loopback.Over{Send: func(ctx context.Context, m sdk.Message, next func(context.Context, sdk.Message) (sdk.Sent, error)) (sdk.Sent, error) {
			next(ctx, m)
			return next(ctx, m)
		}})},
		"sends again when lost": {[]string{"send/unknown"}, over(loopback.Over{Send: func(ctx context.Context, m sdk.Message, next func(context.Context, sdk.Message) (sdk.Sent, error)) (sdk.Sent, error) {
			s, err := next(ctx, m)
			if f := sdk.AsFault(err); f != nil && f.Kind == sdk.FaultUnknownOutcome {
				return s, sdk.RetryAfter(time.Second, "again, please")
			}
			return s, err
		}})},
		"any signature": {[]string{"webhook/signature"}, over(loopback.Over{Receive: func(context.Context, sdk.Webhook, func(context.Context, sdk.Webhook) (sdk.Received, error)) (sdk.Received, error) {
			return sdk.Received{}, nil
		}})},
		"busy without a time": {[]string{"trouble/busy"}, changed(func(f *sdk.Fault) *sdk.Fault { f.After = 0; return f })},
		"quota as retry": {[]string{"trouble/spent"}, changed(func(f *sdk.Fault) *sdk.Fault {
			if f.Kind == sdk.FaultQuota {
				return sdk.RetryAfter(time.Second, "later")
			}
			return f
		})},
		"down is ours": {[]string{"trouble/down"}, changed(func(f *sdk.Fault) *sdk.Fault {
			if f.Kind == sdk.FaultRetry {
				f.Kind, f.Origin = sdk.FaultInternal, sdk.FromConnector
			}
			return f
		})},
		"garbled is fine": {[]string{"trouble/garbled"}, changed(func(*sdk.Fault) *sdk.Fault { return nil })},
		"refused is retry": {[]string{"trouble/refused"}, changed(func(f *sdk.Fault) *sdk.Fault {
			if f.Kind == sdk.FaultUnauthorized {
				return sdk.RetryAfter(time.Second, "later")
			}
			return f
		})},
		"deaf to cancellation": {[]string{"trouble/cancelled"}, over(loopback.Over{Check: func(ctx context.Context, next func(context.Context) error) error {
			if err := next(ctx); err != nil {
				time.Sleep(3 * time.Second)
				return err
			}
			return nil
		}})},
		"secret in a file": {[]string{"secrets/kept"}, leak(func(token string) {
			os.WriteFile(os.TempDir()+"/token", []byte(token), 0o600)
		})},
		"secret on standard error":  {[]string{"secrets/kept"}, leak(func(token string) { fmt.Fprintln(os.Stderr, "using", token) })},
		"secret on standard output": {[]string{"secrets/kept"}, leak(func(token string) { fmt.Println("using", token) })},
		"person in the log": {[]string{"secrets/people"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			for _, item := range b.Items {
				slog.Info("writing", "email", item.Fields["email"])
			}
			return next(ctx, b)
		}})},
		"person in a fault": {[]string{"secrets/people"}, over(loopback.Over{Upsert: func(ctx context.Context, b sdk.Batch, next upsert) ([]sdk.Result, error) {
			r, err := next(ctx, b)
			for i := range r {
				if r[i].Fault != nil {
					r[i].Fault.Message = fmt.Sprintf("the vendor does not take %v", b.Items[i].Fields["email"])
				}
			}
			return r, err
		}})},
	}
}

// changed is a connector whose faults are other ones.
func changed(f func(*sdk.Fault) *sdk.Fault) loopback.Connector {
	return loopback.Connector{Over: loopback.Over{
		Check: func(ctx context.Context, next func(context.Context) error) error {
			if told := sdk.AsFault(next(ctx)); told != nil {
				if told = f(told); told != nil {
					return told
				}
			}
			return nil
		},
	}}
}

// leak is a connector that does something with its token.
func leak(f func(token string)) loopback.Connector {
	return loopback.Connector{Over: loopback.Over{Open: func(ctx context.Context, c sdk.Config, h sdk.Host,
		next func(context.Context, sdk.Config, sdk.Host) (sdk.Connection, error)) (sdk.Connection, error) {
		var form struct{ Token string }
		json.Unmarshal(c, &form)
		f(form.Token)
		return next(ctx, c, h)
	}}}
}

func latin(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 255 {
			return '?'
		}
		return r
	}, s)
}

// bare claims everything and can nothing.
type bare struct{ loopback.Connector }

func (bare) Open(context.Context, sdk.Config, sdk.Host) (sdk.Connection, error) {
	return bareConnection{}, nil
}

type bareConnection struct{}

func (bareConnection) Check(context.Context) error { return nil }
func (bareConnection) Close() error                { return nil }

func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for name, m := range broken() {
		for _, rule := range m.rules {
			found[rule] = true
			t.Run(name+"/"+rule, func(t *testing.T) {
				t.Parallel()
				// As a process where only a process has what is looked for.
				kit := sdktest.Kit{Connector: m.connector, Vendor: vendor}
				if rule == "pull/crash" || strings.HasPrefix(name, "secret ") || name == "person in the log" {
					kit = sdktest.Kit{Program: os.Args[0], Env: []string{"KIT_AS=" + name}, Vendor: vendor}
				}
				mustFail(t, kit, rule)
			})
		}
	}
	for as, rule := range map[string]string{
		"deaf": "process/ends", "orphan": "process/orphan", "hanging": "process/by-hand", "littering": "process/quiet",
	} {
		found[rule] = true
		t.Run(as+"/"+rule, func(t *testing.T) {
			t.Parallel()
			if as == "deaf" && os.Getenv("HEADWATER_TEST_LONG") == "" {
				t.Skip("it takes 15 s; HEADWATER_TEST_LONG=1 runs it")
			}
			mustFail(t, sdktest.Kit{Program: os.Args[0], Env: []string{"KIT_AS=" + as}, Vendor: vendor}, rule)
		})
	}
	found["config/unopened"] = true // sdk.Serve answers it; the Node plugin's test is about it
	for _, rule := range check.Rules() {
		if !found[rule.Name] {
			t.Errorf("no mistake is found by %s", rule.Name)
		}
	}
}

func mustFail(t *testing.T, kit sdktest.Kit, rule string) {
	t.Helper()
	f := sdktest.Examine(t, kit, rule)
	if f.Status != check.Fail {
		t.Errorf("%s: %s %v", rule, f.Status, f.Detail)
	}
	if f.Remedy == "" || len(f.Detail) == 0 || f.Must == "" {
		t.Errorf("the finding says too little: %+v", f)
	}
}
