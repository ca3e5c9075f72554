package benchmark

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// Keys are what `headwater workspace create` prints.
type Keys struct {
	Workspace string `json:"workspace"`
	AdminKey  string `json:"adminKey"`
	WriteKey  string `json:"writeKey"`
}

// create makes a workspace on the store in dir, with the program itself.
func create(ctx context.Context, binary, dir string) (Keys, error) {
	var k Keys
	cmd := exec.CommandContext(ctx, binary, "workspace", "create", "bench", "--data", dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &k)
	}
	if err != nil {
		return k, fmt.Errorf("create a workspace: %w: %s", err, stderr.Bytes())
	}
	return k, nil
}

var listening = regexp.MustCompile(`https?://\S+`)

// start runs `headwater serve` on the store in dir and waits until it is ready.
func start(ctx context.Context, binary, dir string, k Keys) (*Server, error) {
	cmd := exec.Command(binary, "serve", "--data", dir, "--addr", "127.0.0.1:0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s := &Server{Keys: k, PID: cmd.Process.Pid}
	s.Stop = func() error { return stop(cmd) }
	r := bufio.NewReader(out)
	for s.URL == "" {
		line, err := r.ReadString('\n')
		if err != nil {
			_ = s.Stop()
			return nil, fmt.Errorf("start the server: it ended: %s", stderr.Bytes())
		}
		s.URL = listening.FindString(line)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := ready(ctx, s.URL); err != nil {
		_ = s.Stop()
		return nil, err
	}
	s.StartUp = time.Since(began)
	return s, nil
}

// ready waits for /readyz to say so.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at %s does not become ready: %w", url, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop asks the process to finish and, after half a minute, ends it.
func stop(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	t := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer t.Stop()
	return cmd.Wait()
}
