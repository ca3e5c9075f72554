package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keys is what `workspace create` prints and the demo's keys.json holds.
type keys struct {
	Workspace     string `json:"workspace"`
	AdminKey      string `json:"adminKey"`
	WriteKey      string `json:"writeKey"`
	MarketerKey   string `json:"marketerKey"`
	AnalystKey    string `json:"analystKey"`
	ComplianceKey string `json:"complianceKey"`
}

// server is a running headwater process.
type server struct {
	URL  string
	cmd  *exec.Cmd
	done chan error
	mu   sync.Mutex
	log  strings.Builder
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// command runs the binary to its end and returns what it printed.
func command(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "headwater %s: %s", strings.Join(args, " "), &stderr)
	return out
}

// shop makes a workspace in a new store and serves it.
func shop(t *testing.T) (*server, keys) {
	t.Helper()
	data := t.TempDir()
	var k keys
	require.NoError(t, json.Unmarshal(command(t, "workspace", "create", "e2e", "--data", data), &k))
	require.NotEmpty(t, k.Workspace)
	require.NotEmpty(t, k.AdminKey)
	require.NotEmpty(t, k.WriteKey)
	return start(t, time.Minute, "serve", "--addr", "127.0.0.1:0", "--data", data), k
}

// start runs the binary until the end of the test and waits until it is ready. The
// address is the first one that it prints.
func start(t *testing.T, patience time.Duration, args ...string) *server {
	t.Helper()
	return startProgram(t, binary, patience, args...)
}

// startProgram is start for another copy of the binary.
func startProgram(t *testing.T, program string, patience time.Duration, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(program, args...), done: make(chan error, 1)}
	pipe, w := io.Pipe()
	s.cmd.Stdout, s.cmd.Stderr = w, w
	require.NoError(t, s.cmd.Start())
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(pipe)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			if url := address.FindString(lines.Text()); url != "" {
				select {
				case found <- url:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, pipe)
	}()
	go func() {
		err := s.cmd.Wait()
		w.Close()
		s.done <- err
	}()
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("headwater %s printed:\n%s", strings.Join(args, " "), s.printed())
		}
	})
	select {
	case s.URL = <-found:
	case err := <-s.done:
		s.done <- err
		require.FailNow(t, "headwater ended before it gave an address", "%v\n%s", err, s.printed())
	case <-time.After(patience):
		require.FailNow(t, "headwater gave no address", s.printed())
	}
	require.Eventually(t, func() bool {
		res, err := http.Get(s.URL + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, patience, 50*time.Millisecond, "never ready")
	return s
}

// stop asks the process to end and demands that it does so well.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		s.done <- err
		if err != nil {
			t.Errorf("headwater did not end well: %v", err)
		}
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		t.Error("headwater did not end within 30 s of SIGTERM")
	}
}

func (s *server) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// query asks over GraphQL, demands an answer without errors and reads its data.
func (s *server) query(t *testing.T, key, query string, variables map[string]any, data any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(t, err)
	res := s.post(t, key, "application/json", string(body))
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", answer)
	var envelope struct {
		Data   json.RawMessage
		Errors json.RawMessage
	}
	require.NoError(t, json.Unmarshal(answer, &envelope), "%s", answer)
	require.Empty(t, string(envelope.Errors))
	require.NoError(t, json.Unmarshal(envelope.Data, data), "%s", answer)
}

// post sends a GraphQL request as a client that accepts the given media type.
func (s *server) post(t *testing.T, key, accept, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/graphql", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	if key != "" {
		req.Header.Set("Authorization", fmt.Sprintf("Bearer %s", key))
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	return res
}
