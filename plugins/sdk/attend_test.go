package sdk

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSavedSecretsAreAcknowledged(t *testing.T) {
	f := &full{}
	host := &secretHost{slow: 30 * time.Millisecond}
	opened(t, f, host, nil)
	began := time.Now()
	if err := f.host.SaveSecret(t.Context(), "token", "the next one"); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) < host.slow {
		t.Error("it returned before the host had kept it")
	}
	host.mu.Lock()
	if host.saved["token"] != "the next one" {
		t.Errorf("the host has %q", host.saved["token"])
	}
	host.err = errors.New("the disk is full: the next one")
	host.mu.Unlock()
	err := f.host.SaveSecret(t.Context(), "token", "another")
	if got := AsFault(err); got.Kind != FaultRetry || got.Origin != FromHost || strings.Contains(err.Error(), "disk") {
		t.Errorf("a host that cannot keep it: %+v", got)
	}
}

// Answers find who asked, and no wish is lost while there are few at once.
func TestManySecretsAtOnce(t *testing.T) {
	f := &full{}
	host := &secretHost{}
	opened(t, f, host, nil)
	var all sync.WaitGroup
	for _, name := range strings.Fields("a b c d e f g h") {
		all.Go(func() {
			if err := f.host.SaveSecret(t.Context(), name, "secret of "+name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for name, value := range host.saved {
		if value != "secret of "+name {
			t.Errorf("%s has %q", name, value)
		}
	}
	if len(host.saved) != 8 {
		t.Errorf("%d of 8 were saved", len(host.saved))
	}
}

func TestASecretThatNobodyHearsFails(t *testing.T) {
	r := &redactor{}
	a := newAttendance(r)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got := AsFault(a.SaveSecret(ctx, "token", "unheard")); got == nil || got.Reason != "NOT_ATTENDED" || got.Kind != FaultRetry {
		t.Errorf("got %+v", got)
	}
	if r.text("it is unheard") != "it is [secret]" {
		t.Error("a secret that was not saved is none to the log")
	}
}

func TestTheLogHoldsNoSecret(t *testing.T) {
	const secret = `p4ss"wörd/+&`
	log := &logged{heard: make(chan struct{}, 1)}
	f := &full{spec: Spec{ConfigSchema: schema}}
	r, stop, err := InProcess(f, log)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	config, _ := encode(map[string]any{"token": secret})
	c, err := r.Open(t.Context(), config, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := Logger(f.host).With("base", secret).WithGroup("request").With("id", 7)
	l.Warn("with "+secret, "header", map[string]any{"Authorization": []string{"Bearer " + secret}},
		"error", errors.New("refused "+secret), slog.Group("inner", "took", time.Second), "url", "https://x/?t=p4ss%22w%C3%B6rd%2F%2B%26")
	<-log.heard
	c.Close()
	text := log.text()
	for _, leak := range []string{"p4ss", "w\\u00f6rd", "%C3%B6"} {
		if strings.Contains(text, leak) {
			t.Errorf("%q leaked: %s", leak, text)
		}
	}
	for _, want := range []string{"WARN with [secret]", "base=[secret]", "id:7", "took:1s", "refused [secret]"} {
		if !strings.Contains(strings.ReplaceAll(text, "=", ":"), strings.ReplaceAll(want, "=", ":")) {
			t.Errorf("the log lacks %q: %s", want, text)
		}
	}
}

func TestFaultsHoldNoSecret(t *testing.T) {
	f := &full{
		check: func(context.Context) error { return Unauthorized("the token s3cr3t-t0ken is refused") },
		upsertFunc: func(context.Context, Batch) ([]Result, error) {
			return []Result{{Fault: InvalidRecord("s3cr3t-t0ken", "not with s3cr3t-t0ken")}}, nil
		},
	}
	c := opened(t, f, nil, nil)
	if err := c.Check(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("a call: %v", err)
	}
	results, err := c.Upsert(t.Context(), Batch{Items: []Item{{}}})
	if err != nil || strings.Contains(results[0].Fault.Error(), "s3cr3t") {
		t.Errorf("an item: %v, %v", results, err)
	}
}

func TestSecretsAreFoundWhereverTheyAreMarked(t *testing.T) {
	const nested = `{"type":"object","properties":{
		"plain":{"type":"string"},
		"auth":{"type":"object","oneOf":[
			{"properties":{"password":{"writeOnly":true}}},
			{"properties":{"key":{"type":"object","writeOnly":true,"properties":{"pem":{"type":"string"}}}}}]}},
		"if":{"properties":{"plain":{"const":"x"}}},"then":{"properties":{"pin":{"type":"number","writeOnly":true}}}}`
	got := secretsOf([]byte(nested), Config(`{"plain":"open","auth":{"password":"hunter22","key":{"pem":"-----"}},"pin":123456}`))
	if strings.Join(got, " ") != "----- hunter22 123456" && strings.Join(got, " ") != "hunter22 ----- 123456" {
		t.Errorf("got %q", got)
	}
	if got := secretsOf([]byte(`nonsense`), Config(`{`)); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

// A host that does not read its log is waited for by nobody; what was dropped is counted.
func TestALogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	a := newAttendance(&redactor{})
	me := &attended{lines: make(chan *logLine, 2), gone: make(chan struct{})}
	a.replace(nil, me)
	for range 5 {
		if !a.tell(&logLine{}) {
			t.Fatal("nobody attends")
		}
	}
	if a.dropped != 3 {
		t.Errorf("%d lines were dropped", a.dropped)
	}
	<-me.lines
	<-me.lines
	a.tell(&logLine{Message: "again"})
	if first := <-me.lines; !strings.Contains(first.Message, "dropped") || string(first.AttributesJson) != `{"count":3}` {
		t.Errorf("got %v", first)
	}
}

func TestLongTextsAreClipped(t *testing.T) {
	f := &full{check: func(context.Context) error { return Unsupported(strings.Repeat("ü", 4000) + "\xff") }}
	c := opened(t, f, nil, nil)
	if got := AsFault(c.Check(t.Context())); got.Kind != FaultUnsupported || len(got.Message) > longestText+4 {
		t.Errorf("%d bytes of %s", len(got.Message), got.Kind)
	}
}
