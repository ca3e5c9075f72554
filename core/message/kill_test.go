package message_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

const (
	childStore = "HEADWATER_MESSAGE_TEST_STORE"
	childPost  = "HEADWATER_MESSAGE_TEST_POST"
	childCaps  = "HEADWATER_MESSAGE_TEST_CAPS"
)

// receiver is a vendor outside of the processes that are killed.
type receiver struct {
	mu   stdsync.Mutex
	keys map[string]int
}

// ServeHTTP implements http.Handler.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
	v.mu.Lock()
	v.keys[string(body)]++
	v.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond) // it is taken, and nobody knows
	_, _ = w.Write(body)
}

func (v *receiver) most() (n, keys int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.keys {
		n = max(n, c)
	}
	return n, len(v.keys)
}

// TestChild is a process that dispatches until it is killed.
func TestChild(t *testing.T) {
	path := os.Getenv(childStore)
	if path == "" {
		t.Skip("only as a process of another test")
	}
	lease = time.Second
	message.SetFlight(1500 * time.Millisecond)
	p := newPostman(strings.Fields(os.Getenv(childCaps))...)
	p.send = func(ctx context.Context, m sync.Message) (sync.Sent, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv(childPost), strings.NewReader(m.Key))
		if err != nil {
			return sync.Sent{}, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultUnknownOutcome, Origin: sync.FromVendor, Message: "lost"}
		}
		_ = resp.Body.Close()
		return sync.Sent{ID: m.Key}, nil
	}
	r := rigOver(t, openStore(t, path), p, core.SystemClock{})
	r.start()
	time.Sleep(5 * time.Minute)
}

func kills() int {
	if n, err := strconv.Atoi(os.Getenv("HEADWATER_KILLS")); err == nil {
		return n
	}
	if long() {
		return 50
	}
	return 5
}

func TestKilledInTheMiddle(t *testing.T) {
	for name, caps := range map[string]string{"dedupes": sync.DedupesSends, "does not": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killed(t, caps)
		})
	}
}

func killed(t *testing.T, caps string) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	path := t.TempDir() + "/hw.db"
	v := &receiver{keys: map[string]int{}}
	srv := httptest.NewServer(v)
	defer srv.Close()
	r := rigOver(t, openStore(t, path), newPostman(strings.Fields(caps)...), core.SystemClock{})
	r.setUp()
	people := 12 * kills()
	var ids []string
	for from := 0; from < people; from += 500 {
		var numbers []int
		for i := from; i < min(people, from+500); i++ {
			numbers = append(numbers, i)
		}
		ids = append(ids, r.persons(numbers)...)
	}
	var intents []message.Intent
	for i, id := range ids { // over some time, so that every kill hits some
		for range 3 {
			intents = append(intents, intent(id, func(in *message.Intent) {
				in.DueAt = time.Now().Add(time.Duration(i) * 25 * time.Millisecond)
			}))
		}
	}
	all := r.queue(intents...)
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=10m")
		cmd.Env = append(os.Environ(), childStore+"="+path, childPost+"="+srv.URL, childCaps+"="+caps)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	children := []*exec.Cmd{start(), start()}
	defer func() {
		for _, c := range children {
			kill(c)
		}
	}()
	left := func() int64 {
		n, err := r.Count(r.ctx, ws, message.Filter{Status: []message.Status{message.Pending, message.Handed, message.Deferred, message.Held}})
		require.NoError(t, err)
		return n
	}
	for n := range kills() { // each in the middle of some hand-offs
		_, before := v.most()
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, now := v.most(); now >= before+4 || left() == 0 {
				break
			}
		}
		time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
		kill(children[n%2])
		children[n%2] = start()
	}
	require.Eventually(t, func() bool { return left() == 0 }, time.Minute+time.Duration(kills())*time.Second, 50*time.Millisecond)
	count := map[message.Status]int{}
	for _, id := range all {
		m, err := message.Messages.Get(r.ctx, r.store, store.Key(ws, id))
		require.NoError(t, err)
		count[m.Status]++
		v.mu.Lock()
		n := v.keys[id]
		v.mu.Unlock()
		switch m.Status {
		case message.Sent:
			require.NotZero(t, n, "said to be sent")
		case message.Indeterminate:
			require.Empty(t, caps, "a channel that knows its keys leaves nothing open")
		default:
			require.Fail(t, fmt.Sprintf("%s %s", m.Status, m.Reason))
		}
		if caps == "" {
			require.LessOrEqual(t, n, 1, "twice at a vendor that does not know its keys")
		}
	}
	most, keys := v.most()
	t.Logf("%d kills: %v; %d keys, the most often %d times", kills(), count, keys, most)
	if caps != "" {
		require.Len(t, v.keys, len(all)) // each arrived, once for the vendor that dedupes
	}
}
