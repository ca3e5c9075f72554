package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// start serves a vendor that counts what it did and says by which address it was called.
func start(t *testing.T, windows ...sandbox.Window) (string, sandbox.Emulator, *atomic.Int32) {
	t.Helper()
	var done atomic.Int32
	desk := sandbox.NewDesk(windows...)
	e := sandbox.Emulator{
		Name: "vendor",
		Desk: desk,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			done.Add(1)
			sandbox.WriteJSON(w, http.StatusCreated, map[string]string{"base": sandbox.BaseURL(r), "path": r.URL.Path})
		}),
		Faults: map[sandbox.Kind]sandbox.Answer{
			sandbox.RateLimited: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
				sandbox.WriteJSON(w, http.StatusTooManyRequests, map[string]string{"form": "of the vendor", "variant": f.Variant})
			},
		},
	}
	srv := httptest.NewServer(sandbox.Mount(e))
	t.Cleanup(srv.Close)
	return srv.URL + "/vendor", e, &done
}

func call(t *testing.T, method, url, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(got)), err
}

func TestAFaultHappensAsOftenAsItWasSet(t *testing.T) {
	url, _, done := start(t)
	status, got, _ := call(t, "PUT", url+"/_sandbox/faults", `[{"kind":"rate_limited","path":"/api/","method":"post","after":1,"times":2,"variant":"x"}]`)
	if status != 200 {
		t.Fatal(status, got)
	}
	var statuses []int
	for range 4 {
		s, _, _ := call(t, "POST", url+"/api/things", "")
		statuses = append(statuses, s)
	}
	if s, _, _ := call(t, "GET", url+"/api/things", ""); s != 201 {
		t.Errorf("another method met the fault: %d", s)
	}
	if want := [4]int{201, 429, 429, 201}; [4]int(statuses) != want {
		t.Errorf("statuses are %v, want %v", statuses, want)
	}
	if done.Load() != 3 {
		t.Errorf("the vendor did %d things, want 3", done.Load())
	}
	if _, got, _ := call(t, "GET", url+"/_sandbox/faults", ""); got != "[]" {
		t.Errorf("faults left over: %s", got)
	}
}

func TestAnswersAreCutAndLostAfterTheWorkIsDone(t *testing.T) {
	url, e, done := start(t)
	if err := e.Desk.Faults.Add(sandbox.Fault{Kind: sandbox.Truncated, Times: 1}); err != nil {
		t.Fatal(err)
	}
	status, got, err := call(t, "POST", url+"/a", "")
	if status != 201 || err == nil || got == "" {
		t.Errorf("truncated: status %d, body %q, error %v; want 201, a piece, and an unexpected end", status, got, err)
	}
	if err := e.Desk.Faults.Add(sandbox.Fault{Kind: sandbox.ReplyLost, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if status, _, err = call(t, "POST", url+"/a", ""); err == nil {
		t.Errorf("lost: status %d and no error", status)
	}
	if done.Load() != 2 {
		t.Errorf("the vendor did %d things, want 2", done.Load())
	}
}

func TestAnEmulatorKnowsByWhichAddressItWasCalled(t *testing.T) {
	url, _, _ := start(t)
	_, got, _ := call(t, "GET", url+"/a/b", "")
	var said map[string]string
	if err := json.Unmarshal([]byte(got), &said); err != nil || said["base"] != url || said["path"] != "/a/b" {
		t.Errorf("said %s, want the base %s and the path /a/b", got, url)
	}
}

func TestAFaultsFileThatMeansNothingIsRefused(t *testing.T) {
	for _, bad := range []string{
		`{"hubspot":[{"kind":"no_such"}]}`, `{"hubspot":[{"kind":"slow"}]}`, `{"hubspot":[{"kid":"slow"}]}`,
		`{"hubspot":[{"kind":"server_error","status":404}]}`, `{"hubspot":[]} []`, `[]`, ``,
	} {
		if _, err := sandbox.ReadFaults(strings.NewReader(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	file, err := sandbox.ReadFaults(strings.NewReader(`{"hubspot":[{"kind":"slow","delayMs":5}],"twilio":[]}`))
	if err != nil || len(file["hubspot"]) != 1 {
		t.Errorf("read %v, %v", file, err)
	}
}

func TestWindows(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 900e6, time.UTC)
	l := sandbox.NewLimiter(sandbox.Window{Name: "second", Limit: 2, Every: time.Second},
		sandbox.Window{Name: "ten", Limit: 3, Every: 10 * time.Second, Rolling: true})
	for i, c := range []struct {
		after time.Duration
		spent string
		left  int
		retry time.Duration
	}{
		{0, "", 2, 0}, {0, "", 1, 0}, {0, "second", 1, 100 * time.Millisecond},
		{100 * time.Millisecond, "", 0, 0}, {time.Second, "ten", 0, 8900 * time.Millisecond},
		{8900 * time.Millisecond, "", 1, 0},
	} {
		at = at.Add(c.after)
		v := l.Take("k", at)
		if v.Spent != c.spent || v.States[1].Remaining != c.left || v.Retry != c.retry {
			t.Errorf("step %d: spent %q, %d left, retry %s; want %q, %d, %s", i, v.Spent, v.States[1].Remaining, v.Retry, c.spent, c.left, c.retry)
		}
	}
	if v := l.Take("other", at); v.Spent != "" || v.States[0].Remaining != 1 {
		t.Errorf("keys share a window: %+v", v)
	}
}

func TestWebhooksGoOutInOrderTwiceForgedAndStale(t *testing.T) {
	type got struct{ body, signedFor string }
	seen := make(chan got, 20)
	var refuse atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if refuse.CompareAndSwap(true, false) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		seen <- got{string(body), r.Header.Get("Signed-For")}
	}))
	defer srv.Close()
	desk := sandbox.NewDesk()
	send := func(body string) {
		desk.Outbox.Send(func(now time.Time) sandbox.Delivery {
			return sandbox.Delivery{URL: srv.URL, Body: []byte(body), Header: http.Header{"Signed-For": {now.Format(time.RFC3339)}}}
		})
	}
	refuse.Store(true)
	send("1")
	send("2")
	desk.Outbox.Flush()
	for _, kind := range []sandbox.Kind{sandbox.WebhookTwice, sandbox.WebhookForged, sandbox.WebhookStale} {
		if err := desk.Faults.Add(sandbox.Fault{Kind: kind, Times: 1}); err != nil {
			t.Fatal(err)
		}
		send(string(kind))
		desk.Outbox.Flush()
	}
	counts := desk.Outbox.Flush()
	close(seen)
	var bodies bytes.Buffer
	var last got
	for last = range seen {
		bodies.WriteString(last.body + ";")
	}
	if want := "1;2;webhook_twice;webhook_twice;webhook_forged ;webhook_stale;"; bodies.String() != want {
		t.Errorf("received %q, want %q", bodies.String(), want)
	}
	if signed, _ := time.Parse(time.RFC3339, last.signedFor); time.Since(signed) < 9*time.Minute {
		t.Errorf("the stale one was signed for %s", last.signedFor)
	}
	if counts != (sandbox.Deliveries{Delivered: 6, Refused: 1}) {
		t.Errorf("counts are %+v", counts)
	}
}
