package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary a headwater too, so that the tests run, kill and
// race real processes of the code under test.
func TestMain(m *testing.M) {
	if os.Getenv("HEADWATER_TEST_RUN_MAIN") == "1" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"headwater": main})
}

// TestScripts runs the command line as a person would; each file of
// testdata/script is a session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// command prepares a headwater process.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HEADWATER_TEST_RUN_MAIN=1")
	return cmd
}

// headwater runs a command to its end and returns what it printed.
func headwater(t *testing.T, args ...string) string {
	t.Helper()
	out, code := headwaterCode(t, args...)
	require.Zero(t, code, out)
	return out
}

// headwaterCode is headwater for a command that may not work; standard error comes
// after standard output.
func headwaterCode(t *testing.T, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := command(ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return out.String() + errOut.String(), cmd.ProcessState.ExitCode()
}

// server is a running headwater process.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
}

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// serve starts a server and waits until it listens. It is killed when the test
// ends, if it still runs.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	return start(t, 30*time.Second, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
}

// start is serve for any command that says where it listens within a time.
func start(t *testing.T, limit time.Duration, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: command(context.Background(), args...), done: make(chan struct{})}
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.cmd.Stderr = lockedWriter{s}
	require.NoError(t, s.cmd.Start())
	t.Cleanup(s.kill)
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
		_ = s.cmd.Wait()
		close(s.done)
	}()
	select {
	case s.url = <-found:
	case <-s.done:
		t.Fatalf("server ended before it listened: %s", s.stderr())
	case <-time.After(limit):
		t.Fatalf("server did not listen: %s", s.stderr())
	}
	return s
}

type lockedWriter struct{ s *server }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.log.Write(b)
}

func (s *server) stderr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// kill ends the process with SIGKILL.
func (s *server) kill() {
	select {
	case <-s.done:
		return
	default:
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop asks the process to end and returns its exit code.
func (s *server) stop() int {
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("server did not stop: %s", s.stderr())
	}
	return s.cmd.ProcessState.ExitCode()
}

type workspaceKeys struct {
	Workspace string `json:"workspace"`
	AdminKey  string `json:"adminKey"`
	WriteKey  string `json:"writeKey"`
}

// newWorkspace makes a workspace on an embedded store.
func newWorkspace(t *testing.T, dir, name string) workspaceKeys {
	t.Helper()
	var k workspaceKeys
	require.NoError(t, json.Unmarshal([]byte(headwater(t, "workspace", "create", name, "--data", dir)), &k))
	require.NotEmpty(t, k.WriteKey)
	return k
}

// post sends a tracking body and returns the status and the answer.
func post(url, writeKey, body string) (int, string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(writeKey, "")
	return do(req)
}

func do(req *http.Request) (int, string, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// query runs a GraphQL operation and decodes its data.
func query(t *testing.T, url, key, text string, variables map[string]any, data any) {
	t.Helper()
	answer := ask(t, url, key, text, variables)
	var res struct {
		Data   json.RawMessage
		Errors []json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &res))
	require.Empty(t, res.Errors, answer)
	require.NoError(t, json.Unmarshal(res.Data, data))
}

// ask returns the answer to a query as it came, with its errors.
func ask(t *testing.T, url, key, text string, variables map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPost, url+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	status, answer, err := do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	return answer
}

// batchBody is a tracking batch of the given messages.
func batchBody(messages ...string) string {
	return fmt.Sprintf(`{"batch":[%s]}`, strings.Join(messages, ","))
}
