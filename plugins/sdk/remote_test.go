package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

var schema = json.RawMessage(`{"type":"object","properties":{"url":{"type":"string"},"token":{"type":"string","writeOnly":true}}}`)

// opened connects to a connector and opens it.
func opened(t *testing.T, f *full, host Host, log slog.Handler) *RemoteConnection {
	t.Helper()
	f.spec.ConfigSchema = schema
	r, stop, err := InProcess(f, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c, err := r.Open(t.Context(), Config(`{"url":"http://127.0.0.1","token":"s3cr3t-t0ken"}`), host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// grow sets everything in a value to something that is not zero.
func grow(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(*n), int64(*n)).UTC()))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{"n": json.Number(fmt.Sprint(*n)), "s": "ü\u2028<&>", "l": []any{nil, true}}))
		return
	case json.RawMessage, Config:
		v.SetBytes([]byte(`{"type":"object"}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d-漢", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 1000)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		grow(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			grow(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			grow(key, n)
			grow(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				grow(v.Field(i), n)
			}
		}
	default:
		panic("no value for " + v.Type().String())
	}
}

func grown[T any]() T {
	var v T
	n := 0
	grow(reflect.ValueOf(&v).Elem(), &n)
	return v
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// Every method, with every field of what goes and comes.
func TestEveryFieldTravels(t *testing.T) {
	f := &full{
		rate: grown[RateHint](), streams: grown[[]Stream](), pages: grown[[]Page](), received: grown[Received](),
		results: grown[[]Result](), list: grown[ListResult](), receipt: grown[EraseReceipt](), sent: grown[Sent](),
		delivery: grown[Delivery](), url: "https://vendor.test/authorize", secrets: grown[map[string]string](),
		stored: grown[Stored](), spec: grown[Spec](),
	}
	f.list.Results = f.results
	r, stop, err := InProcess(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	spec, err := r.Spec(t.Context())
	same(t, "Spec", spec, f.spec)
	same(t, "error of Spec", err, nil)
	config := grown[Config]()
	ctx, rates := WithRates(t.Context())
	c, err := r.Open(ctx, config, &secretHost{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Open", f.last(), config)
	same(t, "hint of Open", *rates.Last(), f.rate)
	same(t, "offers", c.Offers(), []Offer{OffersDiscover, OffersPull, OffersKept, OffersReceive, OffersUpsert, OffersLists, OffersForward,
		OffersConsents, OffersErase, OffersSend, OffersStatus, OffersAuthorize, OffersUpgrade})

	try := func(name string, in any, want any, call func(ctx context.Context) (any, error)) {
		t.Helper()
		ctx, rates := WithRates(t.Context())
		got, err := call(ctx)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		same(t, name+" in", f.last(), in)
		same(t, name+" out", got, want)
		if name != "Upgrade" && (rates.Last() == nil || *rates.Last() != f.rate) {
			t.Errorf("%s gave the hint %v", name, rates.Last())
		}
	}
	try("Check", nil, nil, func(ctx context.Context) (any, error) { return nil, c.Check(ctx) })
	try("Discover", nil, f.streams, func(ctx context.Context) (any, error) { return c.Discover(ctx) })
	from := grown[PullRequest]()
	try("Pull", from, f.pages, func(ctx context.Context) (any, error) {
		var pages []Page
		err := c.Pull(ctx, from, func(p Page) error { pages = append(pages, p); return nil })
		return pages, err
	})
	var kept []string
	for _, p := range f.pages {
		kept = append(kept, from.Stream+" "+string(p.Cursor))
	}
	same(t, "Kept", f.kept, kept)
	hook := grown[Webhook]()
	hook.Header = http.Header{"X-Sign": {"a", "b"}}
	try("Receive", hook, f.received, func(ctx context.Context) (any, error) { return c.Receive(ctx, hook) })
	batch := grown[Batch]()
	try("Upsert", batch, f.results, func(ctx context.Context) (any, error) { return c.Upsert(ctx, batch) })
	change := ListChange{List: "l", Name: "n", Add: grown[[]Item]()[:1], Remove: grown[[]Item]()[1:]}
	try("Members", change, f.list, func(ctx context.Context) (any, error) { return c.Members(ctx, change) })
	events := grown[[]Event]()
	try("Forward", events, f.results, func(ctx context.Context) (any, error) { return c.Forward(ctx, events) })
	consents := grown[[]ConsentChange]()
	try("SetConsents", consents, f.results, func(ctx context.Context) (any, error) { return c.SetConsents(ctx, consents) })
	subject := grown[Subject]()
	try("Erase", subject, f.receipt, func(ctx context.Context) (any, error) { return c.Erase(ctx, subject) })
	message := grown[Message]()
	try("Send", message, f.sent, func(ctx context.Context) (any, error) { return c.Send(ctx, message) })
	query := grown[StatusQuery]()
	try("Status", query, f.delivery, func(ctx context.Context) (any, error) { return c.Status(ctx, query) })
	ask := grown[AuthorizeRequest]()
	try("AuthorizeURL", ask, f.url, func(ctx context.Context) (any, error) { return c.AuthorizeURL(ctx, ask) })
	grant := grown[Grant]()
	try("Exchange", grant, f.secrets, func(ctx context.Context) (any, error) { return c.Exchange(ctx, grant) })
	stored := grown[Stored]()
	try("Upgrade", stored, f.stored, func(ctx context.Context) (any, error) { return c.Upgrade(ctx, stored) })
	if err := c.Close(); err != nil || f.closed != 1 {
		t.Errorf("Close: %v, closed %d times", err, f.closed)
	}
}

func TestFaultsArriveWhole(t *testing.T) {
	want := grown[Fault]()
	want.Kind = FaultQuota
	hint := RateHint{Limit: 7, Remaining: 1}
	f := &full{check: func(ctx context.Context) error {
		ReportRate(ctx, hint)
		return fmt.Errorf("checking: %w", &want)
	}}
	c := opened(t, f, nil, nil)
	ctx, rates := WithRates(t.Context())
	got := AsFault(c.Check(ctx))
	same(t, "fault", got, &want)
	if rates.Last() == nil || *rates.Last() != hint {
		t.Errorf("the hint beside a fault is %v", rates.Last())
	}
}

func TestAnErrorThatIsNoFaultKeepsItsText(t *testing.T) {
	const canary = "anna@example.org"
	log := &logged{}
	f := &full{check: func(context.Context) error { return errors.New("no such person: " + canary) }}
	c := opened(t, f, nil, log)
	err := c.Check(t.Context())
	if got := AsFault(err); got.Kind != FaultInternal || got.Origin != FromConnector {
		t.Errorf("got %+v", got)
	}
	c.Close()
	if strings.Contains(fmt.Sprint(err)+log.text(), canary) {
		t.Errorf("the text leaked: %v, %s", err, log.text())
	}
}

func TestPanicsAreFaults(t *testing.T) {
	const canary = "anna@example.org"
	log := &logged{heard: make(chan struct{}, 1)}
	f := &full{
		check:    func(context.Context) error { panic(canary) },
		sendFunc: func(context.Context, Message) (Sent, error) { panic(canary) },
	}
	c := opened(t, f, nil, log)
	err := c.Check(t.Context())
	if got := AsFault(err); got.Kind != FaultInternal || got.Origin != FromConnector || got.Reason != "PANIC" {
		t.Errorf("got %+v", got)
	}
	_, err = c.Send(t.Context(), Message{})
	if got := AsFault(err); got.Kind != FaultUnknownOutcome || got.Reason != "PANIC" {
		t.Errorf("a message perhaps sent: %+v", got)
	}
	if _, err := c.Discover(t.Context()); err != nil {
		t.Errorf("after the panic: %v", err)
	}
	<-log.heard
	if text := log.text(); strings.Contains(text+err.Error(), canary) || !strings.Contains(text, "remote_test.go") && !strings.Contains(text, "TestPanicsAreFaults") {
		t.Errorf("logged %s", text)
	}
}

func TestCancellationIsTold(t *testing.T) {
	ended := make(chan struct{})
	f := &full{upsertFunc: func(ctx context.Context, _ Batch) ([]Result, error) {
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}
	c := opened(t, f, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Upsert(ctx, Batch{Items: []Item{{}}})
	if got := AsFault(err); got.Kind != FaultUnknownOutcome || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v", got)
	}
	select {
	case <-ended:
	case <-time.After(time.Second):
		t.Error("the connector was not told")
	}
}

func TestCloseCancelsWhatRuns(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	f := &full{pullFunc: func(ctx context.Context, _ PullRequest, _ func(Page) error) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}}
	c := opened(t, f, nil, nil)
	go func() { ended <- c.Pull(context.Background(), PullRequest{}, func(Page) error { return nil }) }()
	<-started
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got := AsFault(<-ended); got.Reason != "CANCELLED" || got.Origin != FromHost {
		t.Errorf("got %+v", got)
	}
	if got := AsFault(c.Check(t.Context())); got.Reason != "NOT_OPEN" {
		t.Errorf("after Close: %+v", got)
	}
}

func TestEmitEndsThePull(t *testing.T) {
	stopped := make(chan struct{})
	f := &full{pullFunc: func(_ context.Context, _ PullRequest, emit func(Page) error) error {
		defer close(stopped)
		for {
			if err := emit(Page{Records: []Record{{ID: strings.Repeat("x", 4096)}}}); err != nil {
				return err
			}
		}
	}}
	c := opened(t, f, nil, nil)
	full := errors.New("the host has had enough")
	if err := c.Pull(t.Context(), PullRequest{}, func(Page) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	select {
	case <-stopped:
	case <-time.After(time.Second):
		t.Error("the connector goes on pulling")
	}
}

func TestTooManyOrTooFewResultsAreAFault(t *testing.T) {
	f := &full{results: []Result{{ID: "1"}}}
	c := opened(t, f, nil, nil)
	_, err := c.Upsert(t.Context(), Batch{Items: []Item{{}, {}}})
	if got := AsFault(err); got.Kind != FaultUnknownOutcome || got.Reason != "WRONG_NUMBER_OF_RESULTS" {
		t.Errorf("got %+v", got)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	f := &full{pages: []Page{{Records: []Record{{ID: strings.Repeat("x", MaxMessage)}}}}}
	c := opened(t, f, nil, nil)
	err := c.Pull(t.Context(), PullRequest{}, func(Page) error { return nil })
	if got := AsFault(err); got.Reason != "MESSAGE_TOO_LARGE" || got.Kind != FaultInternal {
		t.Errorf("a page: %+v", got)
	}
	_, err = c.Upsert(t.Context(), Batch{Items: []Item{{ID: strings.Repeat("x", MaxMessage)}}})
	if got := AsFault(err); got.Reason != "MESSAGE_TOO_LARGE" || got.Kind != FaultInternal {
		t.Errorf("a batch that did not go out: %+v", got)
	}
}

func TestOneConnectionAProcess(t *testing.T) {
	f := &full{}
	c := opened(t, f, nil, nil)
	if _, err := c.r.Open(t.Context(), Config(`{}`), nil); AsFault(err).Reason != "ALREADY_OPEN" {
		t.Errorf("got %v", err)
	}
}
